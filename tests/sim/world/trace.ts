/**
 * What happened, as one number that two runs can be compared by, and as the last lines for the report
 * of a failure.
 *
 * @module
 */

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** Lines kept for the report of a failure. */
const LINES_MAX = 60;

/** See the module comment. */
export class Trace {
  #hash = FNV_OFFSET;
  readonly #lines: { readonly atMs: number; readonly what: string }[] = [];
  readonly #keepsAll: boolean;
  #nowMs = 0;

  /** @param keepsAll keep every line, to print them */
  constructor(keepsAll: boolean) {
    this.#keepsAll = keepsAll;
  }

  /** Two runs that did the same have the same; an unsigned number of 32 bits. */
  get hash(): number {
    return this.#hash >>> 0;
  }

  /** All lines, or the last ones, oldest first. */
  get lines(): readonly string[] {
    return this.#lines.map(({ atMs, what }) => `${atMs.toFixed(3)} ${what}`);
  }

  /** Notes that an event begins. */
  event(nowMs: number, what: string): void {
    this.#nowMs = nowMs;
    this.#mix(Math.round(nowMs * 1_000));
    this.note(what);
  }

  /** Notes something that happened within the event. */
  note(what: string): void {
    for (let at = 0; at < what.length; at++) this.#mix(what.charCodeAt(at));
    this.#lines.push({ atMs: this.#nowMs, what });
    if (!this.#keepsAll && this.#lines.length >= 2 * LINES_MAX) this.#lines.splice(0, LINES_MAX);
  }

  /** Takes bytes into the number without keeping them. */
  bytes(content: Uint8Array): void {
    for (let at = 0; at < content.length; at++) this.#mix(content[at]!);
  }

  #mix(value: number): void {
    this.#hash = Math.imul(this.#hash ^ value, FNV_PRIME);
  }
}
