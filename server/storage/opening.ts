/**
 * How a store begins: what is in its directory, what of it belongs to the store, and what is left over.
 *
 * @module
 */

import { joinPath } from "../../wal-wasm/mod.ts";
import {
  CURRENT_NAME,
  CURRENT_TMP_NAME,
  fileNumberOf,
  FIRST_MANIFEST,
  numberedName,
  StateLog,
} from "./manifest/mod.ts";
import { type HeldTable, TableFiles } from "./reading/mod.ts";
import type { StoreOptions } from "./store_options.ts";
import { damaged, readFailed } from "./table/mod.ts";

/** What a store's durable half is made of. */
export interface OpenedFiles {
  readonly log: StateLog;
  readonly files: TableFiles;
  /** All tables, by file number. */
  readonly tables: Map<number, HeldTable>;
}

/**
 * Opens the files of a store, or makes one where there is nothing. Costs its manifest and a descriptor for
 * each table. Removes what an interrupted flush or compaction has left behind.
 *
 * @throws {StorageError} `STORAGE_DAMAGED`, `STORAGE_NEWER_FORMAT`, `STORAGE_READ_FAILED`; or
 *   `STORAGE_WRITE_FAILED` when a new one cannot be made, or the last change not made durable for certain.
 *   Nothing was removed then.
 */
export async function openStoreFiles(options: StoreOptions): Promise<OpenedFiles> {
  const names = await listNames(options);
  const log = names.includes(CURRENT_NAME) ? await StateLog.open(options) : await makeStore(options, names);
  const files = new TableFiles(options);
  try {
    checkGroup(log, options);
    const tables = await openTables(log, files);
    await removeLeftovers({ log, files, names, directory: options.directory });
    return { log, files, tables };
  } catch (error) {
    log.close();
    throw error;
  }
}

async function listNames({ fileSystem, directory }: StoreOptions): Promise<readonly string[]> {
  try {
    await fileSystem.createDirectory(directory);
    return await fileSystem.list(directory);
  } catch (error) {
    throw readFailed(directory, error);
  }
}

/** A directory without `CURRENT` holds at most what is left of making a store. */
async function makeStore(options: StoreOptions, names: readonly string[]): Promise<StateLog> {
  const { fileSystem, directory, group, randomWord = systemRandomWord } = options;
  const first = numberedName(FIRST_MANIFEST, "manifest");
  const foreign = names.find((name) => name !== first && fileNumberOf(name) !== undefined);
  if (foreign !== undefined) {
    const path = joinPath(directory, CURRENT_NAME);
    throw damaged({ path, offset: 0 }, `it is missing although there is ${foreign}`);
  }
  const salt = [randomWord() >>> 0, randomWord() >>> 0] as const;
  return await StateLog.create({ fileSystem, directory, group, salt });
}

function systemRandomWord(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}

function checkGroup(log: StateLog, { directory, group }: StoreOptions): void {
  if (log.group === group) return;
  const place = { path: joinPath(directory, CURRENT_NAME), offset: 0 };
  throw damaged(place, `the store is that of group ${log.group}, not ${group}`);
}

async function openTables(log: StateLog, files: TableFiles): Promise<Map<number, HeldTable>> {
  const tables = new Map<number, HeldTable>();
  try {
    for (const record of log.state.tables.values()) tables.set(record.fileNumber, await files.open(record));
    return tables;
  } catch (error) {
    for (const { table } of tables.values()) table.close();
    throw error;
  }
}

/** Where leftovers may be. */
interface Leftovers {
  readonly log: StateLog;
  readonly files: TableFiles;
  readonly names: readonly string[];
  readonly directory: string;
}

/**
 * Files that nothing names, of flushes and compactions that were interrupted. Their numbers are passed over.
 */
async function removeLeftovers({ log, files, names, directory }: Leftovers): Promise<void> {
  for (const name of names) {
    const number = fileNumberOf(name);
    const isNeeded = number !== undefined && (
      name === numberedName(log.manifestNumber, "manifest") ||
      (log.state.tables.has(number) && name === numberedName(number, "table"))
    );
    if (number !== undefined) log.passOver(number);
    if (!isNeeded && (number !== undefined || name === CURRENT_TMP_NAME)) {
      files.discard(joinPath(directory, name));
    }
  }
  await files.sweep();
}
