/**
 * A table that is read. Its footer, filter and index come into memory when it is first asked for something,
 * so that opening a store costs nothing of its size; blocks go through the node's cache. Every part is
 * checked when it is read, and what fails is never returned.
 *
 * All reading is synchronous: a search in memory costs less than waiting does, and the state machine has to
 * know what a key holds before it can go on.
 *
 * @module
 */

import type { StoredFile } from "../../../wal-wasm/mod.ts";
import { type Block, Search } from "./block.ts";
import type { BlockCache, BlockSource } from "./block_cache.ts";
import { BlockIndex } from "./block_index.ts";
import { mayContain } from "./bloom_filter.ts";
import { CHECKSUM_BYTES, checksumAt, checksumSeed } from "./checksum.ts";
import { compareKeys, hashKey } from "./entry.ts";
import { damaged, readFailed, StorageError } from "./error.ts";
import { decodeFooter, FOOTER_BYTES, type TableFooter } from "./footer.ts";
import { TABLE_BYTES_MIN, type TableSummary } from "./table_writer.ts";

/** What is looked for. One object serves all tables that are asked. */
export interface Probe {
  readonly key: Uint8Array;
  /** Entries above it are not seen. */
  readonly version: number;
  /** The key's hash under `seed`. */
  readonly hash: number;
  readonly seed: number;
}

/** What a table is opened with. */
export interface TableOptions {
  readonly file: StoredFile;
  readonly summary: TableSummary;
  readonly cache: BlockCache;
}

/** What is in memory of a table that is in use. */
interface Directory {
  readonly footer: TableFooter;
  readonly filter: Uint8Array;
  readonly index: BlockIndex;
}

/** See the module comment. */
export class Table implements BlockSource {
  readonly summary: TableSummary;
  slots = new Int32Array(0);
  readonly #file: StoredFile;
  readonly #cache: BlockCache;
  readonly #seed: number;
  #directory: Directory | undefined;

  /** Reads nothing. */
  constructor({ file, summary, cache }: TableOptions) {
    this.summary = summary;
    this.#file = file;
    this.#cache = cache;
    this.#seed = checksumSeed(summary.identity);
  }

  get path(): string {
    return this.#file.path;
  }

  /** Bytes of memory that filter and index take. */
  get memoryBytes(): number {
    if (this.#directory === undefined) return 0;
    const { filter, index } = this.#directory;
    return filter.length + index.memoryBytes + this.slots.byteLength;
  }

  /**
   * What the table says of itself.
   *
   * @throws {StorageError} `STORAGE_DAMAGED`, `STORAGE_NEWER_FORMAT`, `STORAGE_READ_FAILED`
   */
  get footer(): TableFooter {
    return this.#open().footer;
  }

  /** Which blocks there are; throws as {@linkcode footer} does. */
  get index(): BlockIndex {
    return this.#open().index;
  }

  /**
   * The newest entry of the probe's key that is not above its version.
   *
   * @returns the block that holds it, whose fields tell of it until the cache is asked for something else
   * @throws {StorageError} `STORAGE_DAMAGED`, `STORAGE_NEWER_FORMAT`, `STORAGE_READ_FAILED`
   */
  get(probe: Probe): Block | undefined {
    const { filter, index } = this.#directory ?? this.#open();
    const { key } = probe;
    const ownSeed = this.summary.identity.salt[0];
    const hash = probe.seed === ownSeed ? probe.hash : hashKey(key, ownSeed);
    if (!mayContain(filter, hash)) return undefined;
    for (let number = index.find(key); number < index.blocks; number++) {
      const block = this.#cache.fetch(this, number);
      const result = block.find(key, probe.version);
      if (result === Search.found) return block;
      if (result === Search.passed || !index.mayGoOn(number, key)) return undefined;
    }
    return undefined;
  }

  lengthOf(block: number): number {
    return this.index.lengthOf(block);
  }

  readBlock(block: number, into: Block): void {
    const { index } = this.#open();
    const offset = index.offsetOf(block);
    const length = index.lengthOf(block);
    into.reserve(length);
    const bytes = length === into.bytes.length ? into.bytes : into.bytes.subarray(0, length);
    this.#fill(bytes, offset);
    this.#check(bytes, offset);
    into.open(length, { path: this.path, offset });
  }

  /** Brings a block into a buffer of the caller's, without a place in the cache. */
  copyBlock(block: number, into: Block): void {
    const cached = this.#cache.peek(this, block);
    if (cached === undefined) this.readBlock(block, into);
    else into.copyFrom(cached);
  }

  /**
   * Fills `into` with the bytes of the file from `offset` on, past the cache and as they are.
   *
   * @throws {StorageError} `STORAGE_READ_FAILED`, or `STORAGE_DAMAGED` when the file ends before
   */
  readBytes(into: Uint8Array, offset: number): void {
    this.#fill(into, offset);
  }

  /** The same file with nothing of it in memory, for those who want to know what is on the disk. */
  anew(): Table {
    return new Table({ file: this.#file, summary: this.summary, cache: this.#cache });
  }

  /**
   * Reads and checks every part.
   *
   * @throws {StorageError} `STORAGE_DAMAGED` with the first place that is not as it was written
   */
  *verify(buffer: Block): Generator<void> {
    const { index } = this.#open();
    for (let block = 0; block < index.blocks; block++) {
      this.readBlock(block, buffer);
      yield;
    }
  }

  /** Gives up the file and what the cache holds of it. */
  close(): void {
    this.#cache.forget(this);
    this.#file.close();
  }

  #open(): Directory {
    if (this.#directory !== undefined) return this.#directory;
    const footer = this.#readFooter();
    const indexOffset = footer.filterOffset + footer.filterBytes;
    this.#checkSizes(footer);
    const filter = this.#readPart(footer.filterOffset, footer.filterBytes);
    const index = this.#decodeIndex(this.#readPart(indexOffset, footer.indexBytes), indexOffset);
    if (index.end !== footer.filterOffset || index.blocks !== footer.blocks) {
      throw damaged({ path: this.path, offset: indexOffset }, "index and footer disagree about the blocks");
    }
    if (
      compareKeys(index.smallestKey, this.summary.smallestKey) !== 0 ||
      compareKeys(index.largestKey, this.summary.largestKey) !== 0
    ) {
      throw damaged({ path: this.path, offset: indexOffset }, "index and manifest disagree about the keys");
    }
    this.slots = new Int32Array(index.blocks).fill(-1);
    this.#directory = { footer, filter, index };
    return this.#directory;
  }

  #readFooter(): TableFooter {
    const offset = this.summary.fileBytes - FOOTER_BYTES;
    const place = { path: this.path, offset };
    if (this.summary.fileBytes < TABLE_BYTES_MIN) throw damaged(place, "the file is too short for a table");
    // One byte more, so that a file that is too long is noticed.
    const bytes = new Uint8Array(FOOTER_BYTES + 1);
    if (this.#read(bytes, offset) !== FOOTER_BYTES) {
      throw damaged(place, "the file has not the size that the manifest says");
    }
    const footer = decodeFooter(bytes.subarray(0, FOOTER_BYTES), place);
    if (checksumSeed(footer.identity) !== this.#seed || !isSameIdentity(footer, this.summary)) {
      throw damaged(place, "this is another table than the manifest says");
    }
    return footer;
  }

  #checkSizes({ filterOffset, filterBytes, indexBytes }: TableFooter): void {
    const end = filterOffset + filterBytes + indexBytes + FOOTER_BYTES;
    if (end === this.summary.fileBytes && filterBytes > CHECKSUM_BYTES && indexBytes > CHECKSUM_BYTES) return;
    const place = { path: this.path, offset: this.summary.fileBytes - FOOTER_BYTES };
    throw damaged(place, "the footer's sizes are not those of the file");
  }

  #decodeIndex(bytes: Uint8Array, offset: number): BlockIndex {
    try {
      return new BlockIndex(bytes);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw damaged({ path: this.path, offset }, `its index cannot be read: ${error.message}`);
    }
  }

  /** A part without its checksum, which is right. */
  #readPart(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.#fill(bytes, offset);
    return this.#check(bytes, offset);
  }

  #check(part: Uint8Array, offset: number): Uint8Array {
    const end = part.length - CHECKSUM_BYTES;
    const content = part.subarray(0, end);
    const written = part[end]! | (part[end + 1]! << 8) | (part[end + 2]! << 16) | (part[end + 3]! << 24);
    if (checksumAt(content, { seed: this.#seed, offset }) === written >>> 0) return content;
    throw damaged({ path: this.path, offset }, "a checksum is wrong");
  }

  #fill(bytes: Uint8Array, offset: number): void {
    if (this.#read(bytes, offset) === bytes.length) return;
    throw damaged({ path: this.path, offset }, "the file ends there");
  }

  #read(bytes: Uint8Array, offset: number): number {
    try {
      return this.#file.readSync(bytes, offset);
    } catch (error) {
      throw error instanceof StorageError ? error : readFailed(this.path, error);
    }
  }
}

function isSameIdentity(footer: TableFooter, summary: TableSummary): boolean {
  const { salt, number } = footer.identity;
  const wanted = summary.identity;
  return salt[0] === wanted.salt[0] && salt[1] === wanted.salt[1] && number === wanted.number;
}
