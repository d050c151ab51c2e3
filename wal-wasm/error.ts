/**
 * What can go wrong with a log. Each error has a stable `code`; none of them is retryable, as after a failed
 * write or sync nobody knows what the disk holds.
 *
 * @module
 */

/** Stable names of the errors. */
export type WalErrorCode =
  /** An earlier write or sync failed; `cause` is that first error. */
  | "WAL_POISONED"
  /** The log was closed, or is not open for this yet. */
  | "WAL_STATE"
  /** Another process uses the directory. */
  | "WAL_LOCKED"
  /** A segment is missing, or belongs to another place, node or cluster; `path` and `offset` say where. */
  | "WAL_FOREIGN_SEGMENT"
  /** The log that must be there is gone; nothing was touched. */
  | "WAL_MISSING"
  /** Another log is there than must be; nothing was touched. */
  | "WAL_OTHER_LOG";

/** Where in which file something is wrong. */
export interface WalErrorPlace {
  readonly path: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
}

/** Thrown by everything in this room that is not a wrong argument. */
export class WalError extends Error {
  override readonly name = "WalError";
  readonly code: WalErrorCode;
  readonly retryable = false;
  readonly place: WalErrorPlace | undefined;

  constructor(
    code: WalErrorCode,
    message: string,
    options?: { readonly cause?: unknown; readonly place?: WalErrorPlace },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.place = options?.place;
  }
}

/** The error of every call after `cause` has poisoned the log. */
export function poisonedError(cause: unknown): WalError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new WalError("WAL_POISONED", `Cannot use the log as an earlier call failed: ${message}`, { cause });
}

/** A segment that must not be there, or not be missing. */
export function foreignSegment(place: WalErrorPlace, why: string): WalError {
  const message = `Cannot recover the log at ${place.path} offset ${place.offset} as ${why}`;
  return new WalError("WAL_FOREIGN_SEGMENT", message, { place });
}

/** Thrown when the program itself is wrong: the log must not go on. */
export class WalInvariantViolation extends Error {
  override readonly name = "InvariantViolation";
  readonly code = "INVARIANT";
  readonly retryable = false;
}

/**
 * Asserts what must always hold.
 *
 * @throws {InvariantViolation} when it does not
 */
export function walInvariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new WalInvariantViolation(message);
}
