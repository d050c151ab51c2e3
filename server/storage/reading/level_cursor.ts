/**
 * Walks over the tables of a sorted level as over one: a table is opened when its turn comes.
 *
 * @module
 */

import { compareKeys, type EntryCursor, TableCursor } from "../table/mod.ts";
import type { HeldTable } from "./table_set.ts";

const NOTHING: Uint8Array = new Uint8Array(0);

/** See the module comment. Every move throws a `StorageError` if a table cannot be read. */
export class LevelCursor implements EntryCursor {
  readonly #tables: readonly HeldTable[];
  #position = 0;
  #cursor: TableCursor | undefined;
  #cursorPosition = -1;

  /** @param tables in order, no two with a key in common; all stay open */
  constructor(tables: readonly HeldTable[]) {
    this.#tables = tables;
  }

  get isValid(): boolean {
    return this.#cursor?.isValid ?? false;
  }

  get key(): Uint8Array {
    return this.#cursor?.key ?? NOTHING;
  }

  readonly keyStart = 0;

  get keyEnd(): number {
    return this.#cursor?.keyEnd ?? 0;
  }

  get version(): number {
    return this.#cursor?.version ?? 0;
  }

  get isTombstone(): boolean {
    return this.#cursor?.isTombstone ?? false;
  }

  get value(): Uint8Array {
    return this.#cursor?.value ?? NOTHING;
  }

  get valueStart(): number {
    return this.#cursor?.valueStart ?? 0;
  }

  get valueEnd(): number {
    return this.#cursor?.valueEnd ?? 0;
  }

  seek(key?: Uint8Array): void {
    const position = key === undefined ? 0 : this.#firstEndingAt(key);
    this.#enter(position)?.seek(key);
    // A table ends at its largest key, so that there is an entry, unless there is no such table.
  }

  seekBefore(key?: Uint8Array): void {
    let position = this.#tables.length - 1;
    if (key !== undefined) position = Math.min(position, this.#firstEndingAt(key));
    this.#enter(position)?.seekBefore(key);
    if (!this.isValid && position > 0) this.#enter(position - 1)?.seekBefore(key);
  }

  next(): void {
    this.#cursor!.next();
    if (!this.#cursor!.isValid) this.#enter(this.#position + 1)?.seek();
  }

  /** The first table whose largest key is not below `key`. */
  #firstEndingAt(key: Uint8Array): number {
    let low = 0;
    let high = this.#tables.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(this.#tables[middle]!.table.summary.largestKey, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Makes a table the current one; the cursor is not valid if there is none. */
  #enter(position: number): TableCursor | undefined {
    this.#position = position;
    const held = this.#tables[position];
    if (held === undefined) {
      this.#cursor = undefined;
      this.#cursorPosition = -1;
    } else if (this.#cursorPosition !== position) {
      this.#cursor = new TableCursor(held.table);
      this.#cursorPosition = position;
    }
    return this.#cursor;
  }
}
