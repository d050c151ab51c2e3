/**
 * How a cluster in the middle of a change is shown.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import type { ClusterView, FollowerView, NodeReport, ReplicaView } from "../mod.ts";
import { statusLines } from "./cluster_status.ts";

const test = suite("cluster status");

const CLUSTER: ClusterView = {
  clusterId: "c1",
  epoch: 12,
  replicationFactor: 3,
  nodes: [1, 2, 3, 4].map((nodeId) => ({ nodeId, address: `n${nodeId}:1` })),
  partitions: [
    { partitionId: 0, hashStart: 0, hashEnd: 2 ** 31, leaderId: 1, term: 4, replicas: [1, 2, 3] },
    { partitionId: 1, hashStart: 2 ** 31, hashEnd: 2 ** 32, leaderId: 0, term: 2, replicas: [2, 3, 4] },
  ],
};

function answered(nodeId: number, followers: readonly FollowerView[] = []): NodeReport {
  const replica: ReplicaView = {
    ...{
      partitionId: 0,
      role: "leader" as const,
      term: 4,
      leaderId: 1,
      commitIndex: 9,
      appliedIndex: 9,
      lastIndex: 9,
    },
    keyCount: 1,
    stateBytes: 1,
    followers,
  };
  const node = {
    nodeId,
    clusterId: "c1",
    version: "0",
    state: "serving",
    uptimeMs: 1,
    walBytes: 0,
    troubles: [],
    peers: [],
    replicas: followers.length === 0 ? [] : [replica],
  };
  return { kind: "answered", address: `http://n${nodeId}:1`, node };
}

test("nodes, partitions, lag, joining replicas and changes under way", () => {
  const followers = [
    { nodeId: 2, lag: 0, isActive: true },
    { nodeId: 3, lag: 7, isActive: false },
    { nodeId: 4, lag: 1200, isActive: true },
  ];
  const nodes: readonly NodeReport[] = [
    answered(1, followers),
    // Reached at another address than the cluster says.
    { ...answered(2), address: "https://db.example" },
    { kind: "failed", address: "http://n3:1", message: "no answer within 2000 ms" },
  ];
  const changes = [
    { changeId: "x", description: "add node 4", done: 2, total: 5, isFinished: false, error: "" },
    { changeId: "y", description: "rebalance", done: 0, total: 0, isFinished: false, error: "" },
    { changeId: "z", description: "over", done: 1, total: 1, isFinished: true, error: "" },
  ];
  assert.equal(statusLines({ cluster: CLUSTER, nodes, changes }), [
    "cluster c1  epoch 12  4 nodes  2 partitions  replication factor 3",
    "node 1  n1:1  serving  1 replica  1 leader",
    "node 2  n2:1  serving  2 replicas  0 leaders",
    "node 3  n3:1  unreachable: no answer within 2000 ms  2 replicas  0 leaders",
    "node 4  n4:1  not asked  1 replica  0 leaders",
    "partition 0  leader 1  replicas 1 2 3 (lag 7, silent)  joining 4 (lag 1200)",
    "partition 1  no leader  replicas 2 3 4",
    "change x  add node 4: 2 of 5 steps",
    "change y  rebalance",
  ]);
});

test.run();
