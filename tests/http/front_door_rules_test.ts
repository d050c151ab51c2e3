/**
 * Rules of the front door that no other test is about: whom a request is for and whom it is from, how long a
 * head may trickle, and what a node starts with.
 *
 * @module
 */

import { DEFAULTS } from "../../server/config/flags.ts";
import { GuardedRouter, HostRule, HTTP_LIMITS } from "../../server/http/mod.ts";
import { assert, suite } from "../harness.ts";
import { OwnPort } from "../support/own_port.ts";
import { MIRROR_ROUTER, ScriptedConnection, statusesOf } from "./h1_fixture.ts";
import { frameBytes, headerBlock, headersFrame, pingFrame, requestFields } from "./http2_frames.ts";
import { FrameFlag, FrameType } from "../../server/http/h2/frame.ts";
import { type Http2Peer, ManualPatrol, openHttp2Peer } from "./http2_peer.ts";
import { RawClient } from "./raw_client.ts";

const test = suite("rules of the front door");
const GUARDED = new GuardedRouter(new HostRule(["db.example"]), MIRROR_ROUTER);

/** All that comes back for `text` until the server ends the connection. */
async function answerTo(port: OwnPort, text: string): Promise<string> {
  using client = await RawClient.open(port.address);
  await client.send(text);
  return await client.readToEnd();
}

function get(host: string, ...lines: readonly string[]): string {
  const head = ["GET /healthz HTTP/1.1", `Host: ${host}`, "Connection: close", ...lines];
  return `${head.join("\r\n")}\r\n\r\n`;
}

test("a request is for whom it names, and what proxies say of others means nothing", async () => {
  await using port = new OwnPort(GUARDED);
  const claims = (host: string) => [
    `X-Forwarded-Host: ${host}`,
    `X-Forwarded-For: ${host}`,
    `Forwarded: for=${host};host=${host}`,
    "X-Forwarded-Proto: https",
    `X-Real-IP: ${host}`,
  ];
  const plain = (text: string) => text.replace(/date: [^\r]*/i, "");
  const without = plain(await answerTo(port, get("db.example")));
  assert.equal(statusesOf(without), [200]);
  assert.is(plain(await answerTo(port, get("db.example", ...claims("evil.example")))), without);
  assert.equal(statusesOf(await answerTo(port, get("evil.example", ...claims("db.example")))), [421]);
});

test("there is no PROXY protocol: its lines are no requests", async () => {
  await using port = new OwnPort(GUARDED);
  const signature = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + "\x7f\0\0\x01".repeat(2) + "\0\x50\0\x51";
  for (const line of ["PROXY TCP4 10.0.0.1 10.0.0.2 50000 50051\r\n", "PROXY UNKNOWN\r\n", signature]) {
    assert.equal(statusesOf(await answerTo(port, line + get("db.example"))), [400], line);
  }
});

test("probes by the address of a pod pass, names of others do not, by both versions", async () => {
  await using port = new OwnPort(GUARDED);
  const cases = [
    ["10.244.3.17:50051", 200],
    ["[fd00:10:244::5]:50051", 200],
    ["localhost", 200],
    ["DB.example.:50051", 200],
    ["rebound.example", 421],
    ["127.0.0.1.nip.io", 421],
  ] as const;
  for (const [host, status] of cases) {
    assert.equal(statusesOf(await answerTo(port, get(host))), [status], host);
    const peer = await openHttp2Peer({ router: GUARDED });
    const fields = requestFields("GET").map(([name, value]) =>
      [name, name === ":authority" ? host : value] as const
    );
    await peer.send(headersFrame(1, fields));
    assert.ok(peer.takeLines()[0]?.startsWith(`HEADERS 1 ${status}`), `${host} by HTTP/2`);
    await peer.leave();
  }
});

test("a head that trickles is late when its time is over, however steadily it comes", async () => {
  const text = `GET / HTTP/1.1\r\nHost: a\r\nX: ${"y".repeat(200)}`;
  const first = new ScriptedConnection();
  const seconds = HTTP_LIMITS.headMs / 1_000;
  let endedAfter = 0;
  for (const [second, byte] of [...text].entries()) {
    await first.send(byte);
    await first.patrol.pass(1_000);
    endedAfter = second + 1;
    if (first.channel.hasEndedWriting) break;
  }
  assert.equal(statusesOf(first.channel.sent), [408]);
  assert.ok(endedAfter >= seconds && endedAfter <= seconds + 2, `${endedAfter} s`);
  const patrol = new ManualPatrol();
  const peer = await openHttp2Peer({ patrol });
  const block = headerBlock(requestFields("GET"));
  await peer.send(frameBytes({ type: FrameType.headers, stream: 1, payload: block.slice(0, 4) }));
  for (let second = 1; second <= seconds + 2; second++) {
    assert.ok(!peer.lines.some((line) => line.startsWith("GOAWAY")) || second > seconds, `${second} s`);
    const payload = block.slice(3 + second, 4 + second);
    await peer.send(frameBytes({ type: FrameType.continuation, stream: 1, payload }));
    patrol.advance(1_000);
  }
  await peer.until("GOAWAY NO_ERROR");
  assert.equal(peer.observed, ["head_time"]);
  await peer.leave();
});

test("a connection with open streams is pinged every minute, one without is not", async () => {
  assert.is(await pingsIn(5, requestFields("POST")), 4);
  assert.is(await pingsIn(5, undefined), 0);
});

/** Pings within so many minutes and a second, each of them answered. */
async function pingsIn(
  minutes: number,
  fields: ReturnType<typeof requestFields> | undefined,
): Promise<number> {
  const patrol = new ManualPatrol();
  const limits = { progressMs: 1e9, idleMs: 1e9 };
  const peer: Http2Peer = await openHttp2Peer({ patrol, limits });
  await peer.send(headersFrame(1, requestFields("GET")));
  if (fields !== undefined) await peer.send(headersFrame(3, fields, false));
  peer.takeLines();
  let pings = 0;
  for (let second = 0; second < minutes * 60 - 1; second++) {
    patrol.advance(1_000);
    await peer.settle();
    if (!peer.takeLines().includes("PING")) continue;
    pings++;
    await peer.send(pingFrame(FrameFlag.ack));
  }
  await peer.leave();
  return pings;
}

test("what a node starts with", () => {
  assert.equal(HTTP_LIMITS, {
    connectionsMax: 10_000,
    streamsMax: 1_000,
    headBytesMax: 65_536,
    headMs: 10_000,
    progressMs: 30_000,
    idleMs: 300_000,
  });
  assert.is(DEFAULTS.maxConnections, HTTP_LIMITS.connectionsMax);
  assert.is(DEFAULTS.maxStreams, HTTP_LIMITS.streamsMax);
  assert.is(DEFAULTS.maxHeadBytes, HTTP_LIMITS.headBytesMax);
  assert.is(DEFAULTS.headTimeoutMs, HTTP_LIMITS.headMs);
  assert.is(DEFAULTS.progressTimeoutMs, HTTP_LIMITS.progressMs);
  assert.is(DEFAULTS.idleTimeoutMs, HTTP_LIMITS.idleMs);
});

test.run();
