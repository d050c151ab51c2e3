/**
 * A set of small whole numbers that has a short name. In a search through a history nearly everything early
 * is in the set and nothing late is, so the name says how many leading words are full and spells out only
 * what follows.
 *
 * @module
 */

const FULL = 0xffff_ffff;

/** Numbers from 0 on, below the `size` it was made with. */
export class BitSet {
  readonly #words: Uint32Array;

  constructor(size: number) {
    this.#words = new Uint32Array(Math.ceil(size / 32));
  }

  add(member: number): void {
    this.#words[member >>> 5]! |= 1 << (member & 31);
  }

  remove(member: number): void {
    this.#words[member >>> 5]! &= ~(1 << (member & 31));
  }

  has(member: number): boolean {
    return (this.#words[member >>> 5]! & (1 << (member & 31))) !== 0;
  }

  /** Two sets made with the same size have the same name if and only if they have the same members. */
  name(): string {
    const words = this.#words;
    let from = 0;
    while (from < words.length && words[from] === FULL) from++;
    let to = words.length;
    while (to > from && words[to - 1] === 0) to--;
    return `${from}:${words.subarray(from, to).join(",")}`;
  }
}
