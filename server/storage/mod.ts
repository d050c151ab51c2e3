/**
 * The state store of a partition: more keys and values than fit into memory, in files that are checked
 * whenever they are read. It is not part of the node yet.
 *
 * ```
 * store ─▶ memtable/           what was written since the last flush
 *   │
 *   └────▶ stored_tables ─▶ manifest/     which tables there are, how far the log is in them
 *                      └──▶ table_set ─▶ table/     sorted files
 * ```
 *
 * `FORMAT.md` comes first. Then `table/`, `memtable/` and `manifest/`. Here, read `table_files` and
 * `table_set` (the tables of now), `level_cursor`, `merge_cursor` and `row_cursor` (how they are walked
 * over), `retention` (which versions are kept), `table_run` and `compaction` (how tables are written and
 * merged), `opening`, `stored_tables` and `store`.
 *
 * It knows nothing of Raft but index and term, of keys but their bytes, and waits for nothing but files and
 * the pauses it is given. The world enters by the port `FileSystem` and a random word.
 *
 * **Invariants**
 *
 * - A table is written once, and removed when no state that may be in force names it and nobody reads it.
 * - Of a key, what is in a memtable is newer than what is in tables, and what is in a lower level is newer
 *   than what is in a higher one; in every level but 0 all versions of a key are in one table.
 * - A version that is pinned, or the last one, can be read until the pin is released.
 * - The point never lies above what is in tables.
 *
 * @module
 */

export type { LogPoint } from "./manifest/mod.ts";
export type { Pin } from "./retention.ts";
export type { RowCursor } from "./row_cursor.ts";
export { Store, type StoreChange, type StoredValue } from "./store.ts";
export type { LevelStatus, StoreOptions, StoreStatus } from "./store_options.ts";
export {
  BlockCache,
  type BlockCacheStats,
  StorageError,
  type StorageErrorCode,
  SYSTEM_PREFIX,
  USER_PREFIX,
} from "./table/mod.ts";
