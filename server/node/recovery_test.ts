/**
 * That a directory is opened with the log it had, or not at all, wherever its first start was interrupted.
 *
 * @module
 */

import { assert, assertRejects, suite } from "../../tests/harness.ts";
import { MemoryDisk } from "../../tests/support/disk/memory_file_system.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import type { WalRecord } from "../../wal-wasm/mod.ts";
import { DataDirectoryError, openDataDirectory } from "../data/mod.ts";
import { SYSTEM_CLOCK } from "../ports/mod.ts";
import { recoverLog, RecoveryCollector } from "./recovery.ts";
import { encodeGone, encodeRecords } from "./wal_codec.ts";

const DIRECTORY = "disk/node";
const IDENTITY = `${DIRECTORY}/identity.json`;
const SHAPE = { nodes: new Map([[2, "a:1"]]), partitionCount: 1, replicationFactor: 1 };
/** More calls than a first start makes of a disk. */
const CALLS_MAX = 100;
const RECORD = { group: 1, kind: 2, head: Uint8Array.of(1, 0, 0), body: new Uint8Array(0) };

const test = suite("log of a directory");

test("a directory without the log it had is refused, and nothing is touched", async () => {
  for (const losesLock of [false, true]) {
    const machine = new Machine(1);
    await machine.run();
    const lost = machine.disk.paths().filter((path) => path.includes("/wal/")).filter((path) =>
      losesLock || path.endsWith(".wal")
    );
    assert.ok(lost.length > 0);
    for (const path of lost) machine.disk.lose(path);
    const before = machine.files();
    const message = await machine.refusal();
    assert.match(message, /the log that it had is gone, for "disk\/node\/wal"/);
    assert.match(message, /must not come back under its id.*remove-node 2/);
    assert.equal(machine.files(), before);
  }
});

test("a directory with another log of the same node is refused, and nothing is touched", async () => {
  const [machine, other] = [new Machine(1), new Machine(2)];
  await machine.run();
  await other.run();
  for (const path of machine.disk.paths().filter((each) => each.endsWith(".wal"))) machine.disk.lose(path);
  for (const path of other.disk.paths().filter((each) => each.endsWith(".wal"))) {
    machine.disk.place(path, other.disk.content(path));
  }
  machine.disk.place(`${DIRECTORY}/wal/0000000000000009.wal.new`, new Uint8Array(1));
  const before = machine.files();
  assert.match(await machine.refusal(), /does not hold it/);
  assert.equal(machine.files(), before);
});

test("a directory from before logs were remembered gets its log remembered", async () => {
  const machine = new Machine(1);
  await machine.run();
  const { logId, ...older } = JSON.parse(new TextDecoder().decode(machine.disk.content(IDENTITY)));
  assert.match(logId, /^[0-9a-f]{16}$/);
  machine.disk.place(IDENTITY, new TextEncoder().encode(JSON.stringify(older)));
  await machine.run();
  assert.is(JSON.parse(new TextDecoder().decode(machine.disk.content(IDENTITY))).logId, logId);
});

test("a first start may be cut short at every call of the disk", async () => {
  let steps = 0;
  for (let failing = 0; failing < CALLS_MAX; failing++) {
    for (const lostPercent of [0, 50, 100]) {
      const machine = new Machine(failing * 3 + lostPercent);
      const isWhole = await machine.runUntil(failing);
      machine.disk.crash({ lostPercent, garbledPercent: 0 });
      if (isWhole) return assert.ok(steps > 10, `${steps} steps`);
      await machine.run();
      assert.is(await machine.run(), 1, "what was promised is there");
    }
    steps++;
  }
  assert.unreachable(`a first start takes more than ${CALLS_MAX} calls`);
});

test("a damaged frame in the middle is named with file and offset, also where entries are missing then", () => {
  const collector = new RecoveryCollector(() => undefined);
  for (const index of [1, 2, 5, 6]) collector.take(entryRecord(index));
  assert.throws(
    () => collector.mustHaveNoGap(),
    /group 1: the log holds entries from 5 on, and its store those below 1/,
  );
});

test("entries that lie before the floor of a snapshot do not count, those behind it do", () => {
  const at = (segment: number, offset: number) => ({ segment, offset });
  const point = { ...POINT, index: 3, term: 2, logFloor: at(2, 500) };
  const collector = new RecoveryCollector(() => point);
  for (const index of [1, 2, 3, 4, 5]) collector.take(entryRecord(index, { position: at(1, 64 * index) }));
  collector.take(entryRecord(6, { position: at(2, 499) }));
  assert.equal(indexesOf(collector), [], "an old leader's entries are not glued behind the snapshot");
  for (const index of [4, 5]) collector.take(entryRecord(index, { term: 2, position: at(2, 500 + index) }));
  collector.mustHaveNoGap();
  assert.equal(indexesOf(collector), [4, 5]);
});

test("what the store holds is not taken from the log, and what lies behind it is", () => {
  const collector = new RecoveryCollector(() => ({ ...POINT, index: 3, term: 1 }));
  for (const index of [2, 3, 4, 5]) collector.take(entryRecord(index));
  collector.mustHaveNoGap();
  assert.equal(indexesOf(collector), [4, 5]);
  const { hardState, snapshot } = collector.restore(1, NOBODY);
  assert.is(snapshot.index, 3);
  assert.is(hardState.commit, 3, "what is in the store was committed");
});

test("entries whose beginning was let go of count once they were written again", () => {
  const collector = new RecoveryCollector(() => ({ ...POINT, index: 3, term: 1 }));
  for (const index of [5, 6]) collector.take(entryRecord(index));
  assert.throws(() => collector.mustHaveNoGap(), /from 5 on, and its store those below 4/);
  for (const index of [4, 5, 6, 7]) collector.take(entryRecord(index));
  collector.mustHaveNoGap();
  assert.equal(indexesOf(collector), [4, 5, 6, 7]);
  for (const index of [2, 3]) collector.take(entryRecord(index));
  assert.equal(indexesOf(collector), [], "an entry replaces all above it, also one that the store holds");
});

test("what was written of a replica that has left does not count for the next one", () => {
  const collector = new RecoveryCollector(() => undefined);
  const take = (record: WalRecord) => collector.take(recoveredRecord(record));
  const promises = [{ node: 2, replica: 7, term: 4, index: 1, indexTerm: 1 }];
  const hardState = { term: 4, vote: 2, commit: 2 };
  for (const record of encodeRecords([{ group: 1, replicaId: 3, hardState, promises, entries: [] }])) {
    take(record);
  }
  for (const index of [1, 2]) collector.take(entryRecord(index));
  const before = collector.restore(1, NOBODY);
  assert.is(before.replicaId, 3);
  assert.equal(before.promises, promises);
  assert.not(collector.hasLeft(1));
  take(encodeGone(1, 3));
  assert.ok(collector.hasLeft(1));
  assert.equal(collector.groups(), []);
  assert.equal([...collector.gone()], [[1, 3]]);
  assert.is(collector.places.segmentFrom(1, 1), undefined);
  collector.mustHaveNoGap();
  for (const record of encodeRecords([{ group: 1, replicaId: 5, entries: [] }])) take(record);
  assert.not(collector.hasLeft(1));
  assert.equal(collector.groups(), [1]);
  assert.equal(collector.restore(1, NOBODY), {
    hardState: { term: 0, vote: 0, commit: 0 },
    snapshot: { index: 0, term: 0, membership: NOBODY, membershipIndex: 0 },
    entries: [],
    promises: [],
    replicaId: 5,
  });
  take(encodeGone(1, 3));
  assert.equal(collector.restore(1, NOBODY).replicaId, 5, "the one that has left is the one before");
});

test("where the store of a replica stood that has left says nothing of the next one's", () => {
  const collector = new RecoveryCollector(() => undefined);
  const take = (...written: Parameters<typeof encodeRecords>[0]) => {
    for (const record of encodeRecords(written)) collector.take(recoveredRecord(record));
  };
  const point = { ...POINT, index: 8, term: 2 };
  take({ group: 1, replicaId: 3, hardState: { term: 2, vote: 2, commit: 8 }, entries: [], point });
  assert.is(collector.lostPoint(1)?.index, 8);
  collector.take(recoveredRecord(encodeGone(1, 3)));
  collector.mustHaveNoGap();
  assert.is(collector.lostPoint(1), undefined);
  take({ group: 1, replicaId: 5, entries: [] });
  assert.is(collector.restore(1, NOBODY).snapshot.index, 0);
  take({ group: 1, entries: [], point: { ...point, index: 4 } });
  assert.is(collector.lostPoint(1)?.index, 4, "its own counts");
});

test("a log with a flipped bit is refused with file and offset", async () => {
  const machine = new Machine(1);
  await machine.run(20);
  const path = machine.disk.paths().find((each) => each.endsWith("1.wal"))!;
  const bytes = machine.disk.content(path).slice();
  // Past the header of the segment, in the middle of what the frames hold.
  const at = 4_096 + 800;
  bytes[at] = bytes[at]! ^ 1;
  machine.disk.place(path, bytes);
  assert.match(await machine.refusal(), /damaged: \d+ bytes at offset \d+ of ".*1\.wal"/);
});

test("once a node is open, its log is remembered through any loss of power", async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const machine = new Machine(seed);
    await machine.run();
    machine.disk.crash({ lostPercent: 100, garbledPercent: 0 });
    for (const path of machine.disk.paths().filter((each) => each.endsWith(".wal"))) machine.disk.lose(path);
    await machine.refusal();
  }
});

const NOBODY = { voters: [], votersOutgoing: [], learners: [], learnersNext: [] };
const POINT = {
  index: 0,
  term: 0,
  membership: new Uint8Array(0),
  membershipIndex: 0,
  logFloor: { segment: 0, offset: 0 },
};

function indexesOf(collector: RecoveryCollector): readonly number[] {
  return collector.restore(1, NOBODY).entries.map(({ index }) => index);
}

/** The record of entry `index` of group 1, as a log is written and as it is read. */
function entryRecord(index: number, { term = 1, position = { segment: 1, offset: 0 } } = {}) {
  const entry = { index, term, kind: 1, data: new Uint8Array(10) } as const;
  const [record] = encodeRecords([{ group: 1, entries: [entry] }]) as [WalRecord];
  return { ...recoveredRecord(record), position };
}

/** A record as it is written and as it is read. */
function recoveredRecord({ group, kind, head, body }: WalRecord) {
  const payload = new Uint8Array([...head, ...body]);
  return { group, kind, head, body, payload, position: { segment: 1, offset: 0 } };
}

class PowerCut extends Error {}

/** A disk, and what a node does with it when it starts. */
class Machine {
  readonly disk: MemoryDisk;
  readonly #random: SeededRandom;
  #callsLeft = Infinity;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    const fault = () => (this.#callsLeft-- <= 0 ? new PowerCut() : undefined);
    this.disk = new MemoryDisk({ random: this.#random, fault });
  }

  /** Opens directory and log, makes a promise durable and ends; how many there were before. */
  async run(entries = 0): Promise<number> {
    const fileSystem = this.disk.mount();
    const data = await openDataDirectory(fileSystem, {
      directory: DIRECTORY,
      nodeId: 2,
      shape: SHAPE,
      incarnation: "i",
    });
    const { wal, collector } = await recoverLog({
      data,
      fileSystem,
      clock: SYSTEM_CLOCK,
      walSync: { kind: "always" },
      walSegmentBytes: 8_192,
      pointOf: () => undefined,
      randomWord: () => this.#random.word(),
    });
    await wal.append([RECORD]);
    for (let index = 1; index <= entries; index++) await wal.append([entryRecord(index)]);
    await wal.close();
    data.lock.release();
    return collector.groups().length;
  }

  /** The same until `calls` calls of the disk have been made; whether it ended before. */
  async runUntil(calls: number): Promise<boolean> {
    this.#callsLeft = calls;
    try {
      await this.run();
      return true;
    } catch {
      return false;
    } finally {
      this.#callsLeft = Infinity;
    }
  }

  /** The message with which it does not start. */
  async refusal(): Promise<string> {
    this.disk.kill();
    const { message } = await assertRejects(() => this.run(), (error) => error instanceof DataDirectoryError);
    this.disk.kill();
    return message;
  }

  files(): readonly string[] {
    return this.disk.paths().map((path) => `${path}:${this.disk.content(path).toHex()}`);
  }
}

test.run();
