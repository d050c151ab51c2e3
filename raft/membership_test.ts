/**
 * Who belongs to a group, in plain and joint configurations.
 *
 * @module
 */

import { assert, suite } from "../tests/harness.ts";
import { isOnlyVoter, isVoter, members, votersOnly } from "./membership.ts";

const test = suite("membership");
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

test.run();
