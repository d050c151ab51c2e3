/**
 * A table that comes in: written beside, every byte of it read again and verified, synced, and only then
 * given its name.
 *
 * @module
 */

import { crc32c, type StoredFile } from "../../wal-wasm/mod.ts";
import { groupOfPartition } from "../cluster/mod.ts";
import { StorageError, type TableRecord, verifyRestingTable } from "../storage/mod.ts";
import { BackupError } from "./backup_error.ts";
import { type BackupDirectory, UNFINISHED_TABLE } from "./directory.ts";
import { type BackedUpFile, crcText, tableName } from "./manifest.ts";
import type { SourceFilePart } from "./source.ts";

/** Which table it is to be. */
export interface IncomingPlace {
  readonly directory: BackupDirectory;
  readonly partitionId: number;
  readonly record: TableRecord;
}

/** See the module comment. */
export class IncomingFile {
  readonly #place: IncomingPlace;
  readonly #path: string;
  readonly #file: StoredFile;
  #received = 0;
  #crc = 0;

  private constructor(place: IncomingPlace, file: StoredFile) {
    this.#place = place;
    this.#path = place.directory.pathOfRecord(place.record);
    this.#file = file;
  }

  /** Begins with an empty file. */
  static async create(place: IncomingPlace): Promise<IncomingFile> {
    const { directory, record } = place;
    const file = await directory.fileSystem.create(directory.pathOfRecord(record) + UNFINISHED_TABLE);
    return new IncomingFile(place, file);
  }

  /** Whether all of it has come. */
  get isWhole(): boolean {
    return this.#received === this.#place.record.summary.fileBytes;
  }

  /**
   * Takes in the next bytes.
   *
   * @throws {BackupError} when they are not those that were sent, or not the next ones
   */
  async write({ crc, data, offset }: SourceFilePart): Promise<void> {
    const what = `table ${tableName(this.#place.record)}`;
    if (crc32c(data) !== crc) throw new BackupError(`A part of ${what} came with a wrong checksum`);
    if (offset !== this.#received) throw new BackupError(`Of ${what} a part came out of its order`);
    await this.#file.write(data, offset);
    this.#received += data.length;
    this.#crc = crc32c(data, this.#crc);
  }

  /**
   * Gives it its name, which is durable when the directory has been synced.
   *
   * @throws {BackupError} when it is not what it was announced to be
   */
  async finish(): Promise<BackedUpFile> {
    const { directory: { fileSystem } } = this.#place;
    await this.#file.syncData();
    this.#file.close();
    await this.#verify();
    await fileSystem.rename(this.#path + UNFINISHED_TABLE, this.#path);
    return { bytes: this.#received, crc32c: crcText(this.#crc) };
  }

  async #verify(): Promise<void> {
    const { directory: { fileSystem }, partitionId, record } = this.#place;
    const pathOf = () => this.#path + UNFINISHED_TABLE;
    const [group, pause] = [groupOfPartition(partitionId), () => Promise.resolve()];
    try {
      await verifyRestingTable(record, { fileSystem, pathOf, group, pause });
    } catch (error) {
      if (!(error instanceof StorageError && error.code === "STORAGE_DAMAGED")) throw error;
      throw new BackupError(
        `Table ${tableName(record)} of partition ${partitionId} is damaged at the node that leads it: let ` +
          `another node lead (prkdb cluster transfer) and try again (${error.message})`,
      );
    }
  }

  /** Gives it up; what is left of it is removed by the next run. */
  close(): void {
    this.#file.close();
  }
}
