/**
 * Requests and answers as bytes: what is written is what generated code reads, and the other way round.
 *
 * @module
 */

import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { SnapshotCallSchema, SnapshotReplySchema } from "../../proto/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import type { SnapshotAnswer, SnapshotRequest } from "../ports/mod.ts";
import {
  decodeSnapshotAnswer,
  decodeSnapshotCall,
  encodeSnapshotAnswer,
  encodeSnapshotCall,
} from "./snapshot_codec.ts";
import { answerSnapshotCall } from "./snapshot_service.ts";

const test = suite("snapshot codec");
/** Of a node that does not know its cluster. */
const UNKNOWN = { value: "", isSettled: false, matches: () => true };
const WAY = { clusterId: "c".repeat(32), from: 2, to: 1, address: "node-2.test:50051" };
const LARGE = Number.MAX_SAFE_INTEGER;
const FUZZ_ROUNDS = 5_000;

const REQUESTS: readonly SnapshotRequest[] = [
  { kind: "begin", group: 0 },
  { kind: "begin", group: 7 },
  { kind: "read", group: 7, snapshotId: LARGE, fileNumber: 3, offset: 2 ** 40, bytesMax: 1_048_576 },
  { kind: "read", group: 0, snapshotId: 0, fileNumber: 0, offset: 0, bytesMax: 0 },
  { kind: "end", group: 7, snapshotId: 12 },
];
const ANSWERS: readonly SnapshotAnswer[] = [
  { kind: "begun", snapshotId: LARGE, description: Uint8Array.of(1, 2, 3) },
  { kind: "begun", snapshotId: 0, description: new Uint8Array(0) },
  { kind: "part", bytes: new Uint8Array(1_048_576).fill(7) },
  { kind: "part", bytes: new Uint8Array(0) },
  { kind: "done" },
  { kind: "refused", reason: "there is none", isGone: true },
  { kind: "refused", reason: "", isGone: false },
];

test("every request comes back as it was, also through generated code", () => {
  for (const request of REQUESTS) {
    const bytes = encodeSnapshotCall({ ...WAY, request });
    assert.equal(decodeSnapshotCall(bytes), { ...WAY, request });
    const again = toBinary(SnapshotCallSchema, fromBinary(SnapshotCallSchema, bytes));
    assert.equal(decodeSnapshotCall(again), { ...WAY, request });
  }
});

test("every answer comes back as it was, also through generated code", () => {
  for (const answer of ANSWERS) {
    const bytes = encodeSnapshotAnswer(answer);
    assert.equal(decodeSnapshotAnswer(bytes), answer);
    const again = toBinary(SnapshotReplySchema, fromBinary(SnapshotReplySchema, bytes));
    assert.equal(decodeSnapshotAnswer(again), answer);
  }
});

test("a part or a description that was changed on its way is not taken", () => {
  const content = Uint8Array.of(10, 20, 30, 40);
  const answers: readonly SnapshotAnswer[] = [
    { kind: "part", bytes: content },
    { kind: "begun", snapshotId: 5, description: content },
  ];
  for (const answer of answers) {
    const bytes = encodeSnapshotAnswer(answer);
    bytes[bytes.indexOf(30)]! ^= 1;
    assert.throws(() => decodeSnapshotAnswer(bytes), /their CRC is/);
  }
});

test("bytes that are no message are refused with a RangeError, and nothing else happens", () => {
  const random = new SeededRandom(5);
  assert.throws(() => decodeSnapshotCall(new Uint8Array(0)), /asks for nothing/);
  assert.throws(() => decodeSnapshotAnswer(new Uint8Array(0)), /says nothing/);
  const sound = [
    ...REQUESTS.map((request) => encodeSnapshotCall({ ...WAY, request })),
    ...ANSWERS.map(encodeSnapshotAnswer).filter(({ length }) => length < 100),
  ];
  for (let round = 0; round < FUZZ_ROUNDS; round++) {
    const bytes = random.chance(50) ? random.bytes(random.below(40)) : random.pick(sound).slice();
    if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
    const cut = bytes.subarray(0, random.below(bytes.length + 1));
    for (const decode of [decodeSnapshotCall, decodeSnapshotAnswer]) {
      try {
        decode(cut);
      } catch (error) {
        assert.instance(error, RangeError);
      }
    }
  }
});

test("a node that does not know its cluster refuses, whatever cluster is named", async () => {
  const host = { admits: () => true, hasRemoved: () => false, distrustOf: () => undefined };
  for (const clusterId of ["", WAY.clusterId]) {
    const bytes = encodeSnapshotCall({ ...WAY, clusterId, request: { kind: "begin", group: 1 } });
    const answer = decodeSnapshotAnswer(
      await answerSnapshotCall(bytes, { host, nodeId: 1, clusterId: UNKNOWN }),
    );
    const reason = "this node does not know its cluster yet";
    assert.equal(answer, { kind: "refused", reason, isGone: false });
  }
});

test.run();
