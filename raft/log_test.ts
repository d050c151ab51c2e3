/**
 * The log by itself, and against a slow one that is obviously right.
 *
 * @module
 */

import { assert, suite } from "../tests/harness.ts";
import { InvariantViolation } from "./error.ts";
import { entriesBytes, RaftLog } from "./log.ts";
import { Random } from "./random.ts";
import type { Entry, Restored } from "./types.ts";
import { votersOnly } from "../tests/support/memberships.ts";

const test = suite("raft log");

test("indexes are not positions: a log goes on after its snapshot", () => {
  const log = new RaftLog(restored({ snapshot: [1_000, 7], terms: [7, 8] }));
  assert.equal([log.firstIndex, log.lastIndex, log.lastTerm], [1_001, 1_002, 8]);
  assert.equal([999, 1_000, 1_001, 1_002, 1_003].map((index) => log.termAt(index)), [
    undefined,
    7,
    7,
    8,
    undefined,
  ]);
  log.append(entry(1_003, 8));
  assert.is(log.lastIndex, 1_003);
  assert.throws(() => log.append(entry(4, 8)), isViolation);
});

test("compaction keeps indexes, also 12,000 entries later", () => {
  const log = new RaftLog(restored({ terms: [] }));
  for (let index = 1; index <= 12_000; index++) {
    log.append(entry(index, 1));
    write(log);
    log.commitTo(index);
    log.markApplied(index);
    if (index % 1_000 === 0) log.compactTo(index - 10);
  }
  assert.equal([log.firstIndex, log.lastIndex, log.committed], [11_991, 12_000, 12_000]);
  const held = log.slice({ from: 11_991, through: 12_000, bytesMax: Infinity });
  assert.is(
    log.bytes,
    new RaftLog({ ...restored({ terms: [], snapshot: [11_990, 1] }), entries: held }).bytes,
  );
  assert.throws(() => log.slice({ from: 11_990, through: 12_000, bytesMax: 1 }), isViolation);
});

test("what is not applied is not compacted", () => {
  const log = new RaftLog(restored({ terms: [1, 1], commit: 2 }));
  assert.throws(() => log.compactTo(1), isViolation);
  log.markApplied(1);
  log.compactTo(1);
  assert.is(log.firstIndex, 2);
});

test("merging keeps what matches, replaces from the first difference, and forgets that it was durable", () => {
  const log = new RaftLog(restored({ terms: [1, 1, 2, 2] }));
  log.merge([entry(2, 1), entry(3, 2)]);
  assert.equal([log.lastIndex, log.durable], [4, 4]);
  log.merge([entry(3, 2), entry(4, 3)]);
  assert.equal([log.lastIndex, log.lastTerm, log.durable], [4, 3, 3]);
  log.merge([entry(2, 3)]);
  assert.equal([log.lastIndex, log.durable], [2, 1]);
});

test("a committed entry is never replaced", () => {
  const log = new RaftLog(restored({ terms: [1, 1, 2], commit: 3 }));
  assert.throws(() => log.merge([entry(3, 4)]), isViolation);
});

test("a log is completed by a later term, or by as long a log of the same", () => {
  const log = new RaftLog(restored({ terms: [1, 2, 2] }));
  const isCompletedBy = (index: number, term: number) => log.isCompletedBy({ index, term });
  assert.ok(isCompletedBy(1, 3));
  assert.ok(isCompletedBy(3, 2));
  assert.ok(isCompletedBy(4, 2));
  assert.not(isCompletedBy(2, 2));
  assert.not(isCompletedBy(99, 1));
});

test("a slice takes at least one entry and no more than its bytes", () => {
  const log = new RaftLog(restored({ terms: [1, 1, 1, 1] }));
  const size = entriesBytes([entry(1, 1)]);
  const count = (bytesMax: number) => log.slice({ from: 1, through: 4, bytesMax }).length;
  assert.equal([1, size, 2 * size - 1, 2 * size, Infinity].map(count), [1, 1, 1, 2, 4]);
  assert.equal(log.slice({ from: 5, through: 4, bytesMax: 1 }), []);
});

test("the highest agreeable index is the last that is not of a later term", () => {
  const random = new Random(3);
  for (let round = 0; round < 500; round++) {
    const terms: number[] = [];
    for (let index = 0; index < random.below(12); index++) terms.push((terms.at(-1) ?? 2) + random.below(3));
    const log = new RaftLog(restored({ snapshot: [5, 2], terms }));
    const position = { index: 5 + random.below(15), term: random.below(12) };
    let expected = Math.min(position.index, log.lastIndex);
    while (expected > 5 && log.termAt(expected)! > position.term) expected--;
    assert.is(log.highestAgreeable(position), expected, JSON.stringify({ terms, position }));
  }
});

test("commit and apply go forward only, and never beyond what is there", () => {
  const log = new RaftLog(restored({ terms: [1, 1, 1] }));
  log.commitTo(2);
  log.commitTo(1);
  assert.is(log.committed, 2);
  assert.throws(() => log.commitTo(4), isViolation);
  assert.throws(() => log.markApplied(3), isViolation);
  log.markApplied(2);
  assert.throws(() => log.markApplied(1), isViolation);
});

test("nothing is applied that is committed but not durable here", () => {
  const log = new RaftLog(restored({ terms: [1] }));
  log.append(entry(2, 1));
  log.commitTo(2);
  assert.throws(() => log.markApplied(2), isViolation);
  write(log);
  log.markApplied(2);
  assert.is(log.applied, 2);
});

test("writes overlap, and end in the order in which they began", () => {
  const log = new RaftLog(restored({ terms: [] }));
  log.append(entry(1, 1));
  assert.equal(log.beginWrite().map(({ index }) => index), [1]);
  log.append(entry(2, 1));
  log.append(entry(3, 1));
  assert.equal(log.beginWrite().map(({ index }) => index), [2, 3]);
  assert.equal([log.written, log.durable, log.isWriting], [3, 0, true]);
  log.finishWrite();
  assert.is(log.durable, 1);
  log.finishWrite();
  assert.equal([log.durable, log.isWriting], [3, false]);
  assert.throws(() => log.finishWrite(), isViolation);
});

test("a write makes nothing durable that was replaced while it was under way", () => {
  const log = new RaftLog(restored({ terms: [1] }));
  log.merge([entry(2, 1), entry(3, 1), entry(4, 1)]);
  log.beginWrite();
  log.merge([entry(3, 2)]);
  assert.equal([log.written, log.durable], [2, 1]);
  assert.equal(log.beginWrite().map(({ index, term }) => [index, term]), [[3, 2]]);
  log.finishWrite();
  assert.is(log.durable, 2, "the old entry 3 is on disk, but it is not the one that counts");
  log.finishWrite();
  assert.is(log.durable, 3);
});

test("a log with a gap, a falling term or a lost commit is refused when it is restored", () => {
  assert.throws(() => new RaftLog({ ...restored({ terms: [] }), entries: [entry(2, 1)] }), isViolation);
  assert.throws(() => new RaftLog(restored({ terms: [2, 1] })), isViolation);
  assert.throws(() => new RaftLog(restored({ terms: [1, 1], commit: 3 })), isViolation);
});

test("a snapshot takes the place of a log that does not hold its last entry", () => {
  const shorter = new RaftLog(restored({ terms: [1, 1] }));
  const other = new RaftLog(restored({ terms: [1, 1, 1, 1, 1, 1] }));
  for (const log of [shorter, other]) {
    log.install({ index: 5, term: 2 });
    assert.equal([log.firstIndex, log.lastIndex, log.lastTerm, log.bytes], [6, 5, 2, 0]);
    assert.equal([log.applied, log.committed, log.durable, log.written], [5, 5, 5, 5]);
    log.append(entry(6, 3));
    assert.equal(log.beginWrite().map(({ index }) => index), [6]);
  }
});

test("a log that holds a snapshot's last entry durably goes on behind it", () => {
  const log = new RaftLog(restored({ terms: [1, 1, 2, 2] }));
  log.append(entry(5, 2));
  log.beginWrite();
  log.install({ index: 3, term: 2 });
  assert.equal([log.firstIndex, log.lastIndex, log.applied, log.committed], [4, 5, 3, 3]);
  assert.equal([log.durable, log.written], [4, 5]);
  assert.is(
    log.bytes,
    new RaftLog({ ...restored({ terms: [] }), entries: [entry(1, 2), entry(2, 2)] }).bytes,
  );
  log.finishWrite();
  assert.is(log.durable, 5);
});

test("what was not durable above a snapshot is written again behind it", () => {
  const log = new RaftLog(restored({ terms: [1] }));
  log.merge([entry(2, 1), entry(3, 1), entry(4, 1)]);
  log.beginWrite();
  log.commitTo(4);
  log.install({ index: 3, term: 1 });
  assert.equal([log.applied, log.committed, log.durable, log.written], [3, 4, 3, 3]);
  assert.equal(log.beginWrite().map(({ index }) => index), [4]);
  log.finishWrite();
  assert.is(log.durable, 3, "what was written before does not count");
  log.finishWrite();
  assert.is(log.durable, 4);
});

test("a snapshot leads ahead, and agrees with what is committed", () => {
  const log = new RaftLog(restored({ terms: [1, 1, 1, 2], commit: 3 }));
  log.markApplied(2);
  assert.throws(() => log.install({ index: 2, term: 1 }), isViolation);
  assert.throws(() => log.install({ index: 3, term: 2 }), isViolation);
  log.install({ index: 3, term: 1 });
  assert.equal([log.applied, log.lastIndex], [3, 4]);
});

test("random merges leave the same log as a plain array", () => {
  const random = new Random(11);
  for (let round = 0; round < 300; round++) {
    const log = new RaftLog(restored({ terms: [] }));
    let plain: Entry[] = [];
    for (let term = 1; term <= 12; term++) {
      const from = 1 + random.below(plain.length + 1);
      const sent = Array.from({ length: random.below(4) }, (_, i) => entry(from + i, term));
      log.merge(sent);
      const fresh = sent.findIndex((each) => plain[each.index - 1]?.term !== each.term);
      if (fresh >= 0) plain = [...plain.slice(0, from - 1 + fresh), ...sent.slice(fresh)];
      const held = log.slice({ from: 1, through: log.lastIndex, bytesMax: Infinity });
      assert.equal(held.map((each) => each.term), plain.map((each) => each.term));
      assert.is(log.bytes, new RaftLog({ ...restored({ terms: [] }), entries: plain }).bytes);
    }
  }
});

function entry(index: number, term: number): Entry {
  return { index, term, kind: 1, data: new Uint8Array(10) };
}

function restored(options: {
  readonly terms: readonly number[];
  readonly snapshot?: readonly [index: number, term: number];
  readonly commit?: number;
}): Restored {
  const { terms, snapshot: [index, term] = [0, 0], commit = index } = options;
  return {
    hardState: { term: terms.at(-1) ?? term, vote: 0, commit },
    snapshot: { index, term, membership: votersOnly([1]), membershipIndex: 0 },
    entries: terms.map((entryTerm, position) => entry(index + position + 1, entryTerm)),
  };
}

function isViolation(error: Error): boolean {
  return error instanceof InvariantViolation;
}

/** One whole write of what is new. */
function write(log: RaftLog): void {
  log.beginWrite();
  log.finishWrite();
}

test.run();
