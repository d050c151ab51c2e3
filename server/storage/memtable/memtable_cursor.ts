/**
 * Walks over one run of a memtable. What is written meanwhile is seen or not; a reader that is pinned to a
 * version passes over it.
 *
 * @module
 */

import type { EntryCursor } from "../table/mod.ts";
import type { Memtable } from "./memtable.ts";
import { KEY_STRIDE, KeyField, VERSION_STRIDE, VersionField } from "./memtable_records.ts";

const NONE = -1;
const NOTHING: Uint8Array = new Uint8Array(0);

/** Cursors over all keys that a memtable has now, one a run; each key is in one of them. */
export function memtableCursors(memtable: Memtable): MemtableCursor[] {
  return memtable.runs().map((run) => new MemtableCursor(memtable, run));
}

/** See the module comment. */
export class MemtableCursor implements EntryCursor {
  key = NOTHING;
  keyStart = 0;
  keyEnd = 0;
  version = 0;
  isTombstone = false;
  value = NOTHING;
  valueStart = 0;
  valueEnd = 0;
  isValid = false;

  readonly #memtable: Memtable;
  readonly #run: Int32Array;
  #position = 0;
  #record = NONE;

  /** @param run of `memtable.runs()` */
  constructor(memtable: Memtable, run: Int32Array) {
    this.#memtable = memtable;
    this.#run = run;
  }

  seek(key?: Uint8Array): void {
    this.#goTo(key === undefined ? 0 : this.#firstNotBelow(key));
  }

  seekBefore(key?: Uint8Array): void {
    this.#goTo((key === undefined ? this.#run.length : this.#firstNotBelow(key)) - 1);
  }

  next(): void {
    const older = this.#memtable.versions[this.#record * VERSION_STRIDE + VersionField.older]!;
    if (older === NONE) this.#goTo(this.#position + 1);
    else this.#take(older);
  }

  #goTo(position: number): void {
    this.isValid = position >= 0 && position < this.#run.length;
    if (!this.isValid) return;
    this.#position = position;
    const { keys, chunks } = this.#memtable;
    const at = this.#run[position]! * KEY_STRIDE;
    this.key = chunks[keys[at + KeyField.chunk]!]!;
    this.keyStart = keys[at + KeyField.start]!;
    this.keyEnd = this.keyStart + keys[at + KeyField.length]!;
    this.#take(keys[at + KeyField.newest]!);
  }

  #take(record: number): void {
    const { versions, chunks } = this.#memtable;
    const at = record * VERSION_STRIDE;
    const length = versions[at + VersionField.length]!;
    this.#record = record;
    this.version = this.#memtable.versionOf(record);
    this.isTombstone = length === NONE;
    this.value = this.isTombstone ? NOTHING : chunks[versions[at + VersionField.chunk]!]!;
    this.valueStart = versions[at + VersionField.start]!;
    this.valueEnd = this.valueStart + Math.max(length, 0);
  }

  #firstNotBelow(key: Uint8Array): number {
    let low = 0;
    let high = this.#run.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(middle, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compare(position: number, key: Uint8Array): number {
    const { keys, chunks } = this.#memtable;
    const at = this.#run[position]! * KEY_STRIDE;
    const chunk = chunks[keys[at + KeyField.chunk]!]!;
    const start = keys[at + KeyField.start]!;
    const length = keys[at + KeyField.length]!;
    const shorter = Math.min(length, key.length);
    for (let same = 0; same < shorter; same++) {
      const difference = chunk[start + same]! - key[same]!;
      if (difference !== 0) return difference;
    }
    return length - key.length;
  }
}
