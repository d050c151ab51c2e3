/**
 * The worked example of `FORMAT.md` is what the log reads and what the encoders write.
 *
 * @module
 */

import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  type SegmentHeader,
} from "../../wal-wasm/segment_header.ts";
import { assert, suite } from "../harness.ts";
import { CLUSTER_ID, DIRECTORY, quietDisk, recoverWal } from "./log_fixture.ts";
import { encodeReference } from "./reference_encoder.ts";

const test = suite("FORMAT.md");

const FORMAT = Deno.readTextFileSync(new URL("../../wal-wasm/FORMAT.md", import.meta.url));

const SALT = [0x01020304, 0x0a0b0c0d] as const;

const HEADER: SegmentHeader = {
  id: 1,
  segmentBytes: 64 * 1024 * 1024,
  clusterId: CLUSTER_ID,
  nodeId: 7,
  salt: SALT,
  firstSequence: 1,
  oldest: 1,
  previousId: 0,
  previousEnd: 0,
  previousCrc: 0,
};

/** The bytes of the dump in the code block with this label. */
function dump(label: string): Uint8Array {
  const block = FORMAT.split("```" + label + "\n")[1]?.split("```")[0];
  assert.ok(block, `FORMAT.md must have a block ${label}`);
  return Uint8Array.fromHex(block!.split("\n").map((line) => line.slice(6).replaceAll(" ", "")).join(""));
}

test("the header of the example is written and read as documented", () => {
  const page = encodeSegmentHeader(HEADER);
  assert.is(page.subarray(0, 96).toHex(), dump("header").toHex());
  assert.ok(page.subarray(96, 2048).every((byte) => byte === 0));
  assert.equal(decodeSegmentHeader(page), { kind: "valid", header: HEADER, intact: true });
});

test("the frame of the example is what the plain encoder writes", () => {
  const frame = encodeReference({
    segment: 1n,
    sequence: 1n,
    synced: 0n,
    oldest: 1n,
    previousCrc: 0,
    continues: false,
    salt: SALT,
    records: [
      { group: 3, kind: 1, payload: new TextEncoder().encode("name=Ada") },
      { group: 300, kind: 2, payload: new TextEncoder().encode("x") },
    ],
  });
  assert.is(Uint8Array.from(frame).toHex(), dump("frame").toHex());
});

test("the example is a log that recovers", async () => {
  const segment = new Uint8Array(16_384);
  segment.set(encodeSegmentHeader({ ...HEADER, segmentBytes: segment.length }));
  segment.set(dump("frame"), 4096);
  const disk = quietDisk();
  await disk.mount().createDirectory(DIRECTORY);
  disk.place(`${DIRECTORY}/0000000000000001.wal`, segment);
  const { lines, report } = await recoverWal(disk);
  assert.equal(lines, ["3 1 6e616d653d416461", "300 2 78"]);
  assert.is(report.frameCount, 1);
  assert.is(report.tornTail, undefined);
});

test.run();
