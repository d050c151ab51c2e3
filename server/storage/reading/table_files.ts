/**
 * The files of a store's tables: opened, made, and removed when nobody needs them any more.
 *
 * A file is removed only when it is certain that no state that may be in force names it: one that was made in
 * vain waits until another change has become durable, since nobody knows of a failed one whether it has.
 *
 * @module
 */

import { type FileSystem, joinPath, type StoredFile } from "../../../wal-wasm/mod.ts";
import { numberedName, type TableRecord } from "../manifest/mod.ts";
import { type BlockCache, damaged, readFailed, Table, writeFailed } from "../table/mod.ts";
import { HeldTable } from "./table_set.ts";

/** What tables are opened with. */
export interface TableFilesOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly cache: BlockCache;
}

/** See the module comment. */
export class TableFiles {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #cache: BlockCache;
  /** Numbers of tables that are not part of the store any more. */
  readonly #gone = new Set<number>();
  /** Made in vain; a state that may be in force could name them. */
  #doubtful: string[] = [];
  /** To be removed. */
  readonly #garbage = new Set<string>();

  constructor({ fileSystem, directory, cache }: TableFilesOptions) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
    this.#cache = cache;
  }

  pathOf(fileNumber: number): string {
    return joinPath(this.#directory, numberedName(fileNumber, "table"));
  }

  /**
   * Opens a table that must be there.
   *
   * @throws {StorageError} `STORAGE_READ_FAILED`, or `STORAGE_DAMAGED` when it is not there
   */
  async open(record: TableRecord): Promise<HeldTable> {
    const path = this.pathOf(record.fileNumber);
    try {
      return this.adopt(record, await this.#fileSystem.open(path));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) throw damaged({ path, offset: 0 }, "the table is missing");
      throw readFailed(path, error);
    }
  }

  /** A table whose file is open. */
  adopt(record: TableRecord, file: StoredFile): HeldTable {
    return new HeldTable({ record, table: this.view(record, file) }, (held) => this.#letGo(held));
  }

  /** A table whose file is open, only to be looked at; it is never closed. */
  view(record: TableRecord, file: StoredFile): Table {
    return new Table({ file, summary: record.summary, cache: this.#cache });
  }

  /**
   * A table that somebody holds becomes part of the store, though it may have been none any more.
   *
   * @returns whether it was none any more
   */
  bringBack(fileNumber: number): boolean {
    return this.#gone.delete(fileNumber);
  }

  /**
   * An empty file for a new table.
   *
   * @throws {StorageError} `STORAGE_WRITE_FAILED`
   */
  async create(fileNumber: number): Promise<StoredFile> {
    const path = this.pathOf(fileNumber);
    try {
      return await this.#fileSystem.create(path);
    } catch (error) {
      this.abandon(path);
      throw writeFailed(path, error);
    }
  }

  /**
   * Makes the names of new tables durable.
   *
   * @throws {StorageError} `STORAGE_WRITE_FAILED`
   */
  async syncNames(): Promise<void> {
    try {
      await this.#fileSystem.syncDirectory(this.#directory);
    } catch (error) {
      throw writeFailed(this.#directory, error);
    }
  }

  /** A file that was made in vain, and is closed. */
  abandon(path: string): void {
    this.#doubtful.push(path);
  }

  /** A change is durable: no other state can be in force. */
  settle(gone: readonly number[]): void {
    for (const fileNumber of gone) this.#gone.add(fileNumber);
    for (const path of this.#doubtful.splice(0)) this.#garbage.add(path);
  }

  /** A file that nothing names. */
  discard(path: string): void {
    this.#garbage.add(path);
  }

  /** Removes what can be removed; what cannot waits for the next time. */
  async sweep(): Promise<void> {
    for (const path of [...this.#garbage]) {
      this.#garbage.delete(path);
      await this.#fileSystem.remove(path).catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) this.#garbage.add(path);
      });
    }
  }

  #letGo(held: HeldTable): void {
    held.table.close();
    const { fileNumber } = held.record;
    if (this.#gone.delete(fileNumber)) this.#garbage.add(this.pathOf(fileNumber));
  }
}
