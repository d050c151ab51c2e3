/**
 * Reads protobuf's wire format by hand, without generated types or reflection: `while (reader.next())` and a
 * look at `reader.field`; a field that is not read is passed over. One reader reads nested messages too, so
 * that nothing is made for them.
 *
 * Below the fields lie plain bytes and numbers, which formats of the project's own are made of
 * (`server/kv/command.ts`, the records of the log): {@linkcode WireReader.byte},
 * {@linkcode WireReader.varint}, {@linkcode WireReader.lengthPrefixed}.
 *
 * Every method throws `RangeError` for bytes that are not what was asked for, and none reads outside of them.
 *
 * Source: Protocol Buffers encoding, "Message Structure" and "Length-Delimited Records".
 *
 * @module
 */

import { unzigzag } from "./varint.ts";

const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_BYTES = 2;
const WIRE_FIXED32 = 5;
/** In place of the wire type once the field was read. */
const DONE = -1;

const decoder = new TextDecoder();

/** See the module comment. */
export class WireReader {
  readonly #bytes: Uint8Array;
  /** Invariant: 0 ≤ at ≤ end ≤ bytes.length. */
  #at = 0;
  /** Of the innermost message that is being read. */
  #end: number;
  /** Of the current field, {@linkcode DONE} once it was read. */
  #wireType = DONE;
  /** Number of the current field. */
  field = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#end = bytes.length;
  }

  /** Moves to the next field; false at the end of the message. */
  next(): boolean {
    if (this.#wireType !== DONE) this.#pass();
    if (this.#at >= this.#end) return false;
    const first = this.#bytes[this.#at]!;
    if (first < 0x80) {
      this.#at++;
      this.#wireType = first & 7;
      this.field = first >>> 3;
    } else this.#longTag();
    return true;
  }

  number(): number {
    this.#take(WIRE_VARINT);
    return this.varint();
  }

  /** A number of 64 bits. */
  bigint(): bigint {
    this.#take(WIRE_VARINT);
    return this.#bigVarint();
  }

  /** A `sint64`. */
  signedBigint(): bigint {
    return unzigzag(this.bigint());
  }

  boolean(): boolean {
    return this.number() !== 0;
  }

  /** A packed list. */
  numbers(): number[] {
    return this.message(readVarints);
  }

  /** A view. */
  bytes(): Uint8Array {
    this.#take(WIRE_BYTES);
    return this.lengthPrefixed();
  }

  /** A copy, so that a small field does not keep the whole message in memory. */
  copy(): Uint8Array {
    this.#take(WIRE_BYTES);
    const start = this.#forward(this.varint());
    return this.#bytes.slice(start, this.#at);
  }

  text(): string {
    return decoder.decode(this.bytes());
  }

  /** What `read` makes of the nested message; it is handed this same reader. */
  message<T>(read: (reader: WireReader) => T): T {
    this.#take(WIRE_BYTES);
    const outerEnd = this.#end;
    const length = this.varint();
    this.#mustHave(length);
    this.#end = this.#at + length;
    const result = read(this);
    this.#wireType = DONE;
    this.#at = this.#end;
    this.#end = outerEnd;
    return result;
  }

  /** Bytes that are left of the message. */
  get left(): number {
    return this.#end - this.#at;
  }

  byte(): number {
    if (this.#at >= this.#end) {
      throw new RangeError(`Cannot read a byte at ${this.#at}: the input ends there`);
    }
    return this.#bytes[this.#at++]!;
  }

  /** A number without a tag, 0 to 2^53−1. */
  varint(): number {
    const first = this.byte();
    return first < 0x80 ? first : this.#longVarint(first);
  }

  /** A view of the bytes behind a length, without a tag. */
  lengthPrefixed(): Uint8Array {
    const start = this.#forward(this.varint());
    return this.#bytes.subarray(start, this.#at);
  }

  /** A view of all that is left. */
  rest(): Uint8Array {
    const start = this.#forward(this.#end - this.#at);
    return this.#bytes.subarray(start, this.#at);
  }

  /** Whether nothing is left. */
  get isAtEnd(): boolean {
    return this.#at === this.#end;
  }

  /** Throws unless everything was read. */
  mustEnd(): void {
    if (this.isAtEnd) return;
    throw new RangeError(`Cannot accept ${this.#end - this.#at} bytes after the end at ${this.#at}`);
  }

  #longTag(): void {
    const tag = this.varint();
    this.#wireType = tag % 8;
    this.field = Math.floor(tag / 8);
  }

  /** Nearly all numbers are small, and integer arithmetic is the faster one. */
  #longVarint(first: number): number {
    let value = first & 0x7f;
    for (let shift = 7; shift < 28; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return this.#largeVarint(value);
  }

  /** @param low the first four bytes of it */
  #largeVarint(low: number): number {
    let value = low;
    let scale = 0x10000000;
    for (let count = 4; count < 10; count++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return this.#safe(value);
      scale *= 0x80;
    }
    throw new RangeError(`Cannot read the number before ${this.#at}: it is longer than 10 bytes`);
  }

  #safe(value: number): number {
    if (value <= Number.MAX_SAFE_INTEGER) return value;
    throw new RangeError(`Cannot read the number before ${this.#at}: it is above 2^53-1`);
  }

  /** Two numbers below 2^53 and one `bigint` made of them cost less than a `bigint` a byte. */
  #bigVarint(): bigint {
    let low = 0;
    let scale = 1;
    for (let count = 0; count < 5; count++) {
      const byte = this.byte();
      low += (byte & 0x7f) * scale;
      if (byte < 0x80) return BigInt(low);
      scale *= 0x80;
    }
    let high = 0;
    scale = 1;
    for (let count = 0; count < 5; count++) {
      const byte = this.byte();
      high += (byte & 0x7f) * scale;
      if (byte < 0x80) return this.#joined(low, high);
      scale *= 0x80;
    }
    throw new RangeError(`Cannot read the number before ${this.#at}: it is longer than 10 bytes`);
  }

  #joined(low: number, high: number): bigint {
    if (high >= 2 ** 29) {
      throw new RangeError(`Cannot read the number before ${this.#at}: it is above 2^64-1`);
    }
    return (BigInt(high) << 35n) | BigInt(low);
  }

  #take(wireType: number): void {
    if (this.#wireType !== wireType) this.#refuseType(wireType);
    this.#wireType = DONE;
  }

  #refuseType(wanted: number): never {
    throw new RangeError(
      `Cannot read field ${this.field}: it has wire type ${this.#wireType}, not ${wanted}`,
    );
  }

  /** Moves past `length` bytes and returns where they start. */
  #forward(length: number): number {
    this.#mustHave(length);
    const start = this.#at;
    this.#at = start + length;
    return start;
  }

  #mustHave(length: number): void {
    const left = this.#end - this.#at;
    if (length > left) throw new RangeError(`Cannot read ${length} bytes at ${this.#at}: ${left} are left`);
  }

  #pass(): void {
    const wireType = this.#wireType;
    this.#wireType = DONE;
    if (wireType === WIRE_VARINT) this.#passVarint();
    else if (wireType === WIRE_FIXED64) this.#forward(8);
    else if (wireType === WIRE_BYTES) this.#forward(this.varint());
    else if (wireType === WIRE_FIXED32) this.#forward(4);
    else throw new RangeError(`Cannot pass over field ${this.field}: it has wire type ${wireType}`);
  }

  #passVarint(): void {
    while (this.byte() >= 0x80);
  }
}

function readVarints(reader: WireReader): number[] {
  const values: number[] = [];
  while (reader.left > 0) values.push(reader.varint());
  return values;
}
