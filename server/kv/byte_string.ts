/**
 * Keys as JavaScript strings with one character per byte. They hash well in a `Map` and compare in byte order
 * with `<`, which typed arrays do not.
 *
 * @module
 */

/** The byte string of `bytes[start … end)`; at most 65,536 bytes, so that they fit one call's arguments. */
export function byteString(bytes: Uint8Array, start = 0, end = bytes.length): string {
  return String.fromCharCode.apply(null, bytes.subarray(start, end) as unknown as number[]);
}
