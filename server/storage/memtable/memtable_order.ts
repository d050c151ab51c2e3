/**
 * The order of a memtable's keys: sorted lists of key numbers, runs, each key in one of them. New keys are
 * gathered unsorted until there are enough for a run, or until somebody asks; runs of like size are merged,
 * so that there are few.
 *
 * No call sorts or merges more than a bounded number of keys, which takes about a millisecond: a turn waits
 * for nothing longer. Very large memtables have more runs instead.
 *
 * @module
 */

import { KEY_STRIDE, KeyField, type MemtableRecords } from "./memtable_records.ts";

/** New keys that are sorted at once. */
const RUN_KEYS = 2_048;
/** No run is made longer. */
const RUN_KEYS_MAX = 32_768;

/** See the module comment. */
export class MemtableOrder {
  readonly #memtable: MemtableRecords;
  #runs: Int32Array[] = [];
  /** Keys up to this number are in a run. */
  #sorted = 0;

  constructor(memtable: MemtableRecords) {
    this.#memtable = memtable;
  }

  get memoryBytes(): number {
    return 4 * this.#sorted;
  }

  /** A key was added. */
  noteKey(): void {
    if (this.#memtable.keyCount - this.#sorted >= RUN_KEYS) this.#sortNew();
  }

  /** Runs of all keys there are; the lists stay as they are. */
  runs(): readonly Int32Array[] {
    if (this.#memtable.keyCount > this.#sorted) this.#sortNew();
    return this.#runs;
  }

  #sortNew(): void {
    const end = this.#memtable.keyCount;
    const run = new Int32Array(end - this.#sorted);
    for (let position = 0; position < run.length; position++) run[position] = this.#sorted + position;
    run.sort((left, right) => this.#compare(left, right));
    this.#sorted = end;
    const runs = [...this.#runs, run];
    while (isMergeDue(runs)) {
      const [left, right] = runs.splice(-2) as [Int32Array, Int32Array];
      runs.push(this.#merge(left, right));
    }
    // A list of its own: cursors hold the former one.
    this.#runs = runs;
  }

  #merge(left: Int32Array, right: Int32Array): Int32Array {
    const merged = new Int32Array(left.length + right.length);
    let leftAt = 0;
    let rightAt = 0;
    for (let at = 0; at < merged.length; at++) {
      const isLeft = rightAt === right.length ||
        (leftAt < left.length && this.#compare(left[leftAt]!, right[rightAt]!) < 0);
      merged[at] = isLeft ? left[leftAt++]! : right[rightAt++]!;
    }
    return merged;
  }

  /** Compares two keys by their numbers; nearly always their first bytes tell. */
  #compare(left: number, right: number): number {
    const { keys, chunks } = this.#memtable;
    const leftAt = left * KEY_STRIDE;
    const rightAt = right * KEY_STRIDE;
    const byPrefix = (keys[leftAt + KeyField.prefix]! >>> 0) - (keys[rightAt + KeyField.prefix]! >>> 0);
    if (byPrefix !== 0) return byPrefix;
    const leftChunk = chunks[keys[leftAt + KeyField.chunk]!]!;
    const rightChunk = chunks[keys[rightAt + KeyField.chunk]!]!;
    const leftStart = keys[leftAt + KeyField.start]!;
    const rightStart = keys[rightAt + KeyField.start]!;
    const leftLength = keys[leftAt + KeyField.length]!;
    const rightLength = keys[rightAt + KeyField.length]!;
    const shorter = Math.min(leftLength, rightLength);
    for (let at = 0; at < shorter; at++) {
      const difference = leftChunk[leftStart + at]! - rightChunk[rightStart + at]!;
      if (difference !== 0) return difference;
    }
    return leftLength - rightLength;
  }
}

/** The last run is not much smaller than the one before, and both together are not too long. */
function isMergeDue(runs: readonly Int32Array[]): boolean {
  const last = runs.at(-1)?.length ?? 0;
  const before = runs.at(-2)?.length ?? Infinity;
  return 2 * last >= before && last + before <= RUN_KEYS_MAX;
}
