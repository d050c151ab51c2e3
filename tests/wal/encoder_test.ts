/**
 * The WebAssembly encoder against the plain one, byte for byte.
 *
 * @module
 */

import { checkRecords, FrameEncoder } from "../../wal-wasm/encoder.ts";
import { crc32c, type WalRecord } from "../../wal-wasm/mod.ts";
import { segmentSeeds } from "../../wal-wasm/segment_header.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { encodeReference, referenceCrc } from "./reference_encoder.ts";

const test = suite("frame encoder");

function randomRecord(random: SeededRandom, groups: number): WalRecord {
  const sizes = [0, 1, 15, 16, 63, 64, 100, 127, 128, 300, 20_000];
  const size = () => random.below(random.pick(sizes) + 1);
  return {
    group: random.chance(10) ? random.word() : random.below(groups),
    kind: random.below(256),
    head: random.bytes(size() % 64),
    body: random.bytes(size()),
  };
}

function number48(random: SeededRandom): number {
  return random.word() + random.below(65_536) * 2 ** 32;
}

function compare(records: readonly WalRecord[], random: SeededRandom): void {
  const encoder = new FrameEncoder();
  const next = encoder.stage(records, { from: 0, capacityBytes: 2 ** 24 });
  const salt: [number, number] = [random.word(), random.word()];
  const stamp = {
    segment: number48(random),
    sequence: number48(random),
    synced: number48(random),
    oldest: number48(random),
    previousCrc: random.word(),
    continues: next < records.length,
  };
  const frame = encoder.seal({ ...stamp, seeds: segmentSeeds(stamp.segment, salt) });
  const wanted = encodeReference({
    ...stamp,
    segment: BigInt(stamp.segment),
    sequence: BigInt(stamp.sequence),
    synced: BigInt(stamp.synced),
    oldest: BigInt(stamp.oldest),
    salt,
    records: records.slice(0, next).map(({ group, kind, head, body }) => ({
      group,
      kind,
      payload: Uint8Array.of(...head, ...body),
    })),
  });
  assert.is(frame.bytes.toHex(), Uint8Array.from(wanted).toHex());
}

test("random batches are encoded as the plain encoder does", () => {
  const random = new SeededRandom(11);
  for (let round = 0; round < 150; round++) {
    const count = random.below(random.pick([2, 10, 100]));
    const groups = random.pick([1, 3, 200]);
    compare(Array.from({ length: count }, () => randomRecord(random, groups)), random);
  }
});

test('a directory lists 1,024 groups and says "any group" for more', () => {
  const random = new SeededRandom(12);
  for (const count of [1023, 1024, 1025]) {
    const empty = new Uint8Array(0);
    compare(
      Array.from({ length: count }, (_, group) => ({ group, kind: 0, head: empty, body: empty })),
      random,
    );
  }
});

test("CRC-32C agrees with the plain one at every length and seed", () => {
  const random = new SeededRandom(13);
  const bytes = random.bytes(13_000);
  assert.is(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
  for (
    const length of [
      0,
      1,
      7,
      8,
      9,
      15,
      16,
      17,
      1535,
      1536,
      1537,
      1552,
      3071,
      3072,
      4095,
      4096,
      4097,
      8192,
      9000,
      13_000,
    ]
  ) {
    assert.is(crc32c(bytes.subarray(0, length)), referenceCrc([...bytes.subarray(0, length)]));
    const cut = random.below(length + 1);
    assert.is(
      crc32c(bytes.subarray(cut, length), crc32c(bytes.subarray(0, cut))),
      crc32c(bytes.subarray(0, length)),
    );
  }
  const long = random.bytes(300_000);
  assert.is(crc32c(long), crc32c(long.subarray(150_001), crc32c(long.subarray(0, 150_001))));
});

test("records outside their range are refused by name", async () => {
  const good = { group: 0, kind: 0, head: new Uint8Array(8), body: new Uint8Array(8) };
  checkRecords([good, { ...good, group: 2 ** 32 - 1, kind: 255 }], 4096);
  const refused: readonly [Partial<WalRecord>, RegExp][] = [
    [{ group: -1 }, /group/],
    [{ group: 2 ** 32 }, /group/],
    [{ group: 0.5 }, /group/],
    [{ kind: 256 }, /kind/],
    [{ kind: -1 }, /kind/],
    [{ body: new Uint8Array(4096) }, /bytes/],
  ];
  for (const [change, message] of refused) {
    await assertRejects(
      () => checkRecords([good, { ...good, ...change }], 4096),
      (error) => error instanceof RangeError && message.test(error.message),
    );
  }
});

test.run();
