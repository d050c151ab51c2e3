/**
 * What strangers may take of a node's port, on a real node: half-sent requests are gone after their time,
 * answers that nobody reads and bodies that unfold stay within their share of memory, by both versions of
 * HTTP, each is counted, and a well-behaved client is served all the while.
 *
 * @module
 */

import { gzipSync } from "node:zlib";
import { FrameType } from "../../server/http/h2/frame.ts";
import { PrkDbClient } from "../../client/mod.ts";
import { create, toBinary } from "@bufbuild/protobuf";
import { GetManyRequestSchema, VALUE_BYTES_MAX } from "../../proto/mod.ts";
import { envelope } from "../conformance/callers.ts";
import { assert, suite } from "../harness.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import {
  dataFrame,
  frameBytes,
  headerBlock,
  headersFrame,
  requestFields,
  settingsFrame,
} from "../http/http2_frames.ts";
import { PREFACE_BYTES } from "../http/http2_peer.ts";
import { concatBytes } from "../http/memory_channel.ts";
import type { ProcessNode } from "../support/cluster/process_node.ts";
import { ascii, closeAll, openCrowd, openMany, tryWrite } from "../support/cluster/raw_socket.ts";
import { WellBehaved } from "../support/load/well_behaved.ts";
import { eventually, until } from "../support/patience.ts";
import { proofSize } from "../support/proof_size.ts";

const MEBIBYTE = 1024 * 1024;
const HALF_SENT = proofSize("halfSent");
const TIMEOUT_MS = 5_000;
/** Descriptors of a node without strangers, and some more. */
const OWN_DESCRIPTORS_MAX = 200;
/** Enough for the log of what is to be read. */
const MEMORY_BYTES = 640 * MEBIBYTE;
/** What a node takes beyond its budget: the program, V8's young generation, rubbish. */
const WORKING_BYTES = 450 * MEBIBYTE;
const UNREAD_ANSWERS = 30;
const KEYS_OF_ANSWER = 60;
const UNFOLDING_BODIES = 100;
/** Calls that must be answered meanwhile. */
const CALLS_MIN = 20;

const test = suite("front door");

/** Requests of which the second half never comes: heads of both versions, and a body. */
const HALVES: readonly Uint8Array[] = [
  ascii("POST /prkdb.v1.KvService/Put HT"),
  concatBytes([
    PREFACE_BYTES,
    settingsFrame(),
    frameBytes({ type: FrameType.headers, stream: 1, payload: headerBlock(requestFields("POST")) }),
  ]),
  ascii(
    "POST /prkdb.v1.KvService/Put HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/proto\r\n" +
      "Content-Length: 1000\r\n\r\nhalf",
  ),
];

test("half-sent requests are gone after their time, and others are served", async () => {
  await using cluster = await ProcessCluster.start({
    nodes: 1,
    flags: [`--head-timeout-ms=${TIMEOUT_MS}`, `--progress-timeout-ms=${TIMEOUT_MS}`],
  });
  const node = cluster.process(1);
  const client = WellBehaved.start(cluster.address(1));
  const connections = await openCrowd(portOf(cluster), HALF_SENT);
  assert.is(connections.length, HALF_SENT);
  await Promise.all(connections.map((each, at) => tryWrite(each, HALVES[at % HALVES.length]!)));
  console.log(`front door: ${HALF_SENT} half-sent: ${mebibytes(node.residentBytes)} MiB resident`);
  await Promise.all(connections.map(untilEnded));
  closeAll(connections);
  await until(() => node.openDescriptors < OWN_DESCRIPTORS_MAX, "the node has closed them, too");
  await client.makesFurther(CALLS_MIN);
  const service = await client.stop();
  assert.equal(service.failures.slice(0, 3), []);
  const reached = (limit: string) => counterOf(cluster, `prkdb_http_limits_total{limit="${limit}"}`);
  const bodies = Math.floor(HALF_SENT / HALVES.length);
  assert.ok(await reached("body_time") >= bodies);
  assert.ok(await reached("head_time") >= HALF_SENT - bodies - 2);
});

/** Asks for answers of more than 60 MiB, and reads none of them. */
type Greedy = (port: number, keys: readonly string[]) => Promise<Deno.TcpConn[]>;

const askHttp1: Greedy = async (port, keys) => {
  const body = JSON.stringify({ keys: keys.map((key) => btoa(key)) });
  const request = ascii(
    `POST /prkdb.v1.KvService/GetMany HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  );
  const connections = await openMany(port, UNREAD_ANSWERS);
  for (const connection of connections) await tryWrite(connection, request);
  return connections;
};

/** All on one connection, whose windows stay as they are. */
const askGrpc: Greedy = async (port, keys) => {
  const bytes = keys.map((key) => ascii(key));
  const body = envelope(toBinary(GetManyRequestSchema, create(GetManyRequestSchema, { keys: bytes })));
  const fields = requestFields("POST", ["content-type", "application/grpc"], ["te", "trailers"]).map(
    ([name, value]) => [name, name === ":path" ? "/prkdb.v1.KvService/GetMany" : value] as const,
  );
  const requests = Array.from(
    { length: UNREAD_ANSWERS },
    (_, at) => concatBytes([headersFrame(2 * at + 1, fields, false), dataFrame(2 * at + 1, body, true)]),
  );
  const connections = await openMany(port, 1);
  await tryWrite(connections[0]!, concatBytes([PREFACE_BYTES, settingsFrame(), ...requests]));
  return connections;
};

for (const [name, ask] of [["HTTP/1.1", askHttp1], ["gRPC", askGrpc]] as const) {
  test(`answers by ${name} that nobody reads stay within their share, and others are served`, async () => {
    await using cluster = await ProcessCluster.start({ nodes: 1, flags: [`--memory-bytes=${MEMORY_BYTES}`] });
    await using writer = await PrkDbClient.connect(cluster.addresses());
    const value = "x".repeat(VALUE_BYTES_MAX);
    const keys = Array.from({ length: KEYS_OF_ANSWER }, (_, at) => `large ${at}`);
    for (const key of keys) await writer.put(key, value);
    const client = WellBehaved.start(cluster.address(1));
    const connections = await ask(portOf(cluster), keys);
    await client.makesFurther(CALLS_MIN);
    const refusals = () => counterOf(cluster, 'prkdb_refusals_total{reason="answers_full"}');
    await eventually(async () => assert.ok(await refusals() > 0));
    const service = await client.stop();
    closeAll(connections);
    assert.equal(service.failures.slice(0, 3), []);
    checkMemory(cluster.process(1), `${UNREAD_ANSWERS} unread answers by ${name}`);
  });
}

test("bodies that unfold stay within their share, and others are served", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 1, flags: [`--memory-bytes=${MEMORY_BYTES}`] });
  const client = WellBehaved.start(cluster.address(1));
  const body = new Uint8Array(gzipSync(new Uint8Array(15 * MEBIBYTE)));
  const statuses = await Promise.all(Array.from({ length: UNFOLDING_BODIES }, async (_, at) => {
    const type = at % 2 === 0 ? "application/proto" : "application/json";
    const response = await fetch(`${cluster.address(1)}/prkdb.v1.KvService/Put`, {
      method: "POST",
      headers: { "content-type": type, "content-encoding": "gzip" },
      body,
    });
    await response.body?.cancel();
    return response.status;
  }));
  await client.makesFurther(CALLS_MIN);
  const service = await client.stop();
  assert.equal(service.failures.slice(0, 3), []);
  // Zeros are no message; whoever found no room was told to try again.
  assert.equal(statuses.filter((status) => status !== 400 && status !== 429), []);
  checkMemory(cluster.process(1), `${UNFOLDING_BODIES} bodies that unfold`);
});

/** Asserts that the node was within its memory all the time. */
function checkMemory(node: ProcessNode, what: string): void {
  const told = `${mebibytes(node.peakResidentBytes)} MiB at most`;
  console.log(`front door: ${what}: ${told}`);
  assert.ok(node.isRunning, node.standardError);
  assert.ok(node.peakResidentBytes < MEMORY_BYTES + WORKING_BYTES, told);
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / MEBIBYTE);
}

function portOf(cluster: ProcessCluster): number {
  return Number(new URL(cluster.address(1)).port);
}

async function untilEnded(connection: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(4_096);
  try {
    while (await connection.read(buffer) !== null) {
      // An answer, or part of one.
    }
  } catch {
    // Ended the hard way.
  }
}

/** The counter of this name and labels; 0 while it is not there. */
async function counterOf(cluster: ProcessCluster, name: string): Promise<number> {
  const text = await (await fetch(`${cluster.metricsAddress(1)}/metrics`)).text();
  const line = text.split("\n").find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length) ?? 0);
}

test.run();
