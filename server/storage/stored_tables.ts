/**
 * The durable half of a store: its tables, and the manifest that names them. Here memtables become tables,
 * tables are merged, and all of them replaced by a snapshot's.
 *
 * Changes of the manifest are made one at a time, and take effect in memory in the moment in which they have
 * become durable. Flush and compaction may go on side by side: they never touch the same tables.
 *
 * @module
 */

import { type Compaction, isMove, pickCompaction } from "./compaction.ts";
import type { StateLog, StoreEdit, StoreState } from "./manifest/mod.ts";
import { memtableCursors } from "./memtable/mod.ts";
import type { OpenedFiles } from "./opening.ts";
import { type HeldTable, LevelCursor, MergeCursor, type TableFiles, TableSet } from "./reading/mod.ts";
import { VersionRetention } from "./retention.ts";
import type { Replacement } from "./snapshot/mod.ts";
import { STORE_DEFAULTS, type StoreOptions } from "./store_options.ts";
import { cursorsOf, type FrozenMemtable } from "./store_sources.ts";
import { type EntryCursor, StorageError, type TableIdentity } from "./table/mod.ts";
import { TableRun, type TableRunOptions } from "./table_run.ts";

/** What is written, and how. */
interface Work extends Pick<TableRunOptions, "level" | "baseVersion" | "tableBytes" | "point" | "retention"> {
  readonly sources: readonly EntryCursor[];
  /** Tables that the new ones replace. */
  readonly replaced: readonly HeldTable[];
  /** Whether the point becomes that of the store. */
  readonly movesPoint: boolean;
  /** What changes in memory in the moment in which all is durable. */
  readonly whenDurable?: () => void;
}

/** See the module comment. */
export class StoredTables {
  readonly #options: StoreOptions & { readonly [Name in keyof typeof STORE_DEFAULTS]: number };
  readonly #log: StateLog;
  readonly #files: TableFiles;
  /** All tables of the current set, by file number. */
  readonly #held: Map<number, HeldTable>;
  /** Where compaction of each level goes on. */
  readonly #places = new Map<number, Uint8Array>();
  #set: TableSet;
  /** Ends when the last commit has ended. */
  #commits: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  #flushedBytes = 0;
  #compactedBytes = 0;

  /** Takes over what `openStoreFiles` has opened. */
  constructor(options: StoreOptions, { log, files, tables }: OpenedFiles) {
    this.#options = { ...STORE_DEFAULTS, ...options };
    this.#log = log;
    this.#files = files;
    this.#held = tables;
    this.#set = new TableSet(log.state, tables);
    this.#set.hold();
  }

  /** What is durable, and read. */
  get state(): StoreState {
    return this.#set.state;
  }

  get files(): TableFiles {
    return this.#files;
  }

  /** What the hashes of this store's keys start from. */
  get seed(): number {
    return this.#log.salt[0];
  }

  /** The tables of now; who reads them in more than one go holds them. */
  get set(): TableSet {
    return this.#set;
  }

  /** Bytes of the tables that were written since the store was opened. */
  get written(): { readonly flushedBytes: number; readonly compactedBytes: number } {
    return { flushedBytes: this.#flushedBytes, compactedBytes: this.#compactedBytes };
  }

  /**
   * Writes a memtable as a table of level 0, and makes its point that of the store.
   *
   * @param pinned versions that must stay readable, ascending
   * @param whenDurable called in the moment in which reads find the table
   * @throws {StorageError} `STORAGE_WRITE_FAILED`: nothing has changed
   */
  async addMemtable(
    { memtable, point }: FrozenMemtable,
    pinned: readonly number[],
    whenDurable: () => void,
  ): Promise<void> {
    this.#flushedBytes += await this.#write({
      level: 0,
      baseVersion: memtable.lowestVersion,
      // Newest tables are asked first; one memtable in several of them would only make reads slower.
      tableBytes: Infinity,
      point,
      retention: new VersionRetention({ pinned, isBottom: () => false }),
      sources: memtableCursors(memtable),
      replaced: [],
      movesPoint: true,
      whenDurable,
    });
    await this.#files.sweep();
  }

  /** The table of the present state that is the same as one elsewhere. */
  withIdentity({ salt, number }: TableIdentity): HeldTable | undefined {
    return this.#set.tables.find(({ record: { summary: { identity } } }) =>
      identity.number === number && identity.salt[0] === salt[0] && identity.salt[1] === salt[1]
    );
  }

  /**
   * Puts a snapshot's state in the place of this one, as a whole. No flush and no compaction is under way.
   *
   * @param whenDurable called in the moment in which reads find it, with the tables that were read before
   * @throws {StorageError} `STORAGE_WRITE_FAILED`: nothing has changed, but after a restart either state may
   *   be in force, until another change is durable
   */
  async replace(
    { point, received, kept }: Replacement,
    whenDurable: (former: TableSet) => void,
  ): Promise<void> {
    const tables = [
      ...received.map(({ record }) => record),
      ...kept.map(({ held, level }) => ({ ...held.record, level })),
    ];
    const staying = new Set(tables.map(({ fileNumber }) => fileNumber));
    const gone = [...this.state.tables.keys()].filter((fileNumber) => !staying.has(fileNumber));
    const opened = [...received, ...kept.map(({ held }) => held)];
    const broughtBack = kept.filter(({ held }) => this.#files.bringBack(held.record.fileNumber));
    try {
      await this.#commit({ edit: { point, gone, tables }, opened, whenDurable });
    } catch (error) {
      for (const { held } of broughtBack) this.#files.abandon(held.table.path);
      throw error;
    }
    this.#places.clear();
  }

  /** Awaited between slices of work; throws when the store is closed. */
  async pause(): Promise<void> {
    await this.#options.pause();
    this.#mustBeOpen();
  }

  /** A file number that no file has had. */
  async takeNumber(): Promise<number> {
    while (!this.#log.hasNumbers) await this.#commit({ edit: { gone: [], tables: [] }, opened: [] });
    return this.#log.takeNumber();
  }

  /**
   * Does one compaction if a level is full.
   *
   * @param pinned versions that must stay readable, ascending
   * @returns whether there was something to do
   * @throws {StorageError} `STORAGE_WRITE_FAILED`: nothing has changed; `STORAGE_DAMAGED`,
   *   `STORAGE_READ_FAILED` when a table cannot be read
   */
  async compact(pinned: readonly number[]): Promise<boolean> {
    await this.#files.sweep();
    const compaction = pickCompaction(this.#set, this.#options, this.#places);
    if (compaction === undefined) return false;
    if (isMove(compaction)) await this.#move(compaction);
    else await this.#merge(compaction, pinned);
    this.#places.set(compaction.level, compaction.inputs.at(-1)!.record.summary.largestKey);
    await this.#files.sweep();
    return true;
  }

  /** Ends commits that wait, and gives up all files once nobody holds their tables. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#commits;
    this.#set.release();
    this.#log.close();
  }

  /** A table that shares no key with the level below goes there as it is. */
  async #move({ level, inputs }: Compaction): Promise<void> {
    const tables = inputs.map(({ record }) => ({ ...record, level: level + 1 }));
    await this.#commit({ edit: { gone: [], tables }, opened: [] });
  }

  async #merge({ level, inputs, overlapping }: Compaction, pinned: readonly number[]): Promise<void> {
    const set = this.#set;
    const replaced = [...inputs, ...overlapping];
    const versions = replaced.map(({ record }) => record.summary.lowestVersion);
    set.hold();
    try {
      this.#compactedBytes += await this.#write({
        level: level + 1,
        baseVersion: versions.reduce((least, version) => Math.min(least, version), Infinity),
        tableBytes: this.#options.tableBytes,
        point: this.state.point,
        // Flushes go on meanwhile, but to level 0: what is below stays as it is.
        retention: new VersionRetention({ pinned, isBottom: (key) => !set.hasBelow(level + 1, key) }),
        sources: [...cursorsOf(level, inputs), new LevelCursor(overlapping)],
        replaced,
        movesPoint: false,
      });
    } finally {
      set.release();
    }
  }

  /** Writes tables in place of others; returns their bytes. */
  async #write(work: Work): Promise<number> {
    const { sources, replaced, movesPoint, whenDurable, ...rest } = work;
    const run = this.#begin(rest);
    const merge = new MergeCursor(sources);
    merge.seek();
    const opened = await run.write(merge);
    const records = opened.map(({ record }) => record);
    const gone = replaced.map(({ record }) => record.fileNumber);
    try {
      const edit = { gone, tables: records, ...(movesPoint ? { point: work.point } : {}) };
      await this.#commit({ edit, opened, ...(whenDurable === undefined ? {} : { whenDurable }) });
    } catch (error) {
      run.abandon();
      throw error;
    }
    return records.reduce((sum, { summary }) => sum + summary.fileBytes, 0);
  }

  #begin(
    options: Pick<TableRunOptions, "level" | "baseVersion" | "tableBytes" | "point" | "retention">,
  ): TableRun {
    return new TableRun({
      ...options,
      files: this.#files,
      salt: this.#log.salt,
      group: this.#log.group,
      blockBytes: this.#options.blockBytes,
      takeNumber: () => this.takeNumber(),
      pause: () => this.pause(),
    });
  }

  /** Makes a change durable and then visible, behind those that wait already. */
  #commit(change: DurableChange): Promise<void> {
    const commit = this.#commits.then(() => this.#commitNow(change));
    this.#commits = commit.catch(() => {});
    return commit;
  }

  async #commitNow({ edit, opened, whenDurable }: DurableChange): Promise<void> {
    this.#mustBeOpen();
    await this.#log.commit(edit);
    for (const held of opened) this.#held.set(held.record.fileNumber, held);
    this.#files.settle(edit.gone);
    for (const path of this.#log.takeObsolete()) this.#files.discard(path);
    const former = this.#set;
    this.#set = new TableSet(this.#log.state, this.#held);
    this.#set.hold();
    for (const fileNumber of edit.gone) this.#held.delete(fileNumber);
    whenDurable?.(former);
    former.release();
  }

  #mustBeOpen(): void {
    if (this.#isClosed) throw storeClosed();
  }
}

/** A change of the manifest. */
interface DurableChange {
  readonly edit: StoreEdit;
  /** The tables that it adds. */
  readonly opened: readonly HeldTable[];
  readonly whenDurable?: (former: TableSet) => void;
}

/** What a call gets that comes, or is under way, when the store is closed. */
export function storeClosed(): StorageError {
  return new StorageError("STORAGE_STATE", "Cannot go on as the store is closed");
}
