/**
 * The one error of the core. What may go wrong in operation is a value (`Refusal`, a refused message); what
 * is thrown here must never happen, and a node that sees it stops.
 *
 * @module
 */

/**
 * A promise of consensus is broken: by a bug, or by a disk that lost what it had confirmed. The node must
 * stop.
 */
export class InvariantViolation extends Error {
  /** Stable, for logs and metrics. */
  readonly code = "INVARIANT_VIOLATION";
  /** Repeating cannot help. */
  readonly retryable = false;

  constructor(message: string) {
    super(message);
    this.name = "InvariantViolation";
  }
}
