/**
 * Values as text. Nothing is repaired or left out on the way: a leading byte order mark belongs to the text,
 * and bytes that are not UTF-8 are an error, because U+FFFD in their place would be something else than what
 * was stored.
 *
 * @module
 */

/** A leading U+FEFF is part of what was stored. */
const exact = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A byte order mark in front of JSON is no part of it (RFC 8259, section 8.1). */
const withoutMark = new TextDecoder("utf-8", { fatal: true });

/**
 * The text of `value`.
 *
 * @throws {TypeError} when it is not UTF-8
 */
export function textOf(value: Uint8Array): string {
  return decode(exact, value);
}

/**
 * `value` parsed as JSON.
 *
 * @throws {TypeError} when it is not UTF-8
 * @throws {SyntaxError} when it is not JSON
 */
export function jsonOf(value: Uint8Array): unknown {
  return JSON.parse(decode(withoutMark, value));
}

function decode(decoder: TextDecoder, value: Uint8Array): string {
  try {
    return decoder.decode(value);
  } catch (cause) {
    throw new TypeError("Cannot read this value as text: its bytes are not UTF-8. Read them with get", {
      cause,
    });
  }
}
