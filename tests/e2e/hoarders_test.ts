/**
 * Clients that make a node hold what they never finish: requests of the largest size allowed, all but their
 * last bytes, on many connections. What a node holds for them is bounded, others are served, and all of it is
 * given back.
 *
 * @module
 */

import { REQUEST_BYTES_MAX } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import type { ProcessNode } from "../support/cluster/process_node.ts";
import { ascii, closeAll, tryOpenMany, tryWrite } from "../support/cluster/raw_socket.ts";
import { WellBehaved } from "../support/load/well_behaved.ts";
import { pause, until } from "../support/patience.ts";

const MEBIBYTE = 1024 * 1024;
const CONNECTIONS = 120;
/** A node may need several times the bytes of its budget, and rubbish is collected late. */
const GROWTH_MAX_BYTES = 1024 * MEBIBYTE;
/** A node that has taken nothing for so long takes no more. */
const HELD_LIMIT_MS = 15_000;
/** Calls that must be answered while everything is held. */
const CALLS_MIN = 20;

const test = suite("hoarders");

for (const framing of ["announced", "chunked"] as const) {
  test(`requests that never end, ${framing}: memory is bounded and given back`, async () => {
    await using cluster = await ProcessCluster.start({ nodes: 1, partitions: 1 });
    const node = cluster.process(1);
    const client = WellBehaved.start(cluster.address(1));
    await pause(500);
    const before = node.residentBytes;
    const port = Number(new URL(cluster.address(1)).port);
    const connections = await tryOpenMany(port, CONNECTIONS);
    const peak = await peakWhile(node, async () => {
      await hoard(connections, framing);
      assert.ok(await bodyBytes(cluster) > MEBIBYTE, "the node holds parts of the requests");
      await client.makesFurther(CALLS_MIN);
    });
    const service = await client.stop();
    closeAll(connections);
    const told = `from ${mebibytes(before)} to ${mebibytes(peak)} MiB`;
    console.log(`hoarders, ${framing}: ${told}, well-behaved p90 ${service.p90Ms.toFixed(0)} ms`);
    assert.ok(node.isRunning, node.standardError);
    assert.equal(service.failures.slice(0, 3), []);
    assert.ok(peak - before < GROWTH_MAX_BYTES, told);
    const isGivenBack = () => node.residentBytes <= before + GROWTH_MAX_BYTES / 2;
    await until(isGivenBack, () => `memory is given back: ${mebibytes(node.residentBytes)} MiB are held`);
  });
}

/** Sends all but the end of a request on each connection, as far as the node takes it. */
async function hoard(connections: readonly Deno.TcpConn[], framing: "announced" | "chunked"): Promise<void> {
  const length = framing === "announced"
    ? `Content-Length: ${REQUEST_BYTES_MAX}\r\n\r\n`
    : `Transfer-Encoding: chunked\r\n\r\n${REQUEST_BYTES_MAX.toString(16)}\r\n`;
  const head = ascii(
    "POST /prkdb.v1.KvService/Put HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/proto\r\n" +
      length,
  );
  const body = new Uint8Array(REQUEST_BYTES_MAX - 1);
  const sent = Promise.all(connections.map(async (connection) => {
    if (await tryWrite(connection, head)) await tryWrite(connection, body);
  }));
  // A node that has enough may just stop reading.
  await Promise.race([sent, pause(HELD_LIMIT_MS)]);
  await pause(500);
}

/** What the node says that it holds of requests that are arriving. */
async function bodyBytes(cluster: ProcessCluster): Promise<number> {
  const text = await (await fetch(`${cluster.metricsAddress(1)}/metrics`)).text();
  return Number(/^prkdb_memory_bytes\{part="bodies"\} (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** The most memory seen; looking ends early when it is far too much, for the sake of the machine. */
async function peakWhile(node: ProcessNode, body: () => Promise<void>): Promise<number> {
  let peak = 0;
  let isDone = false;
  const done = body().finally(() => isDone = true);
  const start = node.residentBytes;
  while (!isDone && peak < start + 2 * GROWTH_MAX_BYTES) {
    peak = Math.max(peak, node.residentBytes);
    await pause(20);
  }
  if (isDone) await done;
  else done.catch(() => {});
  return peak;
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / MEBIBYTE);
}

test.run();
