/**
 * Reads that may be old, right and wrong.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import type { History, Operation, Reading } from "./history.ts";
import { type StaleRead, staleReadComplaints } from "./stale_reads.ts";

/** One client: "a" at 1, "b" at 2, nothing from 3 on, each certain from the time in the comment on. */
const HISTORY: History = [
  operation([0, 100], { kind: "put", value: "a" }, { kind: "written", version: 1 }),
  operation([200, 300], { kind: "put", value: "b" }, { kind: "written", version: 2 }),
  operation([400, 500], { kind: "delete" }, { kind: "deleted", existed: true, version: 3 }),
];

const test = suite("stale reads");

test("without a bound anything that ever was is right", () => {
  for (const reading of [found("a", 1), found("b", 2), found("a"), absent()]) {
    assert.equal(staleReadComplaints(HISTORY, [read(reading, { at: 1_000 })]), []);
  }
});

test("with a bound a value is right as long as it was current within it", () => {
  assert.equal(staleReadComplaints(HISTORY, [read(found("a", 1), { at: 350, bound: 50 })]), []);
  assert.match(complaint(read(found("a", 1), { at: 351, bound: 50 })), /too old: .* put "b"/);
  assert.equal(staleReadComplaints(HISTORY, [read(found("b", 2), { at: 550, bound: 50 })]), []);
  assert.match(complaint(read(found("b"), { at: 551, bound: 50 })), /too old: .* deleted/);
});

test("with a bound nothing is right as long as there may have been nothing within it", () => {
  assert.equal(staleReadComplaints(HISTORY, [read(absent(), { at: 150, bound: 50 })]), []);
  assert.match(complaint(read(absent(), { at: 151, bound: 50 })), /too old: .* put "a"/);
  assert.equal(staleReadComplaints(HISTORY, [read(absent(), { at: 450, bound: 50 })]), []);
  const lost = operation([120, 125], { kind: "delete" }, { kind: "unknown" });
  assert.equal(staleReadComplaints([...HISTORY, lost], [read(absent(), { at: 151, bound: 50 })]), []);
});

test("a read finds nothing that was not written, at that version, before it ended", () => {
  assert.match(complaint(read(found("z", 1), { at: 1_000 })), /nobody wrote that/);
  assert.match(complaint(read(found("a", 2), { at: 1_000 })), /nobody wrote that/);
  assert.match(complaint(read(found("b", 2), { at: 100 })), /only later/);
  const failed = operation([0, 1], { kind: "put", value: "z" }, { kind: "failed" });
  assert.is(staleReadComplaints([...HISTORY, failed], [read(found("z", 9), { at: 1_000 })]).length, 1);
  const lost = operation([0, 1], { kind: "put", value: "z" }, { kind: "unknown" });
  assert.equal(staleReadComplaints([...HISTORY, lost], [read(found("z", 9), { at: 1_000 })]), []);
});

function operation(
  [invokedAt, returnedAt]: readonly [number, number],
  action: Operation["action"],
  outcome: Operation["outcome"],
): Operation {
  return { client: 1, key: "x", action, outcome, invokedAt, returnedAt };
}

function read(
  reading: Reading,
  { at, bound = Infinity }: { readonly at: number; readonly bound?: number },
): StaleRead {
  return { client: 2, key: "x", reading, bound, invokedAt: at, returnedAt: at + 10 };
}

function found(value: string, version?: number): Reading {
  return { kind: "found", value, version };
}

function absent(): Reading {
  return { kind: "absent" };
}

function complaint(staleRead: StaleRead): string {
  const complaints = staleReadComplaints(HISTORY, [staleRead]);
  assert.is(complaints.length, 1, complaints.join("\n"));
  return complaints[0]!;
}

test.run();
