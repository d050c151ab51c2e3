/**
 * Answers find their calls, and no others.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import type { Outcome } from "../kv/mod.ts";
import type { ForwardedReply } from "../ports/peer_batch.ts";
import type { CallResult, WriteCall } from "./call.ts";
import { Forwarding } from "./forwarding.ts";

const test = suite("forwarding");

function writeCall(results: CallResult<Outcome>[]): WriteCall {
  return {
    kind: "write",
    partitionId: 0,
    command: new Uint8Array(0),
    deadlineMs: 10_000,
    mayForward: true,
    settle: (result) => void results.push(result),
  };
}

function reply(callId: number, version: number): ForwardedReply {
  return { kind: "outcome", callId, outcome: { kind: "applied", version, existed: [] } };
}

test("an answer settles its call, once, and only from the node it was passed to", () => {
  const forwarding = new Forwarding(1);
  const results: CallResult<Outcome>[] = [];
  const { callId } = forwarding.passOn(writeCall(results), { to: 2, nowMs: 0 });
  forwarding.takeReply(3, reply(callId, 7));
  assert.is(results.length, 0);
  forwarding.takeReply(2, reply(callId, 7));
  forwarding.takeReply(2, reply(callId, 8));
  assert.equal(results, [{ ok: true, value: { kind: "applied", version: 7, existed: [] } }]);
});

test("an answer to a call of an earlier process of the node settles nothing", () => {
  const before = new Forwarding(2 ** 32 - 2);
  const old = before.passOn(writeCall([]), { to: 2, nowMs: 0 });
  const forwarding = new Forwarding(2 ** 32 - 1);
  const results: CallResult<Outcome>[] = [];
  const { callId } = forwarding.passOn(writeCall(results), { to: 2, nowMs: 0 });
  assert.is.not(callId, old.callId);
  assert.ok(Number.isSafeInteger(callId));
  forwarding.takeReply(2, reply(old.callId, 7));
  assert.is(results.length, 0);
});

test("a call that nothing has become of is asked again, one that has failed is not", () => {
  for (const kind of ["notLeader", "unavailable", "overloaded", "outcomeUnknown"] as const) {
    const forwarding = new Forwarding(1);
    const results: CallResult<Outcome>[] = [];
    const call = writeCall(results);
    const { callId } = forwarding.passOn(call, { to: 2, nowMs: 0 });
    const failure = kind === "notLeader"
      ? { kind, leaderId: 0, leaderAddress: "", term: 0, epoch: 0 } as const
      : { kind } as const;
    const again = forwarding.takeReply(2, { kind: "failed", callId, failure, message: "" });
    const isPassing = kind === "notLeader" || kind === "unavailable";
    assert.is(again, isPassing ? call : undefined, kind);
    assert.is(results.length, isPassing ? 0 : 1, kind);
    assert.is(forwarding.size, 0);
  }
});

test.run();
