/**
 * The store of one partition: memtables in front, tables behind.
 *
 * ```
 * write ─▶ active memtable ─flush─▶ frozen memtables ─▶ tables of level 0 ─compact─▶ level 1, 2, …
 * get, rows ◀── all of these, the newest first
 * snapshot ◀── tables               installation ─▶ another store's tables in the place of all of these
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
 * **When a snapshot comes.** It replaces everything in one moment. Cursors, and reads at versions that were
 * pinned before, go on with what was there until they are released.
 *
 * **Turns.** Reads and writes are synchronous. Flush and compaction pause between slices, by the function
 * that they are given.
 *
 * @module
 */

import { fullness } from "./compaction.ts";
import { FormerStates } from "./former_states.ts";
import type { LogFloor, LogPoint } from "./manifest/mod.ts";
import { Memtable } from "./memtable/mod.ts";
import { openStoreFiles } from "./opening.ts";
import type { RowCursor, TableSet } from "./reading/mod.ts";
import { type Pin, Pins } from "./retention.ts";
import {
  checkSnapshotDescription,
  Installation,
  type Replacement,
  type SnapshotDescription,
  type StoreInstall,
  type StoreSnapshot,
  TableSnapshot,
  verifyTable,
} from "./snapshot/mod.ts";
import {
  STORE_DEFAULTS,
  type StoreBacklog,
  type StoreEstimate,
  type StoreOptions,
  type StoreStatus,
} from "./store_options.ts";
import {
  type FrozenMemtable,
  memtablesOf,
  rowsIn,
  type StoredValue,
  type StoreSources,
  valueIn,
} from "./store_sources.ts";
import { storeClosed, StoredTables } from "./stored_tables.ts";
import {
  hashKey,
  type Probe,
  StorageError,
  STORE_KEY_BYTES_MAX,
  STORE_VALUE_BYTES_MAX,
  writeFailed,
} from "./table/mod.ts";

/** A change of a key; `undefined` deletes it. */
export interface StoreChange {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

/** See the module comment. */
export class Store {
  readonly #options: StoreOptions & { readonly [Name in keyof typeof STORE_DEFAULTS]: number };
  readonly #tables: StoredTables;
  readonly #former = new FormerStates();
  #pins = new Pins();
  #active: Memtable;
  /** Oldest first. */
  #frozen: readonly FrozenMemtable[] = [];
  #lastVersion: number;
  #flushing: Promise<void> = Promise.resolve();
  #compacting: Promise<boolean> | undefined;
  /** Ends when a snapshot has taken the place of the state, or has failed to. */
  #replacing: Promise<void> = Promise.resolve();
  /** Index of the snapshot that is doing so: what is written from there on would be lost with the rest. */
  #replacedAt = Infinity;
  #installation: Installation | undefined;
  #isClosed = false;
  /** Number of the table that was read again last. */
  #verified = 0;
  #flushFailure: Error | undefined;
  #compactionFailure: Error | undefined;

  private constructor(options: StoreOptions, tables: StoredTables) {
    this.#options = { ...STORE_DEFAULTS, ...options };
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

  /** Bytes of memory that filters and indexes of tables take. */
  get tableMemoryBytes(): number {
    return this.#tables.set.tables.reduce((sum, { table }) => sum + table.memoryBytes, 0);
  }

  /** What is still to be done; costs next to nothing. */
  get backlog(): StoreBacklog {
    const { set } = this.#tables;
    const levels = set.levels.slice(0, -1).map((_, level) => fullness(set, level, this.#options));
    return { frozenBytes: this.#frozenBytes, fullness: Math.max(...levels) };
  }

  /**
   * About how much there is, system data included; costs next to nothing. It is exact as long as all is in
   * one memtable, and keys are deleted only if they are there. Keys that were put again count more than once
   * until compaction has met them.
   */
  get estimate(): StoreEstimate {
    let { puts, putBytes, tombstones } = this.#tables.set.tally;
    for (const { tally } of memtablesOf(this.#sources)) {
      puts += tally.puts;
      putBytes += tally.putBytes;
      tombstones += tally.tombstones;
    }
    const keys = Math.max(puts - tombstones, 0);
    // What is hidden is taken to be as large as all else.
    return { keys, valueAndKeyBytes: Math.round(putBytes * keys / Math.max(puts, 1)) };
  }

  /** See {@linkcode StoreStatus}. */
  get status(): StoreStatus {
    const { set } = this.#tables;
    const levels = set.levels.map((tables, level) => ({ tables: tables.length, bytes: set.bytesOf(level) }));
    return {
      point: this.point,
      lastVersion: this.#lastVersion,
      memtableBytes: this.memtableBytes,
      tableMemoryBytes: this.tableMemoryBytes,
      levels,
      entries: set.tables.reduce((sum, { record }) => sum + record.summary.entries, 0),
      ...this.backlog,
      ...this.estimate,
      ...this.#tables.written,
      flushFailure: this.#flushFailure,
      compactionFailure: this.#compactionFailure,
    };
  }

  /**
   * Makes changes at a version, all visible at once. Of two of the same key the later one counts. Keys and
   * values are copied.
   *
   * @param version that of the last write, of which these are a part then, or above it
   * @throws {RangeError} when that does not hold, or a key or value is too large; nothing is changed then
   * @throws {StorageError} `STORAGE_STATE` when the store is closed, or a snapshot that does not reach so far
   *   is just taking the place of all writes
   */
  write(changes: readonly StoreChange[], version: number): void {
    this.#mustBeOpen();
    this.#mustBeBelowReplacement(version);
    if (!(version >= this.#lastVersion) || !Number.isSafeInteger(version)) {
      throw new RangeError(`Cannot write version ${version}: it must not be below ${this.#lastVersion}`);
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
    const { seed } = this.#tables;
    const probe: Probe = { key, version, hash: hashKey(key, seed), seed };
    return valueIn(this.#former.at(version) ?? this.#sources, probe);
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
   * It stands nowhere until it is moved. Keys that begin alike are next to each other: those with a prefix
   * follow `seek(prefix)`, until a key does not begin with it; backwards they follow `seekBefore` of the
   * first key behind them. Of what lies outside no more is read than the blocks at both ends.
   *
   * @param version pinned, or that of the last write
   * @throws {StorageError} `STORAGE_STATE` when the store is closed
   */
  rows(version: number): RowCursor {
    this.#mustBeOpen();
    return rowsIn(this.#former.at(version) ?? this.#sources, version);
  }

  /**
   * Puts all that has been written into tables, and makes the point durable with it. What is written
   * meanwhile is not part of it. A call beside another one waits for it first.
   *
   * @param point up to which the log has been written to the store; not below any write, nor an earlier
   *   point. The floor is that of the present point, unless it moves
   * @param changes belong to the state at the point, and are made with it at its version. They are passed
   *   over if an earlier call was for the same index: then they are there already
   * @throws {RangeError} for a point that is, or changes that `write` would refuse
   * @throws {StorageError} `STORAGE_WRITE_FAILED`: what is not in tables stays in memory; call it again
   *   later. Or `STORAGE_STATE`, as for `write`
   */
  flush(point: LogPoint, changes: readonly StoreChange[] = []): Promise<void> {
    this.#mustBeOpen();
    this.#mustBeBelowReplacement(point.index);
    const before = this.#frozen.at(-1)?.point ?? this.point;
    this.#mustFollow(point, before);
    for (const change of changes) checkChange(change);
    if (point.index > before.index) {
      for (const { key, value } of changes) this.#active.write(key, value, point.index);
      this.#lastVersion = point.index;
    }
    const isNews = this.#active.keyCount > 0 || this.#frozen.length > 0 || point.index > before.index ||
      isBehind(point.logFloor, before.logFloor);
    if (!isNews) return Promise.resolve();
    this.#freeze(point);
    const flushing = this.#flushing.then(() => this.#flushAll());
    this.#flushing = flushing.catch(() => {});
    return flushing;
  }

  /**
   * Reads the next of its tables again, from the disk, and compares every byte with its checksums.
   *
   * @returns whether there was one
   * @throws {StorageError} `STORAGE_DAMAGED` names file and offset; `STORAGE_READ_FAILED`, `STORAGE_STATE`
   */
  async verifyNext(): Promise<boolean> {
    this.#mustBeOpen();
    const { set } = this.#tables;
    const tables = set.tables.toSorted((left, right) => left.record.fileNumber - right.record.fileNumber);
    const next = tables.find(({ record }) => record.fileNumber > this.#verified) ?? tables[0];
    if (next === undefined) return false;
    this.#verified = next.record.fileNumber;
    next.hold();
    try {
      await verifyTable(next.table.anew(), { group: this.#options.group, pause: () => this.#tables.pause() });
      return true;
    } finally {
      next.release();
    }
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
    this.#compacting ??= this.#replacing.then(() => this.#compactOnce()).finally(() =>
      this.#compacting = undefined
    );
    return this.#compacting;
  }

  /**
   * The tables of now and their point, which stay readable until they are released; that must be before the
   * store is closed. What is in memtables is not part of it.
   *
   * @throws {StorageError} `STORAGE_STATE` when the store is closed
   */
  openSnapshot(): StoreSnapshot {
    this.#mustBeOpen();
    return new TableSnapshot(this.#tables.set);
  }

  /**
   * Begins to take up another store's state beside this one's, which goes on meanwhile. Tables that the store
   * has already are verified, and not asked for.
   *
   * @throws {RangeError} when the snapshot is below what the store has, or cannot be a state
   * @throws {StorageError} `STORAGE_WRITE_FAILED`; `STORAGE_STATE` when the store is closed, or another
   *   installation is under way
   */
  async beginInstall(snapshot: SnapshotDescription): Promise<StoreInstall> {
    this.#mustBeOpen();
    checkSnapshotDescription(snapshot);
    this.#mustBeReplaceable(snapshot.point);
    if (this.#installation?.hasEnded === false) {
      throw new StorageError("STORAGE_STATE", "Cannot begin to install a snapshot beside another one");
    }
    const tables = this.#tables;
    const installation = new Installation({
      snapshot,
      find: (identity) => tables.withIdentity(identity),
      takeNumber: () => tables.takeNumber(),
      files: tables.files,
      verifying: { group: this.#options.group, pause: () => tables.pause() },
      replace: (replacement) => this.#replace(replacement),
    });
    this.#installation = installation;
    await installation.begin();
    return installation;
  }

  /** Ends what is under way and gives up all files. What is in memtables is lost; cursors must be closed. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const closing = this.#tables.close();
    await Promise.allSettled([this.#flushing, this.#compacting]);
    await this.#installation?.abandon();
    await closing;
    this.#former.close();
    for (const memtable of memtablesOf(this.#sources)) memtable.release();
  }

  get #sources(): StoreSources {
    return { active: this.#active, frozen: this.#frozen, set: this.#tables.set };
  }

  get #frozenBytes(): number {
    return this.#frozen.reduce((sum, { memtable }) => sum + memtable.memoryBytes, 0);
  }

  #mustBeOpen(): void {
    if (this.#isClosed) throw storeClosed();
  }

  #mustBeBelowReplacement(version: number): void {
    if (version < this.#replacedAt) return;
    throw new StorageError(
      "STORAGE_STATE",
      `Cannot take in version ${version} as a snapshot at ${this.#replacedAt} is being switched to`,
    );
  }

  #mustFollow(point: LogPoint, before: LogPoint): void {
    if (point.index < Math.max(before.index, this.#lastVersion)) {
      throw new RangeError(
        `Cannot flush up to ${point.index}: there are writes up to ${this.#lastVersion}, and a point at ` +
          `${before.index}`,
      );
    }
    const [{ segment, offset }, floor] = [point.logFloor, before.logFloor];
    if (isBehind(floor, point.logFloor)) {
      throw new RangeError(
        `Cannot flush with the log's floor at ${segment}/${offset}: it is at ${floor.segment}/${floor.offset}`,
      );
    }
  }

  #mustBeReplaceable({ index }: LogPoint): void {
    const last = Math.max(this.#lastVersion, this.point.index);
    if (index < last) throw new RangeError(`Cannot install a snapshot at ${index}: the store is at ${last}`);
  }

  /** Once flushes and compactions that have begun are over; later ones wait. */
  #replace(replacement: Replacement): Promise<void> {
    const replacing = Promise.allSettled([this.#flushing, this.#compacting])
      .then(() => this.#replaceNow(replacement));
    this.#replacing = replacing.catch(() => {});
    this.#flushing = this.#replacing;
    return replacing;
  }

  async #replaceNow(replacement: Replacement): Promise<void> {
    const { point } = replacement;
    this.#mustBeReplaceable(point);
    this.#replacedAt = point.index;
    try {
      await this.#tables.replace(replacement, (former) => {
        this.#beginAnew(former, point.index);
        replacement.whenSwitched();
      });
    } finally {
      this.#replacedAt = Infinity;
    }
  }

  /** The tables are another state's: what goes with the former ones is given up, or kept for its readers. */
  #beginAnew(former: TableSet, version: number): void {
    const sources = { ...this.#sources, set: former };
    this.#former.take({ sources, lastVersion: this.#lastVersion }, this.#pins);
    this.#pins = new Pins();
    this.#active = new Memtable(this.#tables.seed);
    this.#frozen = [];
    this.#lastVersion = version;
    this.#flushFailure = undefined;
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

/** Whether a place of the log is behind another one. */
function isBehind(place: LogFloor, other: LogFloor): boolean {
  return place.segment > other.segment || (place.segment === other.segment && place.offset > other.offset);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : writeFailed("the store", error);
}
