/**
 * What increments, and the precondition `exists`, do to a partition.
 *
 * @module
 */

import { MemoryStore } from "../../tests/support/memory_store.ts";
import { assert, suite } from "../../tests/harness.ts";
import { stateHash } from "../../tests/support/state_hash.ts";
import { encodeCommand } from "./command.ts";
import { decodeOutcome, encodeOutcome, type Outcome } from "./outcome.ts";
import { Sessions } from "./session.ts";
import { KvStateMachine } from "./state_machine.ts";
import type { Mutation, Precondition, RequestId } from "./types.ts";

const test = suite("increments");
const bytes = (text: string) => new TextEncoder().encode(text);
const MAX = "9223372036854775807";
const MIN = "-9223372036854775808";
const EXISTS: Precondition = { kind: "exists" };

function put(key: string, value: string, precondition?: Precondition): Mutation {
  return { kind: "put", key: bytes(key), value: bytes(value), ttlMs: 0, precondition };
}

function remove(key: string, precondition?: Precondition): Mutation {
  return { kind: "delete", key: bytes(key), precondition };
}

function increment(key: string, by: string, precondition?: Precondition): Mutation {
  return { kind: "increment", key: bytes(key), by, ttlMs: 0, precondition };
}

function request(sequence: number): RequestId {
  return { clientId: "00000000000000aa", sequence, acknowledgedBelow: 0 };
}

/** A machine with a counter for indexes. */
class Script {
  readonly machine = new KvStateMachine(new MemoryStore());
  #index = 0;

  run(mutations: readonly Mutation[], requestId?: RequestId): Outcome {
    return this.machine.apply(++this.#index, encodeCommand(mutations, requestId));
  }

  text(key: string): string | undefined {
    const item = this.machine.get(bytes(key));
    return item === undefined ? undefined : new TextDecoder().decode(item.value);
  }
}

function isOutOfRange(value: string, by: string): boolean {
  const script = new Script();
  script.run([put("n", value)]);
  const outcome = script.run([increment("n", by)]);
  assert.ok(outcome.kind === "notNumbers", `${value} + ${by}`);
  assert.is(script.text("n"), value);
  return outcome.failures[0]!.isOutOfRange;
}

test("a key that is not there counts as 0, and gets the new number as its value", () => {
  const script = new Script();
  assert.equal(script.run([increment("n", "5")]), {
    kind: "applied",
    version: 1,
    existed: [],
    numbers: [{ position: 0, number: "5" }],
  });
  script.run([increment("n", "-12")]);
  assert.is(script.text("n"), "-7");
  assert.is(script.machine.get(bytes("n"))?.version, 2);
  assert.is(script.machine.stateBytes, 3);
});

test("both bounds can be reached and not passed", () => {
  const script = new Script();
  script.run([increment("max", MAX), increment("min", MIN)]);
  assert.is(script.text("max"), MAX);
  assert.is(script.text("min"), MIN);
  assert.is(isOutOfRange(MAX, "1"), true);
  assert.is(isOutOfRange(MIN, "-1"), true);
  assert.is(isOutOfRange(MAX, MAX), true);
  assert.is(script.run([increment("max", MIN)]).kind, "applied");
  assert.is(script.text("max"), "-1");
});

test("what an increment would not have written is no number, and stays", () => {
  const others = ["", "007", "+1", " 1", "1 ", "-0", "1.5", "one", `${MAX}0`, "9".repeat(100_000)];
  for (const value of others) assert.is(isOutOfRange(value, "1"), false, value.slice(0, 20));
});

test("one that fails keeps the whole command from taking effect, and is named", () => {
  const script = new Script();
  script.run([put("text", "x"), put("full", MAX)]);
  const before = stateHash(script.machine);
  const outcome = script.run([
    put("a", "1"),
    increment("text", "1"),
    increment("n", "1"),
    increment("full", "1"),
    remove("text"),
  ]);
  assert.equal(outcome, {
    kind: "notNumbers",
    failures: [{ position: 1, isOutOfRange: false }, { position: 3, isOutOfRange: true }],
  });
  assert.equal([script.text("a"), script.text("n"), script.text("full")], [undefined, undefined, MAX]);
  assert.is(stateHash(script.machine), (before + 1) >>> 0, "nothing but the index has changed");
});

test("in one command increments see what those before them have done", () => {
  const script = new Script();
  const outcome = script.run([
    increment("n", "1"),
    increment("n", "2"),
    put("n", "10"),
    increment("n", "3"),
    remove("n"),
    increment("n", "4"),
  ]);
  assert.ok(outcome.kind === "applied");
  assert.equal(outcome.numbers?.map(({ number }) => number), ["1", "3", "13", "4"]);
  assert.equal(outcome.existed, [4]);
  assert.is(script.text("n"), "4");
  const failed = script.run([put("n", "x"), increment("n", "1"), increment("n", "1")]);
  assert.ok(failed.kind === "notNumbers");
  assert.equal(failed.failures.map(({ position }) => position), [1, 2]);
});

test("a retry is not counted again, and hears the number that was counted", () => {
  const script = new Script();
  const first = script.run([increment("n", "1")], request(1));
  script.run([increment("n", "1")], request(2));
  assert.equal(script.run([increment("n", "1")], request(1)), first);
  assert.is(script.text("n"), "2");
});

test("that it was no number is remembered, too", () => {
  const script = new Script();
  script.run([put("n", "x")]);
  const first = script.run([increment("n", "1")], request(1));
  script.run([remove("n")]);
  assert.equal(script.run([increment("n", "1")], request(1)), first);
  assert.is(script.text("n"), undefined);
});

test("preconditions are judged first, and are about the state before the command", () => {
  const script = new Script();
  script.run([put("text", "x")]);
  assert.equal(script.run([increment("text", "1"), put("n", "1"), increment("n", "1", EXISTS)]), {
    kind: "refused",
    failures: [{ position: 2, currentVersion: 0 }],
  });
});

test("exists holds at any version but none", () => {
  const script = new Script();
  assert.is(script.run([put("a", "1", EXISTS)]).kind, "refused");
  assert.is(script.run([remove("a", EXISTS)]).kind, "refused");
  script.run([put("a", "1")]);
  script.run([put("a", "2")]);
  assert.is(script.run([put("a", "3", EXISTS)]).kind, "applied");
  assert.is(script.run([increment("a", "1", EXISTS)]).kind, "applied");
  assert.is(script.text("a"), "4");
  assert.is(script.run([remove("a", EXISTS)]).kind, "applied");
  assert.is(script.run([increment("a", "1", EXISTS)]).kind, "refused");
});

test("outcomes come back as they were, and cut short they are refused", () => {
  const outcomes: readonly Outcome[] = [
    { kind: "applied", version: 7, existed: [2], numbers: [] },
    {
      kind: "applied",
      version: 2 ** 53 - 1,
      existed: [],
      numbers: [{ position: 0, number: MIN }, { position: 9_999, number: "0" }],
    },
    {
      kind: "notNumbers",
      failures: [{ position: 0, isOutOfRange: true }, { position: 300, isOutOfRange: false }],
    },
  ];
  for (const outcome of outcomes) {
    const encoded = encodeOutcome(outcome);
    assert.equal(decodeOutcome(encoded), outcome);
    for (let length = 0; length < encoded.length; length++) {
      assert.throws(() => decodeOutcome(encoded.subarray(0, length)), /Cannot/);
    }
  }
});

test("what a session remembers of numbers is counted", () => {
  const sessions = new Sessions();
  const numbers = Array.from({ length: 100 }, (_, position) => ({ position, number: MIN }));
  sessions.remember(request(1), { kind: "applied", version: 1, existed: [] }, 0);
  const plain = sessions.memoryBytes;
  sessions.remember(request(2), { kind: "applied", version: 2, existed: [], numbers }, 0);
  assert.ok(sessions.memoryBytes - plain > 100 * (MIN.length + 16), `${sessions.memoryBytes - plain}`);
  sessions.remember({ ...request(3), acknowledgedBelow: 3 }, { kind: "forgotten" }, 0);
  assert.ok(sessions.memoryBytes <= plain, "and forgotten with it");
});

test.run();
