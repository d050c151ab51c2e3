/**
 * How many replicas partitions get: as many as the factor says and nodes allow, in one move from one odd
 * number to another.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { addressOf } from "../../tests/support/cluster/node_address.ts";
import { evenReplicas, PlannedCluster } from "../../tests/support/cluster/planned_cluster.ts";
import { areReplicasComplete, isMoving, replicasFor } from "./cluster_state.ts";
import type { ClusterCommand } from "./types.ts";

const test = suite("replication factor");

type SetTarget = Extract<ClusterCommand, { readonly kind: "setTarget" }>;

interface Shape {
  readonly nodeCount: number;
  readonly factor: number;
  readonly partitionCount?: number;
}

function clusterOf({ nodeCount, factor, partitionCount = 9 }: Shape): PlannedCluster {
  const shape = { nodeCount, replicationFactor: factor, partitionCount };
  return new PlannedCluster({ ...shape, replicas: evenReplicas(shape) });
}

function add(cluster: PlannedCluster, nodeId: number): string {
  return cluster.ask({ kind: "addNode", nodeId, address: addressOf(nodeId) });
}

function setFactor(cluster: PlannedCluster, factor: number): string {
  return cluster.ask({ kind: "setReplicationFactor", factor });
}

/** How many replicas the partitions have, each number once. */
function counts(cluster: PlannedCluster): readonly number[] {
  return [...new Set(cluster.state.partitions.map(({ replicas }) => replicas.length))].sort((a, b) => a - b);
}

function isDone(cluster: PlannedCluster, changeId: string): boolean {
  const { isFinished, error } = cluster.change(changeId);
  return isFinished && error === "";
}

/** How many partitions each node holds, and leads, as nodes are in the state. */
function loads(cluster: PlannedCluster): readonly (readonly [held: number, led: number])[] {
  const { nodes, partitions } = cluster.state;
  return [...nodes.keys()].map((nodeId) => [
    partitions.filter(({ replicas }) => replicas.includes(nodeId)).length,
    partitions.filter(({ replicas }) => replicas[0] === nodeId).length,
  ]);
}

test("so many replicas as the factor says, or as an odd number of nodes allows", () => {
  const table = [[1, 1, 1], [3, 1, 1], [3, 2, 1], [3, 3, 3], [3, 9, 3], [5, 3, 3], [5, 4, 3], [5, 5, 5]];
  for (const [factor, nodes, wanted] of table) assert.is(replicasFor(factor!, nodes!), wanted);
  // An older version has founded it.
  assert.is(replicasFor(2, 2), 2);
});

test("a cluster grows from one node to three, and its partitions in one move each", () => {
  const cluster = clusterOf({ nodeCount: 1, factor: 3 });
  assert.equal(counts(cluster), [1]);
  const second = add(cluster, 2);
  cluster.finish();
  assert.equal(counts(cluster), [1], "two would survive no failure");
  assert.ok(isDone(cluster, second));
  const third = add(cluster, 3);
  const commands = cluster.finish();
  assert.equal(counts(cluster), [3]);
  assert.ok(isDone(cluster, third));
  assert.is(cluster.change(third).done, 9);
  const sizes = commands.flatMap((command) => command.kind === "setTarget" ? [command.target.length] : []);
  assert.equal(sizes, Array(9).fill(3));
  assert.equal(loads(cluster), [[9, 3], [9, 3], [9, 3]]);
});

test("a factor that was asked for never grows by itself", () => {
  const cluster = clusterOf({ nodeCount: 1, factor: 1 });
  for (const nodeId of [2, 3, 4]) add(cluster, nodeId);
  cluster.finish();
  assert.equal(counts(cluster), [1]);
  assert.ok(isDone(cluster, setFactorAndFinish(cluster, 3)));
  assert.equal(counts(cluster), [3]);
});

function setFactorAndFinish(cluster: PlannedCluster, factor: number): string {
  const changeId = setFactor(cluster, factor);
  cluster.finish();
  return changeId;
}

test("with too few nodes a change does what they allow, says so, and the rest comes by itself", () => {
  const cluster = clusterOf({ nodeCount: 3, factor: 3 });
  const changeId = setFactorAndFinish(cluster, 5);
  assert.ok(isDone(cluster, changeId));
  assert.is(
    cluster.change(changeId).description,
    "set the replication factor to 5, 3 replicas while there are 3 nodes",
  );
  assert.equal(counts(cluster), [3]);
  add(cluster, 4);
  cluster.finish();
  assert.equal(counts(cluster), [3]);
  add(cluster, 5);
  cluster.finish();
  assert.equal(counts(cluster), [5]);
  assert.is(cluster.change(setFactorAndFinish(cluster, 3)).description, "set the replication factor to 3");
});

test("what is given up keeps leaders where they are, and everything even", () => {
  for (const [from, to] of [[5, 3], [5, 1], [3, 1]] as const) {
    const cluster = clusterOf({ nodeCount: 5, factor: from, partitionCount: 10 });
    const leaders = cluster.state.partitions.map(({ replicas }) => replicas[0]);
    const changeId = setFactor(cluster, to);
    const commands = cluster.finish();
    assert.ok(isDone(cluster, changeId));
    assert.equal(counts(cluster), [to]);
    assert.equal(cluster.state.partitions.map(({ replicas }) => replicas[0]), leaders);
    assert.equal(loads(cluster), Array(5).fill([2 * to, 2]));
    assert.is(cluster.change(changeId).total, 10);
    assert.is(commands.filter(({ kind }) => kind === "setTarget").length, 10, "each moves once");
  }
});

test("what is given up is what nobody hears of, or what is to go anyway", () => {
  const cluster = clusterOf({ nodeCount: 4, factor: 3, partitionCount: 4 });
  cluster.silent.add(1);
  cluster.ask({ kind: "removeNode", nodeId: 2 });
  setFactor(cluster, 1);
  cluster.finish();
  const held = cluster.state.partitions.map(({ replicas }) => replicas);
  assert.ok(held.every(([nodeId]) => nodeId === 3 || nodeId === 4), JSON.stringify(held));
});

test("of five replicas those are kept that are heard, however short the others have been away", () => {
  const cluster = clusterOf({ nodeCount: 5, factor: 5, partitionCount: 9 });
  for (const nodeId of [2, 5]) cluster.away.add(nodeId);
  const changeId = setFactor(cluster, 3);
  assert.equal(
    new Set(shrinkings(cluster).map(({ target }) => target.toSorted().join())),
    new Set(["1,3,4"]),
  );
  assert.ok(isDone(cluster, changeId));
});

test("nothing is given up while what is left would have no majority that is heard", () => {
  const cluster = clusterOf({ nodeCount: 3, factor: 3, partitionCount: 3 });
  for (const nodeId of [1, 2, 3]) cluster.away.add(nodeId);
  const changeId = setFactor(cluster, 1);
  assert.is(cluster.plan(), undefined);
  cluster.away.delete(3);
  assert.equal(shrinkings(cluster).map(({ target }) => target), [[3], [3], [3]]);
  assert.ok(isDone(cluster, changeId));
});

/** What was planned first for each partition until the cluster came to rest. */
function shrinkings(cluster: PlannedCluster): readonly SetTarget[] {
  const planned = cluster.finish().filter((command) => command.kind === "setTarget");
  return [...Map.groupBy(planned, ({ partitionId }) => partitionId).values()].map(([first]) => first!);
}

test("nobody grows to a node that is not heard, and nobody waits for it but the change itself", () => {
  const cluster = clusterOf({ nodeCount: 3, factor: 1 });
  cluster.silent.add(3);
  const changeId = setFactor(cluster, 3);
  cluster.finish();
  assert.equal(counts(cluster), [1], "there is no third that could agree");
  assert.not(cluster.change(changeId).isFinished);
  const evened = cluster.ask({ kind: "rebalance" });
  cluster.finish();
  assert.ok(isDone(cluster, evened));
  cluster.silent.clear();
  cluster.finish();
  assert.ok(isDone(cluster, changeId));
  assert.equal(counts(cluster), [3]);
});

test("where not all are heard, partitions grow to the odd number that are", () => {
  const cluster = clusterOf({ nodeCount: 5, factor: 1 });
  cluster.silent.add(5);
  setFactor(cluster, 5);
  cluster.finish();
  assert.ok(counts(cluster).every((count) => count === 1 || count === 3), JSON.stringify(counts(cluster)));
  assert.ok(counts(cluster).includes(3));
  cluster.silent.clear();
  cluster.finish();
  assert.equal(counts(cluster), [5]);
});

test("another factor replaces the one before, and takes back what has begun", () => {
  const cluster = clusterOf({ nodeCount: 3, factor: 1 });
  const first = setFactor(cluster, 3);
  const same = setFactor(cluster, 3);
  assert.ok(cluster.apply(mustPlan(cluster)));
  assert.is(cluster.moving.length, 1);
  assert.not(cluster.change(first).isFinished, "both wait for the same");
  const second = setFactor(cluster, 1);
  for (const changeId of [first, same]) {
    assert.match(cluster.change(changeId).error, new RegExp(`replaced by the change ${second}`));
  }
  cluster.finish();
  assert.ok(isDone(cluster, second));
  assert.equal(counts(cluster), [1]);
});

function mustPlan(cluster: PlannedCluster): ClusterCommand {
  const command = cluster.plan();
  if (command === undefined) throw new Error("there is nothing to do");
  return command;
}

test("a plan to shrink that comes late does nothing", () => {
  const cluster = clusterOf({ nodeCount: 3, factor: 3 });
  setFactor(cluster, 1);
  const late = mustPlan(cluster);
  assert.ok(late.kind === "setTarget" && late.target.length === 1);
  setFactor(cluster, 3);
  assert.not(cluster.apply(late));
  setFactor(cluster, 1);
  assert.not(cluster.apply({ ...late, target: [1, 2] }), "that many are not wanted");
});

test("a removal is refused where more replicas are than nodes would be left", () => {
  const cluster = clusterOf({ nodeCount: 3, factor: 3 });
  const { error } = cluster.change(cluster.ask({ kind: "removeNode", nodeId: 3 }));
  assert.match(
    error,
    /2 nodes would be left, too few for the 3 replicas .*add a node .*set-replication-factor/,
  );
  setFactor(cluster, 1);
  const removed = cluster.ask({ kind: "removeNode", nodeId: 3 });
  cluster.finish();
  assert.ok(isDone(cluster, removed), "what is about to go needs no node");
  assert.equal(counts(cluster), [1]);
  cluster.ask({ kind: "removeNode", nodeId: 2 });
  cluster.finish();
  const last = cluster.change(cluster.ask({ kind: "removeNode", nodeId: 1 }));
  assert.match(
    last.error,
    /0 nodes would be left, too few for the 1 replica of a partition; add a node first$/,
  );
});

test("a removal is not refused for replicas that the factor wants and nobody has", () => {
  const cluster = clusterOf({ nodeCount: 4, factor: 5 });
  assert.equal(counts(cluster), [3]);
  const removed = cluster.ask({ kind: "removeNode", nodeId: 4 });
  cluster.finish();
  assert.ok(isDone(cluster, removed));
  assert.equal(counts(cluster), [3]);
  assert.match(cluster.change(cluster.ask({ kind: "removeNode", nodeId: 3 })).error, /2 nodes would be left/);
});

test("a node that never came up is removed, and nothing waits for what it was to hold", () => {
  const cluster = clusterOf({ nodeCount: 2, factor: 3 });
  add(cluster, 3);
  cluster.apply(mustPlan(cluster));
  assert.ok(
    cluster.state.partitions.some((partition) => isMoving(partition) && partition.target.length === 3),
  );
  cluster.silent.add(3);
  cluster.finish();
  assert.equal(counts(cluster), [1]);
  const removed = cluster.ask({ kind: "removeNode", nodeId: 3 });
  cluster.finish();
  assert.ok(isDone(cluster, removed));
  assert.is(cluster.moving.length, 0);
  assert.equal(counts(cluster), [1]);
});

test("two replicas, as older versions founded them on two nodes, stay until there are three nodes", () => {
  const cluster = clusterOf({ nodeCount: 2, factor: 2 });
  assert.equal(counts(cluster), [2]);
  assert.match(
    cluster.change(cluster.ask({ kind: "removeNode", nodeId: 2 })).error,
    /too few for the 2 repl/,
  );
  assert.is(cluster.plan(), undefined);
  setFactorAndFinish(cluster, 3);
  assert.equal(counts(cluster), [2], "none is given up for a higher factor");
  assert.ok(areReplicasComplete(cluster.state));
  add(cluster, 3);
  cluster.finish();
  assert.equal(counts(cluster), [3]);
});

test.run();
