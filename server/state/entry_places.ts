/**
 * In which segments of the log a group's entries lie, as far as that is needed to let go of segments: for
 * each segment that holds any, the first index that was written there.
 *
 * ```
 * segment 7 ── from entry 100      entry 140 lies in segment 7 or later, and nothing from 140 on lies before
 * segment 8 ── from entry 155
 * ```
 *
 * A batch of records that goes on into the next segment counts for the one in which it begins: an entry may
 * lie later than is said here, never earlier.
 *
 * @module
 */

import type { GroupId, LogIndex } from "../../raft/mod.ts";

/** Where entries of a group were written. */
export interface WrittenEntries {
  readonly group: GroupId;
  /** The first of them; what was at this index and above is replaced. */
  readonly index: LogIndex;
  readonly segment: number;
}

interface SegmentStart {
  readonly segment: number;
  readonly index: LogIndex;
}

/** See the module comment. */
export class EntryPlaces {
  /** Ascending by segment and index. */
  readonly #starts = new Map<GroupId, SegmentStart[]>();

  /** Notes entries in the order in which they are written. */
  note({ group, index, segment }: WrittenEntries): void {
    let starts = this.#starts.get(group);
    if (starts === undefined) this.#starts.set(group, starts = []);
    while (starts.length > 0 && starts.at(-1)!.index >= index) starts.pop();
    if (starts.at(-1)?.segment !== segment) starts.push({ segment, index });
  }

  /** The segment from which on entries from `index` on lie; `undefined` if none was written. */
  segmentFrom(group: GroupId, index: LogIndex): number | undefined {
    const starts = this.#starts.get(group) ?? [];
    return (starts.findLast((start) => start.index <= index) ?? starts[0])?.segment;
  }

  /** Entries before `index` are not asked for any more. */
  forgetBefore(group: GroupId, index: LogIndex): void {
    const starts = this.#starts.get(group);
    if (starts === undefined) return;
    const last = starts.findLastIndex((start) => start.index <= index);
    if (last > 0) starts.splice(0, last);
  }

  /** The group's entries do not count any more. */
  forget(group: GroupId): void {
    this.#starts.delete(group);
  }
}
