/**
 * Clusters whose members change: whole nodes in one process, on real files and a network in memory.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import {
  kindOf,
  NodeCluster,
  put,
  text,
  withCluster,
  WRITE,
} from "../../tests/support/cluster/node_cluster.ts";
import { eventually, PATIENCE_MS, pause, until } from "../../tests/support/patience.ts";
import { type ChangeRequest, FINISHED_CHANGES_MAX } from "../cluster/mod.ts";
import { stateHash } from "../../tests/support/state_hash.ts";
import type { Node } from "./node.ts";

const test = suite("a cluster whose members change");

const KEYS = 60;

test("a node that joins is given replicas and leaders until all have as many", async () => {
  await withCluster(3, async (cluster) => {
    await fill(cluster, "before");
    await cluster.join(1, 4);
    await change(cluster.node(2), addition(4));
    await finished(cluster);
    const { nodes, partitions } = cluster.node(4).metadata();
    assert.equal(nodes.map(({ nodeId }) => nodeId), [1, 2, 3, 4]);
    for (const id of [1, 2, 3, 4]) {
      assert.is(partitions.filter(({ replicas }) => replicas.includes(id)).length, 3, `replicas of ${id}`);
      assert.is(partitions.filter(({ replicas }) => replicas[0] === id).length, 1, `preferred at ${id}`);
    }
    await everythingIsThere(cluster, "before");
    await replicasAreEqual(cluster);
  });
});

test("a node that is removed has its replicas moved away, learns of it, and leaves the others complete", async () => {
  await withCluster(3, async (cluster) => {
    await fill(cluster, "before");
    await cluster.join(3, 4);
    await change(cluster.node(3), addition(4));
    await finished(cluster);
    // The one that leads the cluster's own group, and so coordinates its own removal.
    await change(cluster.node(4), { kind: "removeNode", nodeId: 1 });
    await finished(cluster);
    await until(() => cluster.removed.has(1), "node 1 knows that it is removed");
    await cluster.stop(1);
    const { nodes, partitions } = cluster.node(2).metadata();
    assert.equal(nodes.map(({ nodeId }) => nodeId), [2, 3, 4]);
    for (const { replicas } of partitions) assert.equal([...replicas].sort(), [2, 3, 4]);
    await everythingIsThere(cluster, "before");
    await fill(cluster, "after");
    await replicasAreEqual(cluster);
  });
});

test("a node whose disk is gone is replaced by another", async () => {
  await withCluster(3, async (cluster) => {
    await fill(cluster, "before");
    await cluster.stop(2);
    await cluster.join(1, 4);
    await change(cluster.node(1), addition(4));
    await change(cluster.node(3), { kind: "removeNode", nodeId: 2 });
    await finished(cluster);
    const { partitions } = cluster.node(4).metadata();
    for (const { replicas } of partitions) assert.equal([...replicas].sort(), [1, 3, 4]);
    await everythingIsThere(cluster, "before");
    await replicasAreEqual(cluster);
  });
});

test("changes go on when the node that coordinates them stops, and after a restart of all", async () => {
  await withCluster(3, async (cluster) => {
    await fill(cluster, "before");
    await cluster.join(1, 4);
    await change(cluster.node(2), addition(4));
    await cluster.stop(1);
    await pause(300);
    await cluster.start(1);
    for (const id of [1, 2, 3, 4]) await cluster.stop(id);
    await cluster.start(1, 2, 3, 4);
    await finished(cluster);
    await everythingIsThere(cluster, "before");
    await replicasAreEqual(cluster);
  });
});

test("a replica is moved, and moved back, and a leadership handed over", async () => {
  await withCluster(3, async (cluster) => {
    await fill(cluster, "before");
    await cluster.join(1, 4);
    await change(cluster.node(1), addition(4));
    await finished(cluster);
    const place = cluster.node(1).metadata().partitions.find(({ replicas }) => !replicas.includes(4))!;
    const { partitionId } = place;
    await change(cluster.node(3), { kind: "moveReplica", partitionId, from: 2, to: 4 });
    await finished(cluster);
    assert.equal([...replicasOf(cluster.node(3), partitionId)].sort(), [1, 3, 4]);
    await change(cluster.node(4), { kind: "transferLeadership", partitionId, to: 4 });
    await finished(cluster);
    assert.is(cluster.node(4).metadata().partitions[partitionId]!.leaderId, 4);
    await change(cluster.node(2), { kind: "moveReplica", partitionId, from: 4, to: 2 });
    await finished(cluster);
    assert.equal([...replicasOf(cluster.node(2), partitionId)].sort(), [1, 2, 3]);
    await leadersStayKnown(cluster);
    await everythingIsThere(cluster, "before");
    await replicasAreEqual(cluster);
  });
});

test("a node alone with one replica a partition grows, and shrinks to the other", async () => {
  const cluster = new NodeCluster(1);
  try {
    await cluster.start();
    await cluster.ready();
    await fill(cluster, "before");
    await cluster.join(1, 2);
    await change(cluster.node(1), addition(2));
    await finished(cluster);
    await change(cluster.node(2), { kind: "removeNode", nodeId: 1 });
    await finished(cluster);
    await cluster.stop(1);
    await everythingIsThere(cluster, "before");
    await fill(cluster, "after");
  } finally {
    await cluster.close();
  }
});

test("with five replicas a partition, one of six nodes goes", async () => {
  await withCluster(5, async (cluster) => {
    await fill(cluster, "before");
    await cluster.join(5, 6);
    await change(cluster.node(5), addition(6));
    await change(cluster.node(2), { kind: "removeNode", nodeId: 1 });
    await finished(cluster);
    await cluster.stop(1);
    for (const { replicas } of cluster.node(6).metadata().partitions) {
      assert.equal([...replicas].sort(), [2, 3, 4, 5, 6]);
    }
    await everythingIsThere(cluster, "before");
    await replicasAreEqual(cluster);
  });
});

test(
  "a voter of the cluster's own group that stays away loses its vote, so that one more may go",
  async () => {
    await withCluster(3, async (cluster) => {
      await cluster.join(1, 4);
      await change(cluster.node(1), addition(4));
      await finished(cluster);
      await cluster.stop(3);
      const voters = (id: number) => cluster.node(id).cluster.membership;
      await until(
        () => [1, 2, 4].every((id) => `${voters(id).voters}/${voters(id).votersOutgoing}` === "1,2,4/"),
        "4 votes",
      );
      await cluster.stop(1);
      await changeInTime(cluster.node(2), { kind: "rebalance" });
      await cluster.start(3);
      await until(
        () => cluster.node(3).cluster.membership.learners.includes(3),
        "3 learns that it votes no more",
      );
      await finished(cluster);
    });
  },
);

test("a change that makes no sense is refused with the reason", async () => {
  await withCluster(3, async (cluster) => {
    const refused: readonly [ChangeRequest, RegExp][] = [
      [{ kind: "removeNode", nodeId: 3 }, /replica/],
      [{ kind: "removeNode", nodeId: 9 }, /9/],
      [{ kind: "addNode", nodeId: 7, address: "host:2" }, /host:2/],
      [{ kind: "addNode", nodeId: 2, address: "host:9" }, /node 2 is at host:9: no node answers there/],
      [{ kind: "moveReplica", partitionId: 0, from: 1, to: 2 }, /2/],
      [{ kind: "transferLeadership", partitionId: 0, to: 8 }, /8/],
    ];
    for (const [request, reason] of refused) {
      const error = await change(cluster.node(2), request).catch((error) => error);
      assert.instance(error, Error, JSON.stringify(request));
      assert.match(error.message, reason);
    }
  });
});

test("of many requests that are refused at once, each is told why", async () => {
  await withCluster(3, async (cluster) => {
    const requests = [1, 2, 3].flatMap((id) =>
      Array.from(
        { length: FINISHED_CHANGES_MAX },
        () => change(cluster.node(id), { kind: "removeNode", nodeId: 9 }).catch((error) => error.message),
      )
    );
    const reasons = new Set(await Promise.all(requests));
    assert.is(reasons.size, 1, [...reasons].join("; "));
    assert.match([...reasons][0], /node 9 is not a member/);
  });
});

function addition(nodeId: number): ChangeRequest {
  return { kind: "addNode", nodeId, address: `host:${nodeId}` };
}

function change(node: Node, request: ChangeRequest): Promise<string> {
  return node.changeCluster(request, { timeoutMs: PATIENCE_MS });
}

/** As `change`, also while there is no leader to take it. */
async function changeInTime(node: Node, request: ChangeRequest): Promise<void> {
  let isTaken = false;
  const ask = (): Promise<unknown> =>
    change(node, request).then(() => isTaken = true, () => pause(100).then(ask));
  void ask();
  await until(() => isTaken, "a change is taken");
}

/**
 * Every node knows all changes, and that they have ended; the node that took a change knows it at
 * once, the others later.
 */
function finished(cluster: NodeCluster): Promise<void> {
  const known = () =>
    [...cluster.nodes].filter(([id]) => !cluster.removed.has(id)).map(([, node]) => node.clusterChanges());
  return until(
    () => {
      const lists = known();
      const isEnd = lists.every((changes) =>
        changes.length > 0 && changes.every(({ isFinished }) => isFinished)
      );
      return isEnd &&
        new Set(lists.map((changes) => `${changes.map(({ changeId }) => changeId)}`)).size === 1;
    },
    () => `changes finish: ${JSON.stringify(known())}`,
  );
}

function replicasOf(node: Node, partitionId: number): readonly number[] {
  return node.metadata().partitions[partitionId]!.replicas;
}

async function fill(cluster: NodeCluster, value: string): Promise<void> {
  const node = [...cluster.nodes.values()].at(-1)!;
  const mutations = Array.from({ length: KEYS }, (_, at) => put(`key-${at}`, value));
  const results = await node.write(mutations, WRITE);
  assert.equal([...new Set(results.map(kindOf))], ["ok"]);
}

async function everythingIsThere(cluster: NodeCluster, value: string): Promise<void> {
  for (const node of cluster.nodes.values()) {
    if (cluster.removed.has(node.identity.nodeId)) continue;
    // A node that is asked while its partition elects says so; a client would ask again.
    const read = (at: number) => eventually(() => text(node, `key-${at}`));
    for (let at = 0; at < KEYS; at++) assert.is(await read(at), value, `key ${at}`);
    assert.is(await read(KEYS), undefined);
  }
}

/**
 * A replica that has moved away, and hears of no leader, keeps no node from knowing who leads. An election
 * may: so most of the time counts, and on a busy machine one stretch of time in which it does.
 */
function leadersStayKnown(cluster: NodeCluster): Promise<void> {
  return eventually(() => leadersAreKnown(cluster));
}

async function leadersAreKnown(cluster: NodeCluster): Promise<void> {
  const LOOKS = 75;
  await cluster.ready();
  const unready = new Map<number, number>();
  for (let look = 0; look < LOOKS; look++) {
    for (const [id, node] of cluster.nodes) {
      if (!node.readiness().isReady) unready.set(id, (unready.get(id) ?? 0) + 1);
    }
    await pause(20);
  }
  for (const [id, looks] of unready) assert.ok(looks < LOOKS / 3, `node ${id} knew no leader ${looks} times`);
}

/** Every partition has as many replicas as it should, and they hold the same. */
async function replicasAreEqual(cluster: NodeCluster): Promise<void> {
  const describe = () => {
    const states = new Map<number, string[]>();
    for (const node of cluster.nodes.values()) {
      for (const { partitionId, machine } of node.replicas.assigned()) {
        const state = `${machine.appliedIndex}:${stateHash(machine)}`;
        states.set(partitionId, [...states.get(partitionId) ?? [], state]);
      }
    }
    return [...states.values()];
  };
  const factor = [...cluster.nodes.values()][0]!.metadata().replicationFactor;
  const isEqual = (states: readonly string[]) => states.length === factor && new Set(states).size === 1;
  await until(() => describe().every(isEqual), () => `replicas are equal: ${JSON.stringify(describe())}`);
}

test.run();
