/**
 * Finds the end of a request's head in bytes that come in pieces, without looking at any byte twice, however
 * the pieces are cut. Lines that do not end in CR LF are refused here, before anything of them is believed.
 *
 * A head that is a little too large is read to its end before it is refused: browsers put `Origin` behind
 * what a page can make large, and without it the page cannot be told.
 *
 * @module
 */

import { badRequest, type HeadFault, headTooLarge } from "./head_fault.ts";

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
/** Bytes above the limit in which the end of a head is waited for. */
export const HEAD_SURPLUS_BYTES = 16_384;
const BARE_LINE_FEED = badRequest("a line of the head must end in CR LF: there is a bare LF");

/** See the module comment. One for a connection; {@linkcode HeadScanner.reset} before each head. */
export class HeadScanner {
  readonly #limitBytes: number;
  /** All of these count from the first byte of the head. */
  #at = 0;
  #lineStart = 0;
  #requestLine = 0;

  /** @param limitBytes bytes of a head with its last line */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Where the request line begins, once the end was found: empty lines before it do not count. */
  get requestLine(): number {
    return this.#requestLine;
  }

  reset(): void {
    this.#at = 0;
    this.#lineStart = 0;
    this.#requestLine = 0;
  }

  /**
   * Looks for the empty line that ends the head.
   *
   * @param bytes holds the head from `start` on, as far as it has come; more of it with every call
   * @returns bytes of the head, 0 if its end has not come yet
   */
  scan(bytes: Uint8Array, start: number): number | HeadFault {
    for (;;) {
      const lineFeed = bytes.indexOf(LINE_FEED, start + this.#at) - start;
      const seen = lineFeed < 0 ? bytes.length - start : lineFeed + 1;
      if (seen > this.#limitBytes + HEAD_SURPLUS_BYTES) return headTooLarge(this.#limitBytes);
      if (lineFeed < 0) {
        this.#at = seen;
        return 0;
      }
      const lineEnd = lineFeed - 1;
      if (lineEnd < this.#lineStart || bytes[start + lineEnd] !== CARRIAGE_RETURN) return BARE_LINE_FEED;
      const isEmpty = lineEnd === this.#lineStart;
      const isBeforeRequest = this.#lineStart === this.#requestLine;
      this.#at = lineFeed + 1;
      this.#lineStart = this.#at;
      if (!isEmpty) continue;
      if (!isBeforeRequest) return this.#at > this.#limitBytes ? headTooLarge(this.#limitBytes) : this.#at;
      // RFC 9112, section 2.2: clients that are old put an empty line behind a body.
      this.#requestLine = this.#at;
    }
  }
}
