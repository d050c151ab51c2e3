/**
 * Walks over the keys of a store as they were at one version, in both directions: of each key the newest
 * entry that is not above the version, unless it is a tombstone.
 *
 * Forwards the sequences are merged. Backwards each of them stands at its last key below the last row, and
 * only those that were at that row have to move: steps back are made by searching, which costs a few
 * microseconds, and needs no way back through a block.
 *
 * @module
 */

import { MergeCursor } from "./merge_cursor.ts";
import { compareCursorKey, compareCursorKeys, type EntryCursor, KeyBuffer } from "../table/mod.ts";

/** What a cursor over rows is made of. */
export interface RowCursorOptions {
  /** Sequences without a common entry. */
  readonly cursors: readonly EntryCursor[];
  readonly version: number;
  /** Told when the cursor is closed. */
  readonly release: () => void;
}

/**
 * See the module comment. Every move throws a `StorageError` if a table cannot be read; the cursor can be
 * moved again by `seek` and `seekBefore`.
 */
export class RowCursor {
  readonly #cursors: readonly EntryCursor[];
  readonly #merge: MergeCursor;
  readonly #version: number;
  #release: (() => void) | undefined;
  #direction: "forward" | "backward" = "forward";
  /** At the current row, whatever way it was reached. */
  #row: EntryCursor | undefined;
  /** Key of the current row, or the one last looked at. */
  readonly #key = new KeyBuffer();

  constructor({ cursors, version, release }: RowCursorOptions) {
    this.#cursors = cursors;
    this.#merge = new MergeCursor(cursors);
    this.#version = version;
    this.#release = release;
  }

  /** Whether it stands at a row. */
  get isValid(): boolean {
    return this.#row !== undefined;
  }

  /** Key, value and version of the row, while it stands there. */
  get entry(): EntryCursor {
    if (this.#row === undefined) throw new RangeError("Cannot read a row as the cursor stands at none");
    return this.#row;
  }

  /** To the first row whose key is not below `key`; to the first of all without one. */
  seek(key?: Uint8Array): void {
    this.#row = undefined;
    this.#direction = "forward";
    this.#merge.seek(key);
    this.#findForward(false);
  }

  /** To the last row whose key is below `key`; to the last of all without one. */
  seekBefore(key?: Uint8Array): void {
    this.#row = undefined;
    this.#direction = "backward";
    for (const cursor of this.#cursors) cursor.seekBefore(key);
    this.#findBackward();
  }

  /** To the next row; the cursor stands at one. */
  next(): void {
    if (this.#direction === "backward") this.#merge.seek(this.#key.view);
    this.#direction = "forward";
    this.#row = undefined;
    this.#findForward(true);
  }

  /** To the row before; the cursor stands at one. */
  previous(): void {
    const key = this.#key.view;
    if (this.#direction === "forward") return this.seekBefore(key);
    this.#row = undefined;
    this.#stepBack(key);
    this.#findBackward();
  }

  /** Lets go of the tables; again does nothing. */
  close(): void {
    this.#row = undefined;
    this.#release?.();
    this.#release = undefined;
  }

  /** @param isDecided whether entries of the key last looked at are passed over */
  #findForward(isDecided: boolean): void {
    const merge = this.#merge;
    const key = this.#key;
    let hasKey = isDecided;
    for (let top = merge.top; top !== undefined; top = merge.top) {
      if (top.version <= this.#version && !(hasKey && key.isAt(top))) {
        key.take(top);
        hasKey = true;
        if (!top.isTombstone) {
          this.#row = top;
          return;
        }
      }
      merge.next();
    }
  }

  #findBackward(): void {
    for (let last = this.#last(); last !== undefined; last = this.#last()) {
      this.#key.take(last);
      const key = this.#key.view;
      const newest = this.#newestVisible(key);
      if (newest !== undefined && !newest.isTombstone) {
        this.#row = newest;
        return;
      }
      this.#stepBack(key);
    }
  }

  /** The cursor at the highest key. */
  #last(): EntryCursor | undefined {
    let last: EntryCursor | undefined;
    for (const cursor of this.#cursors) {
      if (cursor.isValid && (last === undefined || compareCursorKeys(cursor, last) > 0)) last = cursor;
    }
    return last;
  }

  /** Moves the cursors at `key` to their newest visible entries of it; returns the newest of all. */
  #newestVisible(key: Uint8Array): EntryCursor | undefined {
    let newest: EntryCursor | undefined;
    for (const cursor of this.#cursors) {
      const isAt = () => cursor.isValid && compareCursorKey(cursor, key) === 0;
      if (!isAt()) continue;
      while (isAt() && cursor.version > this.#version) cursor.next();
      if (isAt() && (newest === undefined || cursor.version > newest.version)) newest = cursor;
    }
    return newest;
  }

  /** Moves the cursors that are not below `key`, or have run beyond it, to the last key below it. */
  #stepBack(key: Uint8Array): void {
    for (const cursor of this.#cursors) {
      // One that has ended may have passed the key while it looked for a visible entry.
      if (!cursor.isValid || compareCursorKey(cursor, key) >= 0) cursor.seekBefore(key);
    }
  }
}
