/**
 * The store of one partition: memtables in front, tables behind.
 *
 * ```
 * write ─▶ active memtable ─flush─▶ frozen memtables ─▶ tables of level 0 ─compact─▶ level 1, 2, …
 * get, rows ◀── all of these, the newest first
 * ```
 *
 * The store has no log of its own: what is in memtables is lost with the process and written again from the
 * Raft log, beginning behind the point of the last flush. It knows nothing of Raft but numbers.
 *
 * **When the disk fails.** A flush or a compaction that cannot write throws, `status` says so, and nothing is
 * lost: memtables stay until they are in a table, tables until what replaces them is durable. Called again it
 * begins anew, with new files; a file whose write or sync failed is never written again. A block that is not
 * as it was written is never returned: the read throws.
 *
 * **Turns.** Reads and writes are synchronous. Flush and compaction pause between slices, by the function
 * that they are given.
 *
 * @module
 */

import { fullness } from "./compaction.ts";
import type { LogPoint } from "./manifest/mod.ts";
import { Memtable, memtableCursors } from "./memtable/mod.ts";
import { openStoreFiles } from "./opening.ts";
import { type Pin, Pins } from "./retention.ts";
import { RowCursor } from "./row_cursor.ts";
import { STORE_DEFAULTS, type StoreOptions, type StoreStatus } from "./store_options.ts";
import { cursorsOf, type FrozenMemtable, storeClosed, StoredTables } from "./stored_tables.ts";
import { hashKey, type Probe, STORE_KEY_BYTES_MAX, STORE_VALUE_BYTES_MAX, writeFailed } from "./table/mod.ts";

/** A change of a key; `undefined` deletes it. */
export interface StoreChange {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

/** What a key holds. */
export interface StoredValue {
  readonly value: Uint8Array;
  /** At which it was written. */
  readonly version: number;
}

/** See the module comment. */
export class Store {
  readonly #limits: { readonly level0Tables: number; readonly level1Bytes: number };
  readonly #tables: StoredTables;
  readonly #pins = new Pins();
  #active: Memtable;
  /** Oldest first. */
  #frozen: readonly FrozenMemtable[] = [];
  #lastVersion: number;
  #flushing: Promise<void> = Promise.resolve();
  #compacting: Promise<boolean> | undefined;
  #isClosed = false;
  #flushFailure: Error | undefined;
  #compactionFailure: Error | undefined;

  private constructor(options: StoreOptions, tables: StoredTables) {
    this.#limits = { ...STORE_DEFAULTS, ...options };
    this.#tables = tables;
    this.#active = new Memtable(tables.seed);
    const { point, tables: records } = tables.state;
    this.#lastVersion = [...records.values()].reduce(
      (most, { summary }) => Math.max(most, summary.highestVersion),
      point.index,
    );
  }

  /**
   * Opens a store, or makes one where there is nothing. Costs its manifest and a descriptor for each table,
   * not the data. Removes what an interrupted flush or compaction has left behind.
   *
   * @throws {StorageError} `STORAGE_DAMAGED`, `STORAGE_NEWER_FORMAT`, `STORAGE_READ_FAILED`; or
   *   `STORAGE_WRITE_FAILED` when a new one cannot be made, or the last change not made durable for certain.
   *   Nothing was removed then.
   */
  static async open(options: StoreOptions): Promise<Store> {
    return new Store(options, new StoredTables(options, await openStoreFiles(options)));
  }

  /** Up to where the log is in the tables: what follows is to be written again after a start. */
  get point(): LogPoint {
    return this.#tables.state.point;
  }

  /** Of the last write. */
  get lastVersion(): number {
    return this.#lastVersion;
  }

  /** Bytes of memory that memtables take. */
  get memtableBytes(): number {
    return this.#active.memoryBytes + this.#frozenBytes;
  }

  /** See {@linkcode StoreStatus}. */
  get status(): StoreStatus {
    const { set } = this.#tables;
    const levels = set.levels.map((tables, level) => ({ tables: tables.length, bytes: set.bytesOf(level) }));
    return {
      point: this.point,
      lastVersion: this.#lastVersion,
      memtableBytes: this.memtableBytes,
      frozenBytes: this.#frozenBytes,
      tableMemoryBytes: set.tables.reduce((sum, { table }) => sum + table.memoryBytes, 0),
      levels,
      entries: set.tables.reduce((sum, { record }) => sum + record.summary.entries, 0),
      fullness: Math.max(...levels.slice(0, -1).map((_, level) => fullness(set, level, this.#limits))),
      ...this.#tables.written,
      flushFailure: this.#flushFailure,
      compactionFailure: this.#compactionFailure,
    };
  }

  /**
   * Makes changes at a version, all visible at once. Of two of the same key the later one counts. Keys and
   * values are copied.
   *
   * @param version above that of every write before
   * @throws {RangeError} when that does not hold, or a key or value is too large; nothing is changed then
   * @throws {StorageError} `STORAGE_STATE` when the store is closed
   */
  write(changes: readonly StoreChange[], version: number): void {
    this.#mustBeOpen();
    if (!(version > this.#lastVersion) || !Number.isSafeInteger(version)) {
      throw new RangeError(`Cannot write version ${version}: it must be above ${this.#lastVersion}`);
    }
    for (const change of changes) checkChange(change);
    for (const { key, value } of changes) this.#active.write(key, value, version);
    this.#lastVersion = version;
  }

  /**
   * What a key holds, or held at a version.
   *
   * @param version pinned, or not below the last one; older ones may be gone
   * @returns a value of its own, for use and not for keeping: small ones share a block of memory
   * @throws {StorageError} `STORAGE_DAMAGED`, `STORAGE_READ_FAILED` when the answer is not known, or
   *   `STORAGE_STATE` when the store is closed
   */
  get(key: Uint8Array, version: number = Infinity): StoredValue | undefined {
    this.#mustBeOpen();
    const { seed, set } = this.#tables;
    const probe: Probe = { key, version, hash: hashKey(key, seed), seed };
    const active = this.#active.find(probe);
    if (active >= 0) return valueOf(this.#active, active);
    for (let position = this.#frozen.length - 1; position >= 0; position--) {
      const { memtable } = this.#frozen[position]!;
      const record = memtable.find(probe);
      if (record >= 0) return valueOf(memtable, record);
    }
    const block = set.get(probe);
    if (block === undefined || block.isTombstone) return undefined;
    const { bytes, valueStart, valueEnd } = block;
    return { value: copied(bytes, { start: valueStart, end: valueEnd }), version: block.version };
  }

  /**
   * Keeps the state of now readable until the pin is released; how long that may last is the caller's rule.
   */
  pin(): Pin {
    this.#mustBeOpen();
    return this.#pins.add(this.#lastVersion);
  }

  /**
   * A cursor over the rows at a version, for all that is done at once or under a pin. It must be closed, and
   * before the store is.
   *
   * @param version pinned, or that of the last write
   * @throws {StorageError} `STORAGE_STATE` when the store is closed
   */
  rows(version: number): RowCursor {
    this.#mustBeOpen();
    const { set } = this.#tables;
    set.hold();
    const memtables = [this.#active, ...this.#frozen.map(({ memtable }) => memtable)];
    for (const memtable of memtables) memtable.hold();
    const cursors = [
      ...memtables.flatMap(memtableCursors),
      ...set.levels.flatMap((tables, level) => cursorsOf(level, tables)),
    ];
    const release = () => {
      set.release();
      for (const memtable of memtables) memtable.release();
    };
    return new RowCursor({ cursors, version, release });
  }

  /**
   * Puts all that has been written into tables, and makes the point durable with it. What is written
   * meanwhile is not part of it. A call beside another one waits for it first.
   *
   * @param point up to which the log has been written to the store; not below any write, nor an earlier point
   * @throws {RangeError} for a point that is
   * @throws {StorageError} `STORAGE_WRITE_FAILED`: what is not in tables stays in memory; call it again later
   */
  flush(point: LogPoint): Promise<void> {
    this.#mustBeOpen();
    const before = this.#frozen.at(-1)?.point ?? this.point;
    if (point.index < Math.max(before.index, this.#lastVersion)) {
      throw new RangeError(
        `Cannot flush up to ${point.index}: there are writes up to ${this.#lastVersion}, and a point at ` +
          `${before.index}`,
      );
    }
    const isNews = this.#active.keyCount > 0 || this.#frozen.length > 0 || point.index > before.index;
    if (!isNews) return Promise.resolve();
    this.#freeze(point);
    const flushing = this.#flushing.then(() => this.#flushAll());
    this.#flushing = flushing.catch(() => {});
    return flushing;
  }

  /**
   * Does one compaction if a level is full. A call beside another one joins it.
   *
   * @returns whether there was something to do; then there may be more
   * @throws {StorageError} `STORAGE_WRITE_FAILED`: nothing is lost, call it again later; or
   * `STORAGE_DAMAGED`,
   *   `STORAGE_READ_FAILED` when a table cannot be read
   */
  compact(): Promise<boolean> {
    this.#mustBeOpen();
    this.#compacting ??= this.#compactOnce().finally(() => this.#compacting = undefined);
    return this.#compacting;
  }

  /** Ends what is under way and gives up all files. What is in memtables is lost; cursors must be closed. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const closing = this.#tables.close();
    await Promise.allSettled([this.#flushing, this.#compacting]);
    await closing;
    for (const memtable of [this.#active, ...this.#frozen.map((each) => each.memtable)]) memtable.release();
  }

  get #frozenBytes(): number {
    return this.#frozen.reduce((sum, { memtable }) => sum + memtable.memoryBytes, 0);
  }

  #mustBeOpen(): void {
    if (this.#isClosed) throw storeClosed();
  }

  /** Writes go to a new memtable from now on. An empty one that waits already takes the new point. */
  #freeze(point: LogPoint): void {
    const last = this.#frozen.at(-1);
    if (this.#frozen.length > 1 && this.#active.keyCount === 0) {
      this.#frozen = [...this.#frozen.slice(0, -1), { ...last!, point }];
      return;
    }
    this.#frozen = [...this.#frozen, { memtable: this.#active, point }];
    this.#active = new Memtable(this.#tables.seed);
  }

  async #flushAll(): Promise<void> {
    try {
      for (let next = this.#frozen[0]; next !== undefined; next = this.#frozen[0]) {
        await this.#tables.addMemtable(next, this.#pins.versions, () => {
          this.#frozen = this.#frozen.slice(1);
          next.memtable.release();
        });
      }
      this.#flushFailure = undefined;
    } catch (error) {
      this.#flushFailure = asError(error);
      throw error;
    }
  }

  async #compactOnce(): Promise<boolean> {
    try {
      const isDone = await this.#tables.compact(this.#pins.versions);
      this.#compactionFailure = undefined;
      return isDone;
    } catch (error) {
      this.#compactionFailure = asError(error);
      throw error;
    }
  }
}

function checkChange({ key, value }: StoreChange): void {
  if (key.length === 0 || key.length > STORE_KEY_BYTES_MAX) {
    throw new RangeError(`Cannot write a key of ${key.length} bytes (1 to ${STORE_KEY_BYTES_MAX})`);
  }
  if (value !== undefined && value.length > STORE_VALUE_BYTES_MAX) {
    throw new RangeError(`Cannot write a value of ${value.length} bytes (at most ${STORE_VALUE_BYTES_MAX})`);
  }
}

function valueOf(memtable: Memtable, record: number): StoredValue | undefined {
  const value = memtable.valueOf(record);
  if (value === undefined) return undefined;
  return { value: copied(value, { start: 0, end: value.length }), version: memtable.versionOf(record) };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : writeFailed("the store", error);
}

/** Small values are cut from one buffer: making one for each costs more than filling it. */
const SLAB_BYTES = 64 * 1024;
const CUT_BYTES_MAX = 1024;
let slab = new Uint8Array(SLAB_BYTES);
let slabUsed = 0;

function copied(
  bytes: Uint8Array,
  { start, end }: { readonly start: number; readonly end: number },
): Uint8Array {
  const length = end - start;
  if (length > CUT_BYTES_MAX) return bytes.slice(start, end);
  if (slabUsed + length > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES);
    slabUsed = 0;
  }
  const cut = slab.subarray(slabUsed, slabUsed + length);
  for (let at = 0; at < length; at++) cut[at] = bytes[start + at]!;
  slabUsed += length;
  return cut;
}
