/**
 * The fields of a head as ranges in its bytes. Most requests are answered after a look at two or three of
 * their fields, so names and values become strings when somebody asks for them.
 *
 * @module
 */

import type { HeaderFields } from "../../mod.ts";

/** Numbers that a field takes among the ranges: start and end of its name, start and end of its value. */
export const RANGE_STEP = 4;

const decoder = new TextDecoder();
/** Characters that are made with one call. */
const PIECE_LENGTH = 4_096;
/** Texts that are remembered: so many, a power of two, each this long at most. */
const RECENT_PLACES = 256;
const RECENT_LENGTH_MAX = 64;
const RECENT: string[] = Array(RECENT_PLACES).fill("");
const HASH_FACTOR = 31;

/** See the module comment. */
export class FieldTable implements HeaderFields {
  readonly #bytes: Uint8Array;
  readonly #ranges: number[];

  /**
   * @param bytes holds the head; names are tokens, values have no white space around them
   * @param ranges {@linkcode RANGE_STEP} places in `bytes` for every field; taken over
   */
  constructor(bytes: Uint8Array, ranges: number[]) {
    this.#bytes = bytes;
    this.#ranges = ranges;
  }

  get(name: string): string | null {
    const bytes = this.#bytes;
    const ranges = this.#ranges;
    let found: string | null = null;
    for (let at = 0; at < ranges.length; at += RANGE_STEP) {
      const start = ranges[at]!;
      if (ranges[at + 1]! - start !== name.length || !startsWithWord(bytes, start, name)) continue;
      const value = latinText(bytes, ranges[at + 2]!, ranges[at + 3]!);
      found = found === null ? value : `${found}, ${value}`;
    }
    return found;
  }

  *[Symbol.iterator](): Generator<readonly [name: string, value: string]> {
    const ranges = this.#ranges;
    for (let at = 0; at < ranges.length; at += RANGE_STEP) {
      const name = latinText(this.#bytes, ranges[at]!, ranges[at + 1]!).toLowerCase();
      yield [name, latinText(this.#bytes, ranges[at + 2]!, ranges[at + 3]!)];
    }
  }
}

/** Whether `word`, in lower case, stands at `start`; in `bytes` its letters may be of either case. */
export function startsWithWord(bytes: Uint8Array, start: number, word: string): boolean {
  for (let at = 0; at < word.length; at++) {
    const byte = bytes[start + at]!;
    if ((byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte) !== word.charCodeAt(at)) return false;
  }
  return true;
}

/**
 * The bytes from `start` to `end` as characters, one each (ISO 8859-1). Short texts that were asked for
 * lately are the same string again: requests repeat themselves, and comparing is many times cheaper than
 * making one.
 */
export function latinText(bytes: Uint8Array, start: number, end: number): string {
  let hash = end - start;
  let highest = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    hash = Math.imul(hash, HASH_FACTOR) + byte;
    highest |= byte;
  }
  if (end - start > RECENT_LENGTH_MAX) return madeText(bytes, start, { end, isAscii: highest < 0x80 });
  const place = hash & (RECENT_PLACES - 1);
  const recent = RECENT[place]!;
  if (isText(bytes, start, { end, text: recent })) return recent;
  return RECENT[place] = madeText(bytes, start, { end, isAscii: highest < 0x80 });
}

function isText(
  bytes: Uint8Array,
  start: number,
  { end, text }: { readonly end: number; readonly text: string },
): boolean {
  if (text.length !== end - start) return false;
  for (let at = 0; at < text.length; at++) {
    if (text.charCodeAt(at) !== bytes[start + at]) return false;
  }
  return true;
}

function madeText(
  bytes: Uint8Array,
  start: number,
  { end, isAscii }: { readonly end: number; readonly isAscii: boolean },
): string {
  if (isAscii) return decoder.decode(bytes.subarray(start, end));
  let text = "";
  for (let at = start; at < end; at += PIECE_LENGTH) {
    text += String.fromCharCode(...bytes.subarray(at, Math.min(end, at + PIECE_LENGTH)));
  }
  return text;
}
