/**
 * How long numbers are as varints: seven bits a byte, the lowest first, the top bit set while more follow.
 * What writes them is {@linkcode WireWriter} of `wire_writer.ts`, what reads them {@linkcode WireReader} of
 * `wire_reader.ts`.
 *
 * Source: Protocol Buffers encoding, "Base 128 Varints".
 *
 * @module
 */

/** Bytes of a number up to 2^53−1 at most. */
export const VARINT_BYTES_MAX = 8;

/** The smallest numbers that take so many bytes. */
const EIGHT_BYTES = 2n ** 49n;
const NINE_BYTES = 2n ** 56n;
const TEN_BYTES = 2n ** 63n;

/** Bytes of `value` (0 to 2^53−1) as a varint, 1 to 8. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  if (value < 0x10000000) return 4;
  let size = 4;
  for (let rest = Math.floor(value / 0x10000000); rest > 0; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/** Bytes of `value` (0 to 2^64−1) as a varint, 1 to 10. */
export function bigVarintSize(value: bigint): number {
  if (value < NINE_BYTES) return value < EIGHT_BYTES ? varintSize(Number(value)) : 8;
  return value < TEN_BYTES ? 9 : 10;
}

/** A number from −2^63 to 2^63−1 as one without a sign, small where it is near 0 (`sint64`). */
export function zigzag(value: bigint): bigint {
  return value < 0n ? -2n * value - 1n : 2n * value;
}

/** The number of which `value` is the zigzag. */
export function unzigzag(value: bigint): bigint {
  return value % 2n === 0n ? value / 2n : -(value + 1n) / 2n;
}

/** Bytes of a field of a `sint64` whose number is at most 15, 0 included. */
export function signedFieldSize(value: bigint): number {
  return 1 + bigVarintSize(zigzag(value));
}

/** Bytes of a number field whose number is at most 15; 0 is the default and is not written. */
export function numberFieldSize(value: number): number {
  return value === 0 ? 0 : 1 + varintSize(value);
}

/** Bytes of a length-delimited field whose number is at most 15: tag, length and `length` bytes. */
export function bytesFieldSize(length: number): number {
  return 1 + varintSize(length) + length;
}
