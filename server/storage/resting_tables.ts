/**
 * Tables that no store has open: in the directory of a store that is only looked at, or in a backup. Whoever
 * reads them says where each of them is.
 *
 * @module
 */

import { type FileSystem, joinPath } from "../../wal-wasm/mod.ts";
import { CURRENT_NAME, numberedName, type RestingState, StateLog, type TableRecord } from "./manifest/mod.ts";
import { HeldTable, RowCursor, TableSet } from "./reading/mod.ts";
import { type SnapshotDescription, type VerifyingOptions, verifyTable } from "./snapshot/mod.ts";
import { cursorsOf } from "./store_sources.ts";
import { BlockCache, damaged, readFailed, Table } from "./table/mod.ts";

/** A few blocks: every one is read once. */
const CACHE_BYTES = 1024 * 1024;

/** Where tables are. */
export interface RestingPlace {
  readonly fileSystem: FileSystem;
  readonly pathOf: (record: TableRecord) => string;
}

/** A store that is only looked at, and how its tables are found. */
export interface RestingStore extends RestingState, RestingPlace {}

/**
 * Looks at the store in a directory; changes nothing. A node may be using it: then a table may be gone by the
 * time at which it is read, and what is newer than the state that was read tells so.
 *
 * @returns `undefined` when there is no store
 * @throws {StorageError} `STORAGE_DAMAGED`, `STORAGE_NEWER_FORMAT`, `STORAGE_READ_FAILED`
 */
export async function lookAtStore(
  fileSystem: FileSystem,
  directory: string,
): Promise<RestingStore | undefined> {
  if (!(await fileSystem.list(directory)).includes(CURRENT_NAME)) return undefined;
  const state = await StateLog.look({ fileSystem, directory });
  return {
    ...state,
    fileSystem,
    pathOf: ({ fileNumber }) => joinPath(directory, numberedName(fileNumber, "table")),
  };
}

/**
 * Reads every byte of a table, and compares it with what is said of it.
 *
 * @throws {StorageError} `STORAGE_DAMAGED`, `STORAGE_NEWER_FORMAT`, `STORAGE_READ_FAILED`; or what pausing
 *   throws
 */
export async function verifyRestingTable(
  record: TableRecord,
  { group, pause, ...place }: RestingPlace & VerifyingOptions,
): Promise<void> {
  const table = await openTable(record, place, new BlockCache(CACHE_BYTES));
  try {
    await verifyTable(table, { group, pause });
  } finally {
    table.close();
  }
}

/**
 * A cursor over the rows of a state at its point; it must be closed.
 *
 * @throws {StorageError} `STORAGE_DAMAGED`, `STORAGE_READ_FAILED` when a table cannot be opened
 */
export async function openRestingRows(
  { point, tables }: SnapshotDescription,
  place: RestingPlace,
): Promise<RowCursor> {
  const cache = new BlockCache(CACHE_BYTES);
  const held = new Map<number, HeldTable>();
  try {
    for (const record of tables) {
      const table = await openTable(record, place, cache);
      held.set(record.fileNumber, new HeldTable({ record, table }, () => table.close()));
    }
  } catch (error) {
    for (const { table } of held.values()) table.close();
    throw error;
  }
  const records = new Map(tables.map((record) => [record.fileNumber, record]));
  const set = new TableSet({ point, tables: records }, held);
  set.hold();
  const cursors = set.levels.flatMap((level, at) => cursorsOf(at, level));
  return new RowCursor({ cursors, version: point.index, release: () => set.release() });
}

async function openTable(
  record: TableRecord,
  { fileSystem, pathOf }: RestingPlace,
  cache: BlockCache,
): Promise<Table> {
  const path = pathOf(record);
  try {
    return new Table({ file: await fileSystem.open(path), summary: record.summary, cache });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw damaged({ path, offset: 0 }, "the table is missing");
    throw readFailed(path, error);
  }
}
