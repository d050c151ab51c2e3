/**
 * What the head of a call tells is answered before any message has come: some callers wait for the answer
 * first. Told by frames, over a connection in memory; no test waits for a time limit.
 *
 * @module
 */

import { create, toBinary } from "@bufbuild/protobuf";
import { KvService, PutRequestSchema } from "../../proto/mod.ts";
import { envelope, pathOf } from "../conformance/callers.ts";
import { router } from "../conformance/asking.ts";
import { assert, suite } from "../harness.ts";
import { dataFrame, type FieldPair, headersFrame, pingFrame, requestFields } from "../http/http2_frames.ts";
import { type Http2Peer, openHttp2Peer } from "../http/http2_peer.ts";
import { RawClient } from "../http/raw_client.ts";
import { GrpcNode } from "../support/grpc_node.ts";
import { OwnPort } from "../support/own_port.ts";

const test = suite("gRPC answers before the message");
const PUT = pathOf(KvService.method.put);
const NOTHING = "/prkdb.v1.KvService/Nothing";
const WATCH = "/prkdb.v1.ClusterService/WatchChanges";
const CHECK = "/grpc.health.v1.Health/Check";
const TYPE = ["content-type", "application/grpc"] as const;
const RESET = "RST_STREAM 1 NO_ERROR";
const MESSAGE = envelope(
  toBinary(PutRequestSchema, create(PutRequestSchema, { key: Uint8Array.of(1), value: Uint8Array.of(2) })),
);

function call(path: string, ...more: readonly FieldPair[]): FieldPair[] {
  const own = requestFields("POST").map(([name, value]) => [name, name === ":path" ? path : value] as const);
  return [...own, TYPE, ["te", "trailers"], ...more];
}

async function withPeer(body: (peer: Http2Peer, grpc: GrpcNode) => Promise<void>): Promise<void> {
  const grpc = new GrpcNode();
  const peer = await openHttp2Peer({ router: grpc.router });
  try {
    await body(peer, grpc);
  } finally {
    await peer.leave();
  }
  assert.is(peer.bodies.usedBytes, 0);
  assert.is(peer.answers.usedBytes, 0);
}

const REFUSED: readonly (readonly [name: string, fields: FieldPair[], answer: RegExp, noted: string[]])[] = [
  [
    "a method that is not there",
    call(NOTHING),
    /^HEADERS 1 200 application\/grpc gzip,identity 12 Cannot find/,
    [
      "unknown unimplemented",
    ],
  ],
  ["another cluster", call(PUT, ["prkdb-cluster", "another"]), /^HEADERS 1 200 .* 9 Cannot serve/, [
    "Put failed_precondition",
  ]],
  [
    "an unknown compression",
    call(PUT, ["grpc-encoding", "zstd"]),
    /^HEADERS 1 200 .* 12 unknown compression/,
    [
      "Put unimplemented",
    ],
  ],
  ["what is no timeout", call(PUT, ["grpc-timeout", "soon"]), /^HEADERS 1 200 .* 3 protocol error/, [
    "Put invalid_argument",
  ]],
  ["a deadline that has passed", call(PUT, ["grpc-timeout", "0S"]), /^HEADERS 1 200 .* 4 Cannot begin/, [
    "Put deadline_exceeded",
  ]],
  ["a stream for another cluster", call(WATCH, ["prkdb-cluster", "another"]), /^HEADERS 1 200 .* 9 Cannot/, [
    "WatchChanges failed_precondition",
  ]],
  ["a stream with an unknown compression", call(WATCH, ["grpc-encoding", "zstd"]), /^HEADERS 1 200 .* 12 /, [
    "WatchChanges unimplemented",
  ]],
  ["health with what is no timeout", call(CHECK, ["grpc-timeout", "1"]), /^HEADERS 1 200 .* 3 protocol/, [
    "HealthCheck invalid_argument",
  ]],
];

for (const [name, fields, answer, noted] of REFUSED) {
  test(`${name}: trailers alone, at once, and what comes later is ignored`, () =>
    withPeer(async (peer, grpc) => {
      await peer.send(headersFrame(1, fields, false));
      const [head, reset, ...more] = peer.takeLines();
      assert.match(head ?? "", answer);
      assert.match(head ?? "", / END$/);
      assert.equal([reset, more], [RESET, []]);
      assert.equal(grpc.noted, noted);
      await peer.send(dataFrame(1, MESSAGE), dataFrame(1, MESSAGE, true), pingFrame());
      assert.equal(peer.takeLines(), ["PING ACK"]);
      assert.equal(grpc.noted, noted);
      assert.equal(grpc.node.seen, []);
    }));

  test(`${name}: with its message in the same chunk it is answered once, without a reset`, () =>
    withPeer(async (peer, grpc) => {
      await peer.send(headersFrame(1, fields, false), dataFrame(1, MESSAGE, true));
      const lines = peer.takeLines();
      assert.is(lines.length, 1);
      assert.match(lines[0]!, answer);
      assert.equal(grpc.noted, noted);
    }));
}

test("another content type, method and codec are refused at once, as HTTP", () =>
  withPeer(async (peer) => {
    const json = call(PUT).map(([name, value]) =>
      [name, name === "content-type" ? "application/grpc+json" : value] as const
    );
    await peer.send(headersFrame(1, json, false));
    const [head, ...more] = peer.takeLines();
    assert.match(head ?? "", /^HEADERS 1 415 /);
    assert.match(more.join(), /^DATA 1 \d+ END,RST_STREAM 1 NO_ERROR$/);
    const put = call(PUT).map(([name, value]) => [name, name === ":method" ? "PUT" : value] as const);
    await peer.send(headersFrame(3, put, false));
    assert.match(peer.takeLines().join(), /^HEADERS 3 405 .*,DATA 3 \d+ END,RST_STREAM 3 NO_ERROR$/);
  }));

test("a caller who waits for leave to send its body gets the refusal instead", () =>
  withPeer(async (peer) => {
    await peer.send(headersFrame(1, call(NOTHING, ["expect", "100-continue"]), false));
    assert.match(peer.takeLines().join(), /^HEADERS 1 200 .* END,RST_STREAM 1 NO_ERROR$/);
  }));

test("a sound head is waited for, and its message is answered however late and torn it comes", () =>
  withPeer(async (peer, grpc) => {
    await peer.send(headersFrame(1, call(PUT), false));
    assert.equal(peer.takeLines(), []);
    for (const at of MESSAGE.keys()) await peer.send(dataFrame(1, MESSAGE.subarray(at, at + 1)));
    assert.equal(peer.takeLines(), []);
    await peer.send(dataFrame(1, new Uint8Array(0), true));
    await peer.until(" 0 END");
    assert.match(peer.takeLines().join(), /^HEADERS 1 200 .*,DATA 1 \d+,HEADERS 1 0 END$/);
    assert.equal(grpc.noted, ["Put ok"]);
  }));

test("many refused calls of one chunk are answered in their order", () =>
  withPeer(async (peer) => {
    const ids = [1, 3, 5, 7];
    await peer.send(...ids.map((id) => headersFrame(id, call(NOTHING), false)));
    const heads = peer.takeLines().filter((line) => line.startsWith("HEADERS"));
    assert.equal(heads.map((line) => Number(line.split(" ")[1])), ids);
  }));

test("over HTTP/1.1 gRPC is refused without its body, and the connection ends", async () => {
  await using port = new OwnPort(new GrpcNode().router);
  using client = await RawClient.open(port.address);
  const head = `POST ${PUT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/grpc\r\n`;
  await client.send(`${head}content-length: 9\r\n\r\n`);
  const answer = await client.readToEnd();
  assert.match(answer, /^HTTP\/1\.1 505 /);
  assert.match(answer, /\r\nconnection: close\r\n/i);
});

for (const type of ["application/proto", "application/json", "application/grpc-web+proto"]) {
  test(`a method that is not there is refused without its body: ${type}`, async () => {
    await using port = new OwnPort(router());
    using client = await RawClient.open(port.address);
    await client.send(
      `POST ${NOTHING} HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${type}\r\ncontent-length: 9\r\n\r\n`,
    );
    const answer = await client.readToEnd();
    assert.match(answer, /^HTTP\/1\.1 404 /);
    assert.match(answer, /"code":"unimplemented"/);
  });
}

test.run();
