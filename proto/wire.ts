/**
 * Protobuf's wire format for the stream between nodes, without generated types, `bigint` or reflection: that
 * stream carries every write twice. What it writes, generated code reads, and the other way round; a test
 * holds both to it.
 *
 * Source: Protocol Buffers encoding, "Message Structure" and "Length-Delimited Records".
 *
 * @module
 */

const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_BYTES = 2;
const WIRE_FIXED32 = 5;

/** Nested messages get a length of this many bytes, padded: their size is not known when they begin. */
const NESTED_LENGTH_BYTES = 4;
/** Above any batch: 2^28. */
const NESTED_BYTES_MAX = 2 ** (7 * NESTED_LENGTH_BYTES);

/** Of a number up to 2^53−1. */
const VARINT_BYTES_MAX = 8;

const INITIAL_BYTES = 64 * 1024;
/** A buffer that grew above this for one large batch is let go. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Writes fields one after the other into a buffer that grows. Fields at their default are left out. */
export class WireWriter {
  #bytes = new Uint8Array(INITIAL_BYTES);
  #at = 0;

  /** Bytes written so far. */
  get length(): number {
    return this.#at;
  }

  /** What was written; a copy. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  /** What was written; a view that holds until the next write or reset. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  /** Starts anew. */
  reset(): void {
    this.#at = 0;
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#bytes = new Uint8Array(INITIAL_BYTES);
  }

  /** Leaves `length` bytes free and returns where they begin. */
  skip(length: number): number {
    this.#reserve(length);
    const start = this.#at;
    this.#at += length;
    return start;
  }

  /** Overwrites bytes left free before. */
  patch(at: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, at);
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** @param value 0 to 2^53−1 */
  number(field: number, value: number): void {
    if (value === 0) return;
    this.#reserve(16);
    this.#varint((field << 3) | WIRE_VARINT);
    this.#varint(value);
  }

  /** A packed list; empty ones are left out. */
  numbers(field: number, values: readonly number[]): void {
    if (values.length === 0) return;
    const start = this.beginMessage(field);
    this.#reserve(VARINT_BYTES_MAX * values.length);
    for (let position = 0; position < values.length; position++) this.#varint(values[position]!);
    this.endMessage(start);
  }

  boolean(field: number, value: boolean): void {
    if (value) this.number(field, 1);
  }

  /** Written even if empty, so that it serves for repeated fields too. */
  bytes(field: number, value: Uint8Array): void {
    this.#reserve(16 + value.length);
    this.#varint((field << 3) | WIRE_BYTES);
    this.#varint(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  text(field: number, value: string): void {
    if (value !== "") this.bytes(field, encoder.encode(value));
  }

  /** Opens a nested message; hand the result to {@linkcode endMessage}. */
  beginMessage(field: number): number {
    this.#reserve(16);
    this.#varint((field << 3) | WIRE_BYTES);
    return this.skip(NESTED_LENGTH_BYTES);
  }

  endMessage(start: number): void {
    let rest = this.#at - start - NESTED_LENGTH_BYTES;
    if (rest >= NESTED_BYTES_MAX) throw new RangeError(`Cannot encode a nested message of ${rest} bytes`);
    for (let place = 0; place < NESTED_LENGTH_BYTES; place++) {
      const more = place < NESTED_LENGTH_BYTES - 1 ? 0x80 : 0;
      this.#bytes[start + place] = (rest & 0x7f) | more;
      rest >>>= 7;
    }
  }

  #varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#at++] = rest;
  }

  #reserve(length: number): void {
    if (this.#at + length <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + length));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
  }
}

/**
 * Reads fields one after the other: `while (reader.next()) switch (reader.field) …`; a field that is not read
 * is passed over.
 *
 * Every method throws `RangeError` for bytes that are no protobuf message.
 */
export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;
  #wireType = WIRE_VARINT;
  #isPending = false;
  /** Number of the current field. */
  field = 0;

  constructor(bytes: Uint8Array, start: number = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** Moves to the next field; false at the end. */
  next(): boolean {
    if (this.#isPending) this.#pass();
    if (this.#at >= this.#end) return false;
    const tag = this.#varint();
    this.field = Math.floor(tag / 8);
    this.#wireType = tag % 8;
    this.#isPending = true;
    return true;
  }

  number(): number {
    this.#take(WIRE_VARINT);
    return this.#varint();
  }

  /** A packed list. */
  numbers(): number[] {
    const start = this.#lengthDelimited();
    const end = this.#at;
    const values: number[] = [];
    this.#at = start;
    while (this.#at < end) values.push(this.#varint());
    if (this.#at !== end) {
      throw new RangeError(`Cannot read field ${this.field}: its last number goes beyond its end`);
    }
    return values;
  }

  boolean(): boolean {
    return this.number() !== 0;
  }

  /** A view. */
  bytes(): Uint8Array {
    const start = this.#lengthDelimited();
    return this.#bytes.subarray(start, this.#at);
  }

  text(): string {
    return decoder.decode(this.bytes());
  }

  /** A reader of the nested message. */
  message(): WireReader {
    const start = this.#lengthDelimited();
    return new WireReader(this.#bytes, start, this.#at);
  }

  #take(wireType: number): void {
    if (this.#wireType !== wireType) {
      throw new RangeError(`Cannot read field ${this.field}: wire type ${this.#wireType}, not ${wireType}`);
    }
    this.#isPending = false;
  }

  #lengthDelimited(): number {
    this.#take(WIRE_BYTES);
    const length = this.#varint();
    return this.#forward(length);
  }

  #forward(length: number): number {
    const start = this.#at;
    if (length > this.#end - start) {
      throw new RangeError(
        `Cannot read field ${this.field}: ${length} bytes wanted, ${this.#end - start} left`,
      );
    }
    this.#at = start + length;
    return start;
  }

  #pass(): void {
    this.#isPending = false;
    if (this.#wireType === WIRE_VARINT) this.#varint();
    else if (this.#wireType === WIRE_FIXED64) this.#forward(8);
    else if (this.#wireType === WIRE_BYTES) this.#forward(this.#varint());
    else if (this.#wireType === WIRE_FIXED32) this.#forward(4);
    else throw new RangeError(`Cannot pass over field ${this.field}: wire type ${this.#wireType}`);
  }

  #varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++) {
      if (this.#at >= this.#end) throw new RangeError(`Cannot read a number at ${this.#at}: the input ends`);
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return this.#safe(value);
      scale *= 0x80;
    }
    throw new RangeError(`Cannot read a number before ${this.#at}: longer than 10 bytes`);
  }

  #safe(value: number): number {
    if (value <= Number.MAX_SAFE_INTEGER) return value;
    throw new RangeError(`Cannot read the number before ${this.#at}: above 2^53-1`);
  }
}
