/**
 * The next step of a group on its way to its members, in every situation.
 *
 * @module
 */

import type { FollowerProgress, Membership, MembershipTarget, NodeId, RaftStatus } from "../../raft/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import { type DrivenRaft, MembershipDriver } from "./membership_driver.ts";

const test = suite("membership driver");

const GROUP = 7;
const SELF = 1;
/** A refusal is as good an answer as any: the driver looks at what is, at its next tick. */
const NOT_NOW = { accepted: false, refusal: "changePending", leader: SELF } as const;

interface Situation {
  readonly voters: readonly NodeId[];
  readonly learners?: readonly NodeId[];
  readonly votersOutgoing?: readonly NodeId[];
  /** Of the other members, those that are heard, with what each has; all have the same unless given. */
  readonly heard?: ReadonlyMap<NodeId, number>;
  readonly isSealed?: boolean;
}

/** What node 1, the leader of a group, does next to bring it to these voters; nothing else may be done. */
function stepTowards(voters: readonly NodeId[], situation: Situation): readonly unknown[] {
  const membership: Membership = {
    voters: situation.voters,
    votersOutgoing: situation.votersOutgoing ?? [],
    learners: situation.learners ?? [],
    learnersNext: [],
  };
  const others = [...membership.voters, ...membership.learners].filter((node) => node !== SELF);
  const followers = others.map((node): FollowerProgress => ({
    node,
    state: "replicate" as const,
    nextIndex: 1,
    inflightMessages: 0,
    inflightBytes: 0,
    matchIndex: situation.heard?.get(node) ?? 0,
    active: situation.heard?.has(node) ?? true,
  }));
  const done: unknown[] = [];
  const raft: DrivenRaft = {
    status: () => ({ membership, followers, isSealed: situation.isSealed ?? true } as unknown as RaftStatus),
    changeMembership: (_group, to: MembershipTarget) => {
      done.push([[...to.voters], [...to.learners]]);
      return NOT_NOW;
    },
    transferLeadership: (_group, to) => {
      done.push(to);
      return NOT_NOW;
    },
  };
  const driver = new MembershipDriver(raft, SELF);
  driver.step(GROUP, { voters, learners: [] });
  if (driver.isReached(GROUP, { voters, learners: [] })) done.push("reached");
  return done;
}

test("who is missing begins as a learner, then the members change at once", () => {
  assert.equal(stepTowards([1, 2, 4], { voters: [1, 2, 3] }), [[[1, 2, 3], [4]]]);
  assert.equal(stepTowards([1, 2, 4], { voters: [1, 2, 3], learners: [4] }), [[[1, 2, 4], []]]);
});

test("it is reached when the change is sealed, and nothing is done within one", () => {
  assert.equal(stepTowards([3, 2, 1], { voters: [1, 2, 3] }), ["reached"]);
  assert.equal(stepTowards([1, 2, 3], { voters: [1, 2, 3], isSealed: false }), []);
  assert.equal(stepTowards([1, 2, 4], { voters: [1, 2, 4], votersOutgoing: [1, 2, 3] }), []);
});

test("learners that are not wanted any more go", () => {
  assert.equal(stepTowards([1, 2, 3], { voters: [1, 2, 3], learners: [4] }), [[[1, 2, 3], []]]);
  assert.equal(stepTowards([1, 2, 5], { voters: [1, 2, 3], learners: [4] }), [[[1, 2, 3], [5]]]);
});

test("a leader that is to go hands over to the voter that has most of those that are heard", () => {
  const heard = new Map([[2, 8], [3, 9], [4, 10]]);
  assert.equal(stepTowards([2, 3, 4], { voters: [1, 2, 3], learners: [4], heard }), [3]);
});

test("it waits for no voter that is down: the others begin to vote", () => {
  const heard = new Map([[2, 9], [4, 9], [5, 9]]);
  const toNewcomers = [[[1, 2, 3, 4, 5], []]];
  assert.equal(stepTowards([3, 4, 5], { voters: [1, 2, 3], learners: [4, 5], heard }), toNewcomers);
  assert.equal(stepTowards([3, 4, 5], { voters: [1, 2, 3, 4, 5], heard }), [4]);
  assert.equal(stepTowards([4], { voters: [1], learners: [4] }), [[[1, 4], []]]);
});

test("when nobody is there to hand over to, it waits", () => {
  assert.equal(stepTowards([2, 3], { voters: [1, 2, 3], heard: new Map() }), []);
});

test.run();
