/**
 * How keys and values appear on the command line and in its output: as text, or as hexadecimal digits or
 * base64 for bytes that are no text.
 *
 * @module
 */

/** One of the notations. */
export type Encoding = "text" | "hex" | "base64";

/** A mistake in the command line; ends the command with exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * The bytes that `text` stands for.
 *
 * @throws {UsageError} when it is not in `encoding`
 */
export function parseBytes(text: string, encoding: Encoding): Uint8Array {
  switch (encoding) {
    case "text":
      return parseText(text);
    case "hex":
      return parseHex(text);
    case "base64":
      return parseBase64(text);
    default:
      return unreachable(encoding);
  }
}

/**
 * `bytes` in `encoding`.
 *
 * @param what how an error calls them
 * @throws {UsageError} when they are to be text and are none
 */
export function formatBytes(bytes: Uint8Array, encoding: Encoding, what: string): string {
  switch (encoding) {
    case "text":
      return tryText(bytes) ?? refuseText(what);
    case "hex":
      return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    case "base64":
      return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    default:
      return unreachable(encoding);
  }
}

/** The text of `bytes`, a byte order mark included; `undefined` when they are not UTF-8. */
export function tryText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function refuseText(what: string): never {
  throw new UsageError(
    `Cannot print ${what}: it is not UTF-8 text. Ask for it with --base64, --hex or --json, ` +
      "or get it as it is with get --raw",
  );
}

/** What a shell hands over is bytes; those that are no text have been replaced before they come here. */
function parseText(text: string): Uint8Array {
  if (text.isWellFormed() && !text.includes("\ufffd")) return new TextEncoder().encode(text);
  throw new UsageError(
    `Cannot read "${text}" as text: it has U+FFFD in place of bytes that are not UTF-8. ` +
      "Give them with --base64 or --hex, or a value by standard input (-)",
  );
}

function parseHex(text: string): Uint8Array {
  if (!/^([0-9a-f]{2})*$/i.test(text)) {
    throw new UsageError(`Cannot read "${text}" as --hex: it must be an even number of digits 0-9 and a-f`);
  }
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function parseBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    throw new UsageError(
      `Cannot read "${text}" as --base64: it must be letters, digits, + and /, padded with =`,
    );
  }
}

function unreachable(value: never): never {
  throw new Error(`Unhandled encoding: ${value}`);
}
