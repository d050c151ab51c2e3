/**
 * What is known of the membership when a replica is restored, and replicas that come and go.
 *
 * @module
 */

import { assert, suite } from "../tests/harness.ts";
import { encodeMembership } from "./membership_codec.ts";
import { MultiRaft } from "./multi_raft.ts";
import { type Entry, EntryKind, type Membership, type Restored } from "./types.ts";
import { votersOnly } from "../tests/support/memberships.ts";

const test = suite("reconfiguration");
const LEARNING: Membership = { ...votersOnly([1, 2]), learners: [3] };
const JOINT: Membership = { ...votersOnly([1, 3]), votersOutgoing: [1, 2] };
const FINAL = votersOnly([1, 3]);

test("when restored the last membership entry counts up to the commit hint", () => {
  assert.equal(bornWith({ memberships: [LEARNING], commit: 0 }), votersOnly([1, 2]));
  assert.equal(bornWith({ memberships: [LEARNING], commit: 1 }), LEARNING);
});

test("an entry that follows proves that one to be committed, whatever the hint says", () => {
  assert.equal(bornWith({ memberships: [LEARNING, JOINT], commit: 0 }), LEARNING);
  assert.equal(bornWith({ memberships: [LEARNING, JOINT, FINAL], commit: 0 }), JOINT);
  assert.equal(bornWith({ memberships: [LEARNING, JOINT, FINAL], commit: 3 }), FINAL);
});

test("entries that are applied again do not bring an older membership back", () => {
  const raft = coreWith({ memberships: [LEARNING, JOINT, FINAL], commit: 3 });
  const batch = raft.ready();
  assert.equal(batch.memberships.map(({ index }) => index), [1, 2, 3]);
  assert.equal(raft.status(1)!.membership, FINAL);
});

test("a replica that is removed refuses its reads, and what is out may still come back", () => {
  const raft = coreWith({ memberships: [], commit: 0 });
  raft.step({
    kind: "heartbeatRequest",
    group: 1,
    from: 2,
    to: 1,
    term: 2,
    commit: 0,
    readRound: 0,
    sentAt: 0,
  });
  assert.ok(raft.readIndex(1, 77).accepted);
  const out = raft.ready();
  assert.is(out.persist.length, 1);
  raft.removeGroup(1);
  raft.removeGroup(1);
  assert.equal([raft.groups(), raft.status(1), raft.logBytes], [[], undefined, 0]);
  assert.ok(raft.hasReady());
  const last = raft.ready();
  assert.equal(last.reads, [{ group: 1, readId: 77, granted: false, readIndex: 0 }]);
  raft.addGroup({ group: 1, restored: restoredWith({ memberships: [], commit: 0 }), priority: [] });
  raft.advance(out);
  raft.advance(last);
  raft.tick();
  assert.is(raft.status(1)!.term, 0);
});

function bornWith(
  options: { readonly memberships: readonly Membership[]; readonly commit: number },
): Membership {
  return coreWith(options).status(1)!.membership;
}

function coreWith(
  options: { readonly memberships: readonly Membership[]; readonly commit: number },
): MultiRaft {
  const raft = new MultiRaft({ nodeId: 1, seed: 1, electionTimeoutTicks: 10, heartbeatTicks: 2 });
  raft.addGroup({ group: 1, restored: restoredWith(options), priority: [] });
  return raft;
}

function restoredWith(
  { memberships, commit }: { readonly memberships: readonly Membership[]; readonly commit: number },
): Restored {
  const entries = memberships.map((membership, position): Entry => ({
    index: position + 1,
    term: 1,
    kind: EntryKind.membership,
    data: encodeMembership(membership),
  }));
  const term = entries.length > 0 ? 1 : 0;
  const snapshot = { index: 0, term: 0, membership: votersOnly([1, 2]), membershipIndex: 0 };
  return { hardState: { term, vote: 0, commit }, snapshot, entries };
}

test.run();
