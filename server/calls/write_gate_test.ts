/**
 * What a node leaves out of what leaders send it, and how it says so.
 *
 * @module
 */

import { type AppendRequest, EntryKind } from "../../raft/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import { createMemoryBudget } from "./memory_budget.ts";
import { WriteGate } from "./write_gate.ts";

const SEGMENT_BYTES = 10_000;

const test = suite("write gate");

function gateOf(): WriteGate {
  const space = {
    restBytes: SEGMENT_BYTES,
    segmentRoomBytes: SEGMENT_BYTES,
    spareFailure: undefined,
    hasRoomFor: () => true,
  };
  return new WriteGate({ space, memory: createMemoryBudget({ log: 1e6, state: 1e6, calls: 1e6 }) });
}

function append(group: number, ...sizes: number[]): AppendRequest {
  const entries = sizes.map((size, at) => (
    { index: at + 1, term: 1, kind: EntryKind.command, data: new Uint8Array(size) }
  ));
  const envelope = { group, from: 1, to: 2, term: 1 };
  return { kind: "appendRequest", ...envelope, prevLogIndex: 0, prevLogTerm: 0, entries, commit: 0 };
}

function taken(gate: WriteGate, message: AppendRequest): number {
  return (gate.admit(message) as AppendRequest).entries.length;
}

test("an entry that no file of the log can hold is left out, and that is told until the group goes on", () => {
  const gate = gateOf();
  assert.is(gate.entryTrouble, undefined);
  assert.is(taken(gate, append(3, 10, SEGMENT_BYTES)), 0);
  assert.match(gate.entryTrouble!, /Group 3 .* 10000 bytes.* 9744: .*--wal-segment-bytes/);
  assert.is(taken(gate, append(4, 10)), 1);
  assert.match(gate.entryTrouble!, /Group 3/);
  assert.is(taken(gate, append(3, 10)), 1);
  assert.is(gate.entryTrouble, undefined);
});

test("entries that together are larger than a file, but each fit, are taken", () => {
  const gate = gateOf();
  assert.is(taken(gate, append(3, SEGMENT_BYTES / 2, SEGMENT_BYTES / 2, SEGMENT_BYTES / 2)), 3);
  assert.is(gate.entryTrouble, undefined);
});

test.run();
