/**
 * Writes protobuf's wire format by hand, without generated types or reflection: on the hot paths that costs a
 * fraction of what the generated code costs. What it writes, generated code reads; tests hold every codec to
 * it.
 *
 * A nested message has its length in front, so there are two ways to write, and each is the faster one where
 * it is used:
 *
 * ```
 * measured   new WireWriter(buffer of the exact size) … open(field, length) … finishMeasured()
 *            for one message to be handed on: one buffer, no copy, lengths in their shortest form
 * growing    new WireWriter() … beginMessage(field) … endMessage(start) … view()
 *            for a stream of batches: one buffer used again and again, lengths filled in afterwards
 * ```
 *
 * Field numbers go up to 2^28−1.
 *
 * Source: Protocol Buffers encoding, "Message Structure" and "Length-Delimited Records".
 *
 * @module
 */

import { VARINT_BYTES_MAX, zigzag } from "./varint.ts";

const WIRE_VARINT = 0;
const WIRE_BYTES = 2;

/** Nested messages get a length of this many bytes, padded: their size is not known when they begin. */
const NESTED_LENGTH_BYTES = 4;
/** Above any batch: 2^28. */
const NESTED_BYTES_MAX = 2 ** (7 * NESTED_LENGTH_BYTES);

const INITIAL_BYTES = 64 * 1024;
/** A buffer that grew above this for one large batch is let go. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024;
/** Where a measured buffer grows: never. The largest small integer, which costs no memory of its own. */
const NEVER = 2 ** 30 - 1;

/** Above it the operators on bits do not work. */
const INTEGER_MAX = 2 ** 31 - 1;

/** A `bigint` is written as five bytes of seven bits and a number of what is left. */
const LOW_BYTES = 5;
const LOW_BITS = 35n;
const LOW_MASK = (1n << LOW_BITS) - 1n;

const encoder = new TextEncoder();

/** See the module comment. */
export class WireWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #at = 0;
  /** Writing beyond this makes the buffer grow. */
  #growsAt: number;

  /** @param exact a buffer of exactly the size that will be written; without it, one that grows is used */
  constructor(exact?: Uint8Array<ArrayBuffer>) {
    this.#bytes = exact ?? new Uint8Array(INITIAL_BYTES);
    this.#growsAt = exact === undefined ? INITIAL_BYTES : NEVER;
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#at;
  }

  /** What was written; a copy. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#at);
  }

  /**
   * The buffer given at the start, now full.
   *
   * @throws {Error} when what was written has another size
   */
  finishMeasured(): Uint8Array<ArrayBuffer> {
    if (this.#at === this.#bytes.length) return this.#bytes;
    throw new Error(
      `Cannot finish: ${this.#at} bytes were written where ${this.#bytes.length} were measured`,
    );
  }

  /** What was written; a view that holds until the next write or reset. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  /** Starts anew; for growing buffers. */
  reset(): void {
    this.#at = 0;
    if (this.#bytes.length <= KEPT_BYTES_MAX) return;
    this.#bytes = new Uint8Array(INITIAL_BYTES);
    this.#growsAt = INITIAL_BYTES;
  }

  /** Leaves `length` bytes as they are and returns where they begin. */
  skip(length: number): number {
    this.reserve(length);
    const start = this.#at;
    this.#at += length;
    return start;
  }

  /** Overwrites bytes left free before. */
  patch(at: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, at);
  }

  /** @param value 0 to 255 */
  byte(value: number): void {
    this.reserve(1);
    this.#bytes[this.#at++] = value;
  }

  /** A number without a tag, 0 to 2^53−1. */
  varint(value: number): void {
    this.reserve(VARINT_BYTES_MAX);
    let rest = value;
    let at = this.#at;
    // Nearly all numbers are small, and integer arithmetic is the faster one.
    for (; rest > INTEGER_MAX; rest = Math.floor(rest / 0x80)) this.#bytes[at++] = (rest % 0x80) | 0x80;
    for (; rest >= 0x80; rest >>>= 7) this.#bytes[at++] = (rest & 0x7f) | 0x80;
    this.#bytes[at++] = rest;
    this.#at = at;
  }

  /** The bytes themselves, without tag and length. */
  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** A length, then the bytes, without a tag. */
  lengthPrefixed(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }

  /** @param value 0 to 2^53−1; 0 is the default and is left out */
  number(field: number, value: number): void {
    if (value !== 0) this.explicitNumber(field, value);
  }

  /** A number that is written even if it is 0: a member of a `oneof`. */
  explicitNumber(field: number, value: number): void {
    this.header((field << 3) | WIRE_VARINT, value);
  }

  /** @param value 0 to 2^64−1, written even if it is 0 */
  bigint(field: number, value: bigint): void {
    this.varint((field << 3) | WIRE_VARINT);
    this.reserve(VARINT_BYTES_MAX);
    let high = Number(value >> LOW_BITS);
    if (high > 0) {
      // Two numbers made of it once cost less than a `bigint` a byte.
      let low = Number(value & LOW_MASK);
      for (let count = 0; count < LOW_BYTES; count++) {
        this.#bytes[this.#at++] = (low % 0x80) | 0x80;
        low = Math.floor(low / 0x80);
      }
    } else high = Number(value);
    this.varint(high);
  }

  /** A `sint64`, written even if it is 0. */
  signedBigint(field: number, value: bigint): void {
    this.bigint(field, zigzag(value));
  }

  /** A packed list; empty ones are left out. For growing buffers. */
  numbers(field: number, values: readonly number[]): void {
    if (values.length === 0) return;
    const start = this.beginMessage(field);
    for (let position = 0; position < values.length; position++) this.varint(values[position]!);
    this.endMessage(start);
  }

  boolean(field: number, value: boolean): void {
    if (value) this.explicitNumber(field, 1);
  }

  /** Written even if empty, so that it serves for repeated fields too. */
  bytes(field: number, value: Uint8Array): void {
    this.header((field << 3) | WIRE_BYTES, value.length);
    this.raw(value);
  }

  text(field: number, value: string): void {
    if (value !== "") this.bytes(field, encoder.encode(value));
  }

  /** Tag and length of a nested message of `length` bytes, measured before; its fields follow. */
  open(field: number, length: number): void {
    this.header((field << 3) | WIRE_BYTES, length);
  }

  /** Opens a nested message that was not measured; hand the result to {@linkcode endMessage}. */
  beginMessage(field: number): number {
    this.varint((field << 3) | WIRE_BYTES);
    return this.skip(NESTED_LENGTH_BYTES);
  }

  endMessage(start: number): void {
    let rest = this.#at - start - NESTED_LENGTH_BYTES;
    if (rest >= NESTED_BYTES_MAX) {
      throw new RangeError(`Cannot encode a nested message of ${rest} bytes (limit ${NESTED_BYTES_MAX - 1})`);
    }
    for (let place = 0; place < NESTED_LENGTH_BYTES; place++) {
      const more = place < NESTED_LENGTH_BYTES - 1 ? 0x80 : 0;
      this.#bytes[start + place] = (rest & 0x7f) | more;
      rest >>>= 7;
    }
  }

  /** A tag, and the number or length behind it. */
  header(tag: number, value: number): void {
    if (tag < 0x80 && value < 0x80) {
      // Most headers: two bytes.
      this.reserve(2);
      this.#bytes[this.#at] = tag;
      this.#bytes[this.#at + 1] = value;
      this.#at += 2;
    } else {
      if (tag < 0x80) this.byte(tag);
      else this.varint(tag);
      this.varint(value);
    }
  }

  /** Makes room for `length` bytes, in a buffer that grows. */
  reserve(length: number): void {
    if (this.#at + length <= this.#growsAt) return;
    this.#bytes = enlarged(this.#bytes, this.#at + length);
    this.#growsAt = this.#bytes.length;
  }
}

function enlarged(bytes: Uint8Array, sizeMin: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.max(bytes.length * 2, sizeMin));
  larger.set(bytes);
  return larger;
}
