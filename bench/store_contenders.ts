/**
 * What the store's benchmark measures: the product's store and `classic-level` (LevelDB by N-API) behind one
 * small interface, on the real disk, nothing synced but what each syncs by itself when it writes tables.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { BlockCache, Store } from "../server/storage/mod.ts";
import { DenoFileSystem } from "../wal-wasm/mod.ts";

/** What both are given. */
export interface StoreBenchOptions {
  readonly directory: string;
  readonly cacheBytes: number;
  /** Memory that is filled before it is written as a table. */
  readonly memtableBytes: number;
  /** Bytes of level 1, where that can be chosen. */
  readonly level1Bytes: number;
}

/** A store under test. */
export interface StoreContender {
  readonly name: string;
  /** Writes all, in this order. */
  put(keys: readonly Uint8Array[], value: Uint8Array): Promise<void>;
  /** Puts everything into tables and ends compaction. */
  settle(): Promise<void>;
  /** Bytes of the value, −1 for a key that is not there. */
  get(key: Uint8Array): number;
  /** Reads so many rows from a key on; returns how many there were. */
  scan(from: Uint8Array, rows: number): Promise<number>;
  /** What it is made of, in words. */
  describe(): string;
  /** Bytes written to tables, if that is known. */
  readonly writtenBytes: number;
  close(): Promise<void>;
}

const page = new Uint8Array(1024 * 1024);

/** Copies bytes into the page; returns where it is free. */
function appended(bytes: Uint8Array, used: number): number {
  const start = used + bytes.length > page.length ? 0 : used;
  page.set(bytes, start);
  return start + bytes.length;
}

/** Lets everything else have its turn. */
function pause(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** Puts between two pauses: a turn of a busy node. */
const TURN_PUTS = 200;
/** So many memtables may wait; then writes wait for them. */
const FROZEN_MAX = 2;
/** From this fullness on writes wait for compaction. */
const FULLNESS_MAX = 3;

/** The product's. */
export class PrkdbContender implements StoreContender {
  readonly name = "prkdb";
  readonly #store: Store;
  readonly #options: StoreBenchOptions;
  #version = 0;
  #compacting: Promise<void> | undefined;
  #flushing: Promise<void> = Promise.resolve();

  private constructor(store: Store, options: StoreBenchOptions) {
    this.#store = store;
    this.#options = options;
    this.#version = store.lastVersion;
  }

  static async open(options: StoreBenchOptions): Promise<PrkdbContender> {
    const store = await Store.open({
      fileSystem: new DenoFileSystem(),
      directory: options.directory,
      group: 1,
      cache: new BlockCache(options.cacheBytes),
      pause,
      level1Bytes: options.level1Bytes,
      tableBytes: Math.min(8 * 1024 * 1024, Math.ceil(options.level1Bytes / 8)),
    });
    return new PrkdbContender(store, options);
  }

  get writtenBytes(): number {
    const { flushedBytes, compactedBytes } = this.#store.status;
    return flushedBytes + compactedBytes;
  }

  async put(keys: readonly Uint8Array[], value: Uint8Array): Promise<void> {
    for (let at = 0; at < keys.length;) {
      const end = Math.min(at + TURN_PUTS, keys.length);
      for (; at < end; at++) this.#store.write([{ key: keys[at]!, value }], ++this.#version);
      this.#maintain();
      await pause();
      const { frozenBytes, fullness } = this.#store.backlog;
      if (frozenBytes > FROZEN_MAX * this.#options.memtableBytes) await this.#flushing;
      if (fullness > FULLNESS_MAX) await this.#compacting;
    }
  }

  async settle(): Promise<void> {
    this.#flush();
    await this.#flushing;
    await this.#compacting;
    while (await this.#store.compact());
  }

  get(key: Uint8Array): number {
    return this.#store.get(key)?.value.length ?? -1;
  }

  scan(from: Uint8Array, rows: number): Promise<number> {
    const cursor = this.#store.rows(this.#version);
    let [count, used] = [0, 0];
    for (cursor.seek(from); cursor.isValid && count < rows; cursor.next()) {
      // As an answer is made: key and value are copied into its page.
      const { entry } = cursor;
      used = appended(entry.key.subarray(entry.keyStart, entry.keyEnd), used);
      used = appended(entry.value.subarray(entry.valueStart, entry.valueEnd), used);
      count++;
    }
    cursor.close();
    return Promise.resolve(count);
  }

  describe(): string {
    const { levels, entries, tableMemoryBytes } = this.#store.status;
    const parts = levels.map(({ tables, bytes }, level) => `L${level} ${tables} × ${mib(bytes)}`);
    return `${parts.filter((part) => !/ 0 ×/.test(part)).join(", ")}; ${entries} entries, ` +
      `filters and indexes ${mib(tableMemoryBytes)}`;
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  #maintain(): void {
    if (this.#store.memtableBytes - this.#store.backlog.frozenBytes > this.#options.memtableBytes) {
      this.#flush();
    }
    this.#compacting ??= this.#compactAll().finally(() => this.#compacting = undefined);
  }

  #flush(): void {
    const logFloor = { segment: 0, offset: 0 };
    const membership = new Uint8Array(0);
    const point = { index: this.#version, term: 1, membership, membershipIndex: 0, logFloor };
    this.#flushing = this.#store.flush(point);
  }

  async #compactAll(): Promise<void> {
    while (await this.#store.compact());
  }
}

/** LevelDB; `undefined` if its native code cannot be loaded here. */
export async function openClassicLevel(options: StoreBenchOptions): Promise<StoreContender | undefined> {
  try {
    const { ClassicLevel } = await import("classic-level");
    const database = new ClassicLevel<Uint8Array, Uint8Array>(options.directory, {
      keyEncoding: "view",
      valueEncoding: "view",
      cacheSize: options.cacheBytes,
      writeBufferSize: options.memtableBytes,
      compression: false,
    });
    await database.open();
    return new ClassicLevelContender(database);
  } catch (error) {
    console.error(`classic-level cannot be loaded, so only prkdb is measured: ${error}`);
    return undefined;
  }
}

/** What is used of `ClassicLevel`. */
interface Database {
  batch(operations: { type: "put"; key: Uint8Array; value: Uint8Array }[]): Promise<void>;
  getSync(key: Uint8Array): Uint8Array | undefined;
  iterator(options: { gte: Uint8Array }): {
    nextv(size: number): Promise<[Uint8Array, Uint8Array][]>;
    close(): Promise<void>;
  };
  compactRange(start: Uint8Array, end: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** See {@linkcode openClassicLevel}. Its batches are larger than ours, since each costs a round trip. */
class ClassicLevelContender implements StoreContender {
  readonly name = "classic_level";
  readonly writtenBytes = 0;
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async put(keys: readonly Uint8Array[], value: Uint8Array): Promise<void> {
    for (let at = 0; at < keys.length; at += TURN_PUTS) {
      await this.#database.batch(keys.slice(at, at + TURN_PUTS).map((key) => ({ type: "put", key, value })));
    }
  }

  /** It compacts by itself, in a thread: there is nothing to be waited for but a moment. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 500));
  }

  get(key: Uint8Array): number {
    return this.#database.getSync(key)?.length ?? -1;
  }

  async scan(from: Uint8Array, rows: number): Promise<number> {
    const iterator = this.#database.iterator({ gte: from });
    const found = await iterator.nextv(rows);
    await iterator.close();
    return found.length;
  }

  describe(): string {
    return "not said";
  }

  async close(): Promise<void> {
    await this.#database.close();
  }
}

function mib(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
