/**
 * A checker that finds a broken promise tells the judge; the run ends with the first complaint.
 *
 * @module
 */

/** The cluster, or one of the checkers, has broken a promise. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/** See the module comment. */
export class Judge {
  #first: Violation | undefined;

  /** The first complaint. */
  get verdict(): Violation | undefined {
    return this.#first;
  }

  fail(message: string, cause?: unknown): void {
    const reason = cause instanceof Error ? `: ${cause.stack ?? cause.message}` : "";
    this.#first ??= new Violation(message + reason, { cause });
  }
}
