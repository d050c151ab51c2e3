/**
 * The dynamic table of header compression (RFC 7541, sections 2.3.2 and 4): the newest entry has the lowest
 * index, and the oldest ones make room.
 *
 * A ring of as many places as the smallest entries could fill, so that nothing is moved when one enters.
 *
 * @module
 */

import { FIELD_OVERHEAD_BYTES, type HpackField } from "./field.ts";

/** See the module comment. */
export class DynamicTable {
  readonly #ring: (HpackField | undefined)[];
  /** Where the next entry goes. */
  #head = 0;
  #count = 0;
  #bytes = 0;
  #bytesMax: number;
  #changes = 0;

  /** @param bytesMax what it may ever hold, in bytes as RFC 7541, section 4.1, counts them */
  constructor(bytesMax: number) {
    this.#ring = new Array(Math.floor(bytesMax / FIELD_OVERHEAD_BYTES) + 1).fill(undefined);
    this.#bytesMax = bytesMax;
  }

  get count(): number {
    return this.#count;
  }

  /** Invariant: never above the last {@linkcode resize}. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How often it was changed: between two equal numbers every index means the same. */
  get changes(): number {
    return this.#changes;
  }

  /** The entry `age` places behind the newest, which is at 0. */
  at(age: number): HpackField | undefined {
    if (age >= this.#count) return undefined;
    const places = this.#ring.length;
    return this.#ring[(this.#head - 1 - age + places) % places];
  }

  /** An entry that is larger than the table empties it and is not kept (RFC 7541, section 4.4). */
  add(field: HpackField): void {
    this.#changes++;
    this.#shrinkTo(this.#bytesMax - field.size);
    if (field.size > this.#bytesMax) return;
    this.#ring[this.#head] = field;
    this.#head = (this.#head + 1) % this.#ring.length;
    this.#count++;
    this.#bytes += field.size;
  }

  /** @param bytesMax at most what the table was made for */
  resize(bytesMax: number): void {
    this.#changes++;
    this.#bytesMax = bytesMax;
    this.#shrinkTo(bytesMax);
  }

  #shrinkTo(bytes: number): void {
    const places = this.#ring.length;
    while (this.#count > 0 && this.#bytes > bytes) {
      const oldest = (this.#head - this.#count + places) % places;
      this.#bytes -= this.#ring[oldest]!.size;
      this.#ring[oldest] = undefined;
      this.#count--;
    }
  }
}
