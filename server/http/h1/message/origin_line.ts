/**
 * The page that is told why its head was refused: the `Origin` of a head that is malformed, too large or not
 * complete. It decides nothing but who may read the refusal, which says nothing of the node, so it is read as
 * it stands, however wrong the rest of the head may be.
 *
 * @module
 */

import { latinText, startsWithWord } from "./field_table.ts";

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const NAME = "origin:";

/**
 * The value of `Origin`, if the head that begins at `start` has one such line and all of that is there.
 *
 * @param bytes the head as far as it was read, and perhaps what stands behind it
 */
export function originIn(bytes: Uint8Array, start: number): string | null {
  let found: string | null = null;
  for (let at = lineBehind(bytes, start); at > 0; at = lineBehind(bytes, at)) {
    if (bytes[at] === CARRIAGE_RETURN || bytes[at] === LINE_FEED) break;
    const end = bytes.indexOf(LINE_FEED, at);
    if (end < 0) break;
    if (!startsWithWord(bytes, at, NAME)) continue;
    if (found !== null) return null;
    found = latinText(bytes, at + NAME.length, end).trim();
  }
  return found;
}

/** Where the line behind the one at `at` begins; 0 if that has not ended. */
function lineBehind(bytes: Uint8Array, at: number): number {
  return bytes.indexOf(LINE_FEED, at) + 1;
}
