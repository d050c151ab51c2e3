/**
 * What answers say that keys have left, and which reads come back when leadership is lost.
 *
 * @module
 */

import { MemoryStore } from "../../tests/support/memory_store.ts";
import { EntryKind } from "../../raft/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import type { ReadResult } from "../api/mod.ts";
import { encodeCommand, type Mutation, stampCommand } from "../kv/mod.ts";
import { expiryChange, timeChange } from "../kv/state_rows.ts";
import { rowKey, USER_ROWS } from "../kv/state_store.ts";
import type { ReadCall } from "./call.ts";
import { createKvReplica, type KvReplica } from "./hosted_replica.ts";

const test = suite("hosted replica");
const utf8 = (text: string) => new TextEncoder().encode(text);

interface Hosted {
  readonly replica: KvReplica;
  readonly clock: { nowMs: number; readonly later: (() => void)[] };
  readonly store: MemoryStore;
}

/** A replica whose machine's clock a test sets. */
function hosted(): Hosted {
  const clock = {
    nowMs: 50_000,
    monotonicMs: () => clock.nowMs,
    later: [] as (() => void)[],
    soon: (callback: () => void) => void clock.later.push(callback),
  };
  const store = new MemoryStore();
  return { replica: createKvReplica({ partitionId: 0, group: 1 }, { store, clock }), clock, store };
}

interface Applied {
  readonly index: number;
  readonly timeMs: number;
  readonly mutations?: readonly Mutation[];
}

function apply(replica: KvReplica, { index, timeMs, mutations = [] }: Applied): void {
  const data = encodeCommand(mutations, undefined);
  stampCommand(data, timeMs);
  replica.apply([{ index, term: 1, kind: EntryKind.command, data }]);
}

function put(key: string, ttlMs: number): Mutation {
  return { kind: "put", key: utf8(key), value: utf8(key), ttlMs, precondition: undefined };
}

function readCall(keys: readonly string[], answers: (readonly ReadResult[])[] = []): ReadCall {
  return {
    kind: "read",
    partitionId: 0,
    keys: keys.map(utf8),
    consistency: "linearizable",
    maxStalenessMs: 0,
    deadlineMs: Infinity,
    mayForward: true,
    settle: (result) => void (result.ok && answers.push(result.value)),
  };
}

function leftOf(replica: KvReplica, ...keys: readonly string[]): readonly (number | undefined | "gone")[] {
  const answers: (readonly ReadResult[])[] = [];
  replica.answer(readCall(keys, answers));
  return answers[0]!.map((item) => item === undefined ? "gone" : item.expiresInMs);
}

test("reads of much let those who wait for them make answers of it before others read", () => {
  const { replica, clock } = hosted();
  const value = new Uint8Array(3 * 1024 * 1024);
  const mutation: Mutation = { kind: "put", key: utf8("a"), value, ttlMs: 0, precondition: undefined };
  apply(replica, { index: 1, timeMs: 0, mutations: [mutation] });
  const answers: (readonly ReadResult[])[] = [];
  for (let call = 0; call < 5; call++) replica.answer(readCall(["a"], answers));
  assert.is(answers.length, 2);
  assert.is(replica.waitingCalls, 3, "they can be given up");
  for (let rest = clock.later.shift(); rest !== undefined; rest = clock.later.shift()) rest();
  assert.is(answers.length, 5);
  assert.is(replica.waitingCalls, 0);
});

test("a leader tells what is left by its own clock, a key without a time has none", () => {
  const { replica, clock } = hosted();
  replica.follow({ group: 1, role: "leader", term: 1, leader: 1 }, true);
  apply(replica, { index: 1, timeMs: 0, mutations: [put("for ever", 0)] });
  assert.equal(leftOf(replica, "for ever", "never"), [undefined, "gone"]);
  apply(replica, { index: 2, timeMs: 7, mutations: [put("a", 1_000)] });
  assert.equal(leftOf(replica, "a", "for ever", "never"), [1_000, undefined, "gone"]);
  clock.nowMs += 400;
  assert.equal(leftOf(replica, "a", "for ever"), [600, undefined]);
  // What is still there has at least something left, whatever the clock says.
  clock.nowMs += 4_000;
  assert.equal(leftOf(replica, "a"), [1]);
  apply(replica, { index: 3, timeMs: 1_007 });
  assert.equal(leftOf(replica, "a"), ["gone"]);
});

test("a follower counts on from the entry that last raised the time", () => {
  const { replica, clock } = hosted();
  apply(replica, { index: 1, timeMs: 300, mutations: [put("a", 1_000)] });
  clock.nowMs += 250;
  assert.equal(leftOf(replica, "a"), [750]);
  // It does not raise the time.
  apply(replica, { index: 2, timeMs: 300, mutations: [put("b", 1_000)] });
  assert.equal(leftOf(replica, "a", "b"), [750, 750]);
  // There was no leader for a while: less time has passed for the partition.
  apply(replica, { index: 3, timeMs: 400 });
  assert.equal(leftOf(replica, "a"), [900]);
  clock.nowMs += 5_000;
  assert.equal(leftOf(replica, "a"), [1]);
});

test("a new leader counts on from the last command, if the state has all of the log", () => {
  for (const [hasAllApplied, left] of [[true, 600], [false, 1_000]] as const) {
    const { replica, clock } = hosted();
    apply(replica, { index: 1, timeMs: 300, mutations: [put("a", 1_000)] });
    clock.nowMs += 150;
    // Neither raises the time, and only the first says that it may be younger than it seems.
    apply(replica, { index: 2, timeMs: 300, mutations: [put("b", 1_000)] });
    clock.nowMs += 250;
    replica.apply([{ index: 3, term: 2, kind: EntryKind.empty, data: new Uint8Array() }]);
    clock.nowMs += 150;
    replica.follow({ group: 1, role: "leader", term: 3, leader: 1 }, hasAllApplied);
    assert.equal(leftOf(replica, "a", "b"), [left, left]);
  }
});

test("time before a snapshot counts for no key that came with it", () => {
  for (const role of ["follower", "leader"] as const) {
    const { replica, clock, store } = hosted();
    apply(replica, { index: 1, timeMs: 300 });
    // It hears nothing for an hour, in which the others go on and then give it all they have.
    clock.nowMs += 3_600_000;
    const rows = [timeChange(3_600_000), { key: rowKey(USER_ROWS, utf8("a")), value: utf8("a") }];
    store.write([...rows, expiryChange(utf8("a"), 3_601_000)], 9);
    const membership = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [] };
    replica.restore({ index: 9, term: 1, membership, membershipIndex: 0 });
    clock.nowMs += 400;
    replica.follow({ group: 1, role, term: 2, leader: 1 }, true);
    assert.equal(leftOf(replica, "a"), [600]);
  }
});

test("while the store holds another state, reads wait and nothing is applied; then it goes on in pieces", () => {
  const { replica, store } = hosted();
  apply(replica, { index: 1, timeMs: 300, mutations: [put("a", 1_000)] });
  const rows = Array.from({ length: 500 }, (_, at) => expiryChange(utf8(`${at}`), 5_000));
  store.write([...rows, { key: rowKey(USER_ROWS, utf8("7")), value: utf8("new") }, timeChange(4_000)], 9);
  replica.noteReplaced();
  const answers: (readonly ReadResult[])[] = [];
  replica.answer(readCall(["7"], answers));
  replica.openRound(1, { calls: [readCall(["7"], answers)], askedMs: 0 });
  replica.closeRound({ group: 1, readId: 1, granted: true, readIndex: 1 });
  const membership = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [] };
  const pieces = replica.restoring({ index: 9, term: 2, membership, membershipIndex: 0 });
  let count = 0;
  while (pieces.next().done !== true) {
    apply(replica, { index: 2, timeMs: 300, mutations: [put("a", 0)] });
    assert.equal([answers.length, replica.machine.appliedIndex], [0, 1]);
    count++;
  }
  assert.ok(count > 5, `${count} pieces`);
  assert.equal(answers.map(([item]) => item?.expiresInMs), [1_000, 1_000]);
  assert.is(replica.machine.appliedIndex, 9);
});

test("confirmed reads come back if they wait for more than is committed, the others wait on", () => {
  const { replica } = hosted();
  const calls = ["a", "b", "c"].map((key) => readCall([key]));
  calls.forEach((call, at) => {
    replica.openRound(at, { calls: [call], askedMs: 0 });
    replica.closeRound({ group: 1, readId: at, granted: true, readIndex: at + 1 });
  });
  assert.is(replica.hasConfirmedReads, true);
  assert.equal(replica.takeConfirmedAbove(2), [calls[2]]);
  assert.equal(replica.takeConfirmedAbove(2), []);
  assert.is(replica.waitingCalls, 2);
});

test("an entry does for a time until the leadership is another one", () => {
  const { replica } = hosted();
  const term = (number: number, role: "leader" | "follower" = "leader") =>
    replica.follow({ group: 1, role, term: number, leader: 1 }, true);
  term(1);
  replica.noteStamped({ index: 5, timeMs: 70 });
  assert.equal([69, 70, 71].map((timeMs) => replica.entryStampedFrom(timeMs)), [5, 5, undefined]);
  term(1);
  assert.is(replica.entryStampedFrom(70), 5);
  assert.is(replica.isUnderWay({ index: 5, term: 1 }), true);
  term(3);
  assert.is(replica.entryStampedFrom(70), undefined);
  assert.is(replica.isUnderWay({ index: 5, term: 1 }), false);
  replica.noteStamped({ index: 6, timeMs: 90 });
  term(3, "follower");
  assert.is(replica.entryStampedFrom(70), undefined);
});

test.run();
