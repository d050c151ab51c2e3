/**
 * `deno bench` of the hot codecs: what client and server do to requests and responses, commands to and from
 * bytes, and the peers' batches. Machines drift: compare two commits by running both by turns, and of each
 * the fastest runs (`min` of `--json`) with each other.
 *
 * @module
 */

import {
  decodeGetManyResponse,
  decodeWriteBatchResponse,
  type EncodableMutation,
  encodeGetManyRequest,
  encodeMutationRequest,
  encodeWriteBatchRequest,
} from "../client/codec/mod.ts";
import { WireWriter } from "../proto/mod.ts";
import { EntryKind, type Message } from "../raft/mod.ts";
import type { WriteResult } from "../server/api/mod.ts";
import { RecentHead } from "../server/http/h1/message/mod.ts";
import { cutBytes } from "../server/http/mod.ts";
import { decodeCommand, encodeCommand, type Mutation } from "../server/kv/mod.ts";
import { decodePeerBatch, encodePeerBatch } from "../server/peers/codec.ts";
import type { PeerBatch } from "../server/ports/mod.ts";
import { getMethod } from "../server/rpc/kv/get.ts";
import { getManyMethod } from "../server/rpc/kv/get_many.ts";
import { putMethod } from "../server/rpc/kv/put.ts";
import { writeBatchMethod } from "../server/rpc/kv/write_batch.ts";

const BATCH = 500;
const ENTRIES = 100;
const KEY_BYTES = 16;
const VALUE_BYTES = 100;
const CLIENT_ID = 0xfeed_face_cafe_beefn;
const REQUEST_ID = { clientId: CLIENT_ID, sequence: 70_000, acknowledgedBelow: 69_990 };
const COMMAND_ID = { ...REQUEST_ID, clientId: CLIENT_ID.toString(16) };
const VERSION = 1_234_567;

const written: WriteResult & { readonly ok: true } = {
  ok: true,
  version: VERSION,
  existed: false,
  partitionId: 7,
};
const found = { value: bytesOf(1, VALUE_BYTES), version: VERSION };
const mutations = Array.from({ length: BATCH }, (_, at) => put(at));
const keys = mutations.map(({ key }) => key);
const writes = mutations.map(() => written);
const reads = mutations.map(() => found);

benchBytes();
benchRequests();
benchResponses();
benchCommands();
benchPeers();

function benchBytes(): void {
  const head = new TextEncoder().encode(
    "POST /prkdb.v1.KvService/Put HTTP/1.1\r\nhost: 127.0.0.1:50051\r\ncontent-type: application/proto\r\n" +
      "connect-protocol-version: 1\r\nuser-agent: a-client/1.0\r\ncontent-length: 120\r\n\r\n",
  );
  const recent = new RecentHead("http");
  recent.read(head, 0, head.length);
  let sink: unknown;
  bench("bytes: make 120", () => void (sink = new Uint8Array(120)));
  bench("bytes: cut 120", () => void (sink = cutBytes(120)));
  bench("server: read a head of HTTP/1.1", () => void (sink = recent.read(head, 0, head.length)));
  bench("server: the same head again", () => void (sink = recent.again(head, 0)));
  void sink;
}

function benchRequests(): void {
  const one = encodeMutationRequest(mutations[0]!, REQUEST_ID);
  const batch = encodeWriteBatchRequest(mutations, REQUEST_ID);
  const many = encodeGetManyRequest(keys, "linearizable");
  bench("client: encode Put", () => encodeMutationRequest(mutations[0]!, REQUEST_ID));
  bench(`client: encode WriteBatch of ${BATCH}`, () => encodeWriteBatchRequest(mutations, REQUEST_ID));
  bench(`client: encode GetMany of ${BATCH}`, () => encodeGetManyRequest(keys, "linearizable"));
  bench("server: decode Put", () => putMethod.decode!(one));
  bench(`server: decode WriteBatch of ${BATCH}`, () => writeBatchMethod.decode!(batch));
  bench(`server: decode GetMany of ${BATCH}`, () => getManyMethod.decode!(many));
}

function benchResponses(): void {
  const batch = writeBatchMethod.encode!(writes);
  const many = getManyMethod.encode!(reads);
  bench("server: encode Put", () => putMethod.encode!(written));
  bench("server: encode Get", () => getMethod.encode!([found]));
  bench(`server: encode WriteBatch of ${BATCH}`, () => writeBatchMethod.encode!(writes));
  bench(`server: encode GetMany of ${BATCH}`, () => getManyMethod.encode!(reads));
  bench(`client: decode WriteBatch of ${BATCH}`, () => decodeWriteBatchResponse(batch));
  bench(`client: decode GetMany of ${BATCH}`, () => decodeGetManyResponse(many));
}

function benchCommands(): void {
  const first = mutations.slice(0, 1);
  const one = encodeCommand(first, COMMAND_ID);
  const many = encodeCommand(mutations, COMMAND_ID);
  bench("command: encode one put", () => encodeCommand(first, COMMAND_ID));
  bench("command: decode one put", () => decodeCommand(one));
  bench(`command: encode ${BATCH} puts`, () => encodeCommand(mutations, COMMAND_ID));
  bench(`command: decode ${BATCH} puts`, () => decodeCommand(many));
}

function benchPeers(): void {
  const batch = peerBatch();
  const writer = new WireWriter();
  encodePeerBatch(writer, batch);
  const bytes = writer.finish();
  bench(`peers: encode ${ENTRIES} entries in 10 messages`, () => {
    writer.reset();
    encodePeerBatch(writer, batch);
  });
  bench(`peers: decode ${ENTRIES} entries in 10 messages`, () => decodePeerBatch(bytes, { from: 1, to: 2 }));
  const beats = { ...batch, messages: heartbeats() };
  writer.reset();
  encodePeerBatch(writer, beats);
  const beatBytes = writer.finish();
  bench("peers: encode 1000 heartbeats", () => {
    writer.reset();
    encodePeerBatch(writer, beats);
  });
  bench("peers: decode 1000 heartbeats", () => decodePeerBatch(beatBytes, { from: 1, to: 2 }));
}

/** What is made is kept, so that making it is not optimized away. */
export let kept: unknown;

function bench(name: string, make: () => unknown): void {
  Deno.bench(name, () => {
    kept = make();
  });
}

function put(at: number): EncodableMutation & Mutation {
  const value = bytesOf(at, VALUE_BYTES);
  return { kind: "put", key: bytesOf(at, KEY_BYTES), value, ttlMs: 0, precondition: undefined };
}

function bytesOf(seed: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (seed * 31 + at * 7) & 0xff);
}

function peerBatch(): PeerBatch {
  const data = encodeCommand(mutations.slice(0, 1), COMMAND_ID);
  const messages = Array.from({ length: 10 }, (_, group): Message => ({
    kind: "appendRequest",
    group,
    from: 1,
    to: 2,
    term: 3,
    prevLogIndex: VERSION,
    prevLogTerm: 3,
    commit: VERSION,
    entries: Array.from(
      { length: ENTRIES / 10 },
      (_, at) => ({ index: VERSION + 1 + at, term: 3, kind: EntryKind.command, data }),
    ),
  }));
  return { messages, calls: [], replies: [], leaderships: [], reminders: [] };
}

function heartbeats(): readonly Message[] {
  return Array.from({ length: 1_000 }, (_, group): Message => ({
    kind: "heartbeatRequest",
    group,
    from: 1,
    to: 2,
    term: 5,
    commit: VERSION + group,
    readRound: 0,
    sentAt: 0,
  }));
}
