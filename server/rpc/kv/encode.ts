/**
 * Encoders of the hot responses, straight from the domain's results: no messages, no `bigint`, one
 * allocation. The bytes are those of the generated encoder; a test holds them to it on random results.
 *
 * Each message is measured first, then written, because a length stands before what it counts.
 *
 * Source: Protocol Buffers encoding, "Message Structure".
 *
 * @module
 */

import type { ReadResult, WriteResult } from "../../api/mod.ts";
import { resultCode } from "../method/mod.ts";
import type { Written } from "./fields.ts";

/** Tags: `field << 3 | type`, type 0 for numbers, 2 for what has a length. */
const TAG = { number1: 8, bytes1: 10, number2: 16, bytes2: 18, number3: 24 } as const;

const textEncoder = new TextEncoder();

type Bytes = Uint8Array<ArrayBuffer>;

/** A `PutResponse`. */
export function encodePut({ version, partitionId }: Written): Bytes {
  const writer = new Writer(numberSize(version) + numberSize(partitionId));
  writer.number(TAG.number1, version);
  writer.number(TAG.number2, partitionId);
  return writer.bytes;
}

/** A `GetResponse`. */
export function encodeGet(result: ReadResult): Bytes {
  const writer = new Writer(readSize(result));
  writeRead(writer, result);
  return writer.bytes;
}

/** A `GetManyResponse`. */
export function encodeGetMany(results: readonly ReadResult[]): Bytes {
  let size = 0;
  for (const result of results) size += lengthDelimitedSize(readSize(result));
  const writer = new Writer(size);
  for (const result of results) {
    writer.header(TAG.bytes1, readSize(result));
    writeRead(writer, result);
  }
  return writer.bytes;
}

/** A `WriteBatchResponse`. */
export function encodeWriteBatch(results: readonly WriteResult[]): Bytes {
  const errors = new Map<WriteResult, Bytes>();
  let size = 0;
  for (const result of results) {
    if (!result.ok && !errors.has(result)) errors.set(result, encodeError(result));
    size += lengthDelimitedSize(writtenSize(result, errors));
  }
  const writer = new Writer(size);
  for (const result of results) {
    writer.header(TAG.bytes1, writtenSize(result, errors));
    writeWritten(writer, result, errors);
  }
  return writer.bytes;
}

function readSize(result: ReadResult): number {
  return result === undefined ? 0 : lengthDelimitedSize(result.value.length) + numberSize(result.version);
}

function writeRead(writer: Writer, result: ReadResult): void {
  if (result === undefined) return;
  writer.lengthDelimited(TAG.bytes1, result.value);
  writer.number(TAG.number2, result.version);
}

function writtenSize(result: WriteResult, errors: ReadonlyMap<WriteResult, Bytes>): number {
  if (!result.ok) return lengthDelimitedSize(errors.get(result)!.length);
  return numberSize(result.version) + (result.existed ? 2 : 0);
}

function writeWritten(writer: Writer, result: WriteResult, errors: ReadonlyMap<WriteResult, Bytes>): void {
  if (!result.ok) return writer.lengthDelimited(TAG.bytes2, errors.get(result)!);
  writer.number(TAG.number1, result.version);
  writer.number(TAG.number3, result.existed ? 1 : 0);
}

function encodeError({ error }: WriteResult & { readonly ok: false }): Bytes {
  const code = textEncoder.encode(resultCode(error));
  const message = textEncoder.encode(error.message);
  const messageSize = message.length === 0 ? 0 : lengthDelimitedSize(message.length);
  const writer = new Writer(lengthDelimitedSize(code.length) + messageSize);
  writer.lengthDelimited(TAG.bytes1, code);
  if (message.length > 0) writer.lengthDelimited(TAG.bytes2, message);
  return writer.bytes;
}

/** Size of a number field; 0 is not written. All tags here take one byte. */
function numberSize(value: number): number {
  return value === 0 ? 0 : 1 + varintSize(value);
}

function lengthDelimitedSize(length: number): number {
  return 1 + varintSize(length) + length;
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/** Fills an array that was measured before. */
class Writer {
  readonly bytes: Bytes;
  #at = 0;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }

  number(tag: number, value: number): void {
    if (value !== 0) this.header(tag, value);
  }

  lengthDelimited(tag: number, value: Uint8Array): void {
    this.header(tag, value.length);
    this.bytes.set(value, this.#at);
    this.#at += value.length;
  }

  /** A tag and the number or length that follows it. */
  header(tag: number, value: number): void {
    this.bytes[this.#at++] = tag;
    let rest = value;
    while (rest >= 0x80) {
      this.bytes[this.#at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.bytes[this.#at++] = rest;
  }
}
