/**
 * The blocks that a node keeps in memory: one cache for all its tables, of a fixed size, whose buffers are
 * used again and again. A table knows which slot holds which of its blocks, so that a hit costs two loads of
 * an array and no hashing.
 *
 * What is evicted was not asked for since the hand of the clock last passed it (second chance). A block that
 * is larger than a slot, which holds one large value, is read anew every time.
 *
 * @module
 */

import { Block } from "./block.ts";

/** Size of a slot, which is that of a full block. */
export const SLOT_BYTES = 8 * 1024;
/** Fewer would evict what is in use by one read. */
const SLOTS_MIN = 8;
const NO_SLOT = -1;

/** Where blocks come from: a table. */
export interface BlockSource {
  /** For each block the slot that holds it, or −1; the cache's own. */
  readonly slots: Int32Array;
  /** Bytes of a block. */
  lengthOf(block: number): number;
  /** Reads and checks a block. Throws if that fails. */
  readBlock(block: number, into: Block): void;
}

/** How often blocks were there. */
export interface BlockCacheStats {
  readonly hits: number;
  readonly misses: number;
  /** Bytes of memory that the slots in use take. */
  readonly bytes: number;
}

/** A block of a source. */
interface Tenant {
  readonly source: BlockSource;
  readonly block: number;
}

/** See the module comment. */
export class BlockCache {
  readonly #slotsMax: number;
  readonly #blocks: Block[] = [];
  readonly #tenants: (Tenant | undefined)[] = [];
  readonly #wasUsed: Uint8Array;
  #hand = 0;
  #hits = 0;
  #misses = 0;

  /** @param bytes what it may take; at least eight slots are kept */
  constructor(bytes: number) {
    this.#slotsMax = Math.max(SLOTS_MIN, Math.floor(bytes / SLOT_BYTES));
    this.#wasUsed = new Uint8Array(this.#slotsMax);
  }

  /** See {@linkcode BlockCacheStats}. */
  get stats(): BlockCacheStats {
    return { hits: this.#hits, misses: this.#misses, bytes: this.#blocks.length * SLOT_BYTES };
  }

  /**
   * A block, which stays as it is until the next call.
   *
   * @throws {StorageError} whatever reading it throws; nothing is kept of it then
   */
  fetch(source: BlockSource, block: number): Block {
    const slot = source.slots[block]!;
    if (slot === NO_SLOT) return this.#miss(source, block);
    this.#wasUsed[slot] = 1;
    this.#hits++;
    return this.#blocks[slot]!;
  }

  /** A block if it is there, without counting as a use: for those who read much, once. */
  peek(source: BlockSource, block: number): Block | undefined {
    const slot = source.slots[block]!;
    return slot === NO_SLOT ? undefined : this.#blocks[slot];
  }

  /** Gives up all blocks of a source, which is going away. */
  forget(source: BlockSource): void {
    source.slots.forEach((slot, block) => {
      if (slot === NO_SLOT) return;
      this.#tenants[slot] = undefined;
      this.#wasUsed[slot] = 0;
      source.slots[block] = NO_SLOT;
    });
  }

  #miss(source: BlockSource, block: number): Block {
    this.#misses++;
    if (source.lengthOf(block) > SLOT_BYTES) {
      const large = new Block(source.lengthOf(block));
      source.readBlock(block, large);
      return large;
    }
    const slot = this.#freeSlot();
    source.readBlock(block, this.#blocks[slot]!);
    this.#tenants[slot] = { source, block };
    source.slots[block] = slot;
    return this.#blocks[slot]!;
  }

  /** A slot without a tenant. */
  #freeSlot(): number {
    if (this.#blocks.length < this.#slotsMax) return this.#blocks.push(new Block(SLOT_BYTES)) - 1;
    while (this.#wasUsed[this.#hand] === 1) {
      this.#wasUsed[this.#hand] = 0;
      this.#hand = (this.#hand + 1) % this.#slotsMax;
    }
    const slot = this.#hand;
    this.#hand = (slot + 1) % this.#slotsMax;
    const tenant = this.#tenants[slot];
    if (tenant !== undefined) tenant.source.slots[tenant.block] = NO_SLOT;
    this.#tenants[slot] = undefined;
    return slot;
  }
}
