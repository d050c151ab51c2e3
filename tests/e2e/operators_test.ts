/**
 * What operators see is what calls experience: a node says that it is not ready when calls through it fail,
 * and why; refusals are counted with their reason; the log names its node in every line, and says when
 * partitions have lost their majority and when they have it again.
 *
 * @module
 */

import { Code, ConnectError } from "@connectrpc/connect";
import { KvService } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { freePort } from "../support/cluster/free_port.ts";
import { callNode } from "../support/cluster/node_call.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { ProcessNode } from "../support/cluster/process_node.ts";
import { eventually, PATIENCE_MS, pause, until } from "../support/patience.ts";

const test = suite("operators");
const FLAGS = ["--election-timeout-ms=500", "--heartbeat-ms=50"];
const MEBIBYTE = 1024 * 1024;

test("a log that is full for a moment: writes are refused and counted, and then taken again", async () => {
  const flags = [`--log-memory-bytes=${MEBIBYTE}`];
  await using cluster = await ProcessCluster.start({ nodes: 1, partitions: 1, flags });
  const address = cluster.address(1);
  let refused = 0;
  while (refused < 5) refused += await isTaken(address, new Uint8Array(100_000)) ? 0 : 1;
  const { value } = await callNode(address, KvService.method.get, {
    input: { key: KEY },
    timeoutMs: PATIENCE_MS,
  });
  assert.is(value?.length, 100_000);
  const metrics = await scrape(cluster, 1);
  assert.is(metrics.get('prkdb_refusals_total{reason="log_full"}'), refused);
  assert.is(metrics.get('prkdb_raft_proposals_total{partition="0",result="refused"}'), refused);
  await eventually(async () => assert.is((await readiness(cluster, { id: 1, query: "?verbose" }))[0], 200));
  await eventually(async () => assert.ok(await isTaken(address, new Uint8Array(100_000))));
});

test("a peer that cannot be reached is named once, however often it is tried", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 1, flags: FLAGS });
  await waitForQuietStart(cluster);
  const named = () =>
    cluster.output(1).split("\n").filter((line) => /Node 3 cannot be reached at /.test(line));
  // It may have been started after node 1.
  const before = named().length;
  await cluster.kill(3);
  await until(() => named().length > before, "node 1 says that it cannot reach node 3");
  // A link that has lost its peer tries again at least once a second.
  await pause(5_000);
  assert.is(named().length, before + 1);
  assert.not(cluster.output(1).includes("left out"));
});

for (const kind of ["closed", "silent"] as const) {
  test(`a node that joins with a ${kind} port for its address is named with it, and says so itself`, async () => {
    await using cluster = await ProcessCluster.start({ nodes: 1, partitions: 1, replicationFactor: 1 });
    await cluster.waitReady();
    using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const port = kind === "silent" ? (silent.addr as Deno.NetAddr).port : freePort();
    const metricsPort = freePort();
    const node = ProcessNode.start({
      args: [
        "--node-id=2",
        `--grpc-port=${freePort()}`,
        `--metrics-port=${metricsPort}`,
        `--data-dir=${cluster.dataDirectory(1)}-joining`,
        `--join=${cluster.address(1)}`,
        `--advertise=127.0.0.1:${port}`,
      ],
    });
    try {
      const named = () =>
        cluster.output(1).split("\n").filter((line) =>
          line.includes(`[WRN] node 1: Node 2 cannot be reached at 127.0.0.1:${port}: `)
        );
      await until(() => named().length > 0, "node 1 names node 2, its address and the cause");
      await eventually(async () => {
        const response = await fetch(`http://127.0.0.1:${metricsPort}/readyz`);
        assert.match(
          await response.text(),
          new RegExp(`not a member yet, and no other node has reached it at 127.0.0.1:${port} .*--advertise`),
        );
        assert.is(response.status, 503);
      });
      await pause(3_000);
      assert.is(named().length, 1, "it is said once");
    } finally {
      node.signal("SIGKILL");
      await node.ended;
    }
  });
}

test("a founder that is up alone asks whether the others are up, before it doubts its own address", async () => {
  const ports = [freePort(), freePort(), freePort(), freePort()] as const;
  const members = ports.slice(0, 3).map((port, at) => `${at + 1}@127.0.0.1:${port}`);
  const directory = await Deno.makeTempDir({ prefix: "prkdb-alone-" });
  const node = ProcessNode.start({
    args: [
      "--node-id=1",
      `--grpc-port=${ports[0]}`,
      `--metrics-port=${ports[3]}`,
      `--data-dir=${directory}/data`,
      `--cluster-nodes=${members.join(",")}`,
    ],
  });
  try {
    await eventually(async () => {
      const text = await (await fetch(`http://127.0.0.1:${ports[3]}/readyz?verbose`)).text();
      assert.match(
        text,
        new RegExp(`\\(node 2 at 127.0.0.1:${ports[1]}, 3 at 127.0.0.1:${ports[2]}\\): are they up\\?`),
      );
    });
  } finally {
    node.signal("SIGKILL");
    await node.ended;
    await Deno.remove(directory, { recursive: true });
  }
});

test("bytes written to the log are counted, not those of its files", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 1, partitions: 1 });
  const before = await scrape(cluster, 1);
  await put(cluster.address(1), new Uint8Array(200_000));
  const after = await scrape(cluster, 1);
  const written = after.get("prkdb_wal_bytes_total")! - before.get("prkdb_wal_bytes_total")!;
  assert.ok(written >= 200_000 && written < 400_000, `${written} bytes`);
  assert.ok(after.get("prkdb_wal_file_bytes")! > 10 * MEBIBYTE);
});

for (const format of ["text", "json"] as const) {
  test(`the log as ${format} says when a majority is lost and when it is there again`, async () => {
    const flags = [...FLAGS, `--log-format=${format}`];
    await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 2, flags });
    await waitForQuietStart(cluster);
    await Promise.all([2, 3].map((id) => cluster.kill(id)));
    await untilLogged(cluster, /No leader is known for partition/);
    await eventually(async () => {
      assert.is((await scrape(cluster, 1)).get("prkdb_partitions_without_leader"), 2);
    });
    assert.is((await readiness(cluster, { id: 1, query: "" }))[0], 503);
    await isRefused(() => put(cluster.address(1), KEY, 700));
    assert.ok((await scrape(cluster, 1)).get('prkdb_refusals_total{reason="no_leader"}')! >= 1);
    await Promise.all([2, 3].map((id) => cluster.restart(id)));
    await untilLogged(cluster, /A leader is known again for partition/);
    await cluster.waitReady();
    for (const line of logOf(cluster, 1)) assertNamesNode(line, format);
  });
}

test("at level error a healthy node says nothing", async () => {
  const flags = [...FLAGS, "--log-level=error"];
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 1, flags });
  await eventually(() => put(cluster.address(1), KEY));
  for (const id of cluster.ids) assert.equal(logOf(cluster, id), []);
});

const KEY = new TextEncoder().encode("key");

async function put(address: string, value: Uint8Array, timeoutMs = PATIENCE_MS): Promise<void> {
  await callNode(address, KvService.method.put, { input: { key: KEY, value }, timeoutMs });
}

/** Whether a write is done; if not, because something is full. */
async function isTaken(address: string, value: Uint8Array): Promise<boolean> {
  try {
    await put(address, value);
    return true;
  } catch (error) {
    if (error instanceof ConnectError && error.code === Code.ResourceExhausted) return false;
    throw error;
  }
}

async function untilLogged(cluster: ProcessCluster, pattern: RegExp): Promise<void> {
  await until(() => logOf(cluster, 1).some((line) => pattern.test(line)), `node 1 logs ${pattern}`);
}

async function isRefused(call: () => Promise<unknown>): Promise<void> {
  let isDone = false;
  try {
    await call();
    isDone = true;
  } catch {
    // As it should be.
  }
  assert.not.ok(isDone);
}

/** The first elections are not news; see `QuorumWatch`. */
async function waitForQuietStart(cluster: ProcessCluster): Promise<void> {
  await eventually(async () => assert.ok(await uptimeMs(cluster) > 4_000));
}

async function uptimeMs(cluster: ProcessCluster): Promise<number> {
  const response = await fetch(`${cluster.address(1)}/prkdb.v1.ClusterService/GetStatus`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  return Number((await response.json()).uptimeMs);
}

function logOf(cluster: ProcessCluster, id: number): readonly string[] {
  return cluster.process(id).standardError.split("\n").filter((line) => line !== "");
}

function assertNamesNode(line: string, format: "text" | "json"): void {
  if (format === "json") assert.is(JSON.parse(line).node, 1, line);
  else assert.match(line, /^\d{4}-\d\d-\d\d \S+ \S+ \[[A-Z]{3}\] node 1: /);
}

/** Which node is asked what. */
interface ReadinessQuestion {
  readonly id: number;
  readonly query: string;
}

async function readiness(
  cluster: ProcessCluster,
  { id, query }: ReadinessQuestion,
): Promise<readonly [number, string]> {
  const response = await fetch(`${cluster.metricsAddress(id)}/readyz${query}`);
  return [response.status, await response.text()];
}

/** Values by series. */
async function scrape(cluster: ProcessCluster, id: number): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(`${cluster.metricsAddress(id)}/metrics`);
  const lines = (await response.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => {
    const space = line.lastIndexOf(" ");
    return [line.slice(0, space), Number(line.slice(space + 1))];
  }));
}

test.run();
