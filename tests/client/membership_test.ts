/**
 * The client while nodes come and go under it: leaders it has never heard of, nodes that vanish with their
 * batches, and the nodes it was connected with gone for good. No call may fail within its deadline, and none
 * take effect twice.
 *
 * @module
 */

import { PrkDbClient } from "../../client/mod.ts";
import { assert, suite } from "../harness.ts";
import { FakeCluster } from "./fake_cluster.ts";
import { inCluster } from "./in_cluster.ts";

const test = suite("client while nodes come and go");
const PARTITIONS = [0, 1, 2, 3, 4, 5];

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

test("a leader that the client has never heard of is followed, and the nodes are looked up", () =>
  inCluster(async (cluster, client) => {
    const node = cluster.addNode();
    cluster.move(cluster.partitionOf("key"), [node, 0, 1]);
    const asked = cluster.metadataCalls;
    await client.put("key", "x", { precondition: { absent: true } });
    assert.equal(cluster.calls.map((call) => call.node).slice(1), [node]);
    await until(() => cluster.metadataCalls > asked);
    // Now that it is known, all the others may go.
    for (const partition of PARTITIONS) cluster.move(partition, [node]);
    for (const old of [0, 1, 2]) {
      cluster.removeNode(old);
      await cluster.stopNode(old);
    }
    for (const partition of PARTITIONS) await client.put(cluster.keysIn(partition, 1)[0]!, "x");
  }));

test("a joined batch follows a leader that has just been added", () =>
  inCluster(async (cluster, client) => {
    const node = cluster.addNode();
    cluster.move(0, [node, 0, 1]);
    const keys = [...cluster.keysIn(0, 20), ...cluster.keysIn(3, 20)];
    await Promise.all(keys.map((key) => client.put(key, "x")));
    assert.equal([...cluster.applied].sort(), [...keys].sort());
    assert.is(cluster.calls.at(-1)!.node, node);
  }));

test("writes on their way to a node that vanishes arrive elsewhere under the same request id", () =>
  inCluster(async (cluster, client) => {
    const key = cluster.keysIn(0, 1)[0]!;
    const queued = cluster.keysIn(3, 30);
    const node = cluster.addNode();
    let held = 0;
    cluster.fault = (call) => call.node === 0 && ++held > 0 ? { kind: "hang" } : undefined;
    const puts = [client.put(key, "x"), ...queued.map((each) => client.put(each, "x"))];
    await until(() => held > 0);
    cluster.removeNode(0);
    for (const partition of [0, 3]) cluster.move(partition, [node, 1, 2]);
    await cluster.stopNode(0);
    await Promise.all(puts);
    assert.equal([...cluster.applied].sort(), [key, ...queued].sort());
    const sequences = cluster.calls.map((call) => call.sequence);
    assert.ok(new Set(sequences).size <= held, `${sequences}`);
  }));

test(
  "all nodes of the start are replaced, one after the other, under load",
  () =>
    inCluster(async (cluster, client) => {
      let isOver = false;
      const acknowledged: string[] = [];
      const writer = async (name: number) => {
        for (let number = 0; !isOver; number++) {
          const key = `writer-${name}-${number}`;
          await client.put(key, "x");
          acknowledged.push(key);
          assert.is(await client.getText(key), "x");
        }
      };
      const writers = Promise.all(Array.from({ length: 8 }, (_, name) => writer(name)));
      let members = [0, 1, 2];
      for (const old of [0, 1, 2]) {
        const node = cluster.addNode();
        members = [...members.filter((each) => each !== old), node];
        for (const partition of PARTITIONS) {
          const turned = members.map((_, place) => members[(place + partition) % members.length]!);
          cluster.move(partition, turned);
          const before = acknowledged.length;
          await until(() => acknowledged.length > before);
        }
        cluster.removeNode(old);
        await cluster.stopNode(old);
        const before = acknowledged.length;
        await until(() => acknowledged.length > before + 50);
      }
      isOver = true;
      await writers;
      assert.equal([...cluster.applied].sort(), acknowledged.sort());
      const { nodes } = await client.metadata();
      assert.equal(nodes.map(({ nodeId }) => nodeId), [4, 5, 6]);
    }),
);

test("a removed node that lives on and knows only the past leads nobody astray", () =>
  inCluster(async (cluster, client) => {
    const node = cluster.addNode();
    cluster.freeze(0);
    for (const partition of PARTITIONS) cluster.move(partition, [node, 1, 2]);
    cluster.removeNode(0);
    // It answers as a node does that no longer holds anything: in the terms of its time.
    cluster.fault = (call) => call.node === 0 ? { kind: "notLeader", leader: 1, term: 1 } : undefined;
    for (let number = 0; number < 40; number++) await client.put(`key-${number}`, "x");
    cluster.calls.length = 0;
    for (let number = 0; number < 40; number++) await client.put(`key-${number}`, "y");
    assert.ok(cluster.calls.every((call) => call.node === node && call.direct), "the new leader is known");
    const { nodes } = await client.metadata();
    assert.equal(nodes.map(({ nodeId }) => nodeId), [2, 3, 4]);
  }));

test("a client that knows only a removed node finds the cluster through what that node remembers", async () => {
  const cluster = new FakeCluster();
  try {
    const node = cluster.addNode();
    cluster.freeze(0);
    cluster.move(cluster.partitionOf("key"), [node, 1, 2]);
    cluster.removeNode(0);
    cluster.fault = (call) => call.node === 0 ? { kind: "notLeader", leader: 1, term: 1 } : undefined;
    const client = await PrkDbClient.connect([cluster.addresses[0]!]);
    await client.put("key", "x");
    assert.equal(cluster.applied, ["key"]);
    assert.is((await client.metadata()).nodes.some(({ nodeId }) => nodeId === 1), false);
    await client.close();
  } finally {
    await cluster.close();
  }
});

test("when every member is out of reach, former members and the first addresses are asked", () =>
  inCluster(async (cluster, client) => {
    const node = cluster.addNode();
    for (const partition of PARTITIONS) cluster.move(partition, [node]);
    for (const old of [0, 1, 2]) cluster.removeNode(old);
    await client.metadata();
    await client.put("key", "x");
    await cluster.stopNode(node);
    const put = client.put("key", "y");
    // The first nodes are taken back, which only they can tell.
    const again = cluster.addNode();
    for (const partition of PARTITIONS) cluster.move(partition, [again]);
    await put;
    assert.equal(cluster.applied, ["key", "key"]);
    assert.is(cluster.calls.at(-1)!.node, again);
  }));

test("reads of followers leave nodes that hold the partition no more", () =>
  inCluster(async (cluster, client) => {
    await client.put("key", "x");
    const node = cluster.addNode();
    cluster.move(cluster.partitionOf("key"), [node, 1]);
    cluster.removeNode(0);
    await cluster.stopNode(0);
    for (let round = 0; round < 12; round++) {
      assert.is(await client.getText("key", { consistency: "follower" }), "x");
      assert.is(await client.getText("key", { consistency: "stale" }), "x");
    }
  }));

test.run();
