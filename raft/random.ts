/**
 * Seeded random numbers: a counter that steps by an odd constant and is then mixed, as in SplitMix (Steele,
 * Lea and Flood, 2014), with the 32-bit finalizer of MurmurHash3. Good enough to spread timeouts, useless for
 * secrets.
 *
 * @module
 */

/** 2^32 divided by the golden ratio, made odd: successive counters differ in many bits. */
const GOLDEN_GAMMA = 0x9e3779b9;
const UINT32_RANGE = 2 ** 32;

/** A sequence of numbers that is a function of its seed alone. */
export class Random {
  #counter: number;

  /** `seed` may be any safe integer. */
  constructor(seed: number) {
    this.#counter = mix((seed >>> 0) ^ mix(Math.floor(seed / UINT32_RANGE) >>> 0));
  }

  /** The next number, 0 to 2^32−1. */
  next(): number {
    this.#counter = (this.#counter + GOLDEN_GAMMA) >>> 0;
    return mix(this.#counter);
  }

  /** The next number that is at least 0 and below `bound`, a positive integer up to 2^32. */
  below(bound: number): number {
    return Math.floor((this.next() / UINT32_RANGE) * bound);
  }

  /** True with a chance of `probability`, 0 to 1. */
  chance(probability: number): boolean {
    return this.next() < probability * UINT32_RANGE;
  }
}

/** What the seed of a replica is made from. */
export interface ReplicaSeedOptions {
  /** Of the node. */
  readonly seed: number;
  readonly group: number;
}

/** The seed of one replica, so that the groups of a node do not draw the same timeouts. */
export function replicaSeed({ seed, group }: ReplicaSeedOptions): number {
  const spread = new Random(seed);
  return (spread.next() ^ mix(group + 1)) >>> 0;
}

function mix(value: number): number {
  let bits = value >>> 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
