/**
 * The parts of protobuf's binary form that the hot messages need: varints and length-delimited fields,
 * written into one buffer whose size is computed first, and read without building objects in between. Numbers
 * are safe integers; `bigint` appears only for client ids, which fill 64 bits.
 *
 * Source: the Protocol Buffers encoding specification (varint, tag, wire types).
 *
 * @module
 */

/** Wire types that occur in the contract. */
export const VARINT = 0;
export const LENGTH_DELIMITED = 2;

const FIXED_64 = 1;
const FIXED_32 = 5;

/** Bytes of `value` (a non-negative safe integer) as a varint, 1 to 8. */
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
  let size = 1;
  for (let rest = value >> 7n; rest > 0n; rest >>= 7n) size++;
  return size;
}

/** Bytes of a length-delimited field of a number up to 15: tag, length and `length` bytes. */
export function fieldSize(length: number): number {
  return 1 + varintSize(length) + length;
}

/** Writes fields into a buffer of exactly the size that was computed for them. */
export class WireWriter {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #position = 0;

  /** @param size bytes, exactly what will be written */
  constructor(size: number) {
    this.#bytes = new Uint8Array(size);
  }

  /** The tag of `field` (1 to 15) with a wire type. */
  tag(field: number, wireType: number): void {
    this.#bytes[this.#position++] = (field << 3) | wireType;
  }

  varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#position++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#position++] = rest;
  }

  bigVarint(value: bigint): void {
    let rest = value;
    while (rest >= 0x80n) {
      this.#bytes[this.#position++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#position++] = Number(rest);
  }

  /** Tag and length of a message of `length` bytes; its fields follow. */
  open({ field, length }: { readonly field: number; readonly length: number }): void {
    this.tag(field, LENGTH_DELIMITED);
    this.varint(length);
  }

  bytes(field: number, value: Uint8Array): void {
    this.tag(field, LENGTH_DELIMITED);
    this.varint(value.length);
    this.#bytes.set(value, this.#position);
    this.#position += value.length;
  }

  /**
   * The bytes written.
   *
   * @throws {Error} when the size given at the start was not that of what was written
   */
  finish(): Uint8Array<ArrayBuffer> {
    if (this.#position !== this.#bytes.length) {
      throw new Error(`Encoded ${this.#position} bytes where ${this.#bytes.length} were computed`);
    }
    return this.#bytes;
  }
}

/** Reads fields from `bytes`; every read that would leave them throws a `RangeError`. */
export class WireReader {
  readonly #bytes: Uint8Array;
  /** Invariant: `position` ≤ `#end`. */
  position: number;
  readonly #end: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.position = 0;
    this.#end = bytes.length;
  }

  /** Whether there are fields left before `end`. */
  more(end: number = this.#end): boolean {
    return this.position < end;
  }

  /** A varint as a number: a tag, a length or a field; above 2^53−1 it throws. */
  varint(): number {
    let byte = this.#next();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    let scale = 0x80;
    for (let count = 1; count < 10; count++) {
      byte = this.#next();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw new RangeError("A number in the answer exceeds 2^53 - 1");
        return value;
      }
      scale *= 0x80;
    }
    throw new RangeError("A varint in the answer is longer than 10 bytes");
  }

  /** The length of a length-delimited field, checked against what is left; returns where the field ends. */
  fieldEnd(): number {
    const length = this.varint();
    const end = this.position + length;
    if (end > this.#end) throw new RangeError("The answer is cut short");
    return end;
  }

  /** Ends a message that was said to end at `end`; one whose fields run over its end is garbled. */
  leave(end: number): void {
    if (this.position !== end) throw new RangeError("A field in the answer runs over the end of its message");
  }

  /** A copy of a length-delimited field, so that a small value does not keep the whole answer in memory. */
  copy(): Uint8Array {
    const end = this.fieldEnd();
    const value = this.#bytes.slice(this.position, end);
    this.position = end;
    return value;
  }

  /** A length-delimited field as text. */
  text(): string {
    return new TextDecoder().decode(this.copy());
  }

  /** Passes over the field whose `tag` has just been read. */
  skip(tag: number): void {
    switch (tag % 8) {
      case VARINT:
        while (this.#next() >= 0x80);
        return;
      case LENGTH_DELIMITED:
        this.position = this.fieldEnd();
        return;
      case FIXED_64:
        return this.#advance(8);
      case FIXED_32:
        return this.#advance(4);
      default:
        throw new RangeError(`The answer holds a field of unknown wire type ${tag % 8}`);
    }
  }

  #advance(count: number): void {
    if (this.position + count > this.#end) throw new RangeError("The answer is cut short");
    this.position += count;
  }

  #next(): number {
    const byte = this.#bytes[this.position];
    if (byte === undefined || this.position >= this.#end) throw new RangeError("The answer is cut short");
    this.position++;
    return byte;
  }
}
