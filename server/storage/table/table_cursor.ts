/**
 * Walks over the entries of a table. It brings blocks into a buffer of its own, so that a scan neither fills
 * the node's cache nor loses the block it stands in.
 *
 * @module
 */

import { Block } from "./block.ts";
import { type EntryCursor, STORE_KEY_BYTES_MAX } from "./entry.ts";
import type { Table } from "./table.ts";

const NONE = -1;

/** See the module comment. Every move throws a `StorageError` if a block cannot be read or is damaged. */
export class TableCursor implements EntryCursor {
  isValid = false;
  readonly key = new Uint8Array(STORE_KEY_BYTES_MAX);
  readonly keyStart = 0;
  keyEnd = 0;
  version = 0;
  isTombstone = false;
  value: Uint8Array;
  valueStart = 0;
  valueEnd = 0;

  readonly #table: Table;
  readonly #block = new Block();
  /** The block in the buffer. */
  #number = NONE;
  /** Where in it the next entry is. */
  #next = 0;

  /** @param table which must stay open */
  constructor(table: Table) {
    this.#table = table;
    this.value = this.#block.bytes;
  }

  seek(key?: Uint8Array): void {
    this.isValid = false;
    if (key === undefined) return this.#enter(0);
    const { index } = this.#table;
    for (let number = index.find(key); number < index.blocks; number++) {
      this.#load(number);
      const next = this.#block.findFirst(key);
      if (next === 0) continue;
      // All that it shares with the key before, that one shares with the wanted one.
      for (let at = 0; at < this.#block.shared; at++) this.key[at] = key[at]!;
      return this.#take(next);
    }
  }

  seekBefore(key?: Uint8Array): void {
    this.isValid = false;
    const { index } = this.#table;
    const last = index.blocks - 1;
    for (let number = key === undefined ? last : Math.min(index.find(key), last); number >= 0; number--) {
      this.#load(number);
      const at = key === undefined ? this.#lastEntry() : this.#block.lastBelow(key);
      if (at < 0) continue;
      this.#walkTo(at);
      if (this.#mayHaveNewer(at)) this.seek(this.key.slice(0, this.keyEnd));
      return;
    }
  }

  next(): void {
    if (this.#next >= this.#block.entriesEnd) return this.#enter(this.#number + 1);
    this.#take(this.#block.readEntry(this.#next));
  }

  /** To the first entry of a block. */
  #enter(number: number): void {
    this.isValid = false;
    if (number >= this.#table.index.blocks) return;
    this.#load(number);
    this.#take(this.#block.readEntry(0));
  }

  #load(number: number): void {
    if (number === this.#number) return;
    this.#number = NONE;
    this.#table.copyBlock(number, this.#block);
    this.#number = number;
    this.value = this.#block.bytes;
  }

  /** Stands at the entry that the block has just read; what it shares is in the key already. */
  #take(next: number): void {
    const block = this.#block;
    const { bytes, keyEnd } = block;
    const { key } = this;
    let length = block.shared;
    for (let at = block.keyStart; at < keyEnd; at++) key[length++] = bytes[at]!;
    this.keyEnd = length;
    this.version = block.version;
    this.isTombstone = block.isTombstone;
    this.valueStart = block.valueStart;
    this.valueEnd = block.valueEnd;
    this.#next = next;
    this.isValid = true;
  }

  /** From the restart before it, since its key is made of those before it. */
  #walkTo(entryAt: number): void {
    const block = this.#block;
    let restart = block.restartCount - 1;
    while (restart > 0 && block.restart(restart) > entryAt) restart--;
    this.#next = block.restart(restart);
    for (let at = this.#next; at <= entryAt; at = this.#next) this.#take(block.readEntry(at));
  }

  #lastEntry(): number {
    const block = this.#block;
    let last = block.restart(block.restartCount - 1);
    for (let at = last; at < block.entriesEnd; at = block.readEntry(at)) last = at;
    return last;
  }

  /** A key that goes on behind what it shares is another one than the key before. */
  #mayHaveNewer(entryAt: number): boolean {
    const block = this.#block;
    block.readEntry(entryAt);
    return block.shared === 0 || block.keyEnd === block.keyStart;
  }
}
