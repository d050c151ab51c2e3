/**
 * Many sequences of entries as one, forwards. The cursors stand in a list in the order of their entries; the
 * first moves on and goes back to where it belongs, which is most often where it is, since most entries come
 * from the largest sequence.
 *
 * @module
 */

import { compareCursorKeys, type EntryCursor } from "../table/mod.ts";

/** See the module comment. */
export class MergeCursor {
  readonly #cursors: readonly EntryCursor[];
  /** Those that are valid, in the order of the entries at which they stand. */
  #order: EntryCursor[] = [];

  /** @param cursors no two of which have an entry of the same key and version */
  constructor(cursors: readonly EntryCursor[]) {
    this.#cursors = cursors;
  }

  /** The cursor at the first of all entries; `undefined` behind the last. */
  get top(): EntryCursor | undefined {
    return this.#order[0];
  }

  /** To the newest entry of the first key that is not below `key`. */
  seek(key?: Uint8Array): void {
    for (const cursor of this.#cursors) cursor.seek(key);
    this.#order = this.#cursors.filter(({ isValid }) => isValid).sort(compareEntries);
  }

  /** To the next entry. */
  next(): void {
    const order = this.#order;
    const cursor = order[0]!;
    cursor.next();
    if (!cursor.isValid) {
      order.shift();
      return;
    }
    let position = 0;
    while (position + 1 < order.length && compareEntries(cursor, order[position + 1]!) > 0) {
      order[position] = order[position + 1]!;
      position++;
    }
    order[position] = cursor;
  }
}

function compareEntries(left: EntryCursor, right: EntryCursor): number {
  const byKey = compareCursorKeys(left, right);
  return byKey !== 0 ? byKey : right.version - left.version;
}
