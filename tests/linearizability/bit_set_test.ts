/**
 * Sets of numbers and their names, against JavaScript's own.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { BitSet } from "./bit_set.ts";

const test = suite("bit set");

test("it holds what was added and not removed, and equal sets have equal names", () => {
  const random = new SeededRandom(1);
  const named = new Map<string, string>();
  for (let round = 0; round < 300; round++) {
    const bits = new BitSet(100);
    const members = new Set<number>();
    for (let at = 0; at < 100; at++) if (random.below(100) < 90 - round % 90) members.add(at), bits.add(at);
    for (let times = 0; times < 5; times++) {
      const member = random.below(100);
      members.delete(member);
      bits.remove(member);
    }
    for (let at = 0; at < 100; at++) assert.is(bits.has(at), members.has(at));
    const spelled = [...members].sort((a, b) => a - b).join(" ");
    assert.is(named.get(bits.name()) ?? spelled, spelled);
    named.set(bits.name(), spelled);
    const again = new BitSet(100);
    members.forEach((member) => again.add(member));
    assert.is(again.name(), bits.name());
  }
});

test("a set that is full up to a point has a short name", () => {
  const bits = new BitSet(10_000);
  for (let member = 0; member < 9_000; member++) bits.add(member);
  assert.is(bits.name(), "281:255");
});

test.run();
