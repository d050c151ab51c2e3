/**
 * Unsigned LEB128 numbers up to 2^53−1, as commands and outcomes carry them.
 *
 * @module
 */

/** Bytes that {@linkcode ByteWriter.varint} takes for `value`, 1 to 8. */
export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length++;
  return length;
}

/** Small results are cut from slabs of this size: a buffer of its own costs more than filling it. */
const SLAB_BYTES = 64 * 1024;
const CUT_BYTES_MAX = 1024;

let slab = new Uint8Array(SLAB_BYTES);
let slabAt = 0;

/** Fills a buffer whose exact size is known beforehand. */
export class ByteWriter {
  readonly bytes: Uint8Array;
  /** Invariant: 0 ≤ at ≤ bytes.length. */
  at = 0;

  constructor(length: number) {
    this.bytes = allocate(length);
  }

  byte(value: number): void {
    this.bytes[this.at++] = value;
  }

  /** @param value 0 to 2^53−1 */
  varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.bytes[this.at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.bytes[this.at++] = rest;
  }

  /** The bytes themselves, without a length. */
  raw(source: Uint8Array): void {
    this.bytes.set(source, this.at);
    this.at += source.length;
  }

  /** A varint length, then the bytes. */
  lengthPrefixed(source: Uint8Array): void {
    this.varint(source.length);
    this.raw(source);
  }
}

/** `length` zero bytes that nobody else has. */
function allocate(length: number): Uint8Array {
  if (length > CUT_BYTES_MAX) return new Uint8Array(length);
  if (slabAt + length > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES);
    slabAt = 0;
  }
  slabAt += length;
  return slab.subarray(slabAt - length, slabAt);
}

/** Reads what {@linkcode ByteWriter} wrote; throws `RangeError` instead of reading past the end. */
export class ByteReader {
  readonly bytes: Uint8Array;
  /** Invariant: 0 ≤ at ≤ bytes.length. */
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  byte(): number {
    const value = this.bytes[this.at];
    if (value === undefined) throw new RangeError(`Cannot read a byte at ${this.at}: the input ends there`);
    this.at++;
    return value;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 8; count++) {
      const next = this.byte();
      value += (next & 0x7f) * scale;
      if (next < 0x80) return this.#safe(value);
      scale *= 0x80;
    }
    throw new RangeError(`Cannot read a number before ${this.at}: it is longer than 8 bytes`);
  }

  /** Moves past `length` bytes and returns where they start. */
  skip(length: number): number {
    const start = this.at;
    if (length > this.bytes.length - start) {
      throw new RangeError(`Cannot read ${length} bytes at ${start}: the input has ${this.bytes.length}`);
    }
    this.at = start + length;
    return start;
  }

  /** A view of the next `length` bytes. */
  raw(length: number): Uint8Array {
    const start = this.skip(length);
    return this.bytes.subarray(start, start + length);
  }

  /** A view of the bytes behind a varint length. */
  lengthPrefixed(): Uint8Array {
    return this.raw(this.varint());
  }

  /** Throws unless everything was read. */
  end(): void {
    if (this.at === this.bytes.length) return;
    throw new RangeError(`Cannot accept ${this.bytes.length - this.at} bytes after the end at ${this.at}`);
  }

  #safe(value: number): number {
    if (value <= Number.MAX_SAFE_INTEGER) return value;
    throw new RangeError(`Cannot read the number before ${this.at}: it is above 2^53-1`);
  }
}
