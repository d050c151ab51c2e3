/**
 * The last header block of a connection, and what was in it. A client sends the same block again and again,
 * once all its fields are in the dynamic table. While that does not change, the same bytes mean the same.
 *
 * @module
 */

import type { HeaderList } from "./field.ts";

/** Longer blocks are not remembered: every connection holds one. */
const REMEMBERED_BYTES_MAX = 256;

/** What a block meant. */
interface Meaning {
  readonly list: HeaderList;
  /** `DynamicTable.changes` when it was decoded. */
  readonly changes: number;
}

/** See the module comment. */
export class RecentBlock {
  #bytes: Uint8Array | undefined;
  /** Invariant: the first `#length` bytes are the block that `#meaning` is of. */
  #length = 0;
  #meaning: Meaning | undefined;

  get list(): HeaderList | undefined {
    return this.#meaning?.list;
  }

  /** What `block` means if it is the one that is remembered, and the table is as it was. */
  again(block: Uint8Array, changes: number): HeaderList | undefined {
    const known = this.#bytes;
    if (known === undefined || this.#meaning?.changes !== changes || block.length !== this.#length) {
      return undefined;
    }
    for (let at = 0; at < block.length; at++) if (block[at] !== known[at]) return undefined;
    return this.#meaning.list;
  }

  remember(block: Uint8Array, meaning: Meaning): void {
    if (block.length > REMEMBERED_BYTES_MAX) return;
    this.#bytes ??= new Uint8Array(REMEMBERED_BYTES_MAX);
    this.#bytes.set(block);
    this.#length = block.length;
    this.#meaning = meaning;
  }
}
