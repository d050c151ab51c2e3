/**
 * Keys that expire, as those see it who write and read.
 *
 * @module
 */

import { MemoryStore } from "../../tests/support/memory_store.ts";
import { TTL_MS_MAX } from "../../proto/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import { stateHash } from "../../tests/support/state_hash.ts";
import { encodeCommand, encodeExpireCommand, stampCommand } from "./command.ts";
import type { Outcome } from "./outcome.ts";
import { KvStateMachine } from "./state_machine.ts";
import type { Mutation, Precondition, RequestId } from "./types.ts";

const test = suite("expiring keys");
const bytes = (text: string) => new TextEncoder().encode(text);
const NO_LIMITS = { keysMax: Infinity, bytesMax: Infinity };
const ABSENT: Precondition = { kind: "absent" };
const EXISTS: Precondition = { kind: "exists" };

function put(key: string, ttlMs = 0, precondition?: Precondition): Mutation {
  return { kind: "put", key: bytes(key), value: bytes("1"), ttlMs, precondition };
}

function increment(key: string, ttlMs = 0): Mutation {
  return { kind: "increment", key: bytes(key), by: "1", ttlMs, precondition: undefined };
}

function remove(key: string, precondition?: Precondition): Mutation {
  return { kind: "delete", key: bytes(key), precondition };
}

function expire(key: string): Mutation {
  return { kind: "expire", key: bytes(key) };
}

/** A machine with a counter for indexes. */
class Script {
  readonly machine = new KvStateMachine(new MemoryStore());
  #index = 0;

  at(timeMs: number, mutations: readonly Mutation[] = [], requestId?: RequestId): Outcome {
    const command = encodeCommand(mutations, requestId);
    stampCommand(command, timeMs);
    return this.machine.apply(++this.#index, command);
  }

  text(key: string): string | undefined {
    const item = this.machine.get(bytes(key));
    return item === undefined ? undefined : new TextDecoder().decode(item.value);
  }

  expiresAtMs(key: string): number | undefined {
    return this.machine.expiresAtMs(bytes(key));
  }
}

function existedOf(outcome: Outcome): readonly number[] {
  assert.ok(outcome.kind === "applied");
  return outcome.existed;
}

test("a key is there until its time, and not from then on", () => {
  const script = new Script();
  script.at(100, [put("a", 50)]);
  assert.is(script.expiresAtMs("a"), 150);
  assert.is(script.machine.earliestExpiryMs, 150);
  script.at(149);
  assert.is(script.text("a"), "1");
  script.at(150);
  assert.is(script.text("a"), undefined);
  assert.is(script.expiresAtMs("a"), undefined);
  assert.is(script.machine.earliestExpiryMs, 150, "it is still to be removed");
  assert.is(script.machine.keyCount, 1);
});

test("the time of a command is raised before anything of it is done, and never lowered", () => {
  const script = new Script();
  script.at(100, [put("a", 10)]);
  assert.is(script.at(110, [put("a", 0, EXISTS)]).kind, "refused");
  script.at(50, [put("b", 10)]);
  assert.is(script.machine.timeMs, 110);
  assert.is(script.expiresAtMs("b"), 120, "counted from the state's time, not from the stamp");
});

test("for preconditions a key that has expired has no version", () => {
  const script = new Script();
  script.at(0, [put("a", 10)]);
  assert.equal(script.at(10, [put("a", 0, EXISTS), remove("a", { kind: "version", version: 1 })]), {
    kind: "refused",
    failures: [{ position: 0, currentVersion: 0 }, { position: 1, currentVersion: 0 }],
  });
  assert.is(script.at(10, [put("a", 0, ABSENT)]).kind, "applied");
  assert.is(script.text("a"), "1");
});

test("a delete of a key that has expired has found none, and still gives its memory back", () => {
  const script = new Script();
  const before = script.machine.memoryBytes;
  script.at(0, [put("a", 10)]);
  assert.equal(existedOf(script.at(10, [remove("a"), remove("a")])), []);
  assert.is(script.machine.keyCount, 0);
  assert.is(script.machine.stateBytes, 0);
  assert.is(script.machine.memoryBytes, before);
  assert.is(script.machine.expired, 0, "no expire has removed it");
});

test("a put without a time to live makes a key last, and so does a delete before it", () => {
  const script = new Script();
  script.at(0, [put("a", 10), put("b", 10)]);
  script.at(5, [put("a"), remove("b"), put("b")]);
  assert.is(script.expiresAtMs("a"), undefined);
  assert.is(script.machine.earliestExpiryMs, undefined);
  script.at(1_000, [expire("a"), expire("b")]);
  assert.equal([script.text("a"), script.text("b")], ["1", "1"]);
});

test("a put renews, to a later time as to an earlier one", () => {
  const script = new Script();
  script.at(0, [put("a", 100)]);
  script.at(50, [put("a", 100)]);
  assert.is(script.expiresAtMs("a"), 150);
  script.at(60, [put("a", 1)]);
  assert.is(script.expiresAtMs("a"), 61);
});

test("an increment keeps the time unless it brings one", () => {
  const script = new Script();
  script.at(0, [put("a", 100), put("b")]);
  script.at(10, [increment("a"), increment("b"), increment("c")]);
  assert.equal(["a", "b", "c"].map((key) => script.expiresAtMs(key)), [100, undefined, undefined]);
  script.at(20, [increment("a", 5), increment("b", 6), increment("c", 7)]);
  assert.equal(["a", "b", "c"].map((key) => script.expiresAtMs(key)), [25, 26, 27]);
  assert.equal(["a", "b", "c"].map((key) => script.text(key)), ["3", "3", "2"]);
});

test("of a key that has expired an increment begins at 0, and keeps no time", () => {
  const script = new Script();
  script.at(0, [put("a", 10), put("b", 10)]);
  const outcome = script.at(10, [increment("a"), increment("a"), increment("b", 5)]);
  assert.ok(outcome.kind === "applied");
  assert.equal(outcome.numbers?.map(({ number }) => number), ["1", "2", "1"]);
  assert.equal([script.expiresAtMs("a"), script.expiresAtMs("b")], [undefined, 15]);
  script.at(1_000, [expire("a")]);
  assert.is(script.text("a"), "2");
});

test("an increment of what was no number and has expired can be done", () => {
  const script = new Script();
  script.at(0, [{ kind: "put", key: bytes("a"), value: bytes("x"), ttlMs: 10, precondition: undefined }]);
  assert.is(script.at(9, [increment("a")]).kind, "notNumbers");
  assert.is(script.at(10, [increment("a")]).kind, "applied");
  assert.is(script.text("a"), "1");
});

test("a command that is refused changes no time", () => {
  const script = new Script();
  script.at(0, [put("a", 10), put("text", 0)]);
  const { kind } = script.at(5, [put("a", 100), put("a"), put("b", 10), put("text", 0, ABSENT)]);
  assert.is(kind, "refused");
  assert.equal([script.expiresAtMs("a"), script.expiresAtMs("b")], [10, undefined]);
  assert.is(script.machine.earliestExpiryMs, 10);
});

test("an expire removes what has expired by then, and nothing else", () => {
  const script = new Script();
  script.at(0, [put("due", 10), put("later", 20), put("lasting")]);
  const keys = ["due", "later", "lasting", "missing"];
  const outcome = script.at(10, keys.map(expire));
  assert.equal(outcome, { kind: "applied", version: 2, existed: [] });
  assert.is(script.machine.expired, 1);
  assert.is(script.machine.keyCount, 2);
  assert.is(script.machine.earliestExpiryMs, 20);
  assert.equal(keys.map((key) => script.text(key)), [undefined, "1", "1", undefined]);
  assert.is(script.machine.get(bytes("later"))?.version, 1, "not changed either");
});

test("what was written anew since it was found due is not removed", () => {
  const script = new Script();
  script.at(0, [put("renewed", 10), put("lasting", 10), put("counted", 10), put("deleted", 10)]);
  const keys = script.machine.expiredKeys(10, NO_LIMITS);
  assert.is(keys.length, 4);
  script.at(10, [put("renewed", 10), put("lasting"), increment("counted"), remove("deleted")]);
  const command = encodeExpireCommand(keys);
  stampCommand(command, 15);
  script.machine.apply(3, command);
  assert.is(script.machine.expired, 0);
  assert.is(script.machine.keyCount, 3);
});

test("expires and writes of one command take effect in their order", () => {
  const script = new Script();
  script.at(0, [put("a", 10), put("b", 10), put("c", 10)]);
  const outcome = script.at(10, [
    expire("a"),
    increment("a"),
    put("b"),
    expire("b"),
    expire("c"),
    expire("c"),
  ]);
  assert.ok(outcome.kind === "applied");
  assert.equal(outcome.numbers, [{ position: 1, number: "1" }]);
  assert.equal(["a", "b", "c"].map((key) => script.text(key)), ["1", "1", undefined]);
  assert.is(script.machine.expired, 2);
});

test("what is due is asked for by the leader's time, and is only told", () => {
  const script = new Script();
  script.at(0, [put("b", 20), put("a", 10), put("c", 30)]);
  const before = stateHash(script.machine);
  const texts = (nowMs: number, keysMax: number) =>
    script.machine.expiredKeys(nowMs, { keysMax, bytesMax: 64 }).map((key) => new TextDecoder().decode(key));
  assert.equal(texts(9, 10), []);
  assert.equal(texts(25, 10), ["a", "b"]);
  assert.equal(texts(99, 2), ["a", "b"]);
  assert.is(stateHash(script.machine), before);
  assert.is(script.text("a"), "1", "the state's own time has not come");
});

test("a retry raises the time, and sets none anew", () => {
  const script = new Script();
  const requestId: RequestId = { clientId: "00000000000000aa", sequence: 1, acknowledgedBelow: 0 };
  const first = script.at(0, [put("a", 10)], requestId);
  assert.equal(script.at(10, [put("a", 10)], requestId), first);
  assert.is(script.text("a"), undefined);
});

test("times are counted as memory, and given back with their keys", () => {
  const plain = new Script();
  plain.at(0, [put("a"), put("b")]);
  const timed = new Script();
  timed.at(0, [put("a", 10), put("b", 20)]);
  assert.ok(timed.machine.memoryBytes >= plain.machine.memoryBytes + 2 * 100, `${timed.machine.memoryBytes}`);
  timed.at(10, [put("a"), put("b")]);
  assert.is(timed.machine.memoryBytes, plain.machine.memoryBytes);
  timed.at(10, [put("a", 10), put("b", 10)]);
  timed.at(20, [expire("a"), expire("b")]);
  assert.is(timed.machine.memoryBytes, new KvStateMachine(new MemoryStore()).memoryBytes);
});

test("the state hash sees times, and the time that it is", () => {
  const hashOf = (ttlMs: number, endMs: number) => {
    const script = new Script();
    script.at(0, [put("a", ttlMs)]);
    script.at(endMs);
    return stateHash(script.machine);
  };
  assert.is(hashOf(10, 5), hashOf(10, 5));
  assert.is.not(hashOf(10, 5), hashOf(11, 5));
  assert.is.not(hashOf(10, 5), hashOf(0, 5));
  assert.is.not(hashOf(10, 5), hashOf(10, 6));
  assert.is.not(hashOf(10, 20), hashOf(11, 20), "of a key that has expired, too");
});

test("the longest time to live, begun at the latest time there is, is a number like others", () => {
  const script = new Script();
  const latestMs = 2 ** 48 - 1;
  script.at(latestMs, [put("a", TTL_MS_MAX), put("b", TTL_MS_MAX - 1)]);
  assert.is(script.expiresAtMs("a"), latestMs + TTL_MS_MAX);
  assert.ok(Number.isSafeInteger(latestMs + TTL_MS_MAX));
  assert.is(script.machine.earliestExpiryMs, latestMs + TTL_MS_MAX - 1);
});

test.run();
