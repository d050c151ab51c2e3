/**
 * Room for an answer while it is made. What waits to be read by its caller is counted by the connection, but
 * only when the answer is complete, and before that many large ones at once would already be too much. The
 * lease takes room in the same budget first, and gives it back when the answer is handed over.
 *
 * @module
 */

import { DomainError, type NodeCallOptions } from "../../api/mod.ts";
import type { ByteBudget } from "../../http/mod.ts";

/** What arrives, and what waits to be read. */
export interface ExchangeRoom {
  readonly bodies: ByteBudget;
  readonly answers: ByteBudget;
}

/** What a method is called with. */
export interface MethodOptions extends NodeCallOptions {
  /** `undefined` for callers within the process. */
  readonly lease?: AnswerLease | undefined;
}

/** Smaller answers are counted when they are complete. */
const SMALL_BYTES_MAX = 64 * 1024;

/** See the module comment. */
export class AnswerLease {
  readonly #answers: ByteBudget;
  readonly #factor: number;
  #takenBytes = 0;

  /** @param factor bytes that making an answer takes for each byte of its values */
  constructor({ answers }: ExchangeRoom, factor: number) {
    this.#answers = answers;
    this.#factor = factor;
  }

  /**
   * Takes room for an answer with values of `bytes`.
   *
   * @throws {DomainError} `overloaded` when there is none
   */
  take(bytes: number): void {
    if (bytes <= SMALL_BYTES_MAX) return;
    const wanted = bytes * this.#factor;
    if (!this.#answers.take(wanted)) throw noRoomToAnswer(bytes);
    this.#takenBytes += wanted;
  }

  /** Gives everything back. */
  release(): void {
    if (this.#takenBytes === 0) return;
    this.#answers.release(this.#takenBytes);
    this.#takenBytes = 0;
  }
}

function noRoomToAnswer(bytes: number): DomainError {
  return new DomainError(
    { kind: "overloaded" },
    `Cannot answer with ${bytes} bytes of values: answers that nobody has read yet fill their share of memory ` +
      "(--memory-bytes): try again later, or read fewer keys at a time",
    "answers_full",
  );
}
