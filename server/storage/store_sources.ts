/**
 * How a store is read: memtables in front, tables behind, the newest first. Whoever reads does not care
 * whether they are those of now or those that a snapshot has replaced.
 *
 * @module
 */

import type { LogPoint } from "./manifest/mod.ts";
import { type Memtable, memtableCursors } from "./memtable/mod.ts";
import { type HeldTable, LevelCursor, RowCursor, type TableSet } from "./reading/mod.ts";
import { type EntryCursor, type Probe, TableCursor } from "./table/mod.ts";

/** A memtable that nobody writes to any more, and what it holds. */
export interface FrozenMemtable {
  readonly memtable: Memtable;
  /** Up to which entry of the log it and the tables hold everything. */
  readonly point: LogPoint;
}

/** What is read together. */
export interface StoreSources {
  /** The newest. */
  readonly active: Memtable;
  /** Oldest first. */
  readonly frozen: readonly FrozenMemtable[];
  readonly set: TableSet;
}

/** What a key holds. */
export interface StoredValue {
  readonly value: Uint8Array;
  /** At which it was written. */
  readonly version: number;
}

/** The memtables of some sources. */
export function memtablesOf({ active, frozen }: Pick<StoreSources, "active" | "frozen">): Memtable[] {
  return [active, ...frozen.map(({ memtable }) => memtable)];
}

/**
 * What a key holds at a version.
 *
 * @throws {StorageError} if a table on the way cannot be read
 */
export function valueIn({ active, frozen, set }: StoreSources, probe: Probe): StoredValue | undefined {
  const newest = active.find(probe);
  if (newest >= 0) return valueOf(active, newest);
  for (let position = frozen.length - 1; position >= 0; position--) {
    const { memtable } = frozen[position]!;
    const record = memtable.find(probe);
    if (record >= 0) return valueOf(memtable, record);
  }
  const block = set.get(probe);
  if (block === undefined || block.isTombstone) return undefined;
  const { bytes, valueStart, valueEnd } = block;
  return { value: copied(bytes, { start: valueStart, end: valueEnd }), version: block.version };
}

/** A cursor over the rows at a version, which holds what it reads until it is closed. */
export function rowsIn(sources: StoreSources, version: number): RowCursor {
  const { set } = sources;
  const memtables = memtablesOf(sources);
  set.hold();
  for (const memtable of memtables) memtable.hold();
  const cursors = [
    ...memtables.flatMap(memtableCursors),
    ...set.levels.flatMap((tables, level) => cursorsOf(level, tables)),
  ];
  const release = () => {
    set.release();
    for (const memtable of memtables) memtable.release();
  };
  return new RowCursor({ cursors, version, release });
}

/** Cursors over tables of a level. */
export function cursorsOf(level: number, tables: readonly HeldTable[]): EntryCursor[] {
  if (level === 0) return tables.map(({ table }) => new TableCursor(table));
  return tables.length === 0 ? [] : [new LevelCursor(tables)];
}

function valueOf(memtable: Memtable, record: number): StoredValue | undefined {
  const value = memtable.valueOf(record);
  if (value === undefined) return undefined;
  return { value: copied(value, { start: 0, end: value.length }), version: memtable.versionOf(record) };
}

/** Small values are cut from one buffer: making one for each costs more than filling it. */
const SLAB_BYTES = 64 * 1024;
const CUT_BYTES_MAX = 1024;
let slab = new Uint8Array(SLAB_BYTES);
let slabUsed = 0;

function copied(
  bytes: Uint8Array,
  { start, end }: { readonly start: number; readonly end: number },
): Uint8Array {
  const length = end - start;
  if (length > CUT_BYTES_MAX) return bytes.slice(start, end);
  if (slabUsed + length > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES);
    slabUsed = 0;
  }
  const cut = slab.subarray(slabUsed, slabUsed + length);
  for (let at = 0; at < length; at++) cut[at] = bytes[start + at]!;
  slabUsed += length;
  return cut;
}
