/**
 * What a node takes in before it says that it is too much.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { READ, WRITE } from "../../tests/support/cluster/node_cluster.ts";
import { pause } from "../../tests/support/patience.ts";
import { DomainError } from "../api/mod.ts";
import { SYSTEM_CLOCK } from "../ports/mod.ts";
import { type Call, failCall } from "./call.ts";
import { CallIntake } from "./intake.ts";
import { createMemoryBudget } from "./memory_budget.ts";

const test = suite("call intake");

const CALLS_MAX = 32_768;
const KEY = new Uint8Array(1);

/** An intake before a loop that answers nothing by itself, and the calls that have reached it. */
function createIntake(partitionCount = 1) {
  const calls: Call[] = [];
  const inbox = { push: ({ call }: { readonly call: Call }) => void calls.push(call) };
  return {
    intake: new CallIntake({
      partitionCount,
      clock: SYSTEM_CLOCK,
      inbox,
      meters: { observeRefusal() {} },
      memory: createMemoryBudget({ log: 1, state: 1, calls: 128 * 1024 * 1024 }),
    }),
    calls,
  };
}

test("a call beyond the limit is refused with its number, until another one is answered", async () => {
  const { intake, calls } = createIntake();
  const reads = Array.from({ length: CALLS_MAX }, () => intake.read([KEY], READ));
  const refused = await intake.read([KEY], READ).catch((error) => error);
  assert.is(refused.failure.kind, "overloaded");
  assert.match(refused.message, /limit 32,768\): try again later$/);
  assert.is(intake.callsInFlight, CALLS_MAX);
  for (const call of calls.splice(0)) if (call.kind === "read") call.settle({ ok: true, value: [undefined] });
  await Promise.all(reads);
  void intake.read([KEY], READ);
  assert.is(calls.length, 1);
});

test("bytes beyond the limit are refused with their number", async () => {
  const { intake, calls } = createIntake();
  const value = new Uint8Array(32 * 1024 * 1024);
  const put = { kind: "put", key: KEY, value, ttlMs: 0, precondition: undefined } as const;
  let taken = -1;
  let writing;
  while (calls.length > taken) {
    taken = calls.length;
    writing = intake.write([put], WRITE);
  }
  const [result] = await writing!;
  const message = result?.ok === false ? result.error.message : "";
  assert.match(message, /bytes .*\(limit [0-9,]+\): try again later$/);
  const limit = Number(/limit ([0-9,]+)/.exec(message)![1]!.replaceAll(",", ""));
  assert.ok(taken * value.length < limit && (taken + 1) * value.length >= limit, `${taken} of ${limit}`);
});

test("a read over partitions fails with its first failure, when all its parts have ended", async () => {
  const { intake, calls } = createIntake(8);
  const keys = Array.from({ length: 40 }, (_, at) => Uint8Array.of(at));
  let isOver = false;
  const reading = intake.read(keys, READ).catch((error) => error).finally(() => isOver = true);
  assert.ok(calls.length >= 3, `${calls.length} parts`);
  const [first, ...others] = calls.splice(0);
  const last = others.pop()!;
  failCall(last, new DomainError({ kind: "unavailable" }, "the last one"));
  for (const call of others) {
    if (call.kind === "read") call.settle({ ok: true, value: call.keys.map(() => undefined) });
  }
  await pause(1);
  assert.not(isOver);
  assert.is(intake.callsInFlight, 1);
  failCall(first!, new DomainError({ kind: "unavailable" }, "the first one"));
  assert.is((await reading).message, "the first one");
});

test.run();
