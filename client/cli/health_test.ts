/**
 * What is wrong with clusters that are made up, in words.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import type { ClusterView, NodeReport, NodeView, PeerView, ReplicaView } from "../mod.ts";
import { healthOf } from "./health.ts";

const test = suite("health");

const PARTITIONS = 7;

function cluster(leaders: readonly number[]): ClusterView {
  return {
    clusterId: "c1",
    epoch: 1,
    replicationFactor: 3,
    nodes: [1, 2, 3].map((nodeId) => ({ nodeId, address: `n${nodeId}:1` })),
    partitions: leaders.map((leaderId, partitionId) => ({
      partitionId,
      hashStart: 0,
      hashEnd: 1,
      leaderId,
      term: 3,
      replicas: [1, 2, 3],
    })),
  };
}

/** A node that reaches all others but `cutFrom`. */
function node(
  nodeId: number,
  cutFrom: readonly number[] = [],
  replicas: readonly ReplicaView[] = [],
): NodeReport {
  const peers: PeerView[] = [1, 2, 3].filter((id) => id !== nodeId).map((id) => ({
    nodeId: id,
    address: `n${id}:1`,
    connected: true,
    reached: !cutFrom.includes(id),
    queuedBytes: 0,
  }));
  const about = { clusterId: "c1", version: "1", state: "serving", uptimeMs: 1, walBytes: 1, troubles: [] };
  return { kind: "answered", address: `http://n${nodeId}:1`, node: { nodeId, ...about, replicas, peers } };
}

function silent(nodeId: number): NodeReport {
  return { kind: "failed", address: `http://n${nodeId}:1`, message: "no answer within 2000 ms" };
}

const EVEN = [1, 2, 3, 1, 2, 3, 1];

test("a whole cluster has no findings", () => {
  assert.equal(healthOf({ cluster: cluster(EVEN), nodes: [node(1), node(2), node(3)] }), {
    ready: true,
    findings: [],
  });
});

test("partitions without a leader, and with one that does not answer, are told together", () => {
  const nodes = [node(1), node(2), silent(3)];
  const { ready, findings } = healthOf({ cluster: cluster([1, 0, 3, 0, 2, 3, 1]), nodes });
  assert.is(ready, false);
  assert.equal(findings, [
    "partitions 1, 3 have no leader",
    "partitions 2, 5 have node 3 as leader, which does not answer",
    "the node at http://n3:1 does not answer: no answer within 2000 ms",
  ]);
  const all = healthOf({ cluster: cluster(Array.from({ length: PARTITIONS }, () => 0)), nodes });
  assert.is(all.findings[0], "7 partitions (0, 1, 2, 3, 4, …) have no leader");
});

test("a leader that is cut off from the majority keeps its partitions from being ready", () => {
  const nodes = [node(1, [2, 3]), node(2, [1]), node(3, [1])];
  const { ready, findings } = healthOf({ cluster: cluster([1, 2]), nodes });
  assert.is(ready, false);
  assert.is(
    findings[0],
    "partition 0 has node 1 as leader, which reaches only 1 of 3 replicas, itself included",
  );
  assert.ok(findings.includes("node 2 does not reach node 1 at n1:1"));
});

test("a leader of a later term counts, whatever the metadata says", () => {
  const led: ReplicaView = {
    partitionId: 0,
    role: "leader",
    term: 4,
    leaderId: 2,
    commitIndex: 1,
    appliedIndex: 1,
    lastIndex: 1,
    keyCount: 0,
    stateBytes: 0,
    followers: [],
  };
  const nodes = [node(1, [2, 3]), node(2, [1], [led]), node(3, [1])];
  assert.is(healthOf({ cluster: cluster([1]), nodes }).ready, true);
});

test("a node that is starting is not called silent", () => {
  const starting: NodeReport = {
    kind: "failed",
    address: "http://n3:1",
    message: "the node is starting",
    isStarting: true,
  };
  assert.equal(healthOf({ cluster: cluster([1]), nodes: [node(1), node(2), starting] }), {
    ready: true,
    findings: ["the node at http://n3:1 is starting"],
  });
});

test("a node that is not ready is told", () => {
  const [first, ...others] = [node(1), node(2), node(3)];
  assert.ok(first?.kind === "answered");
  const starting: NodeReport = { ...first, node: { ...first.node, state: "starting" } };
  assert.equal(healthOf({ cluster: cluster([2]), nodes: [starting, ...others] }), {
    ready: true,
    findings: ["node 1 is not ready (starting)"],
  });
});

test("a node that is not ready is told with its own reasons", () => {
  const reason = "partition 1 has no leader";
  const nodes = [troubled(node(1), { state: "starting", troubles: [{ kind: "noLeader", reason }] }), node(2)];
  assert.equal(healthOf({ cluster: cluster([2]), nodes }), { ready: true, findings: [`node 1: ${reason}`] });
});

test("where a leader refuses puts, not all calls can succeed", () => {
  const reason = "the log is full";
  for (const kind of ["diskFull", "memoryFull"]) {
    const full = troubled(node(2), { state: "starting", troubles: [{ kind, reason }] });
    assert.equal(healthOf({ cluster: cluster([1, 2]), nodes: [node(1), full, node(3)] }), {
      ready: false,
      findings: ["partition 1 has node 2 as leader, which refuses puts", `node 2: ${reason}`],
    });
    assert.is(healthOf({ cluster: cluster([1, 3]), nodes: [node(1), full, node(3)] }).ready, true);
  }
});

test("what an operator must see to is told though the node serves", () => {
  const troubles = [{ kind: "peerDistrusted", reason: "peer 3 has lost what it promised" }];
  assert.equal(healthOf({ cluster: cluster([1]), nodes: [troubled(node(1), { troubles }), node(2)] }), {
    ready: true,
    findings: ["node 1: peer 3 has lost what it promised"],
  });
});

function troubled(report: NodeReport, said: Partial<NodeView>): NodeReport {
  return report.kind === "answered" ? { ...report, node: { ...report.node, ...said } } : report;
}

test("that replicas are missing is told once, and leaves the cluster ready", () => {
  const reason = "9 of 9 partitions have fewer replicas (1) than the replication factor, 3; more are to come";
  const troubles = [{ kind: "fewReplicas", reason }];
  const nodes = [1, 2, 3].map((nodeId) => troubled(node(nodeId), { troubles }));
  assert.equal(healthOf({ cluster: cluster(EVEN), nodes }), { ready: true, findings: [reason] });
});

test.run();
