/**
 * What nodes say to each other, by hand and by generated code.
 *
 * @module
 */

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { PeerBatchSchema, WireWriter } from "../../proto/mod.ts";
import { EntryKind, type Message } from "../../raft/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import type { PeerBatch } from "../ports/peer_batch.ts";
import { decodePeerBatch, encodeHello, encodePeerBatch } from "./codec.ts";
import { EnvelopeReader } from "./envelope.ts";

const test = suite("peers' codec");
const BIG = Number.MAX_SAFE_INTEGER;
const UNNAMED = { fromReplica: 0, toReplica: 0 };
const envelope = { group: 7, from: 1, to: 2, fromReplica: 2 ** 32 - 1, toReplica: 5, term: 3 };

const EVERY_MESSAGE: readonly Message[] = [
  { kind: "preVoteRequest", ...envelope, lastLogIndex: BIG, lastLogTerm: 5 },
  { kind: "preVoteResponse", ...envelope, granted: true },
  { kind: "voteRequest", ...envelope, lastLogIndex: 4, lastLogTerm: 5, transfer: true },
  { kind: "voteResponse", ...envelope, granted: false },
  {
    kind: "appendRequest",
    ...envelope,
    prevLogIndex: 10,
    prevLogTerm: 2,
    commit: 9,
    entries: [
      { index: 11, term: 3, kind: EntryKind.empty, data: new Uint8Array(0) },
      { index: 12, term: 3, kind: EntryKind.command, data: new Uint8Array(70_000).fill(9) },
      { index: 13, term: 3, kind: EntryKind.membership, data: Uint8Array.of(1) },
    ],
  },
  { kind: "appendResponse", ...envelope, success: true, matchIndex: 13, conflictIndex: 0, conflictTerm: 0 },
  { kind: "appendResponse", ...envelope, success: false, matchIndex: 10, conflictIndex: 8, conflictTerm: 2 },
  { kind: "readIndexRequest", ...envelope, readId: BIG },
  { kind: "readIndexResponse", ...envelope, readId: 5, readIndex: 13, granted: true },
  { kind: "timeoutNowRequest", ...envelope },
  { kind: "quietRequest", ...envelope, commit: BIG },
  { kind: "commitNotice", ...envelope, commit: BIG },
  { kind: "snapshotNotice", ...envelope, index: BIG },
  { kind: "timeoutNowRequest", ...envelope, ...UNNAMED },
  { kind: "nodeHeartbeat", group: 0, from: 1, to: 2, ...UNNAMED, term: 0, isAnswer: false },
  { kind: "nodeHeartbeat", group: 0, from: 1, to: 2, ...UNNAMED, term: 0, isAnswer: true },
];

/** They come first, whatever stood before them. */
const HEARTBEATS: readonly Message[] = [
  { kind: "heartbeatRequest", ...envelope, commit: 13, readRound: 0, sentAt: 2 ** 40 },
  { kind: "heartbeatRequest", ...envelope, group: 2 ** 32 - 1, commit: BIG, readRound: 99, sentAt: 0 },
  { kind: "heartbeatResponse", ...envelope, ...UNNAMED, readRound: 0, sentAt: 0 },
  { kind: "heartbeatResponse", ...envelope, term: BIG, readRound: BIG, sentAt: 0 },
];

const FULL: PeerBatch = {
  messages: [...HEARTBEATS, ...EVERY_MESSAGE],
  calls: [
    { kind: "write", callId: 1, timeoutMs: 10_000, group: 3, command: Uint8Array.of(1, 2, 3) },
    { kind: "read", callId: 2, timeoutMs: 1, group: 4, keys: [Uint8Array.of(9), new Uint8Array(0)] },
  ],
  replies: [
    { kind: "outcome", callId: 1, outcome: { kind: "applied", version: BIG, existed: [2] } },
    {
      kind: "values",
      callId: 2,
      values: [undefined, { value: new Uint8Array(0), version: 4 }, {
        value: Uint8Array.of(7),
        version: BIG,
        expiresInMs: BIG,
      }],
    },
    {
      kind: "failed",
      callId: 3,
      failure: { kind: "notLeader", leaderId: 2, leaderAddress: "", term: 5, epoch: 0 },
      message: "elsewhere",
    },
    { kind: "failed", callId: 4, failure: { kind: "overloaded" }, message: "later" },
  ],
  leaderships: [{ group: 1, term: 2 }, { group: 9, term: BIG }],
  reminders: [
    { group: 1, replica: 0, term: 2, index: 0, indexTerm: 0, isCommitted: true },
    { group: 9, replica: 4, term: BIG, index: BIG, indexTerm: 3, isCommitted: false },
  ],
};

function encode(batch: PeerBatch): Uint8Array {
  const writer = new WireWriter();
  encodePeerBatch(writer, batch);
  return writer.finish();
}

test("everything nodes say comes back as it was", () => {
  assert.equal(decodePeerBatch(encode(FULL), { from: 1, to: 2 }), { hello: undefined, batch: FULL });
});

test("generated code reads what is written by hand, and the other way round", () => {
  const bytes = encode(FULL);
  const generated = fromBinary(PeerBatchSchema, bytes);
  assert.is(generated.messages.length, EVERY_MESSAGE.length);
  assert.is(generated.messages[4]!.entries[1]!.data.length, 70_000);
  assert.is(generated.messages[0]!.logIndex, BigInt(BIG));
  assert.equal(generated.heartbeats!.groups, [7, 2 ** 32 - 1]);
  assert.equal(generated.heartbeatAnswers!.readRounds, [0n, BigInt(BIG)]);
  assert.is(generated.$unknown, undefined);
  // It writes fields in the order of their numbers.
  const reordered = { ...FULL, messages: [...EVERY_MESSAGE, ...HEARTBEATS] };
  assert.equal(decodePeerBatch(toBinary(PeerBatchSchema, generated), { from: 1, to: 2 }).batch, reordered);
});

test("fields from the future are passed over", () => {
  const known = toBinary(PeerBatchSchema, create(PeerBatchSchema, { leaderships: [{ group: 1, term: 2n }] }));
  const unknown = Uint8Array.of(
    0xa0,
    0x06,
    1,
    0xa9,
    0x06,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    0xad,
    0x06,
    1,
    2,
    3,
    4,
    0xa2,
    0x06,
    1,
    5,
  );
  const both = new Uint8Array([...unknown, ...known, ...unknown]);
  assert.equal(decodePeerBatch(both, { from: 1, to: 2 }).batch.leaderships, [{ group: 1, term: 2 }]);
});

test("a hello comes back as it was", () => {
  const hello = {
    clusterId: "ab",
    fromNode: 1,
    toNode: 2,
    protocolVersion: 1,
    address: "h:1",
    incarnation: "i",
    expectedIncarnation: "j",
  };
  const writer = new WireWriter();
  encodeHello(writer, hello);
  assert.equal(decodePeerBatch(writer.finish(), { from: 0, to: 2 }).hello, hello);
});

test("a heartbeat of a thousand groups is a few bytes a group, whatever lies between", () => {
  const groups = Array.from({ length: 1_000 }, (_, at) => at);
  const few = { ...envelope, fromReplica: 1, toReplica: 2 };
  const messages = groups.flatMap((group): Message[] => [
    { kind: "heartbeatRequest", ...few, group, commit: 1_000 + group, readRound: 0, sentAt: 0 },
    { kind: "readIndexRequest", ...few, group, readId: 1 },
  ]);
  const heartbeats = messages.filter(({ kind }) => kind === "heartbeatRequest");
  const batch = { ...FULL, messages: heartbeats, calls: [], replies: [], leaderships: [], reminders: [] };
  assert.ok(encode(batch).length < 8 * groups.length, `${encode(batch).length} bytes`);
  const decoded = decodePeerBatch(encode({ ...batch, messages }), { from: 1, to: 2 }).batch.messages;
  assert.equal(decoded.filter(({ kind }) => kind === "heartbeatRequest"), heartbeats);
  assert.is(decoded.length, messages.length);
});

test("columns of different lengths are refused", () => {
  const heartbeats = { groups: [1, 2], terms: [1n, 1n], commits: [1n, 1n], readRounds: [1n], sentAt: [] };
  const bytes = toBinary(PeerBatchSchema, create(PeerBatchSchema, { heartbeats }));
  assert.throws(
    () => decodePeerBatch(bytes, { from: 1, to: 2 }),
    (error: Error) => error instanceof RangeError,
  );
});

test("damaged batches throw RangeError and nothing else", () => {
  const whole = encode({
    ...FULL,
    messages: FULL.messages.filter((message) => message.kind !== "appendRequest"),
  });
  let state = 7;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 8;
  for (let round = 0; round < 30_000; round++) {
    const bytes = whole.slice(0, random() % (whole.length + 1));
    for (let flips = random() % 4; flips > 0 && bytes.length > 0; flips--) {
      bytes[random() % bytes.length] = random() & 0xff;
    }
    try {
      decodePeerBatch(bytes, { from: 1, to: 2 });
    } catch (error) {
      assert.instance(error, RangeError);
    }
  }
});

test("envelopes are found in chunks cut anywhere", () => {
  const messages = [3, 0, 1, 500].map((length, at) => new Uint8Array(length).fill(at + 1));
  const stream = messages.flatMap((
    message,
  ) => [0, 0, 0, message.length >> 8, message.length & 0xff, ...message]);
  for (const step of [1, 2, 3, 7, 64, 600]) {
    const reader = new EnvelopeReader(1000);
    const found: Uint8Array[] = [];
    for (let at = 0; at < stream.length; at += step) {
      for (const each of reader.read(Uint8Array.from(stream.slice(at, at + step)))) found.push(each.message);
    }
    assert.equal(found, messages);
  }
  assert.throws(() => [...new EnvelopeReader(10).read(Uint8Array.of(0, 0, 0, 0, 11))], /11 bytes/);
});

test.run();
