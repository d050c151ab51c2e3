/**
 * Heads as a connection reads them: each owns its bytes, so that the block that it came in may go, and the
 * last one is remembered. A client sends the same bytes again and again, and the same bytes mean the same.
 *
 * @module
 */

import type { HeadFault } from "./head_fault.ts";
import { type ParsedHead, parseHead } from "./head_parser.ts";

/** Longer heads are not remembered: every connection holds one. */
const REMEMBERED_BYTES_MAX = 512;

/** See the module comment. */
export class RecentHead {
  readonly #scheme: "http" | "https";
  #bytes: Uint8Array | undefined;
  #parsed: ParsedHead | undefined;

  constructor(scheme: "http" | "https") {
    this.#scheme = scheme;
  }

  /** Bytes of the head that is remembered. */
  get length(): number {
    return this.#bytes?.length ?? 0;
  }

  /** What the remembered head means, if its bytes stand at `at`; they are a whole head then. */
  again(bytes: Uint8Array, at: number): ParsedHead | undefined {
    const known = this.#bytes;
    if (known === undefined || bytes.length - at < known.length) return undefined;
    for (let offset = 0; offset < known.length; offset++) {
      if (bytes[at + offset] !== known[offset]) return undefined;
    }
    return this.#parsed;
  }

  /**
   * Reads a head, and remembers it if it is not too long.
   *
   * @param start of the request line
   * @param end behind the empty line
   */
  read(bytes: Uint8Array, start: number, end: number): ParsedHead | HeadFault {
    const own = bytes.slice(start, end);
    const parsed = parseHead(own, { start: 0, end: own.length, scheme: this.#scheme });
    if (parsed.kind === "head" && own.length <= REMEMBERED_BYTES_MAX) {
      this.#bytes = own;
      this.#parsed = parsed;
    }
    return parsed;
  }
}
