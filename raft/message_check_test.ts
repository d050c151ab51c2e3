/**
 * Which appends a sound peer could have sent.
 *
 * @module
 */

import { assert, suite } from "../tests/harness.ts";
import type { AppendRequest } from "./message.ts";
import { isWellFormed } from "./message_check.ts";

const test = suite("message check");

test("contiguous entries of rising terms are sound", () => {
  assert.ok(isWellFormed(append({ prev: [4, 2], entries: [[5, 2], [6, 3], [7, 3]] })));
  assert.ok(isWellFormed(append({ prev: [0, 0], entries: [] })));
});

test("gaps, falling terms and terms from the future are not", () => {
  assert.not(isWellFormed(append({ prev: [4, 2], entries: [[6, 2]] })));
  assert.not(isWellFormed(append({ prev: [4, 2], entries: [[5, 2], [5, 2]] })));
  assert.not(isWellFormed(append({ prev: [4, 2], entries: [[5, 1]] })));
  assert.not(isWellFormed(append({ prev: [4, 2], entries: [[5, 4]] })));
  assert.not(isWellFormed(append({ prev: [4, 4], entries: [] })));
  assert.not(isWellFormed(append({ prev: [-1, 0], entries: [] })));
});

test("a snapshot is needed for something", () => {
  const notice = { kind: "snapshotNotice", group: 1, from: 1, to: 2, term: 3 } as const;
  assert.ok(isWellFormed({ ...notice, index: 1 }));
  assert.not(isWellFormed({ ...notice, index: 0 }));
  assert.not(isWellFormed({ ...notice, index: 1, term: -1 }));
});

function append(options: {
  readonly prev: readonly [number, number];
  readonly entries: readonly (readonly [number, number])[];
}): AppendRequest {
  const { prev: [prevLogIndex, prevLogTerm], entries } = options;
  return {
    kind: "appendRequest",
    group: 1,
    from: 1,
    to: 2,
    term: 3,
    prevLogIndex,
    prevLogTerm,
    entries: entries.map(([index, term]) => ({ index, term, kind: 1, data: new Uint8Array() })),
    commit: 0,
  };
}

test.run();
