/**
 * Numbers in a request of JSON that would not arrive as they were written. A reader of JSON takes every
 * number for a 64-bit float, so above 2^53 − 1 two client ids become one before anybody can compare them:
 * such a number must be refused as text. Written as a string, as protobuf's JSON writes 64-bit numbers, it
 * arrives whole.
 *
 * @module
 */

import { invalidArgument } from "../api/mod.ts";
import { decompress } from "./method/mod.ts";

const JSON_TYPE = /^application\/(json|(connect|grpc-web)\+json)( *;.*)?$/i;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
/** What a number may be made of, besides digits. */
const NUMBER_SIGNS: ReadonlySet<number> = new Set([...".eE+-"].map((sign) => sign.charCodeAt(0)));
/** Digits of a number that an error shows; longer ones say nothing more. */
const SHOWN_MAX = 40;

/** Whether a body of `contentType` is JSON. */
export function isJsonType(contentType: string): boolean {
  return JSON_TYPE.test(contentType);
}

/**
 * Checks the message of a request, compressed or not; whether it is JSON at all is for others to find out.
 *
 * @throws {DomainError} `invalidArgument` when it holds a number that is not a safe one
 */
export async function checkJsonNumbers(message: Uint8Array): Promise<void> {
  const isGzip = message[0] === 0x1f && message[1] === 0x8b;
  checkNumbers(isGzip ? await decompress(message) : message);
}

function checkNumbers(text: Uint8Array): void {
  for (let at = 0; at < text.length; at++) {
    const byte = text[at]!;
    if (byte === QUOTE) at = stringEnd(text, at + 1);
    else if (byte >= DIGIT_0 && byte <= DIGIT_9) {
      const end = numberEnd(text, at);
      checkNumber(String.fromCharCode(...text.subarray(at, Math.min(end, at + SHOWN_MAX))), end - at);
      at = end;
    }
  }
}

/** Where the quote stands that ends a string. */
function stringEnd(text: Uint8Array, start: number): number {
  for (let at = start;;) {
    const quote = text.indexOf(QUOTE, at);
    if (quote < 0) return text.length;
    let before = quote;
    while (before > start && text[before - 1] === BACKSLASH) before--;
    if ((quote - before) % 2 === 0) return quote;
    at = quote + 1;
  }
}

function numberEnd(text: Uint8Array, start: number): number {
  let at = start;
  while (at < text.length && isNumberByte(text[at]!)) at++;
  return at;
}

function isNumberByte(byte: number): boolean {
  return (byte >= DIGIT_0 && byte <= DIGIT_9) || NUMBER_SIGNS.has(byte);
}

/** The sign stands before it and changes nothing. */
function checkNumber(shown: string, length: number): void {
  if (length <= SHOWN_MAX && !(Number(shown) > Number.MAX_SAFE_INTEGER)) return;
  throw invalidArgument(
    `Cannot read the request: the number ${shown} exceeds 2^53 - 1, where JSON readers begin to round. ` +
      'Write it as a string, in quotes ("…")',
  );
}
