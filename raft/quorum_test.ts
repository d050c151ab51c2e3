/**
 * Majorities against their definition, tried out in full for small groups.
 *
 * @module
 */

import { assert, suite } from "../tests/harness.ts";
import { majority, reachedByMajority, voteOutcome } from "./quorum.ts";
import { Random } from "./random.ts";
import type { NodeId } from "./types.ts";
import { votersOnly } from "../tests/support/memberships.ts";

const test = suite("quorum");

test("a majority is more than half, for every number of voters", () => {
  assert.equal([1, 2, 3, 4, 5, 6, 7].map(majority), [1, 2, 2, 3, 3, 4, 4]);
  for (let voters = 1; voters <= 99; voters++) {
    const needed = majority(voters);
    assert.ok(2 * needed > voters, `two majorities of ${voters} overlap`);
    assert.ok(voters - needed < needed, `what is left of ${voters} is no majority`);
    assert.ok(2 * (needed - 1) <= voters, `no fewer are enough of ${voters}`);
  }
});

test("what a majority has reached is the highest value that enough voters have", () => {
  const random = new Random(7);
  for (let round = 0; round < 2_000; round++) {
    const values = Array.from({ length: 1 + random.below(7) }, () => random.below(6));
    const enough = (value: number) =>
      values.filter((each) => each >= value).length >= majority(values.length);
    const expected = Math.max(...values.filter(enough));
    assert.is(reachedByMajority([...values]), expected, `of ${values}`);
  }
});

test("an empty list of voters holds nothing back", () => assert.is(reachedByMajority([]), Infinity));

test("a ballot is won, lost or open", () => {
  const voters = votersOnly([1, 2, 3]);
  assert.is(voteOutcome(voters, votes({ 1: true })), "pending");
  assert.is(voteOutcome(voters, votes({ 1: true, 2: false })), "pending");
  assert.is(voteOutcome(voters, votes({ 1: true, 3: true })), "won");
  assert.is(voteOutcome(voters, votes({ 1: true, 2: false, 3: false })), "lost");
});

test("of four voters two are not enough, and two refusals lose", () => {
  const voters = votersOnly([1, 2, 3, 4]);
  assert.is(voteOutcome(voters, votes({ 1: true, 2: true })), "pending");
  assert.is(voteOutcome(voters, votes({ 1: true, 2: true, 3: false, 4: false })), "lost");
  assert.is(voteOutcome(voters, votes({ 1: true, 2: true, 3: true })), "won");
});

test("votes of nodes that are no voters do not count", () => {
  const membership = { ...votersOnly([1, 2, 3]), learners: [4] };
  assert.is(voteOutcome(membership, votes({ 1: true, 4: true, 9: true })), "pending");
});

test("a joint configuration needs both majorities, and either may refuse", () => {
  const joint = { voters: [1, 2, 3], votersOutgoing: [3, 4, 5], learners: [], learnersNext: [] };
  assert.is(voteOutcome(joint, votes({ 1: true, 2: true })), "pending");
  assert.is(voteOutcome(joint, votes({ 1: true, 2: true, 4: true })), "pending");
  assert.is(voteOutcome(joint, votes({ 1: true, 3: true, 4: true })), "won");
  assert.is(voteOutcome(joint, votes({ 1: true, 2: true, 4: false, 5: false })), "lost");
});

function votes(given: Readonly<Record<NodeId, boolean>>): ReadonlyMap<NodeId, boolean> {
  return new Map(Object.entries(given).map(([node, granted]) => [Number(node), granted]));
}

test.run();
