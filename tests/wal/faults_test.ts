/**
 * Every call to the disk fails in turn. Whatever the log was doing, it must say so, never acknowledge what is
 * not durable, stay poisoned, and come back with everything acknowledged.
 *
 * @module
 */

import { type Wal, WalError, type WalRecord, type WalTimer } from "../../wal-wasm/mod.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { type DiskCall, MemoryDisk } from "../support/disk/memory_file_system.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { linesOf, makeRecord, makeRecords, openWal, recoverWal } from "./log_fixture.ts";

const test = suite("disk faults");

const SMALL = { segmentBytes: 8192 };

/** Pauses between attempts that a test does not wait for. */
const HASTY_TIMER: WalTimer = {
  now: () => performance.now(),
  after: (delayMs, callback) => {
    const handle = setTimeout(callback, delayMs / 50);
    return () => clearTimeout(handle);
  },
};

/** One call fails, and all calls for a while after it that are no writes and syncs of the log itself. */
class PassingTrouble {
  readonly #failing: number;
  readonly #forMs: number;
  #calls = -1;
  #untilMs = 0;
  /** The call that failed first. */
  struck: DiskCall | undefined;

  constructor(failing: number, forMs: number) {
    this.#failing = failing;
    this.#forMs = forMs;
  }

  /** Calls are counted from now on. */
  begin(): void {
    this.#calls = 0;
  }

  faultOf(call: DiskCall): Error | undefined {
    const { operation, path } = call;
    if (this.#calls >= 0 && this.#calls++ === this.#failing) {
      this.struck = call;
      this.#untilMs = performance.now() + this.#forMs;
    }
    const isFirst = call === this.struck;
    const isOfLog = (operation === "writeSync" || operation === "syncData") && path.endsWith(".wal");
    const fails = isFirst || (!isOfLog && this.struck !== undefined && performance.now() < this.#untilMs);
    return fails ? new Error(`${operation} of ${path} fails`) : undefined;
  }
}

/** What a run of the workload came to. */
interface Outcome {
  readonly acknowledged: string[];
  readonly sent: string[];
  failure: unknown;
}

/** Two runs that fill, release and use again several segments. */
async function workload(disk: MemoryDisk, outcome: Outcome): Promise<void> {
  for (let run = 0; run < 2; run++) {
    const wal = await openWal(disk, SMALL);
    try {
      const lines: string[] = [];
      await wal.recover(({ group, kind, payload }) => lines.push(`${group} ${kind} ${payload.toHex()}`));
      await appendSome(wal, outcome);
      await wal.close();
    } catch (error) {
      await wal.close().catch(() => {});
      throw error;
    }
  }
}

async function appendSome(wal: Wal, outcome: Outcome): Promise<void> {
  for (let batch = 0; batch < 12; batch++) {
    const records: WalRecord[] = makeRecords(outcome.sent.length, outcome.sent.length + 5, 100);
    outcome.sent.push(...linesOf(records));
    const count = outcome.sent.length;
    const position = await wal.append(records);
    outcome.acknowledged.splice(0, Infinity, ...outcome.sent.slice(0, count));
    if (batch % 4 === 3) { for (let group = 0; group < 5; group++) wal.releaseBefore(group, position); }
  }
}

/** Runs the workload on a disk whose call number `failing` fails; returns how many calls there were. */
async function runWithFault(failing: number, seed: number): Promise<{ calls: number; outcome: Outcome }> {
  let calls = 0;
  let isCalm = false;
  const fault = ({ operation }: DiskCall) =>
    !isCalm && calls++ === failing ? new Error(`${operation} fails`) : undefined;
  const disk = new MemoryDisk({ random: new SeededRandom(seed), fault });
  const outcome: Outcome = { acknowledged: [], sent: [], failure: undefined };
  await workload(disk, outcome).catch((error) => outcome.failure = error);
  isCalm = true;
  disk.crash({ lostPercent: seed % 2 === 0 ? 100 : 50, garbledPercent: seed % 2 === 0 ? 0 : 10 });
  const { lines, report, wal } = await recoverWal(disk, SMALL);
  const where = `call ${failing} seed ${seed}`;
  assert.equal(report.damagedGroups, [], where);
  checkSurvivors(lines, outcome, where);
  await wal.append([makeRecord(100_000)]);
  await wal.close();
  return { calls, outcome };
}

/** Released records may be gone; what is there ends with all that was acknowledged, in order. */
function checkSurvivors(lines: readonly string[], { acknowledged, sent }: Outcome, where: string): void {
  const start = lines.length === 0 ? sent.length : sent.indexOf(lines[0]!);
  assert.ok(start >= 0, `${where}: a record that was never sent`);
  assert.equal(lines, sent.slice(start, start + lines.length), where);
  assert.ok(start + lines.length >= acknowledged.length, `${where}: acknowledged records are lost`);
  // Batches 0 to 3 of a run are released at its fourth batch at the earliest; the last five records never
  // are.
  const isComplete = acknowledged.length === 0 || start <= acknowledged.length - 5;
  assert.ok(isComplete, `${where}: more is gone than was released`);
}

test("the n-th call fails, for every n: nothing acknowledged is lost", async () => {
  const clean = await runWithFault(-1, 1);
  assert.is(clean.outcome.failure, undefined);
  assert.is(clean.outcome.acknowledged.length, 120);
  assert.ok(clean.calls > 100, `${clean.calls} calls`);
  for (let failing = 0; failing < clean.calls; failing++) {
    for (const seed of [2, 3, 5]) await runWithFault(failing, seed);
  }
});

test("what fails while segments are made and given up is tried again, for every such call", async () => {
  let passed = 0;
  let ended = 0;
  for (const forMs of [0, 60]) {
    for (let failing = 0;; failing++) {
      const trouble = new PassingTrouble(failing, forMs);
      const disk = new MemoryDisk({ random: new SeededRandom(7), fault: (call) => trouble.faultOf(call) });
      const outcome: Outcome = { acknowledged: [], sent: [], failure: undefined };
      const { wal } = await recoverWal(disk, { ...SMALL, timer: HASTY_TIMER });
      trouble.begin();
      try {
        for (let round = 0; round < 4; round++) await appendSome(wal, outcome);
      } catch (error) {
        outcome.failure = error;
      }
      await wal.close().catch((error) => outcome.failure ??= error);
      if (trouble.struck === undefined) break;
      const { operation, path } = trouble.struck;
      const isOfLog = (operation === "writeSync" || operation === "syncData") && path.endsWith(".wal");
      const where = `${operation} of ${path} fails for ${forMs} ms`;
      assert.is(outcome.failure !== undefined, isOfLog, `${where}: ${outcome.failure}`);
      if (isOfLog) ended++;
      else passed++;
    }
  }
  assert.ok(passed > 60, `${passed} failures passed`);
  assert.ok(ended > 20, `${ended} failures ended the log`);
});

test("a log whose next segment cannot be made says so, takes what fits, and goes on when it can", async () => {
  let isFull = false;
  const fault = ({ operation }: DiskCall) =>
    isFull && operation === "create" ? new Error("no space left") : undefined;
  const disk = new MemoryDisk({ random: new SeededRandom(1), fault });
  const { wal } = await recoverWal(disk, { ...SMALL, timer: HASTY_TIMER });
  await wal.whenSpareReady();
  assert.ok(wal.hasRoomFor(wal.segmentRoomBytes));
  isFull = true;
  let count = 0;
  while (count < 1_000 && wal.hasRoomFor(1_000)) await wal.append(makeRecords(count, count += 5, 100));
  assert.match(wal.spareFailure ?? "", /no space left/);
  assert.ok(wal.restBytes < 1_000 && wal.restBytes < wal.segmentRoomBytes, `${wal.restBytes} bytes are left`);
  const waiting = wal.append(makeRecords(count, count + 5, 200));
  assert.is(wal.restBytes, 0);
  assert.is(wal.stats.queuedAppends, 1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  isFull = false;
  await waiting;
  await wal.whenSpareReady();
  assert.is(wal.spareFailure, undefined);
  assert.ok(wal.stats.spareFailures > 1);
  await wal.close();
  const { lines } = await recoverWal(disk, SMALL);
  assert.is(lines.length, count + 5);
});

test("a segment is made in pieces, and none waits for its sync with another", async () => {
  const calls: string[] = [];
  const fault = ({ operation, path }: DiskCall) => {
    if (path.endsWith("2.wal.tmp") || path.includes("0002")) calls.push(operation);
    return undefined;
  };
  const disk = new MemoryDisk({ random: new SeededRandom(1), fault });
  const { wal } = await recoverWal(disk, { segmentBytes: 3 * 1024 * 1024 });
  await wal.whenSpareReady();
  const made = calls.filter((operation) => operation === "write" || operation === "syncData");
  assert.equal(made, ["write", "syncData", "write", "syncData", "write", "syncData"]);
  await wal.close();
});

test("a log on a full disk can be closed; what waited for a segment is refused", async () => {
  let isFull = false;
  const fault = ({ operation }: DiskCall) =>
    isFull && operation === "create" ? new Error("no space left") : undefined;
  const disk = new MemoryDisk({ random: new SeededRandom(1), fault });
  const { wal } = await recoverWal(disk, SMALL);
  await wal.whenSpareReady();
  isFull = true;
  let count = 0;
  while (wal.hasRoomFor(1_000)) await wal.append(makeRecords(count, count += 5, 100));
  const waiting = wal.append(makeRecords(count, count + 10, 200));
  const refused = assertRejects(
    () => waiting,
    (error) => error instanceof WalError && error.code === "WAL_STATE",
  );
  await wal.close();
  await refused;
  isFull = false;
  const { lines } = await recoverWal(disk, SMALL);
  assert.equal(lines, linesOf(makeRecords(0, count, 100)));
});

test("a failed sync poisons the log: all that wait and all that follow get the first error", async () => {
  let isFailing = false;
  const fault = ({ operation, path }: DiskCall) =>
    isFailing && operation === "syncData" && path.endsWith("1.wal")
      ? new Error("the cable is out")
      : undefined;
  const disk = new MemoryDisk({ random: new SeededRandom(1), fault });
  const { wal } = await recoverWal(disk);
  await wal.append([makeRecord(0)]);
  isFailing = true;
  const isPoison = (error: Error) =>
    error instanceof WalError && error.code === "WAL_POISONED" && !error.retryable &&
    (error.cause as Error).message === "the cable is out";
  const both = [wal.append([makeRecord(1)]), wal.append([makeRecord(2)])];
  for (const append of both) await assertRejects(() => append, isPoison);
  isFailing = false;
  const before = disk.content("data/wal/0000000000000001.wal").toHex();
  await assertRejects(() => wal.append([makeRecord(3)]), isPoison);
  assert.is(disk.content("data/wal/0000000000000001.wal").toHex(), before, "nothing is written any more");
  await assertRejects(() => wal.close(), isPoison);
});

test("after a failed sync the next run saves the frames it finds by writing them again", async () => {
  let isFailing = false;
  const fault = ({ operation }: DiskCall) =>
    isFailing && operation === "syncData" ? new Error("lost") : undefined;
  const disk = new MemoryDisk({ random: new SeededRandom(1), fault });
  const first = await recoverWal(disk);
  await new Promise((resolve) => setTimeout(resolve, 0));
  isFailing = true;
  await assertRejects(() => first.wal.append([makeRecord(1)]));
  isFailing = false;
  disk.kill();
  const second = await recoverWal(disk);
  assert.equal(second.lines, linesOf([makeRecord(1)]));
  disk.crash({ lostPercent: 100, garbledPercent: 0 });
  assert.equal(
    (await recoverWal(disk)).lines,
    linesOf([makeRecord(1)]),
    "what was delivered once is durable",
  );
});

test("a sync that fails while the log is closed is the last thing it does", async () => {
  const calls: string[] = [];
  let isFailing = false;
  const fault = ({ operation }: DiskCall) => {
    if (isFailing) calls.push(operation);
    return isFailing && operation === "syncData" ? new Error("gone") : undefined;
  };
  const disk = new MemoryDisk({ random: new SeededRandom(1), fault });
  const { wal } = await recoverWal(disk, { sync: { kind: "never" } });
  await new Promise((resolve) => setTimeout(resolve, 0));
  await wal.append([makeRecord(1)]);
  isFailing = true;
  await assertRejects(
    () => wal.close(),
    (error) => error instanceof WalError && error.code === "WAL_POISONED",
  );
  assert.equal(calls, ["writeSync", "syncData"]);
  isFailing = false;
  assert.equal((await recoverWal(disk)).lines, linesOf([makeRecord(1)]));
});

test("a failed write in the middle of a batch leaves nothing of the batch behind", async () => {
  let writes = -1;
  const fault = ({ operation }: DiskCall) =>
    operation === "writeSync" && writes >= 0 && writes++ === 3 ? new Error("full") : undefined;
  const disk = new MemoryDisk({ random: new SeededRandom(4), fault });
  const { wal } = await recoverWal(disk, SMALL);
  await wal.append([makeRecord(0)]);
  writes = 0;
  await assertRejects(() => wal.append(makeRecords(1, 200, 100)));
  disk.kill();
  const { lines, report } = await recoverWal(disk, SMALL);
  assert.equal(lines, linesOf([makeRecord(0)]));
  assert.ok(report.tornTail !== undefined);
});

test.run();
