/**
 * What has been written to a store and is not in tables yet.
 *
 * Read `memtable_records` (how it lies in memory), `memtable` (written, and found by hash), `memtable_order`
 * (sorted lists of keys, made as needed), `memtable_cursor` (walks over them) and `chunk_pool`.
 *
 * @module
 */

export { type EntryTally, Memtable } from "./memtable.ts";
export { MemtableCursor, memtableCursors } from "./memtable_cursor.ts";
