/**
 * Descriptions of snapshots as bytes: what comes out is what went in, and nothing else is believed.
 *
 * @module
 */

import { assert, suite } from "../../../tests/harness.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { crc32c } from "../../../wal-wasm/mod.ts";
import type { TableRecord } from "../manifest/mod.ts";
import {
  decodeSnapshotDescription,
  encodeSnapshotDescription,
  type SnapshotDescription,
} from "./snapshot.ts";

const test = suite("snapshot descriptions");

function table(fileNumber: number, changes: Partial<TableRecord["summary"]> = {}, level = 1): TableRecord {
  const summary = {
    identity: { salt: [1, 2] as const, number: fileNumber },
    fileBytes: 1_000,
    entries: 10,
    tombstones: 3,
    lowestVersion: 10 * fileNumber,
    highestVersion: 10 * fileNumber + 9,
    keyBytes: 100,
    valueBytes: 200,
    smallestKey: Uint8Array.of(1, 10 * fileNumber),
    largestKey: Uint8Array.of(1, 10 * fileNumber + 9),
    ...changes,
  };
  return { level, fileNumber, summary };
}

function description(tables: readonly TableRecord[]): SnapshotDescription {
  const logFloor = { segment: 3, offset: 2 ** 40 };
  const point = { index: 99, term: 4, membership: Uint8Array.of(1, 2), membershipIndex: 7, logFloor };
  return { point, tables };
}

const isRefused = (tables: readonly TableRecord[]) =>
  assert.throws(
    () => decodeSnapshotDescription(encodeSnapshotDescription(description(tables))),
    (error: Error) => error instanceof RangeError,
  );

test("what goes in comes out", () => {
  for (const tables of [[], [table(1)], [table(1), table(2), table(4, {}, 0), table(3, {}, 0)]]) {
    const bytes = encodeSnapshotDescription(description(tables));
    assert.equal(decodeSnapshotDescription(bytes), description(tables));
    assert.equal(decodeSnapshotDescription(Uint8Array.of(9, ...bytes).subarray(1)), description(tables));
  }
});

test("what cannot be a state is refused", () => {
  isRefused([table(1), table(1)]);
  isRefused([table(1), { ...table(2), fileNumber: 1 }]);
  isRefused([table(1), table(2, { identity: { salt: [1, 2], number: 1 } })]);
  isRefused([table(1), table(2, { smallestKey: Uint8Array.of(1, 19) })]);
  isRefused([table(1, {}, 0), table(2, { lowestVersion: 19 }, 0)]);
  isRefused([table(1, { highestVersion: 100 })]);
  isRefused([table(1, { lowestVersion: 0 })]);
  isRefused([table(1, { lowestVersion: 20 })]);
  isRefused([table(1, { entries: 0, tombstones: 0 })]);
  isRefused([table(1, { tombstones: 11 })]);
  isRefused([table(1, { fileBytes: 0 })]);
  isRefused([table(1, { fileBytes: 2 ** 32 })]);
  isRefused([table(1, { smallestKey: new Uint8Array(0) })]);
  isRefused([table(1, { largestKey: new Uint8Array(5_000).fill(9) })]);
  isRefused([table(1, { smallestKey: Uint8Array.of(2) })]);
  isRefused([table(1, {}, 7)]);
});

test("every flipped bit is noticed", () => {
  const bytes = encodeSnapshotDescription(description([table(1), table(2)]));
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >>> 3]! ^= 1 << (bit & 7);
    assert.throws(() => decodeSnapshotDescription(bytes), (error: Error) => error instanceof RangeError);
    bytes[bit >>> 3]! ^= 1 << (bit & 7);
  }
});

test("bytes that no program has written are refused or read, whatever their checksum", () => {
  const random = new SeededRandom(11);
  const sound = encodeSnapshotDescription(description([table(1), table(2)]));
  for (let round = 0; round < 20_000; round++) {
    const bytes = random.chance(50) ? sound.slice() : random.bytes(random.below(60));
    for (let left = random.below(4); left > 0 && bytes.length > 0; left--) {
      bytes[random.below(bytes.length)] = random.below(256);
    }
    if (bytes.length > 4) {
      bytes[0] = random.chance(90) ? 1 : random.below(256);
      const end = bytes.length - 4;
      new DataView(bytes.buffer, bytes.byteOffset).setUint32(end, crc32c(bytes.subarray(0, end)), true);
    }
    try {
      decodeSnapshotDescription(bytes);
    } catch (error) {
      assert.ok(error instanceof RangeError, String(error));
    }
  }
});

test.run();
