/**
 * What is to be merged next. Tables of level 0 are merged when there are too many, since a read has to ask
 * each of them; those of other levels when they are larger than a tenth of what the level below may hold.
 *
 * Source: O'Neil, Cheng, Gawlick and O'Neil, The Log-Structured Merge-Tree (1996); the levels and their
 * growth are those of LevelDB.
 *
 * @module
 */

import { LEVELS_MAX } from "./manifest/mod.ts";
import type { HeldTable, TableSet } from "./reading/mod.ts";
import { compareKeys, type KeyRange } from "./table/mod.ts";

/** A level may hold so many times as much as the one above. */
const LEVEL_GROWTH = 10;

/** When levels are full. */
export interface CompactionLimits {
  /** Tables of level 0. */
  readonly level0Tables: number;
  /** Bytes of level 1. */
  readonly level1Bytes: number;
}

/** Tables that are merged, and replaced by what comes out. */
export interface Compaction {
  /** Of the inputs; the output goes to the one below. */
  readonly level: number;
  readonly inputs: readonly HeldTable[];
  /** Of the level below. */
  readonly overlapping: readonly HeldTable[];
}

/** The key at which each level goes on. */
export type CompactionPlaces = ReadonlyMap<number, Uint8Array>;

/** How full a level is: from 1 on it has to be merged into the one below. */
export function fullness(set: TableSet, level: number, limits: CompactionLimits): number {
  if (level === 0) return set.levels[0]!.length / limits.level0Tables;
  return set.bytesOf(level) / (limits.level1Bytes * LEVEL_GROWTH ** (level - 1));
}

/** What is to be merged next, `undefined` if no level is full. */
export function pickCompaction(
  set: TableSet,
  limits: CompactionLimits,
  places: CompactionPlaces,
): Compaction | undefined {
  let [fullest, most] = [-1, 1];
  for (let level = 0; level < LEVELS_MAX - 1; level++) {
    const full = fullness(set, level, limits);
    if (full >= most) [fullest, most] = [level, full];
    // Of two that are as full the lower one is worth more: it is asked by every read.
    if (fullest === level) most = Math.max(most, full) + Number.EPSILON;
  }
  if (fullest < 0) return undefined;
  const inputs = fullest === 0 ? set.levels[0]! : [nextTable(set.levels[fullest]!, places.get(fullest))];
  return { level: fullest, inputs, overlapping: set.overlapping(fullest + 1, rangeOf(inputs)) };
}

/** Whether the inputs can go down as they are. */
export function isMove({ inputs, overlapping }: Compaction): boolean {
  return inputs.length === 1 && overlapping.length === 0;
}

/** The first table behind the key at which the level was left, so that all have their turn. */
function nextTable(tables: readonly HeldTable[], place: Uint8Array | undefined): HeldTable {
  const next = tables.find(({ record }) =>
    place !== undefined && compareKeys(record.summary.smallestKey, place) > 0
  );
  return next ?? tables[0]!;
}

function rangeOf(tables: readonly HeldTable[]): KeyRange {
  const ranges = tables.map(({ record }) => record.summary);
  const smallestKey = ranges.map((range) => range.smallestKey).reduce((least, key) =>
    compareKeys(key, least) < 0 ? key : least
  );
  const largestKey = ranges.map((range) => range.largestKey).reduce((most, key) =>
    compareKeys(key, most) > 0 ? key : most
  );
  return { smallestKey, largestKey };
}
