/**
 * Callers that leave before they are answered, while nothing can be answered: what the node holds for their
 * calls is given back long before the calls' deadlines.
 *
 * @module
 */

import { connect as connectHttp2 } from "node:http2";
import { assert, suite } from "../harness.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { ascii, closeAll, openMany, tryWrite } from "../support/cluster/raw_socket.ts";
import { eventually, pause } from "../support/patience.ts";

/** Each way, so many calls. */
const CALLS = 100;
/** The longest deadline there is, longer than this test may wait. */
const TIMEOUT_MS = 300_000;
const PUT = "/prkdb.v1.KvService/Put";
const BINARY_PUT = "\x0a\x02kk\x12\x03vvv";

const test = suite("left callers");

/** Requests of HTTP/1.1 that wait for a leader, and what the general path makes of the same. */
const REQUESTS: readonly string[] = [
  post("application/proto", BINARY_PUT),
  post("application/json", '{"key":"a2s=","value":"dg=="}'),
  `GET /prkdb.v1.KvService/Get?connect=v1&encoding=proto&message=%0A%02kk HTTP/1.1\r\nHost: 127.0.0.1\r\n` +
  `Connect-Timeout-Ms: ${TIMEOUT_MS}\r\n\r\n`,
];

test("calls without a leader end when their callers leave", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 1 });
  await loseMajority(cluster);
  const port = Number(new URL(cluster.address(1)).port);
  const connections = await openMany(port, CALLS * REQUESTS.length);
  await Promise.all(connections.map((each, at) => tryWrite(each, ascii(REQUESTS[at % REQUESTS.length]!))));
  const session = callByHttp2(cluster.address(1));
  await calls(cluster, (waiting) => waiting === CALLS * (REQUESTS.length + 1));
  closeAll(connections);
  session.destroy();
  await calls(cluster, (waiting) => waiting === 0);
  assert.ok((await metricsOf(cluster)).includes('code="canceled"'), "they are not counted as cancelled");
});

test("a caller that stays is answered as soon as there is a majority", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 1 });
  await loseMajority(cluster);
  const headers = { "content-type": "application/json", "connect-timeout-ms": String(TIMEOUT_MS) };
  const body = JSON.stringify({ key: "a2s=" });
  const answer = fetch(`${cluster.address(1)}/prkdb.v1.KvService/Get`, { method: "POST", headers, body });
  await calls(cluster, (waiting) => waiting === 1);
  // Longer than a node takes to look whether callers are there.
  await pause(2_000);
  await Promise.all([cluster.restart(2), cluster.restart(3)]);
  const response = await answer;
  assert.is(response.status, 200, await response.text());
});

/** Leaves node 1 alone until it leads nothing: a leader that steps down ends the writes that it has taken. */
async function loseMajority(cluster: ProcessCluster): Promise<void> {
  await Promise.all([cluster.kill(2), cluster.kill(3)]);
  await cluster.metadataWhen(1, ({ partitions }) => partitions.every(({ leaderId }) => leaderId === 0));
}

function post(type: string, body: string): string {
  return `POST ${PUT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: ${type}\r\n` +
    `Connect-Timeout-Ms: ${TIMEOUT_MS}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

function callByHttp2(address: string) {
  const session = connectHttp2(address);
  session.on("error", () => {});
  for (let call = 0; call < CALLS; call++) {
    const stream = session.request({
      ":method": "POST",
      ":path": PUT,
      "content-type": "application/proto",
      "connect-timeout-ms": String(TIMEOUT_MS),
    });
    stream.on("error", () => {});
    stream.end(ascii(BINARY_PUT));
  }
  return session;
}

async function calls(cluster: ProcessCluster, isDue: (waiting: number) => boolean): Promise<void> {
  await eventually(async () => {
    const waiting = /^prkdb_calls_in_flight (\d+)$/m.exec(await metricsOf(cluster));
    assert.ok(waiting !== null && isDue(Number(waiting[1])), `${waiting?.[1]} calls are in flight`);
  });
}

async function metricsOf(cluster: ProcessCluster): Promise<string> {
  return await (await fetch(`${cluster.metricsAddress(1)}/metrics`)).text();
}

test.run();
