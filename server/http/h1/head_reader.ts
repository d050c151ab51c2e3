/**
 * Reads one head after the other from what has come. A head that comes in parts holds memory while the rest
 * is waited for: above a small size it has its place in the budget of bodies, or is refused.
 *
 * @module
 */

import type { ByteBudget, HttpContext } from "../mod.ts";
import type { InputBuffer } from "./input_buffer.ts";
import { type HeadFault, HeadScanner, originIn, type ParsedHead, RecentHead } from "./message/mod.ts";

/** What a part of a head may hold without a place in the budget: most heads are smaller. */
const FREE_BYTES = 8_192;

/** See the module comment. */
export class HeadReader {
  readonly #input: InputBuffer;
  readonly #recent: RecentHead;
  readonly #scanner: HeadScanner;
  readonly #budget: ByteBudget;
  #reservedBytes = 0;
  #isPartial = false;

  constructor(input: InputBuffer, scheme: "http" | "https", { limits, bodies }: HttpContext) {
    this.#input = input;
    this.#recent = new RecentHead(scheme);
    this.#scanner = new HeadScanner(limits.headBytesMax);
    this.#budget = bodies;
  }

  /** Whether a head has begun and needs more bytes. */
  get isPartial(): boolean {
    return this.#isPartial;
  }

  /** Reads the head that the input begins with, which is not empty, and moves behind it if it is one. */
  next(): ParsedHead | HeadFault | "more" | "noRoom" {
    const { bytes, at } = this.#input;
    const again = this.#isPartial ? undefined : this.#recent.again(bytes, at);
    if (again !== undefined) {
      this.#input.moveTo(at + this.#recent.length);
      return again;
    }
    const length = this.#scanner.scan(bytes, at);
    this.#isPartial = length === 0;
    if (length === 0) return this.#keepsPart() ? "more" : "noRoom";
    this.release();
    if (typeof length !== "number") return length;
    const start = at + this.#scanner.requestLine;
    const parsed = this.#recent.read(bytes, start, at + length);
    if (parsed.kind === "fault") return parsed;
    this.#scanner.reset();
    this.#input.moveTo(at + length);
    return parsed;
  }

  /** Of the head that the input begins with, which was refused, or is not complete: see `originIn`. */
  origin(): string | null {
    const { bytes, at } = this.#input;
    return originIn(bytes, at + this.#scanner.requestLine);
  }

  /** Gives the place back: the connection reads no further heads. */
  release(): void {
    if (this.#reservedBytes > 0) this.#budget.release(this.#reservedBytes);
    this.#reservedBytes = 0;
  }

  #keepsPart(): boolean {
    const { heldBytes } = this.#input;
    const wantedBytes = heldBytes - this.#reservedBytes;
    if (heldBytes <= FREE_BYTES || wantedBytes <= 0) return true;
    if (!this.#budget.take(wantedBytes)) return false;
    this.#reservedBytes += wantedBytes;
    return true;
  }
}
