/**
 * The index of a table: which block can hold a key. In memory as bytes and numbers, not as an object for each
 * block. See `../FORMAT.md`, "Index".
 *
 * @module
 */

import { WireReader, WireWriter } from "../../../proto/mod.ts";

/** Bytes that the entry of a block takes at least. */
const BLOCK_ENTRY_BYTES_MIN = 2;

/** What a table says of its keys. */
export interface KeyRange {
  readonly smallestKey: Uint8Array;
  readonly largestKey: Uint8Array;
}

/** Gathers the index while a table is written. */
export class BlockIndexBuilder {
  readonly #separators: Uint8Array[] = [];
  readonly #lengths: number[] = [];

  /** Blocks so far. */
  get blocks(): number {
    return this.#lengths.length;
  }

  /** The next block, in bytes with its checksum, and its separator, which is kept. */
  add(separator: Uint8Array, length: number): void {
    this.#separators.push(separator);
    this.#lengths.push(length);
  }

  /** The index without its checksum. */
  finish({ smallestKey, largestKey }: KeyRange): Uint8Array {
    const writer = new WireWriter();
    writer.lengthPrefixed(smallestKey);
    writer.lengthPrefixed(largestKey);
    writer.varint(this.blocks);
    this.#separators.forEach((separator, position) => {
      writer.lengthPrefixed(separator);
      writer.varint(this.#lengths[position]!);
    });
    return writer.finish();
  }
}

/** See the module comment. */
export class BlockIndex implements KeyRange {
  readonly smallestKey: Uint8Array;
  readonly largestKey: Uint8Array;
  readonly blocks: number;
  readonly #separators: Uint8Array;
  /** Where separators begin, and where the last one ends. */
  readonly #starts: Uint32Array;
  /** Where blocks begin in the file, and where the last one ends. */
  readonly #offsets: Uint32Array;

  /**
   * Reads an index.
   *
   * @param bytes without the checksum, which is right; copied
   * @throws {RangeError} when they are no index
   */
  constructor(bytes: Uint8Array) {
    const reader = new WireReader(bytes);
    this.smallestKey = reader.lengthPrefixed().slice();
    this.largestKey = reader.lengthPrefixed().slice();
    this.blocks = reader.varint();
    if (this.blocks * BLOCK_ENTRY_BYTES_MIN > reader.left) {
      throw new RangeError(`Cannot read an index of ${this.blocks} blocks in ${reader.left} bytes`);
    }
    this.#separators = new Uint8Array(reader.left);
    this.#starts = new Uint32Array(this.blocks + 1);
    this.#offsets = new Uint32Array(this.blocks + 1);
    for (let block = 0; block < this.blocks; block++) this.#read(reader, block);
    reader.mustEnd();
  }

  /** Bytes of memory that it takes. */
  get memoryBytes(): number {
    return this.#separators.length + 8 * this.blocks + this.smallestKey.length + this.largestKey.length;
  }

  /** Where the blocks end in the file. */
  get end(): number {
    return this.#offsets[this.blocks]!;
  }

  offsetOf(block: number): number {
    return this.#offsets[block]!;
  }

  /** Bytes of a block, its checksum included. */
  lengthOf(block: number): number {
    return this.#offsets[block + 1]! - this.#offsets[block]!;
  }

  /** The first block whose separator is not below `key`; the number of blocks if there is none. */
  find(key: Uint8Array): number {
    let low = 0;
    let high = this.blocks;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(middle, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether entries of `key` may go on in the block behind this one. */
  mayGoOn(block: number, key: Uint8Array): boolean {
    return this.#compare(block, key) === 0;
  }

  #compare(block: number, key: Uint8Array): number {
    const separators = this.#separators;
    const end = this.#starts[block + 1]!;
    const keyLength = key.length;
    let at = this.#starts[block]!;
    let keyAt = 0;
    while (at < end && keyAt < keyLength) {
      const difference = separators[at++]! - key[keyAt++]!;
      if (difference !== 0) return difference;
    }
    return (end - at) - (keyLength - keyAt);
  }

  #read(reader: WireReader, block: number): void {
    const separator = reader.lengthPrefixed();
    const start = this.#starts[block]!;
    this.#separators.set(separator, start);
    this.#starts[block + 1] = start + separator.length;
    const end = this.#offsets[block]! + reader.varint();
    if (end > 2 ** 32 - 1) throw new RangeError(`Cannot read an index whose blocks end at ${end}`);
    this.#offsets[block + 1] = end;
  }
}

/**
 * A key that is not below `last` and below `next`, shorter than `last` if that is possible; `last` itself if
 * both are equal.
 */
export function separatorOf(last: Uint8Array, next: Uint8Array): Uint8Array {
  const shorter = Math.min(last.length, next.length);
  let shared = 0;
  while (shared < shorter && last[shared] === next[shared]) shared++;
  if (shared === shorter || last[shared]! + 1 >= next[shared]!) return last.slice();
  const separator = last.slice(0, shared + 1);
  separator[shared]!++;
  return separator;
}
