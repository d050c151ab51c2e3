/**
 * Two clusters and one address: what is meant for one of them never takes effect in the other, whichever
 * comes up where the other was, and however alike their flags are.
 *
 * @module
 */

import { PrkDbClient } from "../../client/mod.ts";
import { assert, suite } from "../harness.ts";
import { freePorts } from "../support/cluster/free_port.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { ProcessNode } from "../support/cluster/process_node.ts";
import { PATIENCE_MS, pause, until } from "../support/patience.ts";

const test = suite("the wrong cluster");
const root = await Deno.makeTempDir({ prefix: "prkdb-wrong-" });
test.after(() => Deno.removeSync(root, { recursive: true }));

const PUTS = 60;

test("a single node comes up at the address of a dead one: none of the puts lands in it", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3 });
  await using client = await PrkDbClient.connect(cluster.addresses(), { timeoutMs: PATIENCE_MS });
  await client.put("before", "1");
  await cluster.kill(3);
  const port = Number(new URL(cluster.address(3)).port);
  const other = await startNode("other", { nodeId: 1, port });
  try {
    await using stranger = await PrkDbClient.connect([cluster.address(3)], { timeoutMs: PATIENCE_MS });
    for (let number = 0; number < PUTS; number++) await client.put(`key-${number}`, `${number}`);
    await client.cluster.rebalance();
    const keys = Array.from({ length: PUTS }, (_, number) => `key-${number}`);
    assert.equal(await stranger.getMany(keys), keys.map(() => undefined), "nothing is in the other cluster");
    const found = await client.getMany(keys);
    assert.ok(
      found.every((value, at) => new TextDecoder().decode(value) === `${at}`),
      "everything is in its own",
    );
    assert.is.not((await stranger.metadata()).clusterId, (await client.metadata()).clusterId);
    assert.equal(await stranger.cluster.changes(), []);
  } finally {
    other.signal("SIGKILL");
    await other.ended;
  }
});

test("clusters that are founded with the same list have ids of their own, and do not mix", async () => {
  const [one, two, three] = freePorts(3) as [number, number, number];
  const list = `--cluster-nodes=1@127.0.0.1:${one},2@127.0.0.1:${two},3@127.0.0.1:${three}`;
  const ports = [one, two, three];
  const start = (name: string, nodeId: number) =>
    startNode(`${name}-${nodeId}`, { nodeId, port: ports[nodeId - 1]!, flags: [list] });
  const idOf = async (nodeId: number) => {
    await using client = await PrkDbClient.connect([`http://127.0.0.1:${ports[nodeId - 1]}`], {
      timeoutMs: PATIENCE_MS,
    });
    await client.put(`by-${nodeId}`, "x");
    return (await client.metadata()).clusterId;
  };
  const stop = async (nodes: readonly ProcessNode[]) => {
    for (const node of nodes) node.signal("SIGTERM");
    for (const node of nodes) await node.ended;
  };
  const first = await Promise.all([start("first", 1), start("first", 2)]);
  const firstId = await idOf(1);
  assert.is(await idOf(2), firstId);
  await stop(first);
  const second = await Promise.all([start("second", 1), start("second", 2)]);
  const secondId = await idOf(1);
  assert.is.not(secondId, firstId);
  await stop([second[1]!]);
  // A node of the first cluster among those of the second: each keeps to its own.
  const stray = await start("first", 2);
  await pause(3_000);
  assert.ok(stray.isRunning && second[0]!.isRunning, "neither has given up");
  await stop([stray]);
  const back = await start("second", 2);
  assert.is(await idOf(2), secondId);
  // A founder that was never there finds the cluster that it meets, and stays with it.
  const late = await start("second", 3);
  assert.is(await idOf(3), secondId);
  await stop([second[0]!, back, late]);
  const { clusterId } = JSON.parse(await Deno.readTextFile(`${root}/second-3/cluster_id.json`));
  assert.is(clusterId, secondId);
});

/** Where a node is started. */
interface Start {
  readonly nodeId: number;
  readonly port: number;
  readonly flags?: readonly string[];
}

async function startNode(name: string, { nodeId, port, flags = [] }: Start): Promise<ProcessNode> {
  const node = ProcessNode.start({
    args: [
      `--node-id=${nodeId}`,
      `--grpc-port=${port}`,
      "--metrics-port=0",
      `--data-dir=${root}/${name}`,
      ...flags,
    ],
  });
  await until(
    () => node.hasStarted || !node.isRunning,
    () => `${name} starts: ${node.standardError}`,
  );
  assert.ok(node.isRunning, node.standardError);
  return node;
}

test.run();
