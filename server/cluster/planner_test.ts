/**
 * That a cluster becomes what was asked for: single steps by example, and whole histories at random.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { addressOf } from "../../tests/support/cluster/node_address.ts";
import { evenReplicas, PlannedCluster } from "../../tests/support/cluster/planned_cluster.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import {
  clusterVoters,
  foundingState,
  isStaying,
  replicasFor,
  stayingNodes,
  wantedReplicas,
} from "./cluster_state.ts";
import { planNext } from "./planner.ts";
import type { ChangeRequest, ClusterCommand, ClusterState } from "./types.ts";

const test = suite("cluster planner");

const NODES_MAX = 7;

interface Shape {
  readonly nodeCount: number;
  readonly replicationFactor: number;
  readonly partitionCount: number;
}

function evenCluster(shape: Shape): PlannedCluster {
  return new PlannedCluster({ ...shape, replicas: evenReplicas(shape) });
}

/** Three nodes that hold nine partitions. */
function threeNodes(): PlannedCluster {
  return evenCluster({ nodeCount: 3, replicationFactor: 3, partitionCount: 9 });
}

function planFor(state: ClusterState): ClusterCommand | undefined {
  const nobody = () => false;
  const heard = { isSilent: nobody, isAway: nobody };
  return planNext(state, { ...heard, leaderOf: () => 0, votes: nobody, ageMs: () => 0, restMs: 0 });
}

/** Plans and applies one command. */
function step(cluster: PlannedCluster): ClusterCommand {
  const command = cluster.plan();
  if (command === undefined) throw new Error("there is nothing to do");
  assert.ok(cluster.apply(command), JSON.stringify(command));
  return command;
}

test("without a change there is nothing to do", () => {
  const uneven = new PlannedCluster({ nodeCount: 3, replicationFactor: 1, replicas: [[1], [1], [1], [1]] });
  assert.is(uneven.plan(), undefined);
});

test("before the founding there is nothing to do", () => {
  const state = foundingState({
    nodes: new Map([[1, "a:1"], [2, "b:1"]]),
    replicationFactor: 1,
    replicas: [[1], [1]],
  });
  const changes = [{
    changeId: "a",
    request: { kind: "rebalance" } as const,
    description: "",
    done: 0,
    total: 0,
    isFinished: false,
    error: "",
  }];
  assert.is(planFor({ ...state, changes }), undefined);
  assert.is(planFor({ ...state, changes, isFounded: true })?.kind, "setTarget");
});

test("a new node is filled two partitions at a time", () => {
  const cluster = threeNodes();
  const changeId = cluster.ask({ kind: "addNode", nodeId: 4, address: addressOf(4) });
  for (let count = 0; count < 2; count++) {
    const command = step(cluster);
    assert.ok(command.kind === "setTarget" && command.target.includes(4) && command.changeId === changeId);
    assert.is(command.remaining, 6, "none has ended yet");
  }
  assert.is(cluster.plan(), undefined);
  assert.is(cluster.moving.length, 2);
  cluster.apply(cluster.reach(cluster.moving[0]!));
  assert.is(step(cluster).kind, "setTarget");
  cluster.finish();
  assert.equal(steps(cluster, changeId), [6, 6]);
});

test("leaderships come along with the replicas that move", () => {
  const cluster = threeNodes();
  cluster.ask({ kind: "addNode", nodeId: 4, address: addressOf(4) });
  const kinds = cluster.finish().map(({ kind }) => kind);
  assert.is(kinds.filter((kind) => kind === "setTarget").length, 6);
  assert.is(kinds.includes("prefer"), false);
  checkEven(cluster.state);
});

test("replicas of a node that leaves go where fewest are, and the node goes last", () => {
  const cluster = evenCluster({ nodeCount: 5, replicationFactor: 3, partitionCount: 10 });
  const changeId = cluster.ask({ kind: "removeNode", nodeId: 2 });
  cluster.finish();
  assert.is(cluster.state.nodes.has(2), false);
  assert.ok(cluster.state.retired.has(2));
  assert.equal(steps(cluster, changeId), [6, 6]);
  checkPlaces(cluster.state);
  checkEven(cluster.state);
});

test("a partition that moves to a node that is removed goes elsewhere at once", () => {
  const cluster = threeNodes();
  cluster.ask({ kind: "addNode", nodeId: 4, address: addressOf(4) });
  step(cluster);
  step(cluster);
  const moving = cluster.moving;
  cluster.ask({ kind: "removeNode", nodeId: 4 });
  for (const partitionId of moving) {
    const command = step(cluster);
    assert.ok(command.kind === "setTarget" && command.partitionId === partitionId);
    assert.equal([...command.target].sort(), [1, 2, 3]);
  }
  assert.is(cluster.plan(), undefined, "the groups may have been at node 4");
  cluster.finish();
  assert.equal([...cluster.state.nodes.keys()], [1, 2, 3]);
});

test("leaders become even without a move, one step along a path at a time", () => {
  // Node 1 leads four, its neighbours 2 and 4 three, node 3 only two, and 1 and 3 share no partition.
  const replicas = [
    ...[[1, 2], [1, 2], [1, 2], [2, 1], [2, 3], [2, 3]],
    ...[[1, 4], [4, 1], [4, 3], [4, 3], [3, 4], [3, 4]],
  ];
  const cluster = new PlannedCluster({ nodeCount: 4, replicationFactor: 2, replicas });
  cluster.ask({ kind: "rebalance" });
  assert.equal(step(cluster), { kind: "prefer", partitionId: 4, nodeId: 3 });
  assert.equal(step(cluster), { kind: "prefer", partitionId: 0, nodeId: 2 });
  assert.is(step(cluster).kind, "finish");
  checkEven(cluster.state);
});

test("a transfer is done when the node leads, and fails when it does not in time", () => {
  const cluster = threeNodes();
  const changeId = cluster.ask({ kind: "transferLeadership", partitionId: 0, to: 3 });
  assert.is(cluster.plan({ leaderOf: () => 1, ageMs: () => 29_999 }), undefined);
  assert.equal(cluster.plan({ leaderOf: () => 3 }), { kind: "finish", changeId, error: "" });
  const late = cluster.plan({ leaderOf: () => 1, ageMs: () => 30_000 });
  assert.ok(late?.kind === "finish" && /node 3 did not become the leader.* 30 s/.test(late.error));
});

test("a rebalance leaves alone what an operator waits for, and goes on when it is there", () => {
  const replicas = [[1, 2, 3], [2, 3, 1], [3, 1, 2]];
  const cluster = new PlannedCluster({ nodeCount: 3, replicationFactor: 3, replicas });
  for (const partitionId of [1, 2]) cluster.ask({ kind: "transferLeadership", partitionId, to: 1 });
  const rebalance = cluster.ask({ kind: "rebalance" });
  assert.equal(step(cluster), { kind: "prefer", partitionId: 0, nodeId: 2 });
  const nobodyLeads = { leaderOf: () => 0 };
  assert.is(cluster.plan(nobodyLeads), undefined, "node 1 leads two, node 3 none, and both are waited for");
  cluster.finish();
  assert.ok(cluster.change(rebalance).isFinished);
  checkEven(cluster.state);
});

test("a move whose partition had to go elsewhere ends with the reason", () => {
  const cluster = evenCluster({ nodeCount: 5, replicationFactor: 3, partitionCount: 1 });
  const changeId = cluster.ask({ kind: "moveReplica", partitionId: 0, from: 1, to: 4 });
  cluster.ask({ kind: "removeNode", nodeId: 2 });
  cluster.finish();
  assert.match(
    cluster.change(changeId).error,
    /partition 0 had to move to another node/,
    "node 1 was emptiest",
  );
  const other = cluster.ask({ kind: "moveReplica", partitionId: 0, from: 3, to: 5 });
  cluster.ask({ kind: "removeNode", nodeId: 5 });
  cluster.finish();
  assert.match(cluster.change(other).error, /node 5 is being removed/);
});

test("changes that wait for the same moves count them all", () => {
  const cluster = evenCluster({ nodeCount: 3, replicationFactor: 3, partitionCount: 8 });
  const addition = cluster.ask({ kind: "addNode", nodeId: 4, address: "host:4" });
  const rebalance = cluster.ask({ kind: "rebalance" });
  cluster.finish();
  assert.is(cluster.change(addition).done, 6);
  assert.is(cluster.change(rebalance).done, 6);
});

test("a partition with too few replicas is filled", () => {
  const { state } = threeNodes();
  const partitions = state.partitions.with(0, { ...state.partitions[0]!, replicas: [1], target: [1] });
  assert.equal(planFor({ ...state, partitions }), {
    kind: "setTarget",
    partitionId: 0,
    expected: [1],
    target: [1, 2, 3],
    changeId: "repair",
    remaining: 1,
  });
});

test("nothing moves to a silent node, and a removal does not wait for it", () => {
  const cluster = evenCluster({ nodeCount: 5, replicationFactor: 3, partitionCount: 10 });
  const held = (nodeId: number) => cluster.state.partitions.filter(({ target }) => target.includes(nodeId));
  const before = held(3).length;
  cluster.silent.add(3);
  const changeId = cluster.ask({ kind: "removeNode", nodeId: 2 });
  cluster.finish();
  assert.ok(cluster.change(changeId).isFinished);
  assert.equal([1, 3, 4, 5].map((nodeId) => held(nodeId).length), [8, before, 8, 8]);
  assert.equal([...cluster.state.nodes.keys()], [1, 3, 4, 5]);
  checkPlaces(cluster.state);
  cluster.silent.clear();
  cluster.ask({ kind: "rebalance" });
  cluster.finish();
  checkEven(cluster.state);
});

test("a removal with nobody else to move to waits for a silent node", () => {
  const cluster = evenCluster({ nodeCount: 4, replicationFactor: 3, partitionCount: 4 });
  cluster.silent.add(4);
  const changeId = cluster.ask({ kind: "removeNode", nodeId: 1 });
  cluster.finish();
  assert.not(cluster.change(changeId).isFinished);
  assert.is(cluster.moving.length, 0, "nothing is under way that could not end");
  cluster.silent.clear();
  cluster.finish();
  assert.ok(cluster.change(changeId).isFinished);
  checkPlaces(cluster.state);
});

test("what was on its way to a node that falls silent goes elsewhere, and comes when it speaks again", () => {
  const cluster = threeNodes();
  const changeId = cluster.ask({ kind: "addNode", nodeId: 4, address: addressOf(4) });
  step(cluster);
  step(cluster);
  cluster.silent.add(4);
  cluster.finish();
  assert.is(cluster.moving.length, 0);
  assert.ok(cluster.state.partitions.every(({ target }) => !target.includes(4)));
  assert.not(cluster.change(changeId).isFinished, "it is not filled yet");
  cluster.silent.clear();
  cluster.finish();
  assert.ok(cluster.change(changeId).isFinished);
  checkPlaces(cluster.state);
  checkEven(cluster.state);
});

test("a rebalance evens out the nodes that are there, and names those it got nothing to", () => {
  const cluster = threeNodes();
  const addition = cluster.ask({ kind: "addNode", nodeId: 4, address: addressOf(4) });
  step(cluster);
  step(cluster);
  const changeId = cluster.ask({ kind: "rebalance" });
  cluster.silent.add(4);
  assert.not(cluster.change(changeId).isFinished);
  cluster.finish();
  assert.match(cluster.change(changeId).error, /nothing is heard of node 4, .*remove-node/);
  assert.not(cluster.change(addition).isFinished, "the node may still come");
  cluster.silent.clear();
  cluster.finish();
  assert.ok(cluster.change(addition).isFinished);
  checkPlaces(cluster.state);
  checkEven(cluster.state);
});

test("a rebalance waits until a node that has just been started is heard", () => {
  const cluster = threeNodes();
  cluster.ask({ kind: "addNode", nodeId: 4, address: addressOf(4) });
  step(cluster);
  step(cluster);
  const changeId = cluster.ask({ kind: "rebalance" });
  cluster.silent.add(4);
  for (let command = cluster.plan({ ageMs: () => 9_999 }); command !== undefined;) {
    cluster.apply(command);
    command = cluster.plan({ ageMs: () => 9_999 });
  }
  assert.not(cluster.change(changeId).isFinished);
  cluster.silent.clear();
  cluster.finish();
  assert.is(cluster.change(changeId).error, "");
  checkEven(cluster.state);
});

test("a rebalance is done although a node is silent that has what it should", () => {
  const cluster = threeNodes();
  cluster.silent.add(3);
  const changeId = cluster.ask({ kind: "rebalance" });
  cluster.finish();
  const { isFinished, error } = cluster.change(changeId);
  assert.equal([isFinished, error], [true, ""]);
});

test("a rebalance is done when the leaders are where they should be, and fails when they do not come", () => {
  const cluster = threeNodes();
  const changeId = cluster.ask({ kind: "rebalance" });
  const leaderOf = (partitionId: number) =>
    partitionId === 2 ? 1 : cluster.state.partitions[partitionId]!.target[0]!;
  assert.is(cluster.plan({ leaderOf, restMs: 29_999 }), undefined);
  const late = cluster.plan({ leaderOf, restMs: 30_000 });
  assert.ok(late?.kind === "finish" && /node 3 did not become .* partition 2 within 30 s/.test(late.error));
  const isSilent = (nodeId: number) => nodeId === 3;
  assert.equal(cluster.plan({ leaderOf, isSilent }), { kind: "finish", changeId, error: "" });
  assert.equal(cluster.plan(), { kind: "finish", changeId, error: "" });
});

test("the reason of a rebalance has a bounded length, however many nodes are silent", () => {
  const cluster = threeNodes();
  for (let nodeId = 4; nodeId <= 40; nodeId++) {
    cluster.ask({ kind: "addNode", nodeId, address: addressOf(nodeId) });
    cluster.silent.add(nodeId);
  }
  const changeId = cluster.ask({ kind: "rebalance" });
  cluster.finish();
  assert.match(cluster.change(changeId).error, /nodes 4, 5, 6 and 34 more, /);
});

test("an operator's move to a node that falls silent ends with the reason", () => {
  const cluster = evenCluster({ nodeCount: 5, replicationFactor: 3, partitionCount: 1 });
  const changeId = cluster.ask({ kind: "moveReplica", partitionId: 0, from: 1, to: 4 });
  cluster.silent.add(4);
  cluster.finish();
  assert.match(cluster.change(changeId).error, /partition 0 had to move to another node/);
  checkPlaces(cluster.state);
});

test("what a group may have left already is not taken for held when its node is silent", () => {
  const cluster = evenCluster({ nodeCount: 5, replicationFactor: 3, partitionCount: 1 });
  cluster.ask({ kind: "moveReplica", partitionId: 0, from: 3, to: 4 });
  cluster.reach(0);
  cluster.ask({ kind: "moveReplica", partitionId: 0, from: 4, to: 3 });
  cluster.silent.add(3);
  cluster.finish();
  assert.is(cluster.moving.length, 0);
  assert.not(cluster.state.partitions[0]!.replicas.includes(3));
  checkPlaces(cluster.state);
});

test("a group without a majority moves nowhere, and nobody else waits for it", () => {
  const replicas = [[1], [1], [2], [2], [3]];
  const cluster = new PlannedCluster({ nodeCount: 3, replicationFactor: 1, replicas });
  const addition = cluster.ask({ kind: "addNode", nodeId: 4, address: addressOf(4) });
  assert.is(step(cluster).kind, "setTarget");
  cluster.silent.add(1);
  const removal = cluster.ask({ kind: "removeNode", nodeId: 2 });
  cluster.finish();
  assert.ok(cluster.change(removal).isFinished);
  assert.not(cluster.change(addition).isFinished);
  assert.is(cluster.moving.length, 1, "the one that had begun");
  cluster.silent.clear();
  cluster.finish();
  assert.ok(cluster.change(addition).isFinished);
  checkPlaces(cluster.state);
  checkEven(cluster.state);
});

test("voters of group 0 are odd, few, and keep their vote", () => {
  const voters = (nodeCount: number, current: readonly number[], replicationFactor = 3) =>
    clusterVoters(
      evenCluster({ nodeCount, replicationFactor: Math.min(replicationFactor, nodeCount), partitionCount: 1 })
        .state,
      current,
    );
  assert.equal(voters(1, [1]), [1]);
  assert.equal(voters(2, [1, 2]), [1]);
  assert.equal(voters(2, [2]), [2]);
  assert.equal(voters(3, []), [1, 2, 3]);
  assert.equal(voters(5, [5, 3]), [1, 3, 5]);
  assert.equal(voters(5, [1, 2, 3, 4, 5]), [1, 2, 3]);
  assert.equal(voters(5, [1, 2, 3], 5), [1, 2, 3, 4, 5]);
  assert.equal(voters(7, [8, 9, 6], 1), [1, 2, 6]);
  const cluster = evenCluster({ nodeCount: 4, replicationFactor: 3, partitionCount: 1 });
  cluster.ask({ kind: "removeNode", nodeId: 2 });
  assert.equal(clusterVoters(cluster.state, [1, 2, 3]), [1, 3, 4]);
  assert.equal(voters(6, [2, 3, 6]), [2, 3, 6]);
  assert.equal(voters(6, [3, 6, 5, 1]), [3, 5, 6]);
});

test("a node that group 0 may need for a majority is not let go", () => {
  const cluster = evenCluster({ nodeCount: 4, replicationFactor: 3, partitionCount: 1 });
  const { replicas } = cluster.state.partitions[0]!;
  const nodeId = [1, 2, 3, 4].find((id) => !replicas.includes(id))!;
  cluster.ask({ kind: "removeNode", nodeId });
  assert.is(cluster.plan({ votes: (node) => node === nodeId }), undefined);
  assert.is(cluster.plan({ votes: (node) => node !== nodeId })?.kind, "finish");
});

test("growing and shrinking moves no more than it must", () => {
  for (const shape of shapes()) {
    const cluster = evenCluster(shape);
    const { nodeCount, replicationFactor, partitionCount } = shape;
    makeEven(cluster);
    const share = Math.floor(partitionCount * replicationFactor / (nodeCount + 1));
    const begun = cluster.settledCount;
    const added = cluster.ask({ kind: "addNode", nodeId: nodeCount + 1, address: addressOf(nodeCount + 1) });
    const total = firstTotal(cluster, added);
    cluster.finish();
    const grown = cluster.settledCount - begun;
    assert.is(grown, share, `growing ${JSON.stringify(shape)}`);
    assert.is(total, share);
    assert.equal(steps(cluster, added), [share, share]);
    checkPlaces(cluster.state);
    checkEven(cluster.state);
    const held = cluster.state.partitions.filter(({ replicas }) => replicas.includes(1)).length;
    const removed = cluster.ask({ kind: "removeNode", nodeId: 1 });
    const foretold = firstTotal(cluster, removed);
    cluster.finish();
    const shrunk = cluster.settledCount - begun - grown;
    assert.is(shrunk, foretold, `shrinking ${JSON.stringify(shape)}`);
    assert.ok(shrunk <= held + nodeCount, `${shrunk} moves for ${held} replicas: ${JSON.stringify(shape)}`);
    checkPlaces(cluster.state);
    checkEven(cluster.state);
  }
});

test("whatever is asked for in whatever order, the cluster comes to rest as it should be", () => {
  for (let seed = 1; seed <= 300; seed++) {
    try {
      live(seed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }
});

/** Every small cluster that can grow, with numbers of partitions that divide well and badly. */
function* shapes(): Iterable<Shape> {
  for (const replicationFactor of [1, 3, 5]) {
    for (let nodeCount = replicationFactor; nodeCount < NODES_MAX; nodeCount++) {
      for (const partitionCount of [1, 2, 7, 9, 16, 64]) {
        yield { nodeCount, replicationFactor, partitionCount };
      }
    }
  }
}

/**
 * One history: requests, plans that are late, groups that move, reports that are late; then everything is
 * done.
 */
function live(seed: number): void {
  const random = new SeededRandom(seed);
  const replicationFactor = random.pick([1, 3, 5]);
  const nodeCount = 1 + random.below(NODES_MAX);
  const partitionCount = 1 + random.below(64);
  const cluster = new PlannedCluster({
    nodeCount,
    replicationFactor,
    replicas: random.chance(50)
      ? evenReplicas({ nodeCount, replicationFactor, partitionCount })
      : randomReplicas(random, { nodeCount, replicationFactor, partitionCount }),
  });
  const late: ClusterCommand[] = [];
  for (let count = random.below(200); count > 0; count--) {
    act(cluster, { random, late });
    if (random.chance(10)) fallSilentOrSpeak(cluster, random);
  }
  cluster.silent.clear();
  cluster.ask({ kind: "rebalance" });
  cluster.finish();
  assert.is(cluster.plan(), undefined);
  assert.ok(cluster.state.changes.every(({ isFinished }) => isFinished), "all changes have ended");
  assert.is(cluster.moving.length, 0);
  checkPlaces(cluster.state);
  checkEven(cluster.state);
  for (const command of late) cluster.apply(command);
}

/** What one step of a history draws from: chance, and commands that are still on their way. */
interface History {
  readonly random: SeededRandom;
  readonly late: ClusterCommand[];
}

function act(cluster: PlannedCluster, { random, late }: History): void {
  const dice = random.below(100);
  const command = dice < 8
    ? undefined
    : dice < 55
    ? cluster.plan({ leaderOf: () => random.below(NODES_MAX), ageMs: () => random.below(40_000) })
    : dice < 80
    ? reached(cluster, random)
    : late.splice(random.below(late.length), 1)[0];
  if (dice < 8) cluster.ask(randomRequest(cluster.state, random));
  if (command === undefined) return;
  if (random.chance(25)) late.push(command);
  else cluster.apply(command);
}

function reached(cluster: PlannedCluster, random: SeededRandom): ClusterCommand | undefined {
  const able = cluster.moving.filter((partitionId) => cluster.canReach(partitionId));
  return able.length === 0 ? undefined : cluster.reach(random.pick(able));
}

function fallSilentOrSpeak({ silent, state }: PlannedCluster, random: SeededRandom): void {
  const nodeId = random.pick([...state.nodes.keys()]);
  if (!silent.delete(nodeId)) silent.add(nodeId);
}

function randomRequest(state: ClusterState, random: SeededRandom): ChangeRequest {
  const nodeId = 1 + random.below(NODES_MAX);
  const partitionId = random.below(state.partitions.length);
  const { target } = state.partitions[partitionId]!;
  switch (random.below(7)) {
    case 6:
      return { kind: "setReplicationFactor", factor: random.pick([1, 3, 5]) };
    case 0: {
      const unused = Math.max(...state.nodes.keys(), ...state.retired) + 1;
      const newId = state.nodes.size < NODES_MAX ? unused : nodeId;
      return { kind: "addNode", nodeId: newId, address: addressOf(newId) };
    }
    case 1:
      return { kind: "removeNode", nodeId: random.pick([...state.nodes.keys()]) };
    case 2:
      return {
        kind: "moveReplica",
        partitionId,
        from: random.pick(target),
        to: random.pick([...state.nodes.keys()]),
      };
    case 3:
      return undoing(state, random) ?? { kind: "rebalance" };
    case 4:
      return { kind: "transferLeadership", partitionId, to: random.pick(target) };
    default:
      return { kind: "rebalance" };
  }
}

/** The opposite of a move under way. */
function undoing(state: ClusterState, random: SeededRandom): ChangeRequest | undefined {
  const moves = state.changes.flatMap(({ request, isFinished }) =>
    request.kind === "moveReplica" && !isFinished ? [request] : []
  );
  if (moves.length === 0) return undefined;
  const { partitionId, from, to } = random.pick(moves);
  return { kind: "moveReplica", partitionId, from: to, to: from };
}

function randomReplicas(random: SeededRandom, shape: Shape): readonly (readonly number[])[] {
  return Array.from({ length: shape.partitionCount }, () => {
    const nodes = Array.from({ length: shape.nodeCount }, (_, place) => place + 1);
    return Array.from(
      { length: replicasFor(shape.replicationFactor, shape.nodeCount) },
      () => nodes.splice(random.below(nodes.length), 1)[0]!,
    );
  });
}

/** Every partition has as many replicas as it should, on different nodes that stay. */
function checkPlaces(state: ClusterState): void {
  for (const { replicas, target } of state.partitions) {
    assert.equal(replicas, target);
    assert.is(new Set(replicas).size, wantedReplicas(state));
    assert.ok(replicas.every((nodeId) => isStaying(state, nodeId)));
  }
}

/** Replicas and leaders differ by one at most. */
function checkEven(state: ClusterState): void {
  const replicas = spread(state, ({ target }) => target);
  assert.ok(replicas <= 1, `replicas differ by ${replicas}`);
  const leaders = spread(state, ({ target }) => target.slice(0, 1));
  assert.ok(leaders <= 1, `leaders differ by ${leaders}`);
}

function spread(
  state: ClusterState,
  nodesOf: (partition: ClusterState["partitions"][number]) => readonly number[],
): number {
  const held = state.partitions.flatMap(nodesOf);
  const counts = stayingNodes(state).map((nodeId) => held.filter((each) => each === nodeId).length);
  return Math.max(...counts) - Math.min(...counts);
}

/** Few partitions on many nodes do not begin evenly. */
function makeEven(cluster: PlannedCluster): void {
  cluster.ask({ kind: "rebalance" });
  cluster.finish();
}

/** The steps that are foretold when the first is planned. */
function firstTotal(cluster: PlannedCluster, changeId: string): number {
  const command = cluster.plan();
  if (command === undefined || command.kind !== "setTarget") return 0;
  cluster.apply(command);
  return cluster.change(changeId).total;
}

function steps(cluster: PlannedCluster, changeId: string): readonly number[] {
  const { done, total } = cluster.change(changeId);
  return [done, total];
}

test.run();
