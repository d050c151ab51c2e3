/**
 * What a log does on a disk that behaves: order, group commit, sync policies, segments given up and used
 * again.
 *
 * @module
 */

import { type Wal, WalError, type WalPosition, type WalRecord } from "../../wal-wasm/mod.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { type DiskCall, MemoryDisk } from "../support/disk/memory_file_system.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import {
  DIRECTORY,
  linesOf,
  makeRecord,
  makeRecords,
  openWal,
  quietDisk,
  recoverWal,
  segmentPaths,
} from "./log_fixture.ts";

const test = suite("write-ahead log");

/** A disk whose syncs end only when told to. */
function heldDisk() {
  const held: { readonly path: string; readonly release: () => void }[] = [];
  let isHolding = false;
  const delay = (call: DiskCall) => {
    if (!isHolding || call.operation !== "syncData") return Promise.resolve();
    return new Promise<void>((resolve) => held.push({ path: call.path, release: resolve }));
  };
  const disk = new MemoryDisk({ random: new SeededRandom(1), delay });
  return {
    disk,
    held,
    hold: () => isHolding = true,
    releaseAll: () => {
      isHolding = false;
      for (const { release } of held.splice(0)) release();
    },
  };
}

/** Lets everything run that waits for nothing but its turn. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

test("what was appended comes back in order over several runs and segments", async () => {
  const disk = quietDisk();
  const all: WalRecord[] = [];
  for (let run = 0; run < 5; run++) {
    const { wal, report, lines } = await recoverWal(disk);
    assert.equal(lines, linesOf(all));
    assert.is(report.recordCount, all.length);
    assert.is(report.tornTail, undefined);
    assert.equal(report.damagedGroups, []);
    const positions: Promise<WalPosition>[] = [];
    for (let batch = 0; batch < 20; batch++) {
      const records = makeRecords(all.length, all.length + 1 + batch, 60);
      all.push(...records);
      positions.push(wal.append(records));
    }
    const reached = await Promise.all(positions);
    for (let index = 1; index < reached.length; index++) {
      assert.ok(comparePositions(reached[index - 1]!, reached[index]!) < 0);
    }
    await wal.close();
  }
  assert.ok(segmentPaths(disk).length > 3, "the test must cross segments");
});

test("records of every size and shape come back", async () => {
  const disk = quietDisk();
  const { wal } = await recoverWal(disk, { segmentBytes: 2 ** 21 });
  const records = [0, 1, 127, 128, 16_383, 16_384, 1_000_000].map((bytes, index) => ({
    group: [0, 127, 128, 2 ** 32 - 1][index % 4]!,
    kind: 255 - index,
    head: new Uint8Array(index % 2 === 0 ? 0 : Math.min(bytes, 16)).fill(1),
    body: new Uint8Array(index % 2 === 0 ? bytes : Math.max(0, bytes - 16)).fill(index),
  }));
  await wal.append(records);
  await wal.append([]);
  await wal.close();
  const again = await recoverWal(disk, { segmentBytes: 2 ** 21 });
  assert.equal(again.lines, linesOf(records));
  await again.wal.close();
});

test("the write happens within the call, before anything is awaited", async () => {
  const disk = quietDisk();
  const { wal } = await recoverWal(disk);
  const before = disk.content(segmentPaths(disk)[0]!).toHex();
  const done = wal.append(makeRecords(0, 3));
  assert.is.not(disk.content(segmentPaths(disk)[0]!).toHex(), before);
  await done;
  await wal.close();
});

test("appends during a sync share the next one and resolve in order", async () => {
  const { disk, held, hold, releaseAll } = heldDisk();
  const { wal } = await recoverWal(disk, { segmentBytes: 65_536 });
  await settle();
  const syncsBefore = wal.stats.syncCount;
  hold();
  const order: number[] = [];
  const appends = Array.from(
    { length: 6 },
    (_, id) => wal.append([makeRecord(id)]).then(() => order.push(id)),
  );
  await settle();
  assert.is(held.length, 1);
  assert.equal(order, []);
  held.shift()!.release();
  await settle();
  assert.equal(order, [0], "only the first was written when the sync began");
  assert.is(held.length, 1);
  releaseAll();
  await Promise.all(appends);
  assert.equal(order, [0, 1, 2, 3, 4, 5]);
  assert.is(wal.stats.syncCount - syncsBefore, 2);
  assert.is(wal.takeSyncDurations().length, wal.stats.syncCount);
  assert.is(wal.takeSyncDurations().length, 0);
  await wal.close();
});

test("nothing resolves while a record is not durable", async () => {
  const { disk, hold, releaseAll } = heldDisk();
  const { wal } = await recoverWal(disk, { segmentBytes: 65_536 });
  await settle();
  hold();
  let isDone = false;
  wal.append([makeRecord(0)]).then(() => isDone = true, () => {});
  await settle();
  assert.is(isDone, false);
  disk.crash({ lostPercent: 100, garbledPercent: 0 });
  releaseAll();
  assert.equal((await recoverWal(disk, { segmentBytes: 65_536 })).lines, []);
});

test("an interval syncs once for all that came meanwhile, by the timer handed in", async () => {
  const disk = quietDisk();
  const due: (() => void)[] = [];
  const delays: number[] = [];
  const timer = {
    now: () => 0,
    after: (delayMs: number, callback: () => void) => {
      delays.push(delayMs);
      due.push(callback);
      return () => {};
    },
  };
  const { wal } = await recoverWal(disk, { sync: { kind: "interval", ms: 25 }, timer });
  for (let id = 0; id < 4; id++) await wal.append([makeRecord(id)]);
  assert.is(wal.stats.syncCount, 0);
  assert.equal(delays, [25]);
  due.shift()!();
  await settle();
  assert.is(wal.stats.syncCount, 1);
  await wal.append([makeRecord(4)]);
  assert.equal(delays, [25, 25]);
  disk.crash({ lostPercent: 100, garbledPercent: 0 });
  assert.equal((await recoverWal(disk)).lines, linesOf(makeRecords(0, 4)));
});

test("the policy never syncs nothing until the log is closed", async () => {
  const disk = quietDisk();
  const { wal } = await recoverWal(disk, { sync: { kind: "never" } });
  for (let id = 0; id < 4; id++) await wal.append([makeRecord(id)]);
  assert.is(wal.stats.syncCount, 0);
  await wal.close();
  disk.crash({ lostPercent: 100, garbledPercent: 0 });
  assert.equal((await recoverWal(disk)).lines, linesOf(makeRecords(0, 4)));
});

test("a batch larger than a segment is one batch", async () => {
  const disk = quietDisk();
  const records = makeRecords(0, 900, 100);
  const { wal } = await recoverWal(disk);
  const first = wal.append(records);
  const second = wal.append([makeRecord(900)]);
  assert.ok(wal.stats.queuedAppends > 0, "segments are made in the background, so it must wait");
  assert.ok(comparePositions(await first, await second) < 0);
  assert.ok(wal.stats.segmentCount > 5);
  disk.kill();
  assert.equal((await recoverWal(disk)).lines, linesOf(makeRecords(0, 900, 100).concat(makeRecord(900))));
});

test("segments nobody needs are used again, so the log stays small", async () => {
  const disk = quietDisk();
  const { wal } = await recoverWal(disk);
  let last: WalPosition = wal.end;
  for (let batch = 0; batch < 200; batch++) {
    last = await wal.append(makeRecords(batch * 10, batch * 10 + 10, 100));
    for (let group = 0; group < 5; group++) wal.releaseBefore(group, last);
    assert.ok(wal.stats.segmentCount <= 3, `${wal.stats.segmentCount} segments in use`);
  }
  assert.ok(last.segment > 10, "the test must fill many segments");
  assert.ok(segmentPaths(disk).length <= 5);
  await wal.close();
  const again = await recoverWal(disk);
  assert.equal(again.lines.slice(-10), linesOf(makeRecords(1990, 2000, 100)));
  assert.equal(again.report.damages, []);
  await again.wal.close();
});

test("an idle group holds segments back until its records are written again", async () => {
  const disk = quietDisk();
  const { wal } = await recoverWal(disk);
  const idle: WalRecord = { ...makeRecord(1), group: 99 };
  await wal.append([idle]);
  for (let batch = 0; batch < 60; batch++) {
    const position = await wal.append(makeRecords(batch * 10, batch * 10 + 10, 100));
    for (let group = 0; group < 5; group++) wal.releaseBefore(group, position);
  }
  assert.ok(wal.stats.segmentCount > 4);
  assert.is(wal.stats.oldestSegment, 1);
  assert.equal(wal.groupsHoldingBack(), [99]);
  wal.releaseBefore(99, await wal.append([idle]));
  await wal.append([makeRecord(0)]);
  assert.ok(wal.stats.segmentCount <= 2);
  await wal.close();
  const again = await recoverWal(disk);
  assert.ok(again.lines.includes(linesOf([idle])[0]!));
  // A recovered log still knows what each group needs.
  assert.ok(again.wal.groupsHoldingBack().includes(99));
  await again.wal.close();
});

test("a directory has one log at a time, and calls out of order are refused", async () => {
  const disk = quietDisk();
  const wal = await openWal(disk);
  const hasCode = (code: string) => (error: Error) => error instanceof WalError && error.code === code;
  await assertRejects(() => openWal(disk), hasCode("WAL_LOCKED"));
  await assertRejects(() => wal.append([makeRecord(0)]), hasCode("WAL_STATE"));
  await wal.recover(() => {});
  await assertRejects(() => wal.recover(() => {}), hasCode("WAL_STATE"));
  await wal.close();
  await wal.close();
  await assertRejects(() => wal.append([makeRecord(0)]), hasCode("WAL_STATE"));
  const next = await openWal(disk);
  await next.close();
});

test("options outside their range are refused", async () => {
  const disk = quietDisk();
  const isRange = (error: Error) => error instanceof RangeError;
  for (const segmentBytes of [4096, 10_000, 2 ** 31 + 4096]) {
    await assertRejects(() => openWal(disk, { segmentBytes }), isRange);
  }
  for (const nodeId of [0, 2 ** 32, 1.5]) await assertRejects(() => openWal(disk, { nodeId }), isRange);
  for (const clusterId of ["", "xyz", "0".repeat(31)]) {
    await assertRejects(() => openWal(disk, { clusterId }), isRange);
  }
  await assertRejects(() => openWal(disk, { sync: { kind: "interval", ms: 0 } }), isRange);
  assert.equal(disk.paths(), []);
});

test("a record too large for a segment is refused and nothing of its batch is written", async () => {
  const disk = quietDisk();
  const { wal } = await recoverWal(disk);
  await assertRejects(
    () => wal.append([makeRecord(0), makeRecord(1, 20_000)]),
    (error) => error instanceof RangeError,
  );
  await wal.append([makeRecord(2)]);
  await wal.close();
  assert.equal((await recoverWal(disk)).lines, linesOf([makeRecord(2)]));
});

test("another segment size holds from the next segment on", async () => {
  const disk = quietDisk();
  const first = await recoverWal(disk);
  await first.wal.append(makeRecords(0, 50, 100));
  await first.wal.close();
  const second = await recoverWal(disk, { segmentBytes: 32_768 });
  await second.wal.append(makeRecords(50, 500, 100));
  await second.wal.close();
  const sizes = segmentPaths(disk).map((path) => disk.content(path).length);
  assert.is(sizes[0], 16_384);
  assert.is(sizes.at(-1), 32_768);
  const third = await recoverWal(disk);
  assert.equal(third.lines, linesOf(makeRecords(0, 500, 100)));
  await third.wal.close();
});

test("a log on the real disk survives its own restart", async () => {
  const { DenoFileSystem } = await import("../../wal-wasm/mod.ts");
  const directory = Deno.makeTempDirSync();
  try {
    for (let run = 0; run < 3; run++) {
      const options = { fileSystem: new DenoFileSystem(), directory: `${directory}/${DIRECTORY}` };
      await using wal: Wal = await openWal(quietDisk(), options);
      let count = 0;
      await wal.recover(() => count++);
      assert.is(count, run * 600);
      await wal.append(makeRecords(0, 500, 100));
      await wal.append(makeRecords(500, 600, 100));
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

/** Negative if `left` is before `right`, positive if after, 0 if they are the same. */
function comparePositions(left: WalPosition, right: WalPosition): number {
  return left.segment === right.segment ? left.offset - right.offset : left.segment - right.segment;
}

test.run();
