/**
 * A table that comes from another store: its file fills up here under a number of this store's own, and is
 * verified before anything relies on it. Nothing names the file yet.
 *
 * @module
 */

import type { StoredFile } from "../../../wal-wasm/mod.ts";
import type { TableRecord } from "../manifest/mod.ts";
import type { HeldTable, TableFiles } from "../reading/mod.ts";
import { Block, damaged, StorageError, type Table, writeFailed } from "../table/mod.ts";

/** Blocks that are verified without a pause: less than a millisecond. */
const SLICE_BLOCKS = 32;

/** What a table is verified with. */
export interface VerifyingOptions {
  /** Whose keys the table must have. */
  readonly group: number;
  /** Awaited between slices; throws when the work should end. */
  readonly pause: () => Promise<void>;
}

/** What is known of a table that is to come. */
export interface IncomingTableOptions {
  /** As the sender has it. */
  readonly record: TableRecord;
  /** Here. */
  readonly fileNumber: number;
  readonly files: TableFiles;
}

/** See the module comment. */
export class IncomingTable {
  readonly #sent: TableRecord;
  readonly #record: TableRecord;
  readonly #files: TableFiles;
  #file: StoredFile | undefined;
  #received = 0;
  #isWriting = false;

  constructor({ record, fileNumber, files }: IncomingTableOptions) {
    this.#sent = record;
    this.#record = { ...record, fileNumber };
    this.#files = files;
  }

  /** Bytes that are here. */
  get received(): number {
    return this.#received;
  }

  get fileBytes(): number {
    return this.#record.summary.fileBytes;
  }

  /**
   * Takes in the next bytes.
   *
   * @throws {RangeError} when they are not the next ones
   * @throws {StorageError} `STORAGE_WRITE_FAILED`: the file is useless
   */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const isNext = offset === this.#received && offset + bytes.length <= this.fileBytes && !this.#isWriting;
    if (!isNext) {
      throw new RangeError(
        `Cannot write ${bytes.length} bytes at ${offset} of file ${this.#sent.fileNumber}: ` +
          `${this.#received} of ${this.fileBytes} are here`,
      );
    }
    this.#isWriting = true;
    this.#file ??= await this.#files.create(this.#record.fileNumber);
    await this.#orWriteFailed(this.#file.write(bytes, offset));
    this.#received += bytes.length;
    this.#isWriting = false;
  }

  /**
   * Reads every byte and makes all of them durable.
   *
   * @throws {StorageError} `STORAGE_DAMAGED` and others that reading has, or `STORAGE_WRITE_FAILED`
   */
  async settle(options: VerifyingOptions): Promise<void> {
    try {
      await verifyTable(this.#files.view(this.#record, this.#file!), options);
    } catch (error) {
      throw isDamage(error) ? this.#named(error) : error;
    }
    await this.#orWriteFailed(this.#file!.syncData());
  }

  /** The table, for use; it is verified and durable. */
  adopt(): HeldTable {
    return this.#files.adopt(this.#record, this.#file!);
  }

  /**
   * Gives up the file.
   *
   * @param isDoubtful whether a state that may be in force could name it
   */
  abandon(isDoubtful: boolean): void {
    this.#file?.close();
    const path = this.#files.pathOf(this.#record.fileNumber);
    if (isDoubtful) this.#files.abandon(path);
    else this.#files.discard(path);
  }

  async #orWriteFailed(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      throw writeFailed(this.#files.pathOf(this.#record.fileNumber), error);
    }
  }

  /** The sender's number says which of its files is to be looked at. */
  #named({ code, message, place }: StorageError): StorageError {
    const from = `${message}; it was received as file ${this.#sent.fileNumber}`;
    return new StorageError(code, from, place === undefined ? {} : { place });
  }
}

/**
 * Reads every byte of a table, and compares it with what is said of it.
 *
 * @throws {StorageError} `STORAGE_DAMAGED`, `STORAGE_NEWER_FORMAT`, `STORAGE_READ_FAILED`; or what pausing
 *   throws
 */
export async function verifyTable(table: Table, { group, pause }: VerifyingOptions): Promise<void> {
  const { footer, summary } = table;
  const isAsSaid = COUNTS.every((name) => footer[name] === summary[name]) && footer.group === group;
  if (!isAsSaid) {
    throw damaged({ path: table.path, offset: summary.fileBytes }, "it is not the table that was announced");
  }
  let blocks = 0;
  for (const _ of table.verify(new Block())) if (++blocks % SLICE_BLOCKS === 0) await pause();
}

const COUNTS = [
  "entries",
  "tombstones",
  "lowestVersion",
  "highestVersion",
  "keyBytes",
  "valueBytes",
] as const;

function isDamage(error: unknown): error is StorageError {
  return error instanceof StorageError && error.code === "STORAGE_DAMAGED";
}
