/**
 * Keys as JavaScript strings of one character a byte. They hash well in a `Map` and compare in byte order
 * with `<`, which typed arrays do not.
 *
 * @module
 */

/** The byte string of `bytes[start … end)`; at most 65,536 bytes, so that they fit one call's arguments. */
export function byteString(bytes: Uint8Array, start = 0, end = bytes.length): string {
  return String.fromCharCode.apply(null, bytes.subarray(start, end) as unknown as number[]);
}

/** The bytes of a byte string. */
export function bytesOfString(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}
