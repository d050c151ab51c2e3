/**
 * Histories whose verdict is known: the examples of the literature and the failures seen in real systems, as
 * good and bad twins that differ in one detail.
 *
 * Each line is one operation: client, when it was called and when it returned, what it did and what it was
 * told.
 *
 * @module
 */

import { assert, assertRejects, suite } from "../harness.ts";
import { checkLinearizable, describeVerdict } from "./checker.ts";
import type { History, Operation } from "./history.ts";

type Body = Pick<Operation, "action" | "outcome">;

/** A history and what it is. */
interface Example {
  readonly name: string;
  readonly isLinearizable: boolean;
  readonly history: History;
}

const UNKNOWN = { kind: "unknown" } as const;

const EXAMPLES: readonly Example[] = [
  good("nothing at all", []),
  good("one after the other", [
    by(1, [0, 1], put("a", 1)),
    by(2, [2, 3], found("a", 1)),
    by(1, [4, 5], removed(2)),
    by(2, [6, 7], absent()),
    by(1, [8, 9], removedNothing(3)),
    by(1, [10, 11], put("b", 4)),
  ]),
  // Herlihy and Wing 1990, figure 1, told of a register.
  good("a read while a write runs may find the new value", [
    by(1, [0, 10], put("a", 1)),
    by(2, [1, 2], found("a", 1)),
    by(3, [3, 4], found("a", 1)),
  ]),
  good("a read while a write runs may find the old value", [
    by(1, [0, 10], put("a", 1)),
    by(2, [1, 2], absent()),
    by(3, [3, 4], found("a", 1)),
  ]),
  bad("a read finds the old value after another has found the new one", [
    by(1, [0, 10], put("a", 1)),
    by(2, [1, 2], found("a", 1)),
    by(3, [3, 4], absent()),
  ]),
  bad("new, old, new among three reads of two writes", [
    by(1, [0, 1], put("a", 1)),
    by(1, [2, 20], put("b", 2)),
    by(2, [3, 4], found("b")),
    by(3, [5, 6], found("a")),
    by(2, [7, 8], found("b")),
  ]),
  good("a key is gone when its time has come, and another may be written", [
    by(1, [0, 1], put("a", 1)),
    expiry("a", 10),
    by(2, [8, 9], found("a", 1)),
    by(2, [11, 12], absent()),
    by(3, [13, 14], create("b", 3)),
    by(2, [15, 16], found("b", 3)),
  ]),
  good("a key outlives its time", [
    by(1, [0, 1], put("a", 1)),
    expiry("a", 10),
    by(2, [30, 31], found("a", 1)),
    by(1, [32, 33], put("b", 2)),
  ]),
  bad("a key is gone before its time", [
    by(1, [0, 1], put("a", 1)),
    expiry("a", 10),
    by(2, [7, 8], absent()),
  ]),
  bad("a key is gone and comes back", [
    by(1, [0, 1], put("a", 1)),
    expiry("a", 10),
    by(2, [11, 12], absent()),
    by(2, [13, 14], found("a", 1)),
  ]),
  bad("the time of a value that was replaced removes the next one", [
    by(1, [0, 1], put("a", 1)),
    expiry("a", 10),
    by(1, [2, 3], put("b", 2)),
    by(2, [11, 12], absent()),
  ]),
  bad("two create the key when its time came once", [
    by(1, [0, 1], put("a", 1)),
    expiry("a", 10),
    by(2, [11, 12], create("b", 2)),
    by(3, [13, 14], create("c", 3)),
  ]),
  good("increments add up, from nothing and across numbers that were put", [
    by(1, [0, 1], counted("1", 1)),
    by(2, [2, 3], put("10", 2)),
    by(1, [4, 5], counted("11", 3)),
    by(2, [6, 7], found("11", 3)),
  ]),
  good("an increment without an answer is counted once, or never", [
    by(1, [0, 1], openCount()),
    by(2, [2, 3], counted("2", 5)),
    by(1, [4, 5], openCount()),
    by(2, [6, 7], found("2", 5)),
  ]),
  bad("an increment without an answer is counted twice", [
    by(1, [0, 1], openCount()),
    by(2, [2, 3], counted("3", 5)),
  ]),
  bad("two increments hear the same number", [
    by(1, [0, 5], counted("1", 1)),
    by(2, [0, 5], counted("1", 2)),
  ]),
  good("what is no number is not counted, and goes on being what it was", [
    by(1, [0, 1], put("a", 1)),
    by(2, [2, 3], countedNothing()),
    by(2, [4, 5], found("a", 1)),
  ]),
  bad("a number is called none", [
    by(1, [0, 1], counted("1", 1)),
    by(2, [2, 3], countedNothing()),
  ]),
  bad("a read finds what was overwritten before it began", [
    by(1, [0, 1], put("a", 1)),
    by(1, [2, 3], put("b", 2)),
    by(2, [4, 5], found("a", 1)),
  ]),
  good("a read that runs with the overwriting finds either", [
    by(1, [0, 1], put("a", 1)),
    by(1, [2, 4], put("b", 2)),
    by(2, [3, 5], found("a", 1)),
    by(3, [3, 5], found("b", 2)),
  ]),
  bad("a read finds a value before it is written", [
    by(1, [0, 1], found("a", 1)),
    by(2, [2, 3], put("a", 1)),
  ]),
  bad("a read finds a value nobody wrote", [by(1, [0, 1], put("a", 1)), by(2, [2, 3], found("z", 1))]),
  bad("an acknowledged write is lost", [by(1, [0, 1], put("a", 1)), by(2, [2, 3], absent())]),
  bad("an acknowledged delete is undone", [
    by(1, [0, 1], put("a", 1)),
    by(1, [2, 3], removed(2)),
    by(2, [4, 5], found("a", 1)),
  ]),
  bad("what failed for certain is read", [
    by(1, [0, 1], { action: { kind: "put", value: "a" }, outcome: { kind: "failed" } }),
    by(2, [2, 3], found("a", 1)),
  ]),
  good("what failed for certain is not read", [
    by(1, [0, 1], { action: { kind: "put", value: "a" }, outcome: { kind: "failed" } }),
    by(2, [2, 3], absent()),
  ]),

  // Operations without an answer.
  good("a write without an answer never happened", [by(1, [0, 1], openPut("a")), by(2, [2, 3], absent())]),
  good("a write without an answer happened long after it was given up", [
    by(1, [0, 1], openPut("a")),
    by(2, [2, 3], absent()),
    by(2, [4, 5], put("b", 1)),
    by(3, [6, 7], found("b", 1)),
    by(3, [8, 9], found("a", 2)),
  ]),
  bad("a write without an answer happened, then had not happened", [
    by(1, [0, 1], openPut("a")),
    by(2, [2, 3], found("a", 1)),
    by(2, [4, 5], absent()),
  ]),
  bad("a write without an answer happened twice", [
    by(1, [0, 1], openPut("a")),
    by(2, [2, 3], found("a", 1)),
    by(2, [4, 5], put("b", 2)),
    by(3, [6, 7], found("a", 3)),
  ]),
  bad("a write without an answer happened twice, seen by values alone", [
    by(1, [0, 1], openPut("a")),
    by(2, [2, 3], found("a")),
    by(2, [4, 5], put("b", 2)),
    by(3, [6, 7], found("a")),
  ]),
  good("two writes of one value without an answer happened one after the other", [
    by(1, [0, 1], openPut("a")),
    by(4, [0, 1], openPut("a")),
    by(2, [2, 3], found("a")),
    by(2, [4, 5], put("b", 2)),
    by(3, [6, 7], found("a")),
  ]),
  bad("a write without an answer is read before it is called", [
    by(2, [0, 1], found("a", 1)),
    by(1, [2, 3], openPut("a")),
  ]),
  bad("a key is gone and there is only one delete, which came before", [
    by(1, [0, 1], openRemove()),
    by(2, [2, 3], put("a", 1)),
    by(2, [4, 5], found("a", 1)),
    by(2, [6, 7], absent()),
    by(2, [8, 9], found("a", 1)),
  ]),
  good("a delete without an answer takes effect late", [
    by(1, [0, 1], openRemove()),
    by(2, [2, 3], put("a", 1)),
    by(2, [4, 5], found("a", 1)),
    by(2, [6, 7], absent()),
  ]),
  good("a delete tells that a write without an answer had happened", [
    by(1, [0, 1], openPut("a")),
    by(2, [2, 3], removed(5)),
    by(2, [4, 5], removedNothing(6)),
  ]),
  bad("two deletes both removed the only write", [
    by(1, [0, 1], openPut("a")),
    by(2, [2, 3], removed(5)),
    by(2, [4, 5], removed(6)),
  ]),

  // Compare and set.
  good("of two that compare with the same version one is refused", [
    by(1, [0, 1], put("a", 1)),
    by(1, [2, 5], swap("b", { from: 1, to: 2 })),
    by(2, [2, 5], refused("c", { from: 1, at: 2 })),
    by(3, [6, 7], found("b", 2)),
  ]),
  bad("an update is lost: two that compare with the same version both succeed", [
    by(1, [0, 1], put("a", 1)),
    by(1, [2, 5], swap("b", { from: 1, to: 2 })),
    by(2, [2, 5], swap("c", { from: 1, to: 3 })),
  ]),
  bad("of two that create the key both succeed", [
    by(1, [0, 5], create("a", 1)),
    by(2, [0, 5], create("b", 2)),
  ]),
  bad("it is refused although its condition held", [
    by(1, [0, 1], put("a", 1)),
    by(2, [2, 3], refused("b", { from: 1, at: 1 })),
  ]),
  bad("a refused write is read", [
    by(1, [0, 1], put("a", 2)),
    by(2, [2, 3], refused("b", { from: 1, at: 2 })),
    by(3, [4, 5], found("b", 3)),
  ]),
  good("a repeated compare-and-set without an answer took effect once", [
    by(1, [0, 1], put("a", 1)),
    by(2, [2, 3], openSwap("b", 1)),
    by(3, [4, 5], found("b", 2)),
    by(3, [6, 7], put("a", 3)),
    by(3, [8, 9], found("a", 3)),
  ]),
  bad("a repeated compare-and-set took effect twice", [
    by(1, [0, 1], put("a", 1)),
    by(2, [2, 3], swap("b", { from: 1, to: 2 })),
    by(3, [4, 5], put("c", 3)),
    by(3, [6, 7], found("b", 4)),
  ]),
  bad("a compare-and-set is told failure of a condition by its own first attempt", [
    by(1, [0, 1], put("a", 1)),
    by(2, [2, 3], refused("b", { from: 1, at: 2 })),
    by(3, [4, 5], found("b", 2)),
  ]),
  bad("a compare-and-set without an answer took effect although the version had gone by", [
    by(1, [0, 1], put("a", 1)),
    by(1, [2, 3], put("c", 2)),
    by(2, [4, 5], openSwap("b", 1)),
    by(3, [6, 7], found("b", 3)),
  ]),
  good("a chain of three writes without an answer is told by its last", [
    by(1, [0, 1], openPut("a")),
    by(2, [2, 3], openSwap("b", 4)),
    by(3, [4, 5], openSwap("c", 6)),
    by(4, [6, 7], found("c", 9)),
  ]),
  bad("a chain of writes without an answer has a link that cannot be", [
    by(1, [0, 1], openPut("a")),
    by(2, [2, 3], openSwap("b", 6)),
    by(3, [4, 5], openSwap("c", 6)),
    by(4, [6, 7], found("b", 7)),
    by(4, [8, 9], found("c", 9)),
  ]),

  // Versions.
  bad("a version falls", [by(1, [0, 1], put("a", 2)), by(1, [2, 3], put("b", 1))]),
  bad("a version is given twice, one after the other", [
    by(1, [0, 1], put("a", 2)),
    by(1, [2, 3], put("b", 2)),
  ]),
  good("writes of one batch share a version", [
    by(1, [0, 2], put("a", 2)),
    by(2, [1, 3], put("b", 2)),
    by(1, [4, 5], found("a", 2)),
  ]),
  bad("one version stands for two values", [
    by(1, [0, 9], put("a", 2)),
    by(2, [0, 9], put("b", 2)),
    by(3, [1, 2], found("a", 2)),
    by(3, [3, 4], found("b", 2)),
  ]),
  bad("a value is read at a version that is not its own", [
    by(1, [0, 1], put("a", 2)),
    by(2, [2, 3], found("a", 3)),
  ]),
  bad("writes that run at the same time have the versions of another order than reads see", [
    by(1, [0, 9], put("a", 2)),
    by(2, [0, 9], put("b", 1)),
    by(3, [1, 2], found("a")),
    by(3, [3, 4], found("b")),
  ]),
];

const test = suite("known histories");

for (const { name, isLinearizable, history } of EXAMPLES) {
  test(`${isLinearizable ? "good" : "bad"}: ${name}`, () => {
    for (const order of [history, history.toReversed()]) {
      const verdict = checkLinearizable(order);
      assert.is(verdict.kind, isLinearizable ? "linearizable" : "violation", describeVerdict(verdict));
    }
  });
}

test("keys do not concern each other", () => {
  const lines = [by(1, [0, 1], put("a", 1)), by(2, [2, 3], absent())];
  assert.is(checkLinearizable(lines.map((line, at) => ({ ...line, key: `${at}` }))).kind, "linearizable");
  assert.is(checkLinearizable(lines).kind, "violation");
});

test("two events at the same time are concurrent", () => {
  const lines = (time: number) => [by(1, [0, 2], put("a", 1)), by(2, [time, 3], absent())];
  assert.is(checkLinearizable(lines(2)).kind, "linearizable");
  assert.is(checkLinearizable(lines(2.1)).kind, "violation");
});

test("a violation names the key and shows the operations around it", () => {
  const before = Array.from({ length: 50 }, (_, at) => by(1, [at, at + 0.5], put(`v${at}`, at + 1)));
  const wrong = [by(2, [60, 61], put("new", 60)), by(3, [62, 63], found("v49", 50))];
  const verdict = checkLinearizable([...before.slice(0, -1), before[49]!, ...wrong].map(withKey("seats")));
  assert.is(verdict.kind, "violation");
  const text = describeVerdict(verdict);
  assert.match(text, /key "seats"/);
  assert.match(text, /client 3 get → "v49" at version 50 \[62 to 63\]/);
  assert.match(text, /client 2 put "new" → written at version 60 \[60 to 61\]/);
  assert.not.match(text, /"v7"/);
});

test("where only the search can tell, the dead end is shown", () => {
  const lines = [
    by(1, [0, 1], put("a", 1)),
    by(2, [2, 20], put("b", 2)),
    by(3, [3, 4], found("b")),
    by(4, [5, 6], found("a")),
  ];
  const text = describeVerdict(checkLinearizable(lines));
  assert.match(text, /1 operations can be put in order/);
  assert.match(text, /there is "a" at version 1/);
  assert.match(text, /nothing called later may come before:\n {2}client 3 get → "b" \[3 to 4\]/);
});

test("a search that reaches its bound says so", () => {
  const lines = Array.from({ length: 5 }, (_, at) => by(at, [0, 1], put("a", at + 1)));
  assert.equal(checkLinearizable(lines, { stepsMax: 4 }), { kind: "undecided", key: "x", steps: 4 });
  assert.is(checkLinearizable(lines, { stepsMax: 5 }).kind, "linearizable");
});

test("an operation that ends before it begins is no history", async () => {
  await assertRejects(
    () => checkLinearizable([by(1, [2, 1], absent())]),
    (error) => error instanceof RangeError,
  );
  await assertRejects(
    () => checkLinearizable([by(1, [NaN, 1], absent())]),
    (error) => error instanceof RangeError,
  );
});

/** That of the put of `value`, which happens at `fromAt` at the earliest. */
function expiry(value: string, fromAt: number): Operation {
  return by(0, [fromAt, fromAt], { action: { kind: "expire", value }, outcome: UNKNOWN });
}

function good(name: string, history: History): Example {
  return { name, isLinearizable: true, history };
}

function bad(name: string, history: History): Example {
  return { name, isLinearizable: false, history };
}

function by(client: number, [invokedAt, returnedAt]: readonly [number, number], body: Body): Operation {
  return { client, key: "x", invokedAt, returnedAt, ...body };
}

function withKey(key: string): (operation: Operation) => Operation {
  return (operation) => ({ ...operation, key });
}

function put(value: string, version: number): Body {
  return { action: { kind: "put", value }, outcome: { kind: "written", version } };
}

function openPut(value: string): Body {
  return { action: { kind: "put", value }, outcome: UNKNOWN };
}

function create(value: string, version: number): Body {
  return {
    action: { kind: "put", value, condition: { kind: "absent" } },
    outcome: { kind: "written", version },
  };
}

function swap(value: string, { from, to }: { readonly from: number; readonly to: number }): Body {
  const condition = { kind: "version", version: from } as const;
  return { action: { kind: "put", value, condition }, outcome: { kind: "written", version: to } };
}

function openSwap(value: string, from: number): Body {
  return { action: { kind: "put", value, condition: { kind: "version", version: from } }, outcome: UNKNOWN };
}

function refused(value: string, { from, at }: { readonly from: number; readonly at: number }): Body {
  const condition = { kind: "version", version: from } as const;
  return { action: { kind: "put", value, condition }, outcome: { kind: "refused", currentVersion: at } };
}

function removed(version: number): Body {
  return { action: { kind: "delete" }, outcome: { kind: "deleted", existed: true, version } };
}

function removedNothing(version: number): Body {
  return { action: { kind: "delete" }, outcome: { kind: "deleted", existed: false, version } };
}

function openRemove(): Body {
  return { action: { kind: "delete" }, outcome: UNKNOWN };
}

function counted(value: string, version: number): Body {
  return { action: { kind: "increment", by: 1 }, outcome: { kind: "incremented", value, version } };
}

function openCount(): Body {
  return { action: { kind: "increment", by: 1 }, outcome: UNKNOWN };
}

function countedNothing(): Body {
  return { action: { kind: "increment", by: 1 }, outcome: { kind: "notANumber" } };
}

function found(value: string, version?: number): Body {
  return { action: { kind: "get" }, outcome: { kind: "found", value, version } };
}

function absent(): Body {
  return { action: { kind: "get" }, outcome: { kind: "absent" } };
}

test.run();
