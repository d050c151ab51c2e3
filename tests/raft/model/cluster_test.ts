/**
 * The ordinary course of a cluster: it elects, replicates, commits, reads, and survives.
 *
 * @module
 */

import { assert, suite } from "../../harness.ts";
import { appliedText, Cluster, textBytes } from "./cluster.ts";

const test = suite("raft cluster");

test("three nodes elect one leader and replicate to all", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3] });
  const leader = cluster.elect();
  const result = leader.core.propose(1, textBytes("a"));
  assert.ok(result.accepted);
  cluster.settle();
  for (const node of cluster.nodes) assert.equal(appliedText(node), ["a"]);
});

test("one node leads alone after its first tick", () => {
  const cluster = new Cluster({ nodes: [1] });
  cluster.tick();
  assert.is(cluster.node(1).status(1).role, "leader");
  cluster.node(1).core.propose(1, textBytes("a"));
  cluster.settle();
  assert.equal(appliedText(cluster.node(1)), ["a"]);
});

test("a new cluster elects the preferred replica in a fraction of the timeout", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3], groups: [0, 1, 2], priority: (group) => rotated(group) });
  cluster.tick(5);
  for (const group of [0, 1, 2]) assert.is(cluster.leader(group)?.id, rotated(group)[0]);
});

test("a read is granted at the leader and at a follower, with an index that covers every acknowledged write", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3] });
  const leader = cluster.elect();
  leader.core.propose(1, textBytes("a"));
  cluster.settle();
  const written = leader.status(1).commit;
  for (const node of cluster.nodes) {
    assert.ok(node.core.readIndex(1, 70 + node.id).accepted);
    cluster.settle();
    assert.equal(node.reads, [{ group: 1, readId: 70 + node.id, granted: true, readIndex: written }]);
  }
});

test("after a crash of all nodes everything committed is there", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3] });
  const leader = cluster.elect();
  for (let i = 0; i < 20; i++) leader.core.propose(1, textBytes(`${i}`));
  cluster.settle();
  for (const node of cluster.nodes) cluster.crash(node);
  for (const node of cluster.nodes) cluster.start(node);
  cluster.elect();
  cluster.tick(5);
  for (const node of cluster.nodes) assert.is(appliedText(node).length, 20);
});

test("leadership returns to the preferred replica when it is back", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3], priority: () => [2, 3, 1] });
  cluster.crash(cluster.node(2));
  cluster.elect();
  cluster.start(cluster.node(2));
  cluster.tickUntil(() => cluster.leader()?.id === 2);
  cluster.node(2).core.propose(1, textBytes("a"));
  cluster.tick(5);
  for (const node of cluster.nodes) assert.equal(appliedText(node), ["a"]);
});

function rotated(group: number): readonly number[] {
  return [0, 1, 2].map((offset) => ((group + offset) % 3) + 1);
}

test.run();
