/**
 * Takes up another store's state: its tables are received beside those of this store, under numbers of its
 * own, verified whole, made durable, and then put in the place of everything with one edit of the manifest.
 *
 * ```
 * receiving ─finish─▶ finishing ─▶ ended: the state is the new one
 *     │                   └─ damage, or the disk fails ─▶ ended: nothing has changed
 *     └─abandon, or the disk fails ─▶ ended: likewise
 * ```
 *
 * Tables that the store has already, with the same identity and every byte as it was written, are not
 * received again. They are held from the beginning on, so that compactions meanwhile cannot take them away.
 *
 * @module
 */

import type { LogFloor, LogPoint, TableRecord } from "../manifest/mod.ts";
import type { HeldTable, TableFiles } from "../reading/mod.ts";
import { StorageError, type TableIdentity } from "../table/mod.ts";
import { IncomingTable, type VerifyingOptions, verifyTable } from "./incoming_table.ts";
import type { SnapshotDescription } from "./snapshot.ts";

/** Another store's state on its way into this one. */
export interface StoreInstall {
  /** Tables to be fetched, by the sender's file number, and how many bytes of each are here. */
  readonly missing: readonly MissingTable[];
  /**
   * Takes in the next bytes of a file; they may be used again when it is done. Calls for one file follow
   * each other.
   *
   * @throws {RangeError} when they are not the next ones of a file that is missing; nothing has changed
   * @throws {StorageError} `STORAGE_WRITE_FAILED`: the installation has ended, begin anew; or `STORAGE_STATE`
   *   when it has
   */
  write(fileNumber: number, offset: number, bytes: Uint8Array): Promise<void>;
  /**
   * Verifies every byte, and replaces the store's whole state; memtables are dropped in that moment.
   *
   * @param logFloor where this node's log begins to count for the state
   * @param whenSwitched called in the moment in which reads find the new state
   * @throws {RangeError} when files are not complete: nothing has changed. Or when the state has come as far
   *   as the snapshot by itself: the installation has ended
   * @throws {StorageError} `STORAGE_DAMAGED` names the file; this one, `STORAGE_READ_FAILED` and
   *   `STORAGE_WRITE_FAILED` end the installation, and the state is what it was
   */
  finish(logFloor: LogFloor, whenSwitched?: () => void): Promise<void>;
  /** Gives it up and removes what was received; does nothing once it has ended. */
  abandon(): Promise<void>;
}

/** A table that is being fetched. */
export interface MissingTable {
  /** The sender's. */
  readonly fileNumber: number;
  readonly fileBytes: number;
  /** Bytes of it that are here. */
  readonly received: number;
}

/** What takes the place of a store's state. */
export interface Replacement {
  readonly point: LogPoint;
  /** New tables, held by nobody yet. */
  readonly received: readonly HeldTable[];
  /** Tables of the store that stay, or come back; somebody holds them. */
  readonly kept: readonly KeptTable[];
  /** Called in the moment in which reads find it. */
  readonly whenSwitched: () => void;
}

/** A table that both states have. */
export interface KeptTable {
  readonly held: HeldTable;
  /** Where it is in the new state. */
  readonly level: number;
}

/** What an installation works with. */
export interface InstallationOptions {
  readonly snapshot: SnapshotDescription;
  /** A table of the store's present state. */
  readonly find: (identity: TableIdentity) => HeldTable | undefined;
  readonly takeNumber: () => Promise<number>;
  readonly files: TableFiles;
  readonly verifying: VerifyingOptions;
  /** Makes the change durable while nothing else changes. */
  readonly replace: (replacement: Replacement) => Promise<void>;
}

/** See the module comment. */
export class Installation implements StoreInstall {
  readonly #options: InstallationOptions;
  readonly #kept: KeptTable[] = [];
  /** By the sender's file number. */
  readonly #incoming = new Map<number, IncomingTable>();
  readonly #writes = new Set<Promise<void>>();
  #state: "receiving" | "finishing" | "ended" = "receiving";
  #finishing: Promise<void> | undefined;

  constructor(options: InstallationOptions) {
    this.#options = options;
  }

  get hasEnded(): boolean {
    return this.#state === "ended";
  }

  get missing(): readonly MissingTable[] {
    return [...this.#incoming].map(([fileNumber, { fileBytes, received }]) => ({
      fileNumber,
      fileBytes,
      received,
    }));
  }

  /**
   * Finds out what has to be received.
   *
   * @throws {StorageError} `STORAGE_WRITE_FAILED`, `STORAGE_STATE`: the installation has ended
   */
  async begin(): Promise<void> {
    try {
      for (const record of this.#options.snapshot.tables) {
        await this.#look(record);
        // The store may have been closed meanwhile.
        this.#mustReceive();
      }
    } catch (error) {
      await this.#end(false);
      throw error;
    }
  }

  async write(fileNumber: number, offset: number, bytes: Uint8Array): Promise<void> {
    this.#mustReceive();
    const table = this.#incoming.get(fileNumber);
    if (table === undefined) throw new RangeError(`Cannot write to file ${fileNumber}: it is not missing`);
    const write = table.write(offset, bytes);
    this.#writes.add(write);
    try {
      await write;
    } catch (error) {
      if (error instanceof StorageError) await this.abandon();
      throw error;
    } finally {
      this.#writes.delete(write);
    }
  }

  async finish(logFloor: LogFloor, whenSwitched: () => void = () => {}): Promise<void> {
    this.#mustReceive();
    for (const { fileNumber, fileBytes, received } of this.missing) {
      if (received < fileBytes) {
        throw new RangeError(`Cannot finish as file ${fileNumber} has ${received} of ${fileBytes} bytes`);
      }
    }
    this.#state = "finishing";
    this.#finishing = this.#finishNow(logFloor, whenSwitched);
    await this.#finishing;
  }

  async abandon(): Promise<void> {
    if (this.#state === "finishing") await this.#finishing!.catch(() => {});
    if (this.#state === "receiving") await this.#end(false);
  }

  /** A table that the store has is kept, if it is sound; another one is to be received. */
  async #look(record: TableRecord): Promise<void> {
    const { find, takeNumber, files, verifying } = this.#options;
    const held = find(record.summary.identity);
    if (held !== undefined) {
      held.hold();
      if (await isSound(held, verifying)) {
        this.#kept.push({ held, level: record.level });
        return;
      }
      held.release();
    }
    const fileNumber = await takeNumber();
    this.#incoming.set(record.fileNumber, new IncomingTable({ record, fileNumber, files }));
  }

  async #finishNow(logFloor: LogFloor, whenSwitched: () => void): Promise<void> {
    const { snapshot, files, verifying, replace } = this.#options;
    const incoming = [...this.#incoming.values()];
    let isDoubtful = false;
    try {
      for (const table of incoming) await table.settle(verifying);
      if (incoming.length > 0) await files.syncNames();
      const received = incoming.map((table) => table.adopt());
      isDoubtful = true;
      const point = { ...snapshot.point, logFloor };
      await replace({ point, received, kept: this.#kept, whenSwitched });
      this.#incoming.clear();
    } catch (error) {
      if (error instanceof RangeError) isDoubtful = false;
      throw error;
    } finally {
      await this.#end(isDoubtful);
    }
  }

  async #end(isDoubtful: boolean): Promise<void> {
    this.#state = "ended";
    await Promise.allSettled(this.#writes);
    for (const table of this.#incoming.values()) table.abandon(isDoubtful);
    this.#incoming.clear();
    for (const { held } of this.#kept.splice(0)) held.release();
    await this.#options.files.sweep();
  }

  #mustReceive(): void {
    if (this.#state === "receiving") return;
    throw new StorageError("STORAGE_STATE", "Cannot go on with an installation that has ended");
  }
}

/** Whether all of a table can be read; what cannot is fetched from those who have it. */
async function isSound({ table }: HeldTable, verifying: VerifyingOptions): Promise<boolean> {
  try {
    await verifyTable(table.anew(), verifying);
    return true;
  } catch (error) {
    if (error instanceof StorageError && error.code !== "STORAGE_STATE") return false;
    throw error;
  }
}
