/**
 * The way into the core: what it refuses, what it ignores, and the order of what it returns.
 *
 * @module
 */

import { assert, suite } from "../tests/harness.ts";
import { InvariantViolation } from "./error.ts";
import type { Message } from "./message.ts";
import { MultiRaft } from "./multi_raft.ts";
import { type Entry, EntryKind, type Restored, type SnapshotMeta } from "./types.ts";
import { votersOnly } from "../tests/support/memberships.ts";

const test = suite("multi raft");

test("groups and messages come in ascending order", () => {
  const raft = withGroups([7, 0, 3], [2, 3, 1]);
  assert.equal(raft.groups(), [0, 3, 7]);
  for (let tick = 0; tick < 20; tick++) raft.tick();
  const batch = raft.ready();
  const first = [...new Set(batch.messages.map((message) => message.group))];
  assert.equal(first, [0, 3, 7]);
  assert.equal(batch.messages.slice(0, 2).map((message) => message.to), [2, 3]);
  assert.equal(batch.transitions.map((transition) => transition.group), [0, 3, 7]);
});

test("an unknown group is said to be unknown", () => {
  const raft = withGroups([1], [1]);
  const refused = { accepted: false, refusal: "unknownGroup", leader: 0 };
  assert.equal(raft.propose(9, new Uint8Array()), refused);
  assert.equal(raft.readIndex(9, 1), refused);
  assert.equal(raft.transferLeadership(9, 1), refused);
  assert.is(raft.status(9), undefined);
  raft.setPriority(9, [1]);
  assert.equal(raft.groups(), [1], "a preference makes no group");
});

test("messages for others, from itself and of unknown groups are ignored", () => {
  const raft = withGroups([1], [1, 2]);
  for (const wrong of [{ group: 9 }, { to: 2 }, { from: 1 }]) raft.step({ ...heartbeat(), ...wrong });
  assert.not(raft.hasReady());
  raft.step(heartbeat());
  assert.ok(raft.hasReady());
});

test("a heartbeat of a node that is no peer is answered, an answer is not", () => {
  const raft = withGroups([1], [1, 2]);
  const heartbeat = { kind: "nodeHeartbeat", group: 0, to: 1, term: 0 } as const;
  const answers = () => raft.ready().messages.filter(({ kind }) => kind === "nodeHeartbeat");
  raft.step({ ...heartbeat, from: 9, isAnswer: false });
  raft.step({ ...heartbeat, from: 9, isAnswer: false });
  assert.ok(raft.hasReady());
  assert.equal(answers(), [{ ...heartbeat, from: 1, to: 9, isAnswer: true }]);
  raft.step({ ...heartbeat, from: 9, isAnswer: true });
  assert.equal(answers(), []);
});

test("batches may overlap, and come back in the order in which they went out", () => {
  const raft = withGroups([1], [1]);
  raft.tick();
  const first = raft.ready();
  assert.is(raft.propose(1, new Uint8Array(3)).accepted, true);
  const second = raft.ready();
  assert.is(second.persist[0]!.entries.at(-1)!.data.length, 3);
  assert.throws(() => raft.advance(second), (error: Error) => error instanceof InvariantViolation);
  assert.throws(() => raft.advance({ ...first }), (error: Error) => error instanceof InvariantViolation);
  raft.advance(first);
  const third = raft.ready();
  assert.equal(third.committed[0]!.entries.map(({ index }) => index), [1], "the second is not durable yet");
  raft.advance(second);
  assert.equal(raft.ready().committed[0]!.entries.map(({ index }) => index), [2]);
  raft.advance(third);
  assert.throws(() => raft.advance(third), (error: Error) => error instanceof InvariantViolation);
});

test("while the disk is busy entries gather, and everything else goes on", () => {
  const raft = withGroups([1, 2], [1, 2, 3]);
  raft.step({ ...APPEND, entries: [entryOf(1), entryOf(2)] });
  raft.step({
    kind: "heartbeatRequest",
    group: 2,
    from: 2,
    to: 1,
    term: 0,
    commit: 0,
    readRound: 0,
    sentAt: 0,
  });
  const busy = raft.ready(false);
  assert.equal([busy.persist, busy.messagesAfterPersist], [[], []]);
  assert.equal(busy.messages.map(({ group }) => group), [2]);
  assert.equal([raft.hasReady(false), raft.hasReady(true)], [false, true]);
  raft.step({ ...APPEND, prevLogIndex: 2, prevLogTerm: 1, entries: [entryOf(3)] });
  const free = raft.ready();
  assert.equal(free.persist[0]!.entries.map(({ index }) => index), [1, 2, 3]);
  assert.equal(free.messagesAfterPersist.map(({ kind }) => kind), ["appendResponse", "appendResponse"]);
  raft.advance(busy);
  raft.advance(free);
  assert.is(raft.hasReady(), false);
});

test("what rests on an earlier write leaves with it, also without a write of its own", () => {
  const raft = withGroups([1], [1, 2, 3]);
  raft.step({ ...APPEND, entries: [entryOf(1)] });
  const writing = raft.ready();
  raft.step({ ...APPEND, entries: [entryOf(1)] });
  const repeated = raft.ready(false);
  assert.equal(repeated.messages, []);
  assert.equal(repeated.messagesAfterPersist.map(({ kind }) => kind), ["appendResponse"]);
  raft.advance(writing);
  raft.advance(repeated);
});

test("while a vote is on its way to the disk nothing of its group leaves", () => {
  const raft = withGroups([1, 2], [1, 2, 3]);
  const request = {
    kind: "voteRequest",
    group: 1,
    from: 2,
    to: 1,
    term: 5,
    lastLogIndex: 0,
    lastLogTerm: 0,
  } as const;
  raft.step({ ...request, transfer: false });
  const voting = raft.ready();
  assert.equal([voting.messages.length, voting.messagesAfterPersist.length], [0, 1]);
  raft.step({
    kind: "heartbeatRequest",
    group: 1,
    from: 2,
    to: 1,
    term: 5,
    commit: 0,
    readRound: 0,
    sentAt: 0,
  });
  raft.step({
    kind: "heartbeatRequest",
    group: 2,
    from: 2,
    to: 1,
    term: 0,
    commit: 0,
    readRound: 0,
    sentAt: 0,
  });
  const answering = raft.ready();
  assert.equal(answering.messagesAfterPersist.map(({ kind, group }) => [kind, group]), [[
    "heartbeatResponse",
    1,
  ]]);
  assert.equal(answering.messages.map(({ group }) => group), [2], "another group is free to speak");
  raft.advance(voting);
  raft.advance(answering);
});

test("a group is added once", () => {
  const raft = withGroups([1], [1]);
  assert.throws(() => addGroup(raft, { group: 1, voters: [1] }), /one replica/);
});

test("an idle node has nothing to do, and a tick without effect makes no batch", () => {
  const raft = withGroups([0, 1], [1, 2, 3]);
  assert.not(raft.hasReady());
  raft.tick();
  assert.not(raft.hasReady());
});

test("only groups to which something happened are in a batch", () => {
  const raft = withGroups([0, 1, 2], [1]);
  raft.tick();
  while (raft.hasReady()) raft.advance(raft.ready());
  raft.propose(1, new Uint8Array(3));
  const batch = raft.ready();
  assert.equal(batch.persist.map((persist) => persist.group), [1]);
});

test("proposals of a turn travel in one append and one batch", () => {
  const raft = withGroups([1], [1]);
  raft.tick();
  while (raft.hasReady()) raft.advance(raft.ready());
  for (let i = 0; i < 100; i++) assert.ok(raft.propose(1, new Uint8Array(1)).accepted);
  const batch = raft.ready();
  assert.is(batch.persist.length, 1);
  assert.is(batch.persist[0]!.entries.length, 100);
  raft.advance(batch);
  assert.is(raft.ready().committed[0]!.entries.length, 100);
});

test("a replica whose term is below that of its log is refused", () => {
  const raft = new MultiRaft(config());
  const entries = [{ index: 1, term: 5, kind: 1, data: new Uint8Array() }] as const;
  assert.throws(
    () => raft.addGroup({ group: 1, priority: [], restored: { ...fresh([1]), entries } }),
    (error: Error) => error instanceof InvariantViolation,
  );
});

test("a commit index alone is written down within an election timeout, not at once", () => {
  const raft = withGroups([1], [1, 2]);
  const entries = [{ index: 1, term: 1, kind: 1, data: new Uint8Array() }] as const;
  const append = { ...heartbeat(), kind: "appendRequest", prevLogIndex: 0, prevLogTerm: 0, entries } as const;
  raft.step(append);
  raft.advance(raft.ready());
  raft.step({ ...heartbeat(), commit: 1 });
  const batch = raft.ready();
  assert.equal([batch.persist.length, batch.committed.length], [0, 1]);
  raft.advance(batch);
  for (let tick = 0; tick < 10; tick++) {
    raft.step({ ...heartbeat(), commit: 1 });
    raft.tick();
  }
  assert.equal(raft.ready().persist, [{
    group: 1,
    hardState: { term: 1, vote: 0, commit: 1 },
    // By calling the entry committed, the leader has promised to hold it.
    promises: [{ node: 2, term: 1, index: 1, indexTerm: 1 }],
    entries: [],
  }]);
});

function heartbeat(): Message & { readonly kind: "heartbeatRequest" } {
  return { kind: "heartbeatRequest", group: 1, from: 2, to: 1, term: 1, commit: 0, readRound: 0, sentAt: 0 };
}

function config() {
  return { nodeId: 1, seed: 1, electionTimeoutTicks: 10, heartbeatTicks: 1 };
}

function withGroups(groups: readonly number[], voters: readonly number[]): MultiRaft {
  const raft = new MultiRaft(config());
  for (const group of groups) addGroup(raft, { group, voters });
  return raft;
}

test("snapshots are wanted once in a batch, for as long as the leader says so", () => {
  const raft = withGroups([1], [1, 2, 3]);
  const notice = { kind: "snapshotNotice", group: 1, from: 2, to: 1, term: 1 } as const;
  for (const index of [7, 9]) raft.step({ ...notice, index });
  assert.equal(raft.ready().snapshotsWanted, [{ group: 1, leader: 2, index: 9 }]);
  assert.equal(raft.ready().snapshotsWanted, []);
  raft.step({ ...notice, term: 0, index: 9 });
  assert.equal(raft.ready().snapshotsWanted, [], "it does not lead any more");
  raft.suspend(1);
  raft.step({ ...notice, index: 9 });
  raft.resume(1, snapshotOf({ index: 9, term: 1 }));
  raft.step({ ...notice, index: 9 });
  assert.equal(raft.ready().snapshotsWanted, []);
});

test("bytes of the log are counted when entries are let go and when a snapshot comes", () => {
  const raft = withGroups([1], [1, 2, 3]);
  raft.step({ ...APPEND, entries: [1, 2, 3, 4].map(entryOf), commit: 2 });
  raft.advance(raft.ready());
  raft.ready();
  const all = raft.logBytes;
  raft.compact(1, 1);
  raft.compact(1, 1);
  raft.compact(7, 1);
  assert.equal([raft.logBytes, raft.status(1)!.firstIndex], [all * 3 / 4, 2]);
  raft.suspend(1);
  raft.resume(1, snapshotOf({ index: 9, term: 1 }));
  assert.equal([raft.logBytes, raft.status(1)!.logBytes], [0, 0]);
});

test("a snapshot brings its term, and whoever dies then comes back in it", () => {
  const raft = withGroups([1], [1, 2, 3]);
  raft.suspend(1);
  const snapshot = snapshotOf({ index: 9, term: 5 });
  raft.resume(1, snapshot);
  assert.equal(raft.ready().persist[0]!.hardState, { term: 5, vote: 0, commit: 9 });
  const next = withGroups([], []);
  next.addGroup({ group: 1, priority: [], restored: { ...fresh([1, 2, 3]), snapshot } });
  assert.equal([next.status(1)!.term, next.status(1)!.applied], [5, 9]);
  assert.is(next.ready().persist[0]!.hardState!.term, 5);
});

test("a snapshot does not end before its membership", () => {
  const raft = withGroups([1], [1, 2, 3]);
  const snapshot = { ...snapshotOf({ index: 9, term: 5 }), membershipIndex: 10 };
  raft.suspend(1);
  assert.throws(() => raft.resume(1, snapshot), /before its membership/);
  const restored = { ...fresh([1]), snapshot };
  assert.throws(() => raft.addGroup({ group: 2, priority: [], restored }), /before its membership/);
});

/** Where a snapshot ends. */
interface SnapshotEnd {
  readonly index: number;
  readonly term: number;
}

function snapshotOf({ index, term }: SnapshotEnd): SnapshotMeta {
  return { index, term, membership: votersOnly([1, 2, 3]), membershipIndex: 0 };
}

test("a node is not held to what a replica has promised that is gone", () => {
  const raft = withGroups([1], [1, 2]);
  const reminder = { group: 7, replica: 4, term: 3, index: 2, indexTerm: 3, isCommitted: true };
  assert.throws(() => raft.mustKeep([reminder], 2), /Group 7 has lost/);
  raft.setGone(7, 4);
  raft.mustKeep([reminder], 2);
  raft.setGone(7, 2);
  assert.is(raft.goneThrough(7), 4, "what is gone stays so");
  assert.throws(() => raft.mustKeep([{ ...reminder, replica: 5 }], 2), /Group 7 has lost/);
  raft.addGroup({ group: 7, priority: [], restored: fresh([]), replicaId: 5 });
  raft.mustKeep([reminder], 2);
  assert.throws(() => raft.mustKeep([{ ...reminder, replica: 5 }], 2), /Group 7 has lost/);
});

test("the id of a replica is the first thing that is written, once", () => {
  const raft = withGroups([1], [1, 2]);
  assert.is(raft.replicaId(1), 0);
  raft.addGroup({ group: 7, priority: [], restored: fresh([]), replicaId: 5 });
  assert.is(raft.replicaId(7), 5);
  assert.is(raft.holdsEntry(7, { index: 3, term: 1 }), undefined, "no snapshot is installed before");
  const batch = raft.ready();
  assert.equal(batch.persist, [{ group: 7, replicaId: 5, entries: [] }]);
  raft.advance(batch);
  assert.not(raft.hasReady());
  assert.is(raft.holdsEntry(7, { index: 3, term: 1 }), false);
  assert.equal(raft.persistAgain(7, 0)?.replicaId, 5);
  const again = withGroups([1], [1, 2]);
  again.addGroup({ group: 7, priority: [], restored: { ...fresh([]), replicaId: 5 } });
  assert.not(again.hasReady(), "it is on the disk");
});

function addGroup(
  raft: MultiRaft,
  options: { readonly group: number; readonly voters: readonly number[] },
): void {
  const { group, voters } = options;
  raft.addGroup({ group, priority: [], restored: fresh(voters) });
}

function fresh(voters: readonly number[]): Restored {
  return {
    hardState: { term: 0, vote: 0, commit: 0 },
    snapshot: { index: 0, term: 0, membership: votersOnly(voters), membershipIndex: 0 },
    entries: [],
  };
}

const APPEND = {
  kind: "appendRequest",
  group: 1,
  from: 2,
  to: 1,
  term: 1,
  prevLogIndex: 0,
  prevLogTerm: 0,
  commit: 0,
} as const;

function entryOf(index: number): Entry {
  return { index, term: 1, kind: EntryKind.command, data: new Uint8Array(1) };
}

test.run();
