/**
 * Whole numbers of 64 bits as decimal text: what an increment finds in a key, adds and writes. JavaScript's
 * numbers are exact to 2^53 only, so the text is the form in which they go through the node; it is also that
 * of the value.
 *
 * A number has one text: `0`, or digits without a zero in front, behind a `-` if it is negative. Nothing else
 * counts as one, so that an increment never changes how a value is written: a "007" that was stored as a name
 * is no 7, and does not become "8".
 *
 * @module
 */

import type { WireReader, WireWriter } from "../../proto/mod.ts";

const ONE_TEXT = /^(?:0|-?[1-9][0-9]*)$/;
/** Without sign, of the longest numbers, which are compared as text: they have equally many digits. */
const POSITIVE_MAX = "9223372036854775807";
const NEGATIVE_MAX = "9223372036854775808";
/** Of the longest number, with its sign. */
const TEXT_LENGTH_MAX = NEGATIVE_MAX.length + 1;

/** Numbers with no more digits, and the sum of two, are exact. */
const EXACT_LENGTH_MAX = 15;
/** Longer ones are added in two halves; each, and the sum of two of each, is exact. */
const LOW_DIGITS = 10;
const HALF = 10 ** LOW_DIGITS;

/** A number is `high` × {@linkcode HALF} + `low`; both have its sign, or are 0. */
interface Halves {
  readonly high: number;
  readonly low: number;
}

/** Whether `text` is the text of a number from −2^63 to 2^63−1. */
export function isWholeNumber(text: string): boolean {
  return text.length <= TEXT_LENGTH_MAX && ONE_TEXT.test(text) && isInRange(text);
}

/** The number in `value`, `undefined` when it is none. */
export function readWholeNumber(value: Uint8Array): string | undefined {
  if (value.length > TEXT_LENGTH_MAX) return undefined;
  const text = String.fromCharCode(...value);
  return isWholeNumber(text) ? text : undefined;
}

/** The sum of two numbers, `undefined` when it is out of range. */
export function sumOf(one: string, other: string): string | undefined {
  if (one.length <= EXACT_LENGTH_MAX && other.length <= EXACT_LENGTH_MAX) {
    return String(Number(one) + Number(other));
  }
  const sum = textOf(added(halvesOf(one), halvesOf(other)));
  return isInRange(sum) ? sum : undefined;
}

/** Writes a number as commands and outcomes have it: its length, then its text. */
export function writeNumber(writer: WireWriter, number: string): void {
  writer.varint(number.length);
  for (let at = 0; at < number.length; at++) writer.byte(number.charCodeAt(at));
}

/**
 * What {@linkcode writeNumber} wrote.
 *
 * @throws {RangeError} when it is no number
 */
export function readNumber(reader: WireReader): string {
  const number = readWholeNumber(reader.lengthPrefixed());
  if (number === undefined) throw new RangeError("Cannot decode what must be a whole number: it is none");
  return number;
}

/**
 * The value that a key with this number has. Bytes of its own: so few lie within their array, and a number
 * that stays would keep a whole slab of those that have been counted on.
 */
export function numberBytes(number: string): Uint8Array {
  const bytes = new Uint8Array(number.length);
  for (let at = 0; at < number.length; at++) bytes[at] = number.charCodeAt(at);
  return bytes;
}

function isInRange(text: string): boolean {
  const isNegative = text.startsWith("-");
  const digits = isNegative ? text.slice(1) : text;
  const limit = isNegative ? NEGATIVE_MAX : POSITIVE_MAX;
  return digits.length < limit.length || (digits.length === limit.length && digits <= limit);
}

function halvesOf(text: string): Halves {
  const sign = text.startsWith("-") ? -1 : 1;
  const digits = sign < 0 ? text.slice(1) : text;
  const cut = Math.max(0, digits.length - LOW_DIGITS);
  return { high: sign * Number(digits.slice(0, cut)), low: sign * Number(digits.slice(cut)) };
}

function added(one: Halves, other: Halves): Halves {
  const low = one.low + other.low;
  const carry = Math.trunc(low / HALF);
  return withOneSign({ high: one.high + other.high + carry, low: low - carry * HALF });
}

function withOneSign({ high, low }: Halves): Halves {
  if (high > 0 && low < 0) return { high: high - 1, low: low + HALF };
  if (high < 0 && low > 0) return { high: high + 1, low: low - HALF };
  return { high, low };
}

function textOf({ high, low }: Halves): string {
  if (high === 0) return String(low);
  return `${high}${String(Math.abs(low)).padStart(LOW_DIGITS, "0")}`;
}
