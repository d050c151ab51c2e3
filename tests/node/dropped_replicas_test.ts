/**
 * Replicas that have moved away leave: memory, files and log give up what was theirs. When a partition comes
 * back it does so with another replica, which begins with nothing.
 *
 * @module
 */

import type { ChangeRequest } from "../../server/cluster/mod.ts";
import { assert, suite } from "../harness.ts";
import { kindOf, NodeCluster, put, READ, text, TINY_SIZES, WRITE } from "../support/cluster/node_cluster.ts";
import { PATIENCE_MS, until } from "../support/patience.ts";

const test = suite("replicas that leave");
/** Of partition 0, the only one. */
const GROUP = 1;
const KEYS = 60;

/** Four nodes of which three have the partition: at first 1, 2 and 3. */
async function withMoves(body: (cluster: NodeCluster) => Promise<void>): Promise<void> {
  const cluster = new NodeCluster(4, { partitionCount: 1, replicationFactor: 3, sizes: TINY_SIZES });
  try {
    await cluster.start();
    await cluster.ready();
    await body(cluster);
  } finally {
    await cluster.close();
  }
}

test("a replica that has moved away leaves nothing behind", () =>
  withMoves(async (cluster) => {
    await write(cluster, "a");
    await move(cluster, { from: 1, to: 4 });
    const node = cluster.node(1);
    await until(() => node.keeper.stats.drops === 1, "the replica on node 1 leaves");
    assert.equal(node.replicas.held(), []);
    assert.equal(cluster.storeFiles(1, GROUP), []);
    const others = () => node.cluster.replica.machine.memoryBytes + node.keeper.figures.cache.bytes;
    await until(() => node.memory()[1]!.usedBytes === others(), "none of its state is held");
    await until(() => node.wal.stats.segmentCount <= 2, "its segments are let go of");
    await write(cluster, "b");
    await expectAll(cluster, { at: 1, value: "b" });
    await restart(cluster, 1);
    assert.equal(cluster.node(1).replicas.held(), [], "no restart brings it back");
    assert.equal(cluster.storeFiles(1, GROUP), []);
    await expectAll(cluster, { at: 1, value: "b" });
  }));

test("a partition that comes back does so with another replica, which gets everything", () =>
  withMoves(async (cluster) => {
    await write(cluster, "a");
    for (let round = 0; round < 2; round++) {
      await move(cluster, { from: 1, to: 4 });
      await until(() => cluster.node(1).keeper.stats.drops === round + 1, "the replica on node 1 leaves");
      await write(cluster, `away-${round}`);
      await move(cluster, { from: 4, to: 1 });
      await until(() => cluster.node(1).replicas.returns === round + 1, "another one comes");
      await expectAll(cluster, { at: 1, value: `away-${round}`, isFollower: true });
    }
    const ids = cluster.node(1).status().replicas.map(({ replicaId }) => replicaId);
    assert.equal(ids, [7], "1 to 3 were the first ones, and each move needs one more");
    await restart(cluster, 1);
    assert.equal(cluster.node(1).status().replicas.map(({ replicaId }) => replicaId), ids);
    await write(cluster, "c");
    await expectAll(cluster, { at: 1, value: "c", isFollower: true });
  }));

test("a replica that leaves and comes back while its node is down does so when that is up", () =>
  withMoves(async (cluster) => {
    await write(cluster, "a");
    await cluster.stop(1);
    await move(cluster, { from: 1, to: 4 });
    await write(cluster, "b");
    await cluster.start(1);
    await until(() => cluster.node(1).keeper.stats.drops === 1, "the replica on node 1 leaves");
    await move(cluster, { from: 4, to: 1 });
    await expectAll(cluster, { at: 1, value: "b", isFollower: true });
  }));

/** A move of the only partition. */
interface Move {
  readonly from: number;
  readonly to: number;
}

async function move(cluster: NodeCluster, places: Move): Promise<void> {
  const request: ChangeRequest = { kind: "moveReplica", partitionId: 0, ...places };
  const guide = cluster.node(2);
  const id = await guide.changeCluster(request, { timeoutMs: PATIENCE_MS });
  const isFinished = () =>
    guide.clusterChanges().some(({ changeId, isFinished }) => changeId === id && isFinished);
  await until(isFinished, `the partition moves from ${places.from} to ${places.to}`);
}

async function write(cluster: NodeCluster, value: string): Promise<void> {
  for (let round = 0; round < 20; round++) {
    const mutations = Array.from({ length: KEYS }, (_, at) => put(`key-${at}`, value.padEnd(200, ".")));
    const results = await cluster.node(2).write(mutations, WRITE);
    assert.equal([...new Set(results.map(kindOf))], ["ok"]);
  }
}

/** What a node says. */
interface Expected {
  readonly at: number;
  readonly value: string;
  /** Whether it says so by its own state. */
  readonly isFollower?: boolean;
}

async function expectAll(cluster: NodeCluster, { at, value, isFollower = false }: Expected): Promise<void> {
  const options = isFollower ? { ...READ, consistency: "follower" as const } : READ;
  for (let key = 0; key < KEYS; key += 7) {
    assert.is(await text(cluster.node(at), `key-${key}`, options), value.padEnd(200, "."));
  }
}

async function restart(cluster: NodeCluster, id: number): Promise<void> {
  await cluster.stop(id);
  await cluster.start(id);
  await cluster.ready();
}

test.run();
