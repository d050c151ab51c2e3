/**
 * Writes one table: entries in order go in, blocks, filter, index and footer come out. See `../FORMAT.md`,
 * "Table".
 *
 * Adding an entry writes nothing; what has been gathered is written by `drain`, which the caller awaits now
 * and then, so that it decides how long a turn may be. A write that fails is final for the file.
 *
 * @module
 */

import type { StoredFile } from "../../../wal-wasm/mod.ts";
import { BlockBuilder } from "./block_builder.ts";
import { SLOT_BYTES } from "./block_cache.ts";
import { BlockIndexBuilder, type KeyRange, separatorOf } from "./block_index.ts";
import { addToFilter, emptyFilter } from "./bloom_filter.ts";
import { CHECKSUM_BYTES, checksumAt, checksumSeed, type TableIdentity } from "./checksum.ts";
import { type EntryCursor, hashCursorKey } from "./entry.ts";
import { writeFailed } from "./error.ts";
import { encodeFooter, FOOTER_BYTES, type TableFooter } from "./footer.ts";

/** A file is smaller than 4 GiB; a table ends long before. */
export const TABLE_BYTES_MAX = 2 ** 31;
/** So much is written at once. */
const WRITE_BYTES = 256 * 1024;
/** Keys that are added to the filter without a pause: about a millisecond. */
const FILTER_SLICE_KEYS = 16_384;

/** The buffer of a writer that is done, for the next one: tables are most often written one by one. */
let spare: Uint8Array<ArrayBuffer> | undefined;

/** What is known of a table before it is read. */
export interface TableSummary extends KeyRange {
  readonly identity: TableIdentity;
  readonly fileBytes: number;
  readonly entries: number;
  readonly tombstones: number;
  readonly lowestVersion: number;
  readonly highestVersion: number;
  /** Bytes of all keys, each as often as it has entries, and of all values. */
  readonly keyBytes: number;
  readonly valueBytes: number;
}

/** What a table is written with. */
export interface TableWriterOptions {
  readonly identity: TableIdentity;
  readonly group: number;
  /** No version that will be added is below it. */
  readonly baseVersion: number;
  /** Of the state when the table was begun. */
  readonly appliedIndex: number;
  readonly term: number;
  /** Size at which a block ends, 8 KiB unless given; larger ones are not cached. */
  readonly blockBytes?: number;
}

/** See the module comment. */
export class TableWriter {
  readonly #file: StoredFile;
  readonly #options: TableWriterOptions;
  readonly #blockBytes: number;
  readonly #seed: number;
  readonly #builder: BlockBuilder;
  readonly #index = new BlockIndexBuilder();
  #hashes = new Int32Array(1024);
  #keys = 0;
  #smallestKey: Uint8Array | undefined;
  /** Of the block that was finished last, until the key after it is known. */
  #unseparated: { readonly lastKey: Uint8Array; readonly length: number } | undefined;

  #pending = spare ?? new Uint8Array(2 * WRITE_BYTES);
  #pendingBytes = 0;
  #written = 0;

  #entries = 0;
  #tombstones = 0;
  #lowestVersion = Infinity;
  #highestVersion = 0;
  #keyBytes = 0;
  #valueBytes = 0;

  /** @param file empty, and the writer's until it is finished; the caller closes it */
  constructor(file: StoredFile, options: TableWriterOptions) {
    this.#file = file;
    this.#options = options;
    this.#blockBytes = options.blockBytes ?? SLOT_BYTES;
    spare = undefined;
    this.#seed = checksumSeed(options.identity);
    this.#builder = new BlockBuilder(options.baseVersion);
  }

  /** Entries added so far. */
  get entries(): number {
    return this.#entries;
  }

  /** About the size of the file so far. */
  get bytes(): number {
    return this.#written + this.#pendingBytes;
  }

  /** Whether enough was gathered for a `drain` to be worth its while. */
  get isFull(): boolean {
    return this.#pendingBytes >= WRITE_BYTES;
  }

  /** Adds the entry at which `entry` stands; it comes after all others. */
  add(entry: EntryCursor): void {
    const builder = this.#builder;
    if (builder.entries > 0 && builder.bytesWith(entry) > this.#blockBytes) this.#endBlock();
    builder.add(entry);
    this.#separate();
    if (this.#entries === 0 || !builder.isSameKey) this.#noteKey(entry);
    this.#note(entry);
  }

  /**
   * Writes what has been gathered.
   *
   * @throws {StorageError} `STORAGE_WRITE_FAILED`: the file is useless
   */
  async drain(): Promise<void> {
    if (this.#pendingBytes === 0) return;
    const bytes = this.#pending.subarray(0, this.#pendingBytes);
    try {
      await this.#file.write(bytes, this.#written);
    } catch (error) {
      throw writeFailed(this.#file.path, error);
    }
    this.#written += bytes.length;
    this.#pendingBytes = 0;
  }

  /**
   * Writes the rest and syncs the file. There must be an entry at least.
   *
   * @param pause awaited between slices of the work
   * @throws {StorageError} `STORAGE_WRITE_FAILED`: the file is useless, and must not be tried again
   */
  async finish(pause: () => Promise<void> = () => Promise.resolve()): Promise<TableSummary> {
    const largestKey = this.#builder.lastKey.slice();
    const range: KeyRange = { smallestKey: this.#smallestKey!, largestKey };
    if (this.#builder.entries > 0) this.#endBlock();
    this.#addToIndex(largestKey);
    const filter = await this.#filter(pause);
    const filterOffset = this.bytes;
    const filterBytes = this.#put(filter);
    const indexBytes = this.#put(this.#index.finish(range));
    this.#append(encodeFooter(this.#footer({ filterOffset, filterBytes, indexBytes })));
    await this.drain();
    if (this.#pending.length === 2 * WRITE_BYTES) spare = this.#pending;
    await this.#sync();
    return { ...range, ...this.#counts(), identity: this.#options.identity, fileBytes: this.#written };
  }

  async #filter(pause: () => Promise<void>): Promise<Uint8Array> {
    const filter = emptyFilter(this.#keys);
    for (let from = 0; from < this.#keys; from += FILTER_SLICE_KEYS) {
      if (from > 0) await pause();
      addToFilter(filter, this.#hashes.subarray(from, Math.min(from + FILTER_SLICE_KEYS, this.#keys)));
    }
    return filter;
  }

  async #sync(): Promise<void> {
    try {
      await this.#file.syncData();
    } catch (error) {
      throw writeFailed(this.#file.path, error);
    }
  }

  #endBlock(): void {
    const lastKey = this.#builder.lastKey.slice();
    this.#unseparated = { lastKey, length: this.#put(this.#builder.finish()) };
  }

  /** The key of a new block is known: the block before it gets its separator. */
  #separate(): void {
    if (this.#unseparated === undefined) return;
    this.#addToIndex(separatorOf(this.#unseparated.lastKey, this.#builder.lastKey));
  }

  #addToIndex(separator: Uint8Array): void {
    this.#index.add(separator, this.#unseparated!.length);
    this.#unseparated = undefined;
  }

  #noteKey(entry: EntryCursor): void {
    if (this.#keys === 0) this.#smallestKey = this.#builder.lastKey.slice();
    if (this.#keys === this.#hashes.length) {
      const larger = new Int32Array(2 * this.#keys);
      larger.set(this.#hashes);
      this.#hashes = larger;
    }
    this.#hashes[this.#keys++] = hashCursorKey(entry, this.#options.identity.salt[0]);
  }

  #note({ version, isTombstone, keyStart, keyEnd, valueStart, valueEnd }: EntryCursor): void {
    this.#entries++;
    if (isTombstone) this.#tombstones++;
    if (version < this.#lowestVersion) this.#lowestVersion = version;
    if (version > this.#highestVersion) this.#highestVersion = version;
    this.#keyBytes += keyEnd - keyStart;
    this.#valueBytes += valueEnd - valueStart;
  }

  #counts() {
    return {
      entries: this.#entries,
      tombstones: this.#tombstones,
      lowestVersion: this.#lowestVersion,
      highestVersion: this.#highestVersion,
      keyBytes: this.#keyBytes,
      valueBytes: this.#valueBytes,
    };
  }

  #footer(
    places: Pick<TableFooter, "filterOffset" | "filterBytes" | "indexBytes">,
  ): TableFooter {
    const { identity, group, appliedIndex, term } = this.#options;
    return {
      identity,
      group,
      appliedIndex,
      term,
      blocks: this.#index.blocks,
      ...places,
      ...this.#counts(),
    };
  }

  /** Appends a part and its checksum; returns their bytes. */
  #put(part: Uint8Array): number {
    const crc = checksumAt(part, { seed: this.#seed, offset: this.bytes });
    this.#append(part);
    const tail = new Uint8Array(CHECKSUM_BYTES);
    new DataView(tail.buffer).setUint32(0, crc, true);
    this.#append(tail);
    return part.length + CHECKSUM_BYTES;
  }

  #append(bytes: Uint8Array): void {
    const end = this.#pendingBytes + bytes.length;
    if (end > this.#pending.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#pending.length));
      larger.set(this.#pending.subarray(0, this.#pendingBytes));
      this.#pending = larger;
    }
    this.#pending.set(bytes, this.#pendingBytes);
    this.#pendingBytes = end;
  }
}

/** Smallest file that can be a table. */
export const TABLE_BYTES_MIN = FOOTER_BYTES;
