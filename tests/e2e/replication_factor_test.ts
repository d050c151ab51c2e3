/**
 * How many replicas a cluster keeps: three by itself as soon as it has three nodes, so that it then survives
 * the loss of any of them; as many as it was told where it was told; and it says when there are fewer.
 *
 * @module
 */

import { PrkDbClient } from "../../client/mod.ts";
import { assert, suite } from "../harness.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { ProcessNode } from "../support/cluster/process_node.ts";
import { eventually, PATIENCE_MS, until } from "../support/patience.ts";

const PARTITIONS = 6;
const CARGO = 500;
const FEW =
  /fewReplicas: 6 of 6 partitions have fewer replicas \(1\) than the replication factor, 3; .* 3 nodes/;

const test = suite("replication factor");

test("one node becomes three, all of its data three replicas, and any one may be lost", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 1, partitions: PARTITIONS });
  const cargo = new Map(Array.from({ length: CARGO }, (_, number) => [`cargo-${number}`, `${number}`]));
  await usingClient(cluster, async (client) => {
    const results = await client.writeBatch([...cargo].map(([key, value]) => ({ kind: "put", key, value })));
    assert.ok(results.every(({ kind }) => kind !== "failed"));
  });
  assert.match(await troublesOf(cluster, 1), FEW);
  await until(() => cluster.output(1).includes("Replicas are missing: "), "the log says it");
  await cluster.join(2, 1);
  await cluster.join(3, 1);
  await replicasMustBecome(cluster, 3);
  await cluster.waitReady();
  for (const id of [1, 2, 3]) assert.not.match(await troublesOf(cluster, id), /fewReplicas/);
  await until(() => cluster.output(1).includes("as many replicas as they should"), "the log says that, too");
  for (const victim of [1, 2, 3]) {
    await cluster.kill(victim, "SIGKILL");
    await usingClient(cluster, async (client) => {
      for (let number = 0; number < 50; number++) {
        const [key, value] = [`after ${victim}-${number}`, `${number}`];
        await client.put(key, value);
        cargo.set(key, value);
      }
      const found = await client.getMany([...cargo.keys()]);
      const lost = [...cargo.values()].filter((value, at) => new TextDecoder().decode(found[at]) !== value);
      assert.equal(lost, [], `without node ${victim}`);
    });
    await cluster.restart(victim);
    await cluster.waitReady();
  }
});

test("a factor that was asked for stays until it is changed, whatever a later start says", async () => {
  await using cluster = await ProcessCluster.start({
    nodes: 1,
    partitions: PARTITIONS,
    replicationFactor: 1,
  });
  await cluster.join(2, 1);
  await cluster.join(3, 1);
  await usingClient(cluster, async (client) => {
    await eventually(async () => {
      assert.ok((await client.cluster.changes()).every(({ isFinished }) => isFinished), "all have joined");
    });
    await replicasMustBecome(cluster, 1);
    assert.match(cluster.output(3), /keeps 1 replica of each partition.* set-replication-factor 3/);
    const changeId = await client.cluster.setReplicationFactor(5);
    const { description, error } = await client.cluster.waitForChange(changeId, { timeoutMs: PATIENCE_MS });
    assert.equal([description, error], [
      "set the replication factor to 5, 3 replicas while there are 3 nodes",
      "",
    ]);
  });
  await replicasMustBecome(cluster, 3);
  await cluster.waitReady();
  assert.match(
    await troublesOf(cluster, 2),
    /fewer replicas \(3\) than the replication factor, 5; .* 5 nodes/,
  );
  await cluster.kill(1, "SIGTERM");
  const node = ProcessNode.start({ args: cluster.flagsOf(1) });
  try {
    await until(
      () => /--replication-factor 1 has no effect: that of the cluster is 5/.test(node.standardError),
      "the flag of the first day is said to have no effect",
    );
  } finally {
    node.signal("SIGKILL");
    await node.ended;
  }
});

async function usingClient(
  cluster: ProcessCluster,
  body: (client: PrkDbClient) => Promise<void>,
): Promise<void> {
  await using client = await PrkDbClient.connect(
    cluster.runningIds.map((id) => cluster.address(id)),
    { timeoutMs: PATIENCE_MS },
  );
  await body(client);
}

/** Every node gets to know that each partition has `count` replicas. */
async function replicasMustBecome(cluster: ProcessCluster, count: number): Promise<void> {
  for (const id of cluster.runningIds) {
    await cluster.metadataWhen(
      id,
      ({ partitions }) => partitions.every(({ replicas }) => replicas.length === count),
    );
  }
}

async function troublesOf(cluster: ProcessCluster, id: number): Promise<string> {
  const response = await fetch(`${cluster.metricsAddress(id)}/readyz?verbose`);
  const text = await response.text();
  assert.is(response.status, 200, text);
  return text;
}

test.run();
