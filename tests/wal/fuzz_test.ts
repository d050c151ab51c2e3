/**
 * The decoder on bytes nobody made on purpose: no crash, no read outside the frame, nothing accepted that the
 * encoder did not write. `WAL_FUZZ_ROUNDS` sets the number of cases.
 *
 * @module
 */

import { FrameEncoder } from "../../wal-wasm/encoder.ts";
import { visitRecords } from "../../wal-wasm/frame_records.ts";
import { FrameVerdict, STAGE } from "../../wal-wasm/layout.ts";
import { decodeSegmentHeader, segmentSeeds } from "../../wal-wasm/segment_header.ts";
import { borrowModule, crc32c } from "../../wal-wasm/wasm_module.ts";
import { assert, suite } from "../harness.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { makeRecords } from "./log_fixture.ts";

const test = suite("decoder");

const ROUNDS = Number(Deno.env.get("WAL_FUZZ_ROUNDS") ?? 300_000);
const SEGMENT = 9;
const SEEDS = segmentSeeds(SEGMENT, [1, 2]);

/** A sealed frame in memory of its own. */
function frameOf(random: SeededRandom): Uint8Array<ArrayBuffer> {
  const encoder = new FrameEncoder();
  encoder.stage(makeRecords(0, random.below(6), 4 + random.below(40)), { from: 0, capacityBytes: 65_536 });
  const stamp = { segment: SEGMENT, sequence: 3, synced: 2, oldest: 1, previousCrc: 5, continues: false };
  return encoder.seal({ ...stamp, seeds: SEEDS }).bytes.slice();
}

/** Changes a few bytes; true if any is different now. */
function mutate(frame: Uint8Array, random: SeededRandom): boolean {
  const before = frame.slice();
  for (let count = 1 + random.below(4); count > 0; count--) {
    const at = random.below(frame.length);
    const values = [0, 1, 127, 128, 255, frame[at]! ^ (1 << random.below(8)), random.below(256)];
    frame[at] = random.pick(values);
  }
  return frame.some((byte, index) => byte !== before[index]);
}

/** Computes the CRCs of a frame anew, as a liar would who knows the salt. */
function reseal(frame: Uint8Array<ArrayBuffer>): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const directoryBytes = Math.min(view.getUint32(16, true), frame.length - 64);
  const directory = frame.length - directoryBytes;
  if (directoryBytes >= 8) {
    view.setUint32(directory, crc32c(frame.subarray(directory + 4), SEEDS.body), true);
  }
  view.setUint32(4, crc32c(frame.subarray(64), SEEDS.body), true);
  view.setUint32(0, crc32c(frame.subarray(4, 64), SEEDS.header), true);
}

test("changed frames are never valid", () => {
  const random = new SeededRandom(21);
  const module = borrowModule();
  const frames = Array.from({ length: 50 }, () => frameOf(random));
  for (let round = 0; round < ROUNDS; round++) {
    const frame = random.pick(frames).slice();
    const isChanged = mutate(frame, random);
    module.bytes.set(frame, STAGE);
    const { header, body } = SEEDS;
    const verdict = module.exports.verifyFrame(STAGE, frame.length, SEGMENT, 0, header, body);
    assert.is(verdict === FrameVerdict.valid, !isChanged, `round ${round}`);
  }
});

test("frames that lie with right CRCs are refused or read within their bounds", () => {
  const random = new SeededRandom(22);
  const module = borrowModule();
  const frames = Array.from({ length: 50 }, () => frameOf(random));
  let valid = 0;
  for (let round = 0; round < ROUNDS / 2; round++) {
    const frame = random.pick(frames).slice();
    mutate(frame, random);
    reseal(frame);
    module.bytes.set(frame, STAGE);
    const { header, body } = SEEDS;
    if (module.exports.verifyFrame(STAGE, frame.length, SEGMENT, 0, header, body) !== FrameVerdict.valid) {
      continue;
    }
    valid++;
    readAll(frame, `round ${round}`);
  }
  assert.ok(valid > 1000, `only ${valid} lies were well formed`);
});

function readAll(frame: Uint8Array<ArrayBuffer>, where: string): void {
  const view = new DataView(frame.buffer);
  const recordCount = view.getUint32(20, true);
  const end = frame.length - view.getUint32(16, true);
  let count = 0;
  visitRecords(
    { bytes: frame, recordCount, position: { segment: SEGMENT, offset: 0 } },
    ({ group, payload }) => {
      count++;
      assert.ok(group >= 0 && group < 2 ** 32, where);
      assert.ok(payload.byteOffset + payload.length <= end, where);
    },
  );
  assert.is(count, recordCount, where);
}

test("noise holds no frame, wherever one looks", () => {
  const random = new SeededRandom(23);
  const module = borrowModule();
  for (let round = 0; round < ROUNDS / 1000; round++) {
    const noise = random.bytes(2048);
    new DataView(noise.buffer).setUint32(8 * random.below(200) + 24, SEGMENT, true);
    module.bytes.set(noise, STAGE);
    const found = module.exports.findFrame(STAGE, STAGE + noise.length, SEGMENT, 0, SEEDS.header);
    assert.ok(found + 64 > STAGE + noise.length, `round ${round}`);
  }
});

test("noise is no segment header", () => {
  const random = new SeededRandom(24);
  for (let round = 0; round < ROUNDS / 1000; round++) {
    const page = random.bytes(4096);
    page.set(new TextEncoder().encode("PRKDBWAL"));
    assert.is(decodeSegmentHeader(page).kind, "damaged");
    assert.is(decodeSegmentHeader(page.subarray(0, random.below(4096) + 1)).kind, "damaged");
  }
});

test.run();
