/**
 * Writes entries in order as tables, one after the other: what a flush and a compaction have in common. It
 * works in slices and pauses between them, so that it never holds up a turn for long.
 *
 * @module
 */

import type { StoredFile } from "../../wal-wasm/mod.ts";
import type { LogPoint, TableRecord } from "./manifest/mod.ts";
import type { HeldTable, MergeCursor, TableFiles } from "./reading/mod.ts";
import type { VersionRetention } from "./retention.ts";
import { type StoreSalt, TableWriter } from "./table/mod.ts";

/** A slice ends after so many entries, or bytes of them: each takes about a millisecond. */
const SLICE_ENTRIES = 1_000;
const SLICE_BYTES = 256 * 1024;

/** What tables are written with. */
export interface TableRunOptions {
  readonly files: TableFiles;
  readonly salt: StoreSalt;
  readonly group: number;
  readonly level: number;
  /** Above no version that is written. */
  readonly baseVersion: number;
  /** Of the state when the writing began. */
  readonly point: LogPoint;
  /** A table ends at the first new key beyond so many bytes. */
  readonly tableBytes: number;
  readonly blockBytes: number | undefined;
  readonly retention: VersionRetention;
  readonly takeNumber: () => Promise<number>;
  /** Awaited between slices; throws when the writing should end. */
  readonly pause: () => Promise<void>;
}

/** A table in the making. */
interface Open {
  readonly writer: TableWriter;
  readonly file: StoredFile;
  readonly fileNumber: number;
}

/** See the module comment. */
export class TableRun {
  readonly #options: TableRunOptions;
  readonly #written: HeldTable[] = [];
  #open: Open | undefined;

  constructor(options: TableRunOptions) {
    this.#options = options;
  }

  /**
   * Writes and syncs all that the cursor has and retention keeps.
   *
   * @param merge at its first entry
   * @returns the tables, held by nobody yet; none if nothing is kept
   * @throws {StorageError} `STORAGE_WRITE_FAILED`, or what reading or pausing throws; the files are abandoned
   */
  async write(merge: MergeCursor): Promise<readonly HeldTable[]> {
    try {
      await this.#writeAll(merge);
      await this.#end();
      if (this.#written.length > 0) await this.#options.files.syncNames();
      return this.#written;
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  /** Gives up what has been written. */
  abandon(): void {
    const { files } = this.#options;
    if (this.#open !== undefined) {
      this.#open.file.close();
      files.abandon(this.#open.file.path);
    }
    for (const { table } of this.#written) {
      table.close();
      files.abandon(table.path);
    }
    this.#open = undefined;
    this.#written.length = 0;
  }

  async #writeAll(merge: MergeCursor): Promise<void> {
    const { retention, pause, tableBytes } = this.#options;
    let [entries, bytes] = [0, 0];
    for (let top = merge.top; top !== undefined; top = merge.top) {
      bytes += top.keyEnd - top.keyStart + top.valueEnd - top.valueStart;
      if (retention.keeps(top)) {
        if (this.#open !== undefined && this.#open.writer.bytes >= tableBytes && retention.isNewKey) {
          await this.#end();
        }
        const { writer } = this.#open ?? await this.#begin();
        writer.add(top);
        if (writer.isFull) await writer.drain();
      }
      merge.next();
      if (++entries < SLICE_ENTRIES && bytes < SLICE_BYTES) continue;
      await pause();
      [entries, bytes] = [0, 0];
    }
  }

  async #begin(): Promise<Open> {
    const { files, salt, group, baseVersion, point, blockBytes, takeNumber } = this.#options;
    const fileNumber = await takeNumber();
    const file = await files.create(fileNumber);
    const writer = new TableWriter(file, {
      identity: { salt, number: fileNumber },
      group,
      baseVersion,
      appliedIndex: point.index,
      term: point.term,
      ...(blockBytes === undefined ? {} : { blockBytes }),
    });
    this.#open = { writer, file, fileNumber };
    return this.#open;
  }

  async #end(): Promise<void> {
    if (this.#open === undefined) return;
    const { writer, file, fileNumber } = this.#open;
    const summary = await writer.finish(this.#options.pause);
    const record: TableRecord = { level: this.#options.level, fileNumber, summary };
    this.#written.push(this.#options.files.adopt(record, file));
    this.#open = undefined;
  }
}
