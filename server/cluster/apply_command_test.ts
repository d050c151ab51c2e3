/**
 * What each command does to the cluster's state, and what it does not.
 *
 * @module
 */

import { InvariantViolation } from "../../raft/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import { applyCommand } from "./apply_command.ts";
import { foundingState, isMoving, isReplicaGone } from "./cluster_state.ts";
import type { ChangeRequest, ClusterChange, ClusterCommand } from "./types.ts";

const test = suite("cluster state");

const FOUND: ClusterCommand = {
  kind: "found",
  clusterId: "0123456789abcdef0123456789abcdef",
  replicationFactor: 3,
  nodes: [4, 2, 1, 3].map((nodeId) => ({ nodeId, address: addressOf(nodeId) })),
  replicas: [[1, 2, 3], [2, 3, 4], [3, 4, 1]],
};

/** A cluster of four nodes with three partitions. */
class Cluster {
  state = foundingState({ nodes: new Map([[9, "z:1"]]), replicationFactor: 1, replicas: [[9]] });

  /** @returns whether anything has changed */
  apply(command: ClusterCommand): boolean {
    const before = this.state;
    this.state = applyCommand(before, command);
    return this.state !== before;
  }

  static founded(): Cluster {
    const cluster = new Cluster();
    assert.ok(cluster.apply(FOUND));
    return cluster;
  }

  /** Asks for a change and returns how it stands then. */
  ask(changeId: string, request: ChangeRequest): ClusterChange {
    assert.ok(this.apply({ kind: "change", changeId, request }));
    return this.change(changeId);
  }

  change(changeId: string): ClusterChange {
    const change = this.state.changes.find((each) => each.changeId === changeId);
    if (change === undefined) throw new Error(`there is no change ${changeId}`);
    return change;
  }

  partition(partitionId: number) {
    return this.state.partitions[partitionId]!;
  }

  /** Where it is and where it goes, without the ids of its replicas. */
  places(partitionId: number) {
    const { replicaIds: _ids, nextReplicaId: _next, ...places } = this.partition(partitionId);
    return places;
  }

  /** Which replica is on each node, and what the next one gets. */
  ids(partitionId: number) {
    const { replicaIds, nextReplicaId } = this.partition(partitionId);
    return [...replicaIds.entries(), nextReplicaId];
  }

  /** Its group has become what it should be. */
  settle(partitionId: number): void {
    assert.ok(this.apply({ kind: "settle", partitionId, target: this.partition(partitionId).target }));
  }

  /** Asserts that the command changes nothing. */
  ignores(command: ClusterCommand): void {
    const before = this.state;
    assert.is(this.apply(command), false, JSON.stringify(command));
    assert.is(this.state, before);
  }
}

test("the founding replaces what a node was started with, once", () => {
  const cluster = new Cluster();
  cluster.ignores({ kind: "change", changeId: "a", request: { kind: "rebalance" } });
  assert.ok(cluster.apply(FOUND));
  const { state } = cluster;
  assert.ok(state.isFounded);
  assert.is(state.epoch, 1);
  assert.equal([...state.nodes.keys()], [1, 2, 3, 4]);
  const replicas = [2, 3, 4];
  assert.equal(cluster.places(1), {
    partitionId: 1,
    replicas,
    target: replicas,
    former: [],
    changeId: "",
  });
  cluster.ignores(FOUND);
});

test("every command that changes something makes another state with a higher epoch", () => {
  const cluster = Cluster.founded();
  const before = cluster.state;
  cluster.ask("a", { kind: "rebalance" });
  assert.is.not(cluster.state, before);
  assert.is(before.changes.length, 0);
  assert.is(cluster.state.epoch, before.epoch + 1);
});

test("a change is known by its id", () => {
  const cluster = Cluster.founded();
  cluster.ask("a", { kind: "addNode", nodeId: 5, address: "e:1" });
  cluster.ignores({ kind: "change", changeId: "a", request: { kind: "removeNode", nodeId: 1 } });
});

test("an added node is a member at once", () => {
  const cluster = Cluster.founded();
  const change = cluster.ask("a", { kind: "addNode", nodeId: 5, address: "e:1" });
  assert.is(change.isFinished, false);
  assert.is(change.description, "add node 5 at e:1");
  const node = { nodeId: 5, address: "e:1", clientUrl: "", hasMoved: true, isLeaving: false };
  assert.equal(cluster.state.nodes.get(5), node);
});

test("the founding gives the cluster its id, and nothing changes that", () => {
  const cluster = Cluster.founded();
  assert.is(cluster.state.clusterId, "0123456789abcdef0123456789abcdef");
  assert.not(cluster.apply({ ...FOUND, clusterId: "f".repeat(32) }));
});

test("a member says where it is, and where clients find it", () => {
  const cluster = Cluster.founded();
  const place = { kind: "announce", nodeId: 4, address: addressOf(4), clientUrl: "" } as const;
  assert.not(cluster.apply(place), "that is known");
  assert.ok(cluster.apply({ ...place, clientUrl: "https://db:1" }));
  assert.equal(cluster.state.nodes.get(4), {
    nodeId: 4,
    address: addressOf(4),
    clientUrl: "https://db:1",
    hasMoved: false,
    isLeaving: false,
  });
  assert.not(cluster.apply({ ...place, address: addressOf(3) }), "another member is there");
  assert.not(cluster.apply({ ...place, nodeId: 9, address: "z:1" }), "it is no member");
  assert.ok(cluster.apply({ ...place, address: "d:2" }));
  assert.is(cluster.state.nodes.get(4)?.hasMoved, true);
  assert.ok(cluster.apply(place));
  assert.is(cluster.state.nodes.get(4)?.hasMoved, true, "it has been elsewhere");
});

test("a member that is added again is there already, or has moved to another address", () => {
  const cluster = Cluster.founded();
  assert.ok(isDone(cluster.ask("a", { kind: "addNode", nodeId: 4, address: addressOf(4) })));
  assert.ok(isDone(cluster.ask("b", { kind: "addNode", nodeId: 4, address: "new:1" })));
  assert.is(cluster.state.nodes.get(4)?.address, "new:1");
});

test("changes that cannot be done are refused with the reason", () => {
  const cluster = Cluster.founded();
  cluster.ask("leaves", { kind: "removeNode", nodeId: 4 });
  cluster.ask("moves", { kind: "moveReplica", partitionId: 1, from: 4, to: 1 });
  const refused: readonly (readonly [ChangeRequest, RegExp])[] = [
    [{ kind: "addNode", nodeId: 5, address: addressOf(1) }, /address of node 1/],
    [{ kind: "addNode", nodeId: 3, address: addressOf(1) }, /address of node 1/],
    [{ kind: "addNode", nodeId: 4, address: addressOf(4) }, /node 4 is being removed/],
    [{ kind: "removeNode", nodeId: 7 }, /^Cannot remove node 7: node 7 is not a member/],
    [{ kind: "removeNode", nodeId: 3 }, /2 nodes would be left.*3 replicas.*add a node/],
    [{ kind: "moveReplica", partitionId: 3, from: 1, to: 2 }, /no partition 3; .*0 to 2/],
    [{ kind: "moveReplica", partitionId: 0, from: 1, to: 7 }, /node 7 is not a member/],
    [{ kind: "moveReplica", partitionId: 0, from: 7, to: 1 }, /node 7 is not a member/],
    [{ kind: "moveReplica", partitionId: 0, from: 1, to: 4 }, /node 4 is being removed/],
    [{ kind: "moveReplica", partitionId: 0, from: 4, to: 1 }, /node 4 holds no replica.*1, 2, 3 do/],
    [
      { kind: "moveReplica", partitionId: 0, from: 1, to: 2 },
      /node 2 already holds a replica of partition 0/,
    ],
    [
      { kind: "moveReplica", partitionId: 0, from: 1, to: 1 },
      /node 1 already holds a replica of partition 0/,
    ],
    [{ kind: "moveReplica", partitionId: 1, from: 2, to: 1 }, /partition is moving already, .* moves;/],
    [{ kind: "transferLeadership", partitionId: 9, to: 1 }, /no partition 9/],
    [{ kind: "transferLeadership", partitionId: 0, to: 7 }, /node 7 is not a member/],
    [{ kind: "transferLeadership", partitionId: 2, to: 4 }, /node 4 is being removed/],
    [{ kind: "transferLeadership", partitionId: 2, to: 2 }, /node 2 holds no replica of partition 2/],
    [{ kind: "transferLeadership", partitionId: 1, to: 1 }, /partition 1 is still on its way to node 1/],
  ];
  const { nodes, partitions } = cluster.state;
  for (const [place, [request, reason]] of refused.entries()) {
    const change = cluster.ask(`refused-${place}`, request);
    assert.ok(change.isFinished);
    assert.match(change.error, reason);
  }
  assert.is(cluster.state.nodes, nodes);
  assert.is(cluster.state.partitions, partitions);
});

test("a moved replica takes the place of the old one, and the change ends with the move", () => {
  const cluster = Cluster.founded();
  cluster.ask("a", { kind: "moveReplica", partitionId: 0, from: 1, to: 4 });
  const moving = { partitionId: 0, replicas: [1, 2, 3], target: [4, 2, 3], former: [1], changeId: "a" };
  assert.equal(cluster.places(0), moving);
  assert.equal(steps(cluster.change("a")), [0, 1]);
  cluster.ignores({ kind: "settle", partitionId: 0, target: [1, 2, 3] });
  cluster.ignores({ kind: "settle", partitionId: 0, target: [4, 2, 3], changeId: "b" });
  assert.ok(
    cluster.apply({ kind: "settle", partitionId: 0, target: [2, 3, 4], changeId: "a" }),
    "the order does not count",
  );
  assert.equal(cluster.places(0), { ...moving, replicas: [4, 2, 3], former: [], changeId: "" });
  assert.ok(isDone(cluster.change("a")));
  assert.equal(steps(cluster.change("a")), [1, 1]);
  cluster.ignores({ kind: "settle", partitionId: 0, target: [4, 2, 3] });
});

test("a move is taken back by its opposite, which ends when the group is back", () => {
  const cluster = Cluster.founded();
  cluster.ask("a", { kind: "moveReplica", partitionId: 0, from: 1, to: 4 });
  cluster.ask("b", { kind: "moveReplica", partitionId: 0, from: 4, to: 1 });
  assert.match(cluster.change("a").error, /taken back by the change b/);
  assert.equal(cluster.places(0), {
    partitionId: 0,
    replicas: [1, 2, 3],
    target: [1, 2, 3],
    former: [1, 4],
    changeId: "b",
  });
  assert.ok(isMoving(cluster.partition(0)), "the group may be at its new place already");
  cluster.settle(0);
  assert.ok(isDone(cluster.change("b")));
  assert.is(isMoving(cluster.partition(0)), false);
});

test("a node is not forgotten while a move that was taken back may still lie on it", () => {
  const cluster = Cluster.founded();
  cluster.ask("add", { kind: "addNode", nodeId: 5, address: "e:1" });
  cluster.ask("a", { kind: "moveReplica", partitionId: 0, from: 1, to: 5 });
  cluster.ask("b", { kind: "moveReplica", partitionId: 0, from: 5, to: 1 });
  cluster.ask("remove", { kind: "removeNode", nodeId: 5 });
  cluster.ignores({ kind: "finish", changeId: "remove", error: "" });
  cluster.settle(0);
  assert.ok(cluster.apply({ kind: "finish", changeId: "remove", error: "" }));
  assert.ok(cluster.state.retired.has(5));
});

test("a replica has an id that is never given again", () => {
  const cluster = Cluster.founded();
  assert.equal(cluster.ids(0), [[1, 1], [2, 2], [3, 3], 4]);
  cluster.ask("a", { kind: "moveReplica", partitionId: 0, from: 1, to: 4 });
  assert.equal(cluster.ids(0), [[1, 1], [2, 2], [3, 3], [4, 4], 5], "it may still be on node 1");
  cluster.settle(0);
  assert.equal(cluster.ids(0), [[2, 2], [3, 3], [4, 4], 5]);
  cluster.ask("b", { kind: "moveReplica", partitionId: 0, from: 4, to: 1 });
  cluster.settle(0);
  assert.equal(cluster.ids(0), [[1, 5], [2, 2], [3, 3], 6]);
});

test("a replica that is taken back before it has gone keeps its id", () => {
  const cluster = Cluster.founded();
  cluster.ask("a", { kind: "moveReplica", partitionId: 0, from: 1, to: 4 });
  cluster.ask("b", { kind: "moveReplica", partitionId: 0, from: 4, to: 1 });
  assert.equal(cluster.ids(0), [[1, 1], [2, 2], [3, 3], [4, 4], 5]);
  cluster.settle(0);
  assert.equal(cluster.ids(0), [[1, 1], [2, 2], [3, 3], 5]);
});

test("a replica is gone when its id was given and is nobody's any more", () => {
  const cluster = Cluster.founded();
  const isGone = (nodeId: number, replicaId: number) =>
    isReplicaGone(cluster.partition(0), { nodeId, replicaId });
  assert.not(isGone(1, 1));
  assert.not(isGone(4, 4), "one that the state does not know yet");
  assert.not(isGone(4, 0), "one without an id");
  cluster.ask("a", { kind: "moveReplica", partitionId: 0, from: 1, to: 4 });
  assert.not(isGone(1, 1), "its group may still need it");
  cluster.settle(0);
  assert.ok(isGone(1, 1));
  cluster.ask("b", { kind: "moveReplica", partitionId: 0, from: 4, to: 1 });
  assert.ok(isGone(1, 1), "its successor has another id");
  assert.not(isGone(1, 5));
});

test("a target is set only from the state it was planned on, and to nodes that stay", () => {
  const cluster = Cluster.founded();
  cluster.ask("a", { kind: "addNode", nodeId: 5, address: "e:1" });
  const command = {
    kind: "setTarget",
    partitionId: 0,
    expected: [1, 2, 3],
    target: [1, 2, 5],
    changeId: "a",
    remaining: 2,
  } as const;
  cluster.ignores({ ...command, expected: [3, 2, 1] });
  cluster.ignores({ ...command, partitionId: 3 });
  cluster.ignores({ ...command, target: [1, 2, 6] });
  cluster.ignores({ ...command, target: [1, 2] });
  cluster.ignores({ ...command, target: [1, 2, 3, 5] });
  cluster.ignores({ ...command, target: [3, 2, 1] });
  cluster.ignores({ ...command, changeId: "unknown" });
  assert.ok(cluster.apply(command));
  assert.equal(cluster.places(0), {
    partitionId: 0,
    replicas: [1, 2, 3],
    target: [1, 2, 5],
    former: [3],
    changeId: "a",
  });
  assert.equal(steps(cluster.change("a")), [0, 2]);
  cluster.settle(0);
  assert.equal(steps(cluster.change("a")), [1, 2]);
  assert.is(cluster.change("a").isFinished, false);
  cluster.ask("b", { kind: "removeNode", nodeId: 5 });
  cluster.ignores({ ...command, partitionId: 1, expected: [2, 3, 4], target: [2, 3, 5], changeId: "b" });
});

test("a node that is removed gets nothing more, and never comes back", () => {
  const cluster = Cluster.founded();
  cluster.ask("add", { kind: "addNode", nodeId: 5, address: "e:1" });
  cluster.ask("move", { kind: "moveReplica", partitionId: 0, from: 1, to: 5 });
  cluster.ask("other", { kind: "moveReplica", partitionId: 1, from: 2, to: 1 });
  cluster.ask("remove", { kind: "removeNode", nodeId: 5 });
  assert.ok(cluster.state.nodes.get(5)?.isLeaving);
  for (const id of ["add", "move"]) assert.match(cluster.change(id).error, /node 5 is being removed/);
  assert.is(cluster.change("other").isFinished, false);
  cluster.ignores({ kind: "finish", changeId: "remove", error: "" });
  const back = { kind: "setTarget", partitionId: 0, expected: [5, 2, 3], target: [1, 2, 3] } as const;
  assert.ok(cluster.apply({ ...back, changeId: "remove", remaining: 1 }));
  cluster.ignores({ kind: "finish", changeId: "remove", error: "" });
  cluster.settle(0);
  assert.ok(isMoving(cluster.partition(1)), "which never was to go there");
  assert.ok(cluster.apply({ kind: "finish", changeId: "remove", error: "" }));
  assert.equal([...cluster.state.nodes.keys()], [1, 2, 3, 4]);
  assert.match(
    cluster.ask("again", { kind: "addNode", nodeId: 5, address: "e:1" }).error,
    /never used again/,
  );
  assert.ok(isDone(cluster.ask("gone", { kind: "removeNode", nodeId: 5 })));
  assert.equal(steps(cluster.change("remove")), [1, 1]);
});

test("a second removal of the same node shares the progress and the end of the first", () => {
  const cluster = Cluster.founded();
  cluster.ask("a", { kind: "removeNode", nodeId: 4 });
  const first = { kind: "setTarget", partitionId: 1, expected: [2, 3, 4], target: [2, 3, 1] } as const;
  cluster.apply({ ...first, changeId: "a", remaining: 2 });
  assert.equal(steps(cluster.ask("b", { kind: "removeNode", nodeId: 4 })), [0, 2]);
  cluster.settle(1);
  const second = { kind: "setTarget", partitionId: 2, expected: [3, 4, 1], target: [3, 2, 1] } as const;
  cluster.apply({ ...second, changeId: "a", remaining: 1 });
  assert.equal(steps(cluster.change("b")), [1, 2]);
  cluster.settle(2);
  assert.ok(cluster.apply({ kind: "finish", changeId: "b", error: "" }));
  for (const id of ["a", "b"]) {
    assert.ok(isDone(cluster.change(id)));
    assert.equal(steps(cluster.change(id)), [2, 2]);
  }
});

test("the end of a rebalance is not the end of a removal that counts the same moves", () => {
  const cluster = Cluster.founded();
  cluster.ask("even", { kind: "rebalance" });
  cluster.ask("away", { kind: "removeNode", nodeId: 4 });
  assert.ok(cluster.apply({ kind: "finish", changeId: "even", error: "" }));
  assert.ok(cluster.change("even").isFinished);
  assert.not(cluster.change("away").isFinished);
});

test("a removal that fails leaves a member", () => {
  const cluster = Cluster.founded();
  cluster.ask("a", { kind: "removeNode", nodeId: 4 });
  assert.ok(cluster.apply({ kind: "finish", changeId: "a", error: "for a reason" }));
  assert.is(cluster.state.nodes.get(4)?.isLeaving, false);
  assert.is(cluster.change("a").error, "for a reason");
});

test("leadership goes to the front of the replicas, and a later transfer replaces an earlier one", () => {
  const cluster = Cluster.founded();
  cluster.ask("a", { kind: "transferLeadership", partitionId: 0, to: 3 });
  assert.equal(cluster.places(0), {
    partitionId: 0,
    replicas: [3, 1, 2],
    target: [3, 1, 2],
    former: [],
    changeId: "",
  });
  cluster.ask("b", { kind: "transferLeadership", partitionId: 0, to: 2 });
  assert.match(cluster.change("a").error, /replaced by the change b/);
  assert.is(cluster.change("b").isFinished, false);
  assert.ok(cluster.apply({ kind: "finish", changeId: "b", error: "" }));
  assert.equal(steps(cluster.change("b")), [1, 1]);
  cluster.ignores({ kind: "finish", changeId: "b", error: "" });
});

test("a preferred leader is a replica that stays", () => {
  const cluster = Cluster.founded();
  cluster.ask("leaves", { kind: "removeNode", nodeId: 4 });
  cluster.ignores({ kind: "prefer", partitionId: 1, nodeId: 4 });
  cluster.ignores({ kind: "prefer", partitionId: 1, nodeId: 1 });
  cluster.ignores({ kind: "prefer", partitionId: 1, nodeId: 2 });
  cluster.ignores({ kind: "prefer", partitionId: 8, nodeId: 2 });
  assert.ok(cluster.apply({ kind: "prefer", partitionId: 1, nodeId: 3 }));
  assert.equal(cluster.partition(1).replicas, [3, 2, 4]);
});

test("of a partition that moves, the leader is set where it is and where it goes", () => {
  const cluster = Cluster.founded();
  cluster.ask("a", { kind: "moveReplica", partitionId: 0, from: 1, to: 4 });
  assert.ok(cluster.apply({ kind: "prefer", partitionId: 0, nodeId: 3 }));
  assert.equal(cluster.places(0), {
    partitionId: 0,
    replicas: [3, 1, 2],
    target: [3, 4, 2],
    former: [1],
    changeId: "a",
  });
  assert.ok(cluster.apply({ kind: "prefer", partitionId: 0, nodeId: 4 }));
  assert.equal(cluster.partition(0).replicas, [3, 1, 2]);
  assert.equal(cluster.partition(0).target, [4, 3, 2]);
  cluster.ignores({ kind: "prefer", partitionId: 0, nodeId: 1 });
});

test("the last 64 finished changes are kept, before those under way", () => {
  const cluster = Cluster.founded();
  cluster.ask("open", { kind: "rebalance" });
  for (let count = 0; count < 70; count++) cluster.ask(`refused-${count}`, { kind: "removeNode", nodeId: 7 });
  const ids = cluster.state.changes.map(({ changeId }) => changeId);
  assert.is(ids.length, 65);
  assert.is(ids[0], "refused-6");
  assert.is(ids[64], "open");
  cluster.apply({ kind: "finish", changeId: "open", error: "" });
  assert.is(cluster.state.changes.at(-1)?.changeId, "open", "it ended last");
});

test("more than 64 changes at the same time are refused, but a node can always be removed", () => {
  const cluster = Cluster.founded();
  for (let count = 0; count < 64; count++) cluster.ask(`open-${count}`, { kind: "rebalance" });
  assert.match(cluster.ask("late", { kind: "rebalance" }).error, /64 changes are under way \(limit 64\)/);
  assert.is(cluster.ask("remove", { kind: "removeNode", nodeId: 1 }).error, "");
});

test("a state that breaks an invariant stops the node", () => {
  const cluster = new Cluster();
  assert.throws(
    () => cluster.apply({ ...FOUND, replicas: [[1, 1, 2]] }),
    (error: unknown) => error instanceof InvariantViolation,
  );
});

function isDone({ isFinished, error }: ClusterChange): boolean {
  return isFinished && error === "";
}

function steps({ done, total }: ClusterChange): readonly number[] {
  return [done, total];
}

function addressOf(nodeId: number): string {
  return `node-${nodeId}:50051`;
}

test.run();
