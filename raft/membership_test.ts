/**
 * The members of a group, in plain and joint configurations.
 *
 * @module
 */

import { assert, suite } from "../tests/harness.ts";
import {
  enterJoint,
  isMeant,
  isMember,
  isOnlyVoter,
  isReached,
  isSoundTarget,
  isVoter,
  leaveJoint,
  members,
} from "./membership.ts";
import { votersOnly } from "../tests/support/memberships.ts";

import type { Membership } from "./types.ts";

const test = suite("membership");
const NOBODY = votersOnly([]);
const joint = { voters: [2, 3], votersOutgoing: [1, 2], learners: [7], learnersNext: [1] };

test("voters are listed in ascending order, once", () => {
  assert.equal(votersOnly([10, 9, 2, 9]).voters, [2, 9, 10]);
});

test("the log goes to voters of both lists and to learners", () =>
  assert.equal(members(joint), [1, 2, 3, 7]));

test("outgoing voters vote until they are gone, learners never do", () => {
  assert.equal([1, 2, 3, 7, 8].map((node) => isVoter(joint, node)), [true, true, true, false, false]);
});

test("only a lone voter may lead without asking", () => {
  assert.ok(isOnlyVoter(votersOnly([4]), 4));
  assert.not(isOnlyVoter(votersOnly([4]), 5));
  assert.not(isOnlyVoter(votersOnly([4, 5]), 4));
  assert.not(isOnlyVoter({ ...votersOnly([4]), votersOutgoing: [4, 5] }, 4));
  assert.not(isOnlyVoter(votersOnly([]), 4));
});

test("voters change through a joint membership, learners at once", () => {
  const current = { ...votersOnly([1, 2, 3]), learners: [4] };
  const joint = enterJoint(current, { voters: [4, 1], learners: [5, 3] });
  assert.equal(joint, { voters: [1, 4], votersOutgoing: [1, 2, 3], learners: [5], learnersNext: [3] });
  assert.equal(leaveJoint(joint), { ...votersOnly([1, 4]), learners: [3, 5] });
  assert.equal(enterJoint(current, { voters: [3, 2, 1], learners: [] }), votersOnly([1, 2, 3]));
  assert.ok(isReached(current, { voters: [3, 1, 2], learners: [4] }));
  assert.not(isReached(current, { voters: [1, 2, 3], learners: [] }));
});

test("targets nobody could want are told apart", () => {
  assert.ok(isSoundTarget(NOBODY, { voters: [2 ** 32 - 1], learners: [] }));
  for (const voters of [[], [0], [1, 1], [2 ** 32], [1.5], [2, 7]]) {
    assert.not(isSoundTarget(NOBODY, { voters, learners: [7] }), voters.join());
  }
});

test("a membership means one replica of each node that it names", () => {
  const named: Membership = { ...votersOnly([1, 2]), replicaIds: [[1, 4], [2, 9]] };
  assert.ok(isMeant(named, { node: 1, replica: 4 }));
  assert.not(isMeant(named, { node: 1, replica: 9 }));
  assert.not(
    isMeant(named, { node: 3, replica: 1 }),
    "of a node that it does not name it means none with an id",
  );
  assert.ok(isMeant(named, { node: 1, replica: 0 }), "one without an id is the only one of its node");
});

test("members stay the replicas that they are, whoever comes is named", () => {
  const current: Membership = { ...votersOnly([1, 2]), replicaIds: [[1, 4], [2, 9]] };
  const target = { voters: [2, 3], learners: [5], replicaIds: new Map([[2, 9], [3, 1], [5, 8], [6, 6]]) };
  const joint = enterJoint(current, target);
  assert.equal(joint.replicaIds, [[1, 4], [2, 9], [3, 1], [5, 8]]);
  assert.equal(leaveJoint(joint).replicaIds, [[2, 9], [3, 1], [5, 8]]);
  assert.ok(isSoundTarget(current, target));
  const other = { ...target, replicaIds: new Map([[2, 10]]) };
  assert.not(isSoundTarget(current, other), "the one has to go before the other comes");
});

test("members are voters of both lists and learners, and nobody else", () => {
  assert.equal([1, 2, 3, 7, 8].map((node) => isMember(joint, node)), [true, true, true, true, false]);
});

test.run();
