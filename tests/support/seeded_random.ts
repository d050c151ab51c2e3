/**
 * Randomness for tests that must replay: the same seed gives the same numbers (mulberry32 by Tommy Ettinger,
 * public domain).
 *
 * A test either names its seed in its source, and then does the same in every run, or draws one with
 * `drawnRandom`, which prints it and takes it back from the environment. Chance of any other origin is not
 * for tests.
 *
 * @module
 */

/** A stream of numbers decided by its seed. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number of 32 bits. */
  word(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** From 0 on, below `bound`, which is at most 2^32. */
  below(bound: number): number {
    return Math.floor((this.word() / 2 ** 32) * bound);
  }

  /** True in `percent` of 100 cases. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  /** One of `items`, which are not empty. */
  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }
}

/** Names the seed of the tests that would draw one. */
const SEED_VARIABLE = "PRKDB_TEST_SEED";

/**
 * A stream of numbers whose seed is new in every run, and printed, so that a failure can be tried again.
 *
 * @param test whose numbers these are, for the line that is printed
 * @returns numbers of the seed in `PRKDB_TEST_SEED`, if that is set
 * @throws {RangeError} when `PRKDB_TEST_SEED` is not a whole number of 32 bits
 */
export function drawnRandom(test: string): SeededRandom {
  const wanted = Deno.env.get(SEED_VARIABLE);
  const seed = wanted === undefined ? crypto.getRandomValues(new Uint32Array(1))[0]! : Number(wanted);
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw new RangeError(
      `${SEED_VARIABLE} must be a whole number from 0 to ${2 ** 32 - 1}: it is "${wanted}"`,
    );
  }
  console.log(`${test}: seed ${seed}; again with ${SEED_VARIABLE}=${seed}`);
  return new SeededRandom(seed);
}
