/**
 * What clients want done to the state machine, as plain data.
 *
 * @module
 */

/** The condition under which a mutation may be applied. */
export type Precondition =
  | { readonly kind: "absent" }
  /** The key must be at this version; 0 is the same as `absent`. */
  | { readonly kind: "version"; readonly version: number }
  | { readonly kind: "exists" };

/**
 * One change of one key. `ttlMs` is how long the key lasts from now on, in replicated time, up to
 * `TTL_MS_MAX`; a put with 0 never expires.
 */
export type Mutation =
  | {
    readonly kind: "put";
    readonly key: Uint8Array;
    readonly value: Uint8Array;
    readonly ttlMs: number;
    readonly precondition: Precondition | undefined;
  }
  | { readonly kind: "delete"; readonly key: Uint8Array; readonly precondition: Precondition | undefined }
  /** With `ttlMs` 0 the key expires when it would have; one that has expired begins anew, and never does. */
  | {
    readonly kind: "increment";
    readonly key: Uint8Array;
    /** A number as `whole_number.ts` has it. */
    readonly by: string;
    readonly ttlMs: number;
    readonly precondition: Precondition | undefined;
  }
  /**
   * Removes the key if its time is reached, else does nothing: it may have been written anew since it was
   * found to be due. Never a client's; the leader of its partition proposes it.
   */
  | { readonly kind: "expire"; readonly key: Uint8Array; readonly precondition?: undefined };

/** Names a write, so that a retry takes effect once. */
export interface RequestId {
  /** 16 hexadecimal digits, not all zero. */
  readonly clientId: string;
  /** From 1, growing. */
  readonly sequence: number;
  /** No sequence below this one will be asked about again. */
  readonly acknowledgedBelow: number;
}
