/**
 * The body of a whole request while it comes: what has come has its place in the budget, or is refused; it
 * never waits for another body to end. A length that is only announced reserves nothing: a few heads would
 * keep everybody else out. A small body in one piece is taken even where there is no room.
 *
 * @module
 */

import { type ByteBudget, UNCOUNTED_BODY_BYTES_MAX } from "../mod.ts";

const EMPTY = new Uint8Array();
const CAPACITY_BYTES_MIN = 1_024;

/** What became of a piece. */
export type BodyVerdict = "taken" | "tooLarge" | "noRoom";

/** See the module comment. {@linkcode BodyBuffer.release} must be called once. */
export class BodyBuffer {
  readonly #budget: ByteBudget;
  readonly #limitBytes: number;
  #reservedBytes = 0;
  #buffer: Uint8Array = EMPTY;
  #length = 0;
  /** Bytes of the whole body, `undefined` if that is not known. */
  #declaredBytes: number | undefined;

  constructor(budget: ByteBudget, limitBytes: number) {
    this.#budget = budget;
    this.#limitBytes = limitBytes;
  }

  /** Expects a body of `declaredBytes`, `undefined` if nobody knows how long it will be. */
  open(declaredBytes: number | undefined): BodyVerdict {
    this.#declaredBytes = declaredBytes;
    return declaredBytes !== undefined && declaredBytes > this.#limitBytes ? "tooLarge" : "taken";
  }

  /** Adds what came next. A body that comes in one piece is used where it lies. */
  add(piece: Uint8Array): BodyVerdict {
    const length = this.#length + piece.length;
    if (length > this.#limitBytes) return "tooLarge";
    if (this.#length === 0 && piece.length === this.#declaredBytes) {
      if (!this.#reserve(piece.length) && piece.length > UNCOUNTED_BODY_BYTES_MAX) return "noRoom";
      this.#buffer = piece;
      this.#length = length;
      return "taken";
    }
    if (length > this.#buffer.length && !this.#grow(length)) return "noRoom";
    this.#buffer.set(piece, this.#length);
    this.#length = length;
    return "taken";
  }

  /** The whole body. */
  get bytes(): Uint8Array {
    return this.#length === this.#buffer.length ? this.#buffer : this.#buffer.subarray(0, this.#length);
  }

  /** Gives the place back. */
  release(): void {
    if (this.#reservedBytes > 0) this.#budget.release(this.#reservedBytes);
    this.#reservedBytes = 0;
  }

  /** Doubles, so that many small pieces cost no more copying than a few large ones. */
  #grow(length: number): boolean {
    const doubled = Math.max(CAPACITY_BYTES_MIN, 2 * length);
    const capacity = Math.min(doubled, this.#declaredBytes ?? this.#limitBytes);
    if (!this.#reserve(capacity - this.#reservedBytes)) return false;
    const grown = new Uint8Array(capacity);
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
    return true;
  }

  #reserve(bytes: number): boolean {
    if (bytes <= 0) return true;
    if (!this.#budget.take(bytes)) return false;
    this.#reservedBytes += bytes;
    return true;
  }
}
