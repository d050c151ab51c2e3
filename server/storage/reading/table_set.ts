/**
 * Which tables a store reads from: a picture that never changes. A flush, a compaction or a snapshot puts
 * another one in its place; whoever reads on from the old one holds it, and its tables stay until he lets go.
 *
 * Level 0 has what was flushed, newest first, and keys may be in several of its tables; in every other level
 * a key is in one table at most. What is found in a lower level is newer. Newer are the tables of level 0
 * that have higher versions; file numbers say nothing, since tables come from other stores as well.
 *
 * @module
 */

import { LEVELS_MAX, type StoreState, type TableRecord } from "../manifest/mod.ts";
import type { EntryTally } from "../memtable/mod.ts";
import { type Block, compareKeys, type KeyRange, type Probe, type Table } from "../table/mod.ts";

/** A table in use. */
export class HeldTable {
  readonly record: TableRecord;
  readonly table: Table;
  readonly #letGo: (table: HeldTable) => void;
  #holders = 0;

  /** @param letGo told when nobody holds the table any more */
  constructor(opened: Pick<HeldTable, "record" | "table">, letGo: (table: HeldTable) => void) {
    this.record = opened.record;
    this.table = opened.table;
    this.#letGo = letGo;
  }

  hold(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders === 0) this.#letGo(this);
  }
}

/** See the module comment. */
export class TableSet {
  readonly levels: readonly (readonly HeldTable[])[];
  /** What the set was made of. */
  readonly state: StoreState;
  /** All entries of the tables. */
  readonly tally: EntryTally;
  /** Of the files of each level. */
  readonly #bytes: readonly number[];
  #holders = 0;

  /**
   * @param state which tables, and in which level
   * @param tables those and maybe more, by file number
   */
  constructor(state: StoreState, tables: ReadonlyMap<number, HeldTable>) {
    const levels: HeldTable[][] = Array.from({ length: LEVELS_MAX }, () => []);
    for (const { level, fileNumber } of state.tables.values()) levels[level]!.push(tables.get(fileNumber)!);
    levels[0]!.sort((left, right) => right.record.summary.lowestVersion - left.record.summary.lowestVersion);
    for (const level of levels.slice(1)) level.sort(bySmallestKey);
    this.state = state;
    this.levels = levels;
    this.#bytes = levels.map((level) => level.reduce((sum, { record }) => sum + record.summary.fileBytes, 0));
    this.tally = tallyOf(this.tables);
  }

  /** All tables. */
  get tables(): readonly HeldTable[] {
    return this.levels.flat();
  }

  hold(): void {
    if (this.#holders++ === 0) { for (const table of this.tables) table.hold(); }
  }

  release(): void {
    if (--this.#holders === 0) { for (const table of this.tables) table.release(); }
  }

  /**
   * The newest entry of the probe's key that is not above its version, in a block that stays as it is until
   * the next read.
   *
   * @throws {StorageError} if a table on the way cannot be read
   */
  get(probe: Probe): Block | undefined {
    const { levels } = this;
    const flushed = levels[0]!;
    for (let position = 0; position < flushed.length; position++) {
      const { table } = flushed[position]!;
      if (!covers(table.summary, probe.key)) continue;
      const found = table.get(probe);
      if (found !== undefined) return found;
    }
    for (let level = 1; level < levels.length; level++) {
      const table = tableFor(levels[level]!, probe.key);
      const found = table?.get(probe);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Bytes of the files of a level. */
  bytesOf(level: number): number {
    return this.#bytes[level]!;
  }

  /** Tables of a level that share keys with a range. */
  overlapping(level: number, range: KeyRange): readonly HeldTable[] {
    return this.levels[level]!.filter(({ record: { summary } }) =>
      compareKeys(summary.largestKey, range.smallestKey) >= 0 &&
      compareKeys(summary.smallestKey, range.largestKey) <= 0
    );
  }

  /** Whether a table of a level below `level` may have entries of `key`. */
  hasBelow(level: number, key: Uint8Array): boolean {
    return this.levels.slice(level + 1).some((tables) => tableFor(tables, key) !== undefined);
  }
}

function tallyOf(tables: readonly HeldTable[]): EntryTally {
  let [puts, putBytes, tombstones] = [0, 0, 0];
  for (const { record: { summary } } of tables) {
    const values = summary.entries - summary.tombstones;
    puts += values;
    // Keys of tombstones are taken to be as long as others.
    putBytes += summary.valueBytes + summary.keyBytes * values / summary.entries;
    tombstones += summary.tombstones;
  }
  return { puts, putBytes, tombstones };
}

/** The only table of a sorted level that can have the key. */
export function tableFor(level: readonly HeldTable[], key: Uint8Array): Table | undefined {
  let low = 0;
  let high = level.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(level[middle]!.table.summary.largestKey, key) < 0) low = middle + 1;
    else high = middle;
  }
  const table = level[low]?.table;
  return table !== undefined && compareKeys(table.summary.smallestKey, key) <= 0 ? table : undefined;
}

function covers(range: KeyRange, key: Uint8Array): boolean {
  return compareKeys(range.smallestKey, key) <= 0 && compareKeys(range.largestKey, key) >= 0;
}

function bySmallestKey(left: HeldTable, right: HeldTable): number {
  return compareKeys(left.record.summary.smallestKey, right.record.summary.smallestKey);
}
