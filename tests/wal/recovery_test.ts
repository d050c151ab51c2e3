/**
 * Logs that were damaged: cut, flipped, garbled, swapped, missing. Whatever happens, no record is delivered
 * that was not appended, and no durable record is lost without being reported.
 *
 * @module
 */

import { WalError, type WalRecord } from "../../wal-wasm/mod.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { MemoryDisk } from "../support/disk/memory_file_system.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import {
  lineOf,
  linesOf,
  makeRecord,
  makeRecords,
  quietDisk,
  recoverWal,
  segmentPaths,
} from "./log_fixture.ts";

const test = suite("recovery");

const SMALL = { segmentBytes: 8192 };

/** The files of a log, to be damaged again and again. */
type Image = ReadonlyMap<string, Uint8Array>;

function imageOf(disk: MemoryDisk): Image {
  return new Map(disk.paths().map((path) => [path, disk.content(path).slice()]));
}

function diskOf(image: Image): MemoryDisk {
  const disk = quietDisk();
  for (const [path, content] of image) disk.place(path, content.slice());
  return disk;
}

/** A log of these batches, each durable before the next; left without being closed. */
async function logOf(batches: readonly (readonly WalRecord[])[], options = SMALL): Promise<Image> {
  const disk = quietDisk();
  const { wal } = await recoverWal(disk, options);
  for (const batch of batches) await wal.append(batch);
  await new Promise((resolve) => setTimeout(resolve, 0));
  disk.kill();
  return imageOf(disk);
}

/** Where the frames of a segment lie, by their own lengths. */
function frameOffsets(content: Uint8Array): number[] {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const offsets: number[] = [];
  for (let offset = 4096; offset + 64 <= content.length;) {
    const length = view.getUint32(offset + 8, true);
    if (length === 0) break;
    offsets.push(offset);
    offset += length;
  }
  return offsets;
}

const isForeign = (place: string) => (error: Error) =>
  error instanceof WalError && error.code === "WAL_FOREIGN_SEGMENT" && error.message.includes(place) &&
  error.place !== undefined;

test("a log cut at any byte of its last frames keeps every whole frame before", async () => {
  const batches = [makeRecords(0, 4), makeRecords(4, 6), makeRecords(6, 9)];
  const image = await logOf(batches);
  const [path] = [...image.keys()].filter((each) => each.endsWith("1.wal"));
  const content = image.get(path!)!;
  const offsets = frameOffsets(content);
  assert.is(offsets.length, 3);
  const end = content.findLastIndex((byte) => byte !== 0) + 1;
  for (let cut = offsets[1]!; cut < end; cut++) {
    const disk = diskOf(image);
    disk.content(path!).fill(0, cut);
    const { wal, lines, report } = await recoverWal(disk, SMALL);
    // Frames end in zeros, so the last cuts of a frame change nothing.
    const isWhole = (from: number, to: number) =>
      content.subarray(Math.max(from, cut), to).every((byte) => byte === 0);
    const whole = !isWhole(offsets[1]!, offsets[2]!) ? 1 : isWhole(offsets[2]!, end) ? 3 : 2;
    // Frame 3 claims frame 1, so that only what is behind frame 1 may be taken for a torn tail.
    assert.equal(lines, linesOf(batches.slice(0, whole).flat()), `cut at ${cut}`);
    assert.equal(report.damagedGroups, []);
    await wal.append([makeRecord(99)]);
    disk.crash({ lostPercent: 100, garbledPercent: 0 });
    const again = await recoverWal(disk, SMALL);
    assert.equal(again.lines, [...lines, lineOf(makeRecord(99))]);
    assert.equal(again.report.damages, []);
  }
});

test("every flipped bit of a small log is harmless or reported", async () => {
  const batches = [
    makeRecords(0, 3, 12),
    makeRecords(3, 5, 12),
    makeRecords(5, 6, 12),
    makeRecords(6, 8, 12),
  ];
  const image = await logOf(batches);
  const path = [...image.keys()].find((each) => each.endsWith("1.wal"))!;
  const content = image.get(path)!;
  const offsets = frameOffsets(content);
  const all = linesOf(batches.flat());
  const positions = [...range(0, 110), ...range(2048, 2160), ...range(offsets[0]!, offsets[3]! + 200)];
  for (const position of positions) {
    for (let bit = 0; bit < 8; bit++) {
      const disk = diskOf(image);
      disk.content(path)[position]! ^= 1 << bit;
      const { lines, report } = await recoverWal(disk, SMALL);
      const frame = offsets.findLastIndex((offset) => position >= offset);
      const where = `byte ${position} bit ${bit} in frame ${frame}`;
      checkFlip({ lines, all, batches, frame, where });
      // The last frame is claimed by none: it may be torn. All others are durable for sure.
      const mustReport = frame >= 0 && frame < 3;
      assert.is(report.damagedGroups === "any" || report.damagedGroups.length > 0, mustReport, where);
      if (!mustReport || report.damagedGroups === "any") continue;
      const lost = batches[frame]!.map(({ group }) => group);
      assert.equal([...new Set(lost)].sort(), [...report.damagedGroups], where);
    }
  }
});

function checkFlip(
  found: {
    readonly lines: readonly string[];
    readonly all: readonly string[];
    readonly batches: readonly (readonly WalRecord[])[];
    readonly frame: number;
    readonly where: string;
  },
): void {
  const { lines, all, batches, frame, where } = found;
  // A flip behind the last frame, or in a header that is there twice, loses nothing.
  const kept = batches.filter((_, index) => index !== frame).flat();
  const isTouched = lines.length !== all.length;
  assert.equal([...lines], isTouched ? linesOf(kept) : [...all], where);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

test("damage is reported again at every start until its segment is gone", async () => {
  const image = await logOf([makeRecords(0, 3), makeRecords(3, 6), makeRecords(6, 9)]);
  const disk = diskOf(image);
  const path = segmentPaths(disk)[0]!;
  disk.content(path)[frameOffsets(disk.content(path))[0]! + 70]! ^= 4;
  for (let run = 0; run < 3; run++) {
    const { wal, lines, report } = await recoverWal(disk, SMALL);
    assert.equal(report.damagedGroups, [0, 1, 2]);
    assert.equal(lines, linesOf(makeRecords(3, 9)));
    if (run === 0) disk.kill();
    else await wal.close();
  }
});

test("a log that was closed tells even damage of its last records from a torn tail", async () => {
  const disk = quietDisk();
  const { wal } = await recoverWal(disk, SMALL);
  await wal.append(makeRecords(0, 3));
  await wal.close();
  const path = segmentPaths(disk)[0]!;
  disk.content(path)[frameOffsets(disk.content(path))[0]! + 80]! ^= 1;
  const { report } = await recoverWal(disk, SMALL);
  assert.equal(report.damagedGroups, [0, 1, 2]);
});

test("zeros in the middle of a log are corruption, not its end", async () => {
  const image = await logOf([makeRecords(0, 3), makeRecords(3, 6), makeRecords(6, 9), makeRecords(9, 12)]);
  const disk = diskOf(image);
  const path = segmentPaths(disk)[0]!;
  const offsets = frameOffsets(disk.content(path));
  disk.content(path).fill(0, offsets[1], offsets[3]);
  const { lines, report } = await recoverWal(disk, SMALL);
  assert.equal(lines, linesOf([...makeRecords(0, 3), ...makeRecords(9, 12)]));
  assert.is(report.damagedGroups, "any");
  assert.is(report.damages[0]!.offset, offsets[1]);
  assert.is(report.damages[0]!.bytes, offsets[3]! - offsets[1]!);
});

test("frames of the segment's former use never come back", async () => {
  const disk = quietDisk();
  const { wal } = await recoverWal(disk, SMALL);
  for (let batch = 0; batch < 80; batch++) {
    const position = await wal.append(makeRecords(batch * 4, batch * 4 + 4, 40));
    for (let group = 0; group < 5; group++) wal.releaseBefore(group, position);
  }
  const expected = linesOf(makeRecords(316, 320, 40));
  for (let length = 1; length < 6; length++) {
    disk.kill();
    const { wal: next, lines, report } = await recoverWal(disk, SMALL);
    assert.equal(lines.slice(-4), expected.slice(-4));
    assert.is(report.tornTail, undefined);
    const extra = makeRecords(1000 + length * 10, 1000 + length * 10 + length, 8 * length);
    await next.append(extra);
    expected.push(...linesOf(extra));
  }
});

test("a damaged header is read from its copy, or made good from what surrounds it", async () => {
  const image = await logOf(range(0, 40).map((id) => makeRecords(id * 3, id * 3 + 3, 80)));
  const all = linesOf(makeRecords(0, 120, 80));
  const paths = [...image.keys()].filter((path) => path.endsWith(".wal")).sort();
  assert.ok(paths.length > 3);
  for (const path of paths.slice(0, 3)) {
    for (const [from, to] of [[0, 100], [2048, 2148], [0, 4096]] as const) {
      const disk = diskOf(image);
      disk.content(path).fill(0xee, from, to);
      const { wal, lines, report } = await recoverWal(disk, SMALL);
      assert.equal(lines, all);
      assert.equal(report.damagedGroups, []);
      assert.is(report.damages.length, 1);
      await wal.close();
      const again = await recoverWal(disk, SMALL);
      assert.equal(again.report.damages, [], `${path} from ${from} to ${to}`);
      assert.equal(again.lines, all);
    }
  }
});

test("a missing, swapped, truncated or foreign segment is refused by name", async () => {
  const image = await logOf(range(0, 40).map((id) => makeRecords(id * 3, id * 3 + 3, 80)));
  const paths = [...image.keys()].filter((path) => path.endsWith(".wal")).sort();
  const refuse = (change: (disk: MemoryDisk) => void, place: string, options = {}) => {
    const disk = diskOf(image);
    change(disk);
    const before = imageOf(disk);
    return assertRejects(() => recoverWal(disk, { ...SMALL, ...options }), isForeign(place)).then(() => {
      for (const [path, content] of before) assert.is(disk.content(path).toHex(), content.toHex());
    });
  };
  await refuse((disk) => disk.lose(paths[1]!), paths[1]!);
  await refuse((disk) => disk.lose(paths[0]!), paths[0]!);
  await refuse((disk) => {
    disk.place(paths[1]!, image.get(paths[2]!)!);
    disk.place(paths[2]!, image.get(paths[1]!)!);
  }, paths[1]!);
  await refuse((disk) => disk.place(paths[1]!, image.get(paths[1]!)!.slice(0, 5000)), paths[1]!);
  await refuse((disk) => disk.place(paths[1]!, new Uint8Array(100)), paths[1]!);
  await refuse(() => {}, paths[0]!, { nodeId: 8 });
  await refuse(() => {}, paths[0]!, { clusterId: "f".repeat(32) });
  const other = quietDisk();
  let word = 77;
  const { wal } = await recoverWal(other, { ...SMALL, randomWord: () => word++ });
  for (let id = 0; id < 40; id++) await wal.append(makeRecords(id * 3, id * 3 + 3, 80));
  await refuse((disk) => disk.place(paths[1]!, other.content(paths[1]!).slice()), paths[1]!);
});

test("an older state of the segment before is refused, as it contradicts its successor", async () => {
  const disk = quietDisk();
  const { wal } = await recoverWal(disk, SMALL);
  for (let id = 0; id < 30; id++) await wal.append(makeRecords(id * 3, id * 3 + 3, 80));
  disk.kill();
  const paths = segmentPaths(disk);
  const content = disk.content(paths[1]!);
  const offsets = frameOffsets(content);
  content.fill(0, offsets.at(-2));
  const { report } = await recoverWal(disk, SMALL);
  assert.is(report.damagedGroups, "any");
});

test("a value that holds a copy of a frame is never taken for one", async () => {
  const first = await logOf([makeRecords(0, 2)]);
  const path = [...first.keys()].find((each) => each.endsWith("1.wal"))!;
  const [offset] = frameOffsets(first.get(path)!);
  // The forger knows everything of the frame but the salt of the log.
  const forged = first.get(path)!.slice(offset!, offset! + 200);
  const disk = quietDisk();
  let word = 4711;
  const options = { ...SMALL, randomWord: () => word++ };
  const { wal } = await recoverWal(disk, options);
  const carrier = { group: 1, kind: 1, head: new Uint8Array(2), body: Uint8Array.of(...forged, ...forged) };
  await wal.append([carrier]);
  disk.kill();
  const target = disk.content(path);
  target.fill(0, frameOffsets(target)[0], frameOffsets(target)[0]! + 64);
  assert.equal((await recoverWal(disk, options)).lines, []);
});

test("any subset of unsynced sectors may be lost or garbled: what was acknowledged stays", async () => {
  const rounds = Number(Deno.env.get("WAL_CRASH_ROUNDS") ?? 400);
  for (let seed = 0; seed < rounds; seed++) await crashOnce(seed);
});

/**
 * A few runs with a crash at a random moment each; everything acknowledged must come back, and nothing else.
 */
async function crashOnce(seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const delay = async () => {
    for (let turns = random.below(4); turns > 0; turns--) await Promise.resolve();
  };
  const disk = new MemoryDisk({ random, delay });
  const sent: string[] = [];
  let kept: string[] = [];
  for (let run = 0; run < 4; run++) {
    const { wal, lines, report } = await recoverWal(disk, SMALL);
    assert.equal(report.damagedGroups, [], `seed ${seed} run ${run}`);
    assert.ok(lines.length >= kept.length, `seed ${seed} run ${run}: ${lines.length} of ${kept.length}`);
    assert.equal(lines, sent.slice(0, lines.length), `seed ${seed} run ${run}`);
    sent.length = lines.length;
    kept = [...lines];
    for (let batch = random.below(12); batch >= 0; batch--) {
      const records = makeRecords(sent.length, sent.length + 1 + random.below(20), 20 + random.below(120));
      sent.push(...linesOf(records));
      const count = sent.length;
      const append = wal.append(records).then(() => {
        kept = sent.slice(0, count);
      }, () => {});
      if (random.chance(60)) await append;
    }
    if (random.chance(30)) disk.kill();
    else disk.crash({ lostPercent: random.pick([0, 30, 60, 100]), garbledPercent: random.pick([0, 20]) });
  }
}

test.run();
