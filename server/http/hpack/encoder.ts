/**
 * Header fields of answers to header blocks (RFC 7541, section 6).
 *
 * Names of the static table by index, everything else as literals that enter no table and without the Huffman
 * code. An answer has few and short fields: what a dynamic table would save is bytes on a fast network, what
 * it costs is a look-up for each field, and a state that all answers of a connection share. As the table is
 * never used, the first block of a connection says that its size is 0, and with that every limit of the other
 * side, now or later, is kept (RFC 7541, section 4.2).
 *
 * @module
 */

import { STATIC_NAMES, STATIC_STATUSES } from "./static_table.ts";

const STATUS_INDEX = 8;
/** A first byte, a name's and a value's length: three integers of at most six bytes. */
const LITERAL_OVERHEAD_BYTES = 18;

/** Room that {@linkcode encodeStatus} needs at most: a size update, and a literal of three digits. */
export const STATUS_BYTES_MAX = 1 + 5;

/** Says that the dynamic table has size 0; goes before the first field of the first block. */
export const TABLE_SIZE_ZERO = 0x20;

/** Room that {@linkcode encodeFields} needs at most. */
export function fieldBytesMax(fields: readonly (readonly [name: string, value: string])[]): number {
  let bytes = 0;
  for (const [name, value] of fields) bytes += LITERAL_OVERHEAD_BYTES + name.length + value.length;
  return bytes;
}

/**
 * Writes `:status`.
 *
 * @returns where the next field goes
 */
export function encodeStatus(status: number, target: Uint8Array, at: number): number {
  const index = STATIC_STATUSES.get(status);
  if (index !== undefined) {
    target[at] = 0x80 | index;
    return at + 1;
  }
  target[at] = STATUS_INDEX;
  return writeString(String(status), target, at + 1);
}

/**
 * Writes fields. Names are in lower case; characters above 255 become `?`, as one byte holds no more.
 *
 * @returns where the next field goes
 */
export function encodeFields(
  fields: readonly (readonly [name: string, value: string])[],
  target: Uint8Array,
  at: number,
): number {
  for (const [name, value] of fields) {
    const index = STATIC_NAMES.get(name);
    if (index === undefined) {
      target[at++] = 0;
      at = writeString(name, target, at);
    } else {
      at = writeInteger(index, { prefixBits: 4, target, at });
    }
    at = writeString(value, target, at);
  }
  return at;
}

function writeString(text: string, target: Uint8Array, at: number): number {
  const { length } = text;
  if (length < 127) target[at++] = length;
  else at = writeInteger(length, { prefixBits: 7, target, at });
  for (let index = 0; index < length; index++) {
    const char = text.charCodeAt(index);
    target[at++] = char < 256 ? char : 63;
  }
  return at;
}

/** Where an integer goes, and how many bits of its first byte are its own; the others are 0. */
interface IntegerPlace {
  readonly prefixBits: number;
  readonly target: Uint8Array;
  readonly at: number;
}

/** RFC 7541, section 5.1. */
function writeInteger(value: number, { prefixBits, target, at }: IntegerPlace): number {
  const full = (1 << prefixBits) - 1;
  if (value < full) {
    target[at] = value;
    return at + 1;
  }
  target[at++] = full;
  for (value -= full; value >= 128; value = Math.floor(value / 128)) target[at++] = 128 + (value % 128);
  target[at++] = value;
  return at;
}
