/**
 * The tool of the other end-to-end tests, on a real cluster of three: it starts, finds leaders, kills,
 * restarts and cleans up.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";

const test = suite("process cluster");

test("three processes serve, one is killed and comes back, nothing is left behind", async () => {
  const cluster = await ProcessCluster.start({ nodes: 3, partitions: 3 });
  try {
    assert.equal(cluster.runningIds, [1, 2, 3]);
    const { partitions, nodes } = await cluster.metadata();
    assert.is(partitions.length, 3);
    assert.equal(nodes.map((node) => `http://${node.address}`), cluster.addresses());
    const leader = await cluster.leaderOf(0);
    await cluster.kill(leader, "SIGKILL");
    assert.not(cluster.runningIds.includes(leader));
    assert.is.not(await cluster.leaderOf(0), leader);
    await cluster.restart(leader);
    await cluster.waitReady([leader]);
    assert.equal(cluster.runningIds, [1, 2, 3]);
  } finally {
    await cluster.close();
  }
  assert.equal(cluster.runningIds, []);
  for (const id of cluster.ids) {
    let isThere = true;
    try {
      await Deno.stat(cluster.dataDirectory(id));
    } catch {
      isThere = false;
    }
    assert.not(isThere, cluster.dataDirectory(id));
  }
});

test("a node that cannot start says why", async () => {
  let message = "";
  try {
    const cluster = await ProcessCluster.start({ nodes: 1, flags: ["--wal-sync=sometimes"] });
    await cluster.close();
  } catch (error) {
    message = String(error);
  }
  assert.match(message, /wal-sync/);
});

test.run();
