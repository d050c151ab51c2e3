/**
 * Keys as JavaScript strings with one character per byte. They hash well in a `Map` and compare in byte order
 * with `<`, which typed arrays do not.
 *
 * @module
 */

/** Bytes that become characters with one call; handing over a list of them costs several times as much. */
const STEP = 16;

/** The byte string of `bytes[start … end)`. */
export function byteString(bytes: Uint8Array, start = 0, end = bytes.length): string {
  let text = "";
  let at = start;
  for (; at + STEP <= end; at += STEP) text += stepOf(bytes, at);
  for (; at < end; at++) text += String.fromCharCode(bytes[at]!);
  return text;
}

/** The bytes that {@linkcode byteString} made `text` of. */
export function stringBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

function stepOf(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(
    bytes[at]!,
    bytes[at + 1]!,
    bytes[at + 2]!,
    bytes[at + 3]!,
    bytes[at + 4]!,
    bytes[at + 5]!,
    bytes[at + 6]!,
    bytes[at + 7]!,
    bytes[at + 8]!,
    bytes[at + 9]!,
    bytes[at + 10]!,
    bytes[at + 11]!,
    bytes[at + 12]!,
    bytes[at + 13]!,
    bytes[at + 14]!,
    bytes[at + 15]!,
  );
}
