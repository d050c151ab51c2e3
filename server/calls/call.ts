/**
 * A client's call on its way through the node loop: the part of it that concerns one partition, and where the
 * result goes. A call is settled exactly once.
 *
 * @module
 */

import type { DomainError, ReadConsistency, ReadResult } from "../api/mod.ts";
import type { Outcome } from "../kv/mod.ts";

/** A result, or why there is none. */
export type CallResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: DomainError };

interface CallBase<T> {
  readonly partitionId: number;
  /** By the node's monotonic clock. */
  readonly deadlineMs: number;
  /**
   * Whether another node may be asked: not when the caller forbids it, nor when this node was itself asked.
   */
  readonly mayForward: boolean;
  readonly settle: (result: CallResult<T>) => void;
}

/** One encoded command for one partition. */
export interface WriteCall extends CallBase<Outcome> {
  readonly kind: "write";
  readonly command: Uint8Array;
}

/** Keys of one partition. */
export interface ReadCall extends CallBase<readonly ReadResult[]> {
  readonly kind: "read";
  readonly keys: readonly Uint8Array[];
  readonly consistency: ReadConsistency;
  readonly maxStalenessMs: number;
}

/** Either. */
export type Call = WriteCall | ReadCall;

/** A call on its way to the node's loop. */
export interface CallInput {
  readonly kind: "call";
  readonly call: Call;
}

/** Where calls wait for the loop: the node's inbox. */
export interface CallInbox {
  push(input: CallInput): void;
}

/** Settles any call with an error. */
export function failCall(call: Call, error: DomainError): void {
  call.settle({ ok: false, error });
}
