/**
 * How long calls wait for a cluster to be founded.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { SYSTEM_CLOCK } from "../ports/mod.ts";
import { FoundingGate } from "./founding_gate.ts";

const test = suite("founding gate");
const NEVER_MS = 300_000;

/** A cluster that `settle` founds. */
function unfounded() {
  const { promise, resolve } = Promise.withResolvers<void>();
  const founding = { isSettled: false, settled: promise };
  const settle = () => {
    founding.isSettled = true;
    resolve();
  };
  return { gate: new FoundingGate(founding, SYSTEM_CLOCK), settle };
}

test("a call goes on with the time that is left as soon as there is a cluster", async () => {
  const { gate, settle } = unfounded();
  const leftMs = gate.wait({ timeoutMs: NEVER_MS, caller: { hasLeft: false } });
  settle();
  const left = await leftMs;
  assert.ok(left > 0 && left <= NEVER_MS, String(left));
  assert.is(await gate.wait({ timeoutMs: 7 }), 7);
});

test("it does not wait longer than its caller", async () => {
  const { gate } = unfounded();
  assert.is(await gate.wait({ timeoutMs: 1 }), 0);
  const caller = { hasLeft: false };
  const leftMs = gate.wait({ timeoutMs: NEVER_MS, caller });
  caller.hasLeft = true;
  assert.is(await leftMs, 0);
});

test.run();
