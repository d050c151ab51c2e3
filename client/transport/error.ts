/**
 * What a caller of the client can meet. One class with a stable `code`, one for a precondition that does not
 * hold; wrong arguments are the built-in `TypeError` and `RangeError`, an aborted call rejects with its
 * signal's reason.
 *
 * @module
 */

/** Connect's code names (the contract's error table), and `closed` for a client that has been closed. */
export type ErrorCode =
  | "canceled"
  | "unknown"
  | "invalid_argument"
  | "deadline_exceeded"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "resource_exhausted"
  | "failed_precondition"
  | "aborted"
  | "out_of_range"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "data_loss"
  | "unauthenticated"
  | "closed";

const RETRYABLE_CODES: ReadonlySet<ErrorCode> = new Set([
  "unavailable",
  "resource_exhausted",
  "aborted",
  "deadline_exceeded",
]);

/** Thrown by every method of the client when the cluster could not do what was asked. */
export class PrkDbError extends Error {
  override readonly name: string = "PrkDbError";
  readonly code: ErrorCode;
  /**
   * Whether the same call may succeed later. The client has then already retried as often as it was allowed
   * to. A write that failed with `deadline_exceeded` or `aborted` may or may not have taken effect.
   */
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.retryable = RETRYABLE_CODES.has(code);
  }
}

/**
 * `error` with the stack of whoever calls this. A call ends in an answer that many share, far from where it
 * was made; a public method that rethrows with this shows the line that is waiting for it.
 */
export function atCaller(error: unknown): unknown {
  // Not every browser has it; there the stack stays that of the place where the error was made.
  if (error instanceof PrkDbError) Error.captureStackTrace?.(error, atCaller);
  return error;
}

/** The error of every call after the client has been closed. */
export function closedError(): PrkDbError {
  return new PrkDbError(
    "closed",
    "Cannot make a call: this client is closed. Open another one with PrkDbClient.connect",
  );
}

/** The key was not as the write demanded; nothing has been changed. Its code is `failed_precondition`. */
export class PreconditionError extends PrkDbError {
  override readonly name = "PreconditionError";
  /**
   * The version the key is at, 0 when there is no such key; `undefined` where the node does not say, which is
   * the case for mutations of a batch.
   */
  readonly currentVersion: number | undefined;

  constructor(message: string, currentVersion: number | undefined) {
    super("failed_precondition", message);
    this.currentVersion = currentVersion;
  }
}

/**
 * An increment of a key that holds something else than a whole number in decimal text, or whose new number
 * would be out of range; nothing has been changed. Its code is `failed_precondition`.
 */
export class NotANumberError extends PrkDbError {
  override readonly name = "NotANumberError";

  constructor(message: string) {
    super("failed_precondition", message);
  }
}

/**
 * Nodes answer, but their cluster is not founded yet: too few of its first nodes run, or they have only just
 * started. Its code is `unavailable`.
 */
export class NotFoundedError extends PrkDbError {
  override readonly name = "NotFoundedError";

  constructor(message: string, options?: ErrorOptions) {
    super("unavailable", message, options);
  }
}
