/**
 * The state store of a partition: more keys and values than fit into memory, in files that are checked
 * whenever they are read. Nodes use it through `server/state`.
 *
 * ```
 * store ─▶ memtable/           what was written since the last flush
 *   │
 *   ├────▶ stored_tables ─▶ manifest/     which tables there are, how far the log is in them
 *   │                  └──▶ reading/ ─▶ table/     sorted files
 *   └────▶ snapshot/           the state of one store on its way into another one
 * ```
 *
 * `FORMAT.md` comes first. Then `table/`, `memtable/`, `manifest/`, `reading/` and `snapshot/`. Here, read
 * `store_sources` (what is read together) and `former_states`, `retention` (which versions are kept),
 * `table_run` and `compaction` (how tables are written and merged), `opening`, `stored_tables` and `store`.
 * `resting_tables` is for those who look at tables without a store.
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
 * - No version is in two tables of level 0, nor in a memtable and a table: the higher one is the newer one.
 * - A snapshot replaces everything, or nothing.
 *
 * @module
 */

export type { LogFloor, LogPoint, TableRecord } from "./manifest/mod.ts";
export type { RowCursor } from "./reading/mod.ts";
export {
  lookAtStore,
  openRestingRows,
  type RestingPlace,
  type RestingStore,
  verifyRestingTable,
} from "./resting_tables.ts";
export type { Pin } from "./retention.ts";
export {
  decodeSnapshotDescription,
  encodeSnapshotDescription,
  type MissingTable,
  type SnapshotDescription,
  type StoreInstall,
  type StoreSnapshot,
} from "./snapshot/mod.ts";
export { Store, type StoreChange } from "./store.ts";
export type { LevelStatus, StoreBacklog, StoreEstimate, StoreOptions, StoreStatus } from "./store_options.ts";
export type { StoredValue } from "./store_sources.ts";
export {
  BlockCache,
  type BlockCacheStats,
  encodeIdentity,
  StorageError,
  type StorageErrorCode,
  SYSTEM_PREFIX,
  USER_PREFIX,
} from "./table/mod.ts";
