/**
 * The content of one simulated file: what a reader sees, and what a crash would leave of it. Sectors are the
 * unit: each unsynced sector keeps its new content, falls back to the old, or becomes garbage, whatever the
 * others do.
 *
 * ```
 * write ──> dirty ──syncData begins──> syncing ──it ends──> durable
 *                                         └──it fails──> doomed: readable, but only writing again can save it
 * ```
 *
 * @module
 */

import type { SeededRandom } from "../seeded_random.ts";

/** What disks write in one piece. */
export const SECTOR_BYTES = 512;

/** How a crash treats each unsynced sector, in percent; what is left of 100 keeps the new content. */
export interface CrashOdds {
  readonly lostPercent: number;
  readonly garbledPercent: number;
}

/** Old contents of sectors, by number. */
type Layer = Map<number, Uint8Array>;

/** What was there before, and how it may come to harm. */
interface SectorFate {
  readonly old: Uint8Array;
  readonly random: SeededRandom;
  readonly odds: CrashOdds;
}

/** What was there before, and the chance that mixes it in. */
interface Garbling {
  readonly old: Uint8Array;
  readonly random: SeededRandom;
}

/** See the module comment. */
export class MemoryInode {
  #bytes = new Uint8Array(0);
  #size = 0;
  #durableSize = 0;
  #dirty: Layer = new Map();
  readonly #syncing = new Set<Layer>();
  readonly #doomed: Layer = new Map();

  get size(): number {
    return this.#size;
  }

  /** The bytes as a reader sees them now, shared with the file. */
  get content(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }

  read(into: Uint8Array, position: number): number {
    const found = this.#bytes.subarray(
      Math.min(position, this.#size),
      Math.min(position + into.length, this.#size),
    );
    into.set(found);
    return found.length;
  }

  write(bytes: Uint8Array, position: number): void {
    this.#grow(position + bytes.length);
    const last = Math.floor((position + bytes.length - 1) / SECTOR_BYTES);
    for (let sector = Math.floor(position / SECTOR_BYTES); sector <= last; sector++) this.#keepOld(sector);
    this.#bytes.set(bytes, position);
  }

  /** Begins a sync of what has been written so far; the result ends it. */
  beginSync(): { readonly succeed: () => void; readonly fail: () => void } {
    const layer = this.#dirty;
    const size = this.#size;
    this.#dirty = new Map();
    this.#syncing.add(layer);
    return {
      succeed: () => {
        this.#syncing.delete(layer);
        this.#durableSize = Math.max(this.#durableSize, size);
      },
      fail: () => {
        this.#syncing.delete(layer);
        for (const [sector, old] of layer) if (!this.#doomed.has(sector)) this.#doomed.set(sector, old);
      },
    };
  }

  /**
   * The process that waited for syncs is gone: what they were to save is dirty, for the next sync of anybody.
   */
  abandonSyncs(): void {
    for (const layer of [...this.#syncing].reverse()) {
      for (const [sector, old] of layer) this.#dirty.set(sector, old);
    }
    this.#syncing.clear();
  }

  /** What the disk holds after the power went. */
  crash(random: SeededRandom, odds: CrashOdds): void {
    const settled = new Set<number>();
    for (const layer of [this.#dirty, ...[...this.#syncing].reverse(), this.#doomed]) {
      for (const [sector, old] of layer) {
        if (!settled.has(sector) && this.#crashSector(sector, { old, random, odds })) settled.add(sector);
      }
    }
    if (random.chance(odds.lostPercent)) {
      this.#size = Math.min(this.#size, Math.max(this.#durableSize, 0));
      this.#bytes.fill(0, this.#size);
    }
    this.#dirty = new Map();
    this.#syncing.clear();
    this.#doomed.clear();
    this.#durableSize = this.#size;
  }

  /**
   * True when the sector's fate is decided; false when it fell back to an older content that may not be
   * durable.
   */
  #crashSector(
    sector: number,
    fate: SectorFate,
  ): boolean {
    const roll = fate.random.below(100);
    const at = sector * SECTOR_BYTES;
    if (roll < fate.odds.lostPercent) {
      this.#bytes.set(fate.old, at);
      return false;
    }
    if (roll < fate.odds.lostPercent + fate.odds.garbledPercent) {
      this.#garble(at, fate);
    }
    return true;
  }

  /** Bytes that were being changed become anything; bytes written again as they were stay, torn or not. */
  #garble(at: number, { old, random }: Garbling): void {
    for (let index = 0; index < old.length; index++) {
      if (this.#bytes[at + index] !== old[index]) this.#bytes[at + index] = random.below(256);
    }
  }

  #keepOld(sector: number): void {
    const start = sector * SECTOR_BYTES;
    if (!this.#dirty.has(sector)) this.#dirty.set(sector, this.#bytes.slice(start, start + SECTOR_BYTES));
    // A sector that is written whole again can be saved by the next sync, with what it held before the failed
    // one.
    const doomed = this.#doomed.get(sector);
    if (doomed === undefined) return;
    this.#dirty.set(sector, doomed);
    this.#doomed.delete(sector);
  }

  #grow(end: number): void {
    const capacity = Math.ceil(end / SECTOR_BYTES) * SECTOR_BYTES;
    if (capacity > this.#bytes.length) {
      const larger = new Uint8Array(
        Math.max(capacity, Math.ceil(this.#bytes.length * 1.5 / SECTOR_BYTES) * SECTOR_BYTES),
      );
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#size = Math.max(this.#size, end);
  }
}
