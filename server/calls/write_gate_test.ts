/**
 * What a node leaves out of what leaders send it, and how it says so.
 *
 * @module
 */

import { VALUE_BYTES_MAX } from "../../proto/mod.ts";
import { type AppendRequest, EntryKind } from "../../raft/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import { encodeCommand } from "../kv/mod.ts";
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

/** Of a log whose next file cannot be made. */
function fullLog(segmentRoomBytes: number, restBytes: number): WriteGate {
  const space = {
    restBytes,
    segmentRoomBytes,
    spareFailure: "no space left",
    hasRoomFor: (bytes: number) => bytes <= restBytes,
  };
  return new WriteGate({ space, memory: createMemoryBudget({ log: 1e9, state: 1e9, calls: 1e9 }) });
}

function putOf(valueBytes: number): Uint8Array {
  const value = new Uint8Array(valueBytes);
  const put = { kind: "put", key: new Uint8Array(3), value, ttlMs: 0, precondition: undefined } as const;
  return encodeCommand([put], undefined);
}

function append(group: number, ...sizes: number[]): AppendRequest {
  const entries = sizes.map((size, at) => (
    { index: at + 1, term: 1, kind: EntryKind.command, data: new Uint8Array(size) }
  ));
  const envelope = { group, from: 1, to: 2, term: 1 };
  return { kind: "appendRequest", ...envelope, prevLogIndex: 0, prevLogTerm: 0, entries, commit: 0 };
}

/** `append`, of a leader's `term`, behind the entry at `prevLogIndex`. */
function appendOf(term: number, prevLogIndex: number, size: number): AppendRequest {
  const entry = { index: prevLogIndex + 1, term, kind: EntryKind.command, data: new Uint8Array(size) };
  return { ...append(3), term, prevLogIndex, entries: [entry] };
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
  assert.is(taken(gate, appendOf(2, 1, 10)), 1);
  assert.is(gate.entryTrouble, undefined);
});

test("it is told without a break while the entries before it and behind it come, of its leader or the next", () => {
  const gate = gateOf();
  taken(gate, appendOf(1, 7, SEGMENT_BYTES));
  for (const [term, prev] of [[1, 8], [1, 6], [2, 8], [2, 5]] as const) {
    const message = appendOf(term, prev, 10);
    assert.is(taken(gate, message), 1);
    assert.match(gate.entryTrouble!, /Group 3/);
  }
  assert.is(taken(gate, appendOf(2, 7, 10)), 1);
  assert.is(gate.entryTrouble, undefined);
});

test("what moved away is not told of any more, what stays is", () => {
  const gate = gateOf();
  taken(gate, append(3, SEGMENT_BYTES));
  taken(gate, append(5, SEGMENT_BYTES));
  gate.forgetOthers((group) => group !== 3);
  assert.match(gate.entryTrouble!, /Group 5/);
  gate.forgetOthers(() => false);
  assert.is(gate.entryTrouble, undefined);
});

test("while a full log tells no trouble it refuses no put, whether it has refused one before or not", () => {
  for (const segmentBytes of [1 << 20, 64 << 20]) {
    const valueBytes = Math.min(VALUE_BYTES_MAX, segmentBytes / 4 - 1_000);
    let told = 0;
    for (let restBytes = 0; restBytes <= segmentBytes; restBytes += segmentBytes / 256) {
      const gate = fullLog(segmentBytes, restBytes);
      const trouble = gate.diskTrouble;
      const refusal = gate.refusalOf(1, putOf(valueBytes));
      if (refusal !== undefined) assert.match(trouble ?? "none", /log is full/, `${restBytes} left`);
      if (trouble !== undefined) told++;
    }
    assert.ok(told > 0 && told <= 256 * 0.55, `told at ${told} of 257 fillings`);
  }
});

test("entries that together are larger than a file, but each fit, are taken", () => {
  const gate = gateOf();
  assert.is(taken(gate, append(3, SEGMENT_BYTES / 2, SEGMENT_BYTES / 2, SEGMENT_BYTES / 2)), 3);
  assert.is(gate.entryTrouble, undefined);
});

test.run();
