/**
 * The window of appends that are on their way to one follower, bounded by messages and by bytes. A queue in
 * order of index: an acknowledgement of an index frees everything up to it.
 *
 * @module
 */

import type { LogIndex } from "./types.ts";

/** The arrays are shortened when this many freed slots lie before the first used one. */
const COMPACT_SLOTS = 64;

/** What a window may hold. */
export interface InflightLimits {
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
}

/** An append that is on its way. */
export interface SentAppend {
  /** Of its last entry; of the entry before it when it carries none. */
  readonly lastIndex: LogIndex;
  /** Of its entries. */
  readonly bytes: number;
}

/** See the module comment. */
export class InflightWindow {
  readonly #limits: InflightLimits;
  #lastIndexes: LogIndex[] = [];
  #sizes: number[] = [];
  #head = 0;
  #bytes = 0;

  constructor(limits: InflightLimits) {
    this.#limits = limits;
  }

  get messages(): number {
    return this.#lastIndexes.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Whether nothing more may be sent for now. A single append may exceed the bytes, or it could never be
   * sent.
   */
  get isFull(): boolean {
    return this.messages >= this.#limits.inflightMessagesMax || this.#bytes >= this.#limits.inflightBytesMax;
  }

  /** Takes note of an append that left. */
  add(append: SentAppend): void {
    this.#lastIndexes.push(append.lastIndex);
    this.#sizes.push(append.bytes);
    this.#bytes += append.bytes;
  }

  /** Everything up to `index` has arrived. */
  freeTo(index: LogIndex): void {
    while (this.#head < this.#lastIndexes.length && this.#lastIndexes[this.#head]! <= index) {
      this.#bytes -= this.#sizes[this.#head]!;
      this.#head++;
    }
    if (this.#head === this.#lastIndexes.length) this.clear();
    else if (this.#head >= COMPACT_SLOTS) this.#compact();
  }

  clear(): void {
    this.#lastIndexes.length = 0;
    this.#sizes.length = 0;
    this.#head = 0;
    this.#bytes = 0;
  }

  #compact(): void {
    this.#lastIndexes.splice(0, this.#head);
    this.#sizes.splice(0, this.#head);
    this.#head = 0;
  }
}
