/**
 * The random numbers are a function of their seed, and spread.
 *
 * @module
 */

import { assert, suite } from "../tests/harness.ts";
import { Random, replicaSeed } from "./random.ts";

const test = suite("random");

test("a seed gives the same numbers again, another one gives others", () => {
  assert.equal(numbers(42), numbers(42));
  for (const other of [43, -42, 42 + 2 ** 32, 2 ** 53 - 1, 0]) assert.not.equal(numbers(42), numbers(other));
});

test("numbers stay in range and reach all of it evenly", () => {
  const random = new Random(1);
  const counts = Array<number>(10).fill(0);
  for (let round = 0; round < 10_000; round++) counts[random.below(10)]!++;
  for (const count of counts) assert.ok(count > 800 && count < 1_200, `${counts}`);
});

test("neighbouring groups and seeds do not share their numbers", () => {
  const seeds = new Set<number>();
  for (let seed = 0; seed < 40; seed++) {
    for (let group = 0; group < 40; group++) seeds.add(replicaSeed({ seed, group }));
  }
  assert.is(seeds.size, 1_600);
});

function numbers(seed: number): readonly number[] {
  const random = new Random(seed);
  return Array.from({ length: 8 }, () => random.next());
}

test.run();
