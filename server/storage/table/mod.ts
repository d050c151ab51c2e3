/**
 * Tables: files of sorted entries, written once and never changed, in which every part has a checksum that
 * knows where it belongs.
 *
 * ```
 * entries in order ─▶ table_writer ─▶ block_builder · bloom_filter · block_index · footer ─▶ file
 * key, version ─▶ table ─▶ filter ─▶ index ─▶ block_cache ─▶ block ─▶ entry
 *                 table_cursor ─▶ entries in order, from any key
 * ```
 *
 * `../FORMAT.md` comes first. Then read `entry` (what is stored, and its order), `checksum`, `block_builder`
 * and `block`, `bloom_filter`, `block_index`, `footer`, `table_writer`, `block_cache`, `table` and
 * `table_cursor`.
 *
 * The room knows single tables only: which there are, and which is newer, is for `server/storage` to know. It
 * never returns bytes that fail their checksum, and never writes a file again.
 *
 * @module
 */

export { Block } from "./block.ts";
export { BlockCache, type BlockCacheStats } from "./block_cache.ts";
export type { KeyRange } from "./block_index.ts";
export {
  checksumAt,
  checksumSeed,
  decodeIdentity,
  encodeIdentity,
  getU64,
  IDENTITY_BYTES,
  putU64,
  type StoreSalt,
  type TableIdentity,
} from "./checksum.ts";
export {
  compareCursorKey,
  compareCursorKeys,
  compareKeys,
  type EntryCursor,
  hashKey,
  KeyBuffer,
  STORE_KEY_BYTES_MAX,
  STORE_VALUE_BYTES_MAX,
  SYSTEM_PREFIX,
  USER_PREFIX,
  VERSION_MAX,
} from "./entry.ts";
export {
  damaged,
  newerFormat,
  readFailed,
  StorageError,
  type StorageErrorCode,
  type StorageErrorPlace,
  writeFailed,
} from "./error.ts";
export { type Probe, Table, type TableOptions } from "./table.ts";
export { TableCursor } from "./table_cursor.ts";
export { TABLE_BYTES_MAX, type TableSummary, TableWriter, type TableWriterOptions } from "./table_writer.ts";
