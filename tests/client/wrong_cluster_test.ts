/**
 * The client says which cluster it means, and goes on when another one has come up at an address that it
 * knows; and it finds nodes where they say that clients find them.
 *
 * @module
 */

import { Code } from "@connectrpc/connect";
import { PrkDbClient, type PrkDbError } from "../../client/mod.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { freePort, freePorts } from "../support/cluster/free_port.ts";
import { FakeCluster } from "./fake_cluster.ts";
import { inCluster } from "./in_cluster.ts";

const test = suite("client and the cluster it means");

test("everything after the first metadata says which cluster is meant, also what is repeated", () =>
  inCluster(async (cluster, client) => {
    assert.equal(cluster.meant, [["GetMetadata", ""]]);
    let faults = 2;
    cluster.fault = () => faults-- > 0 ? { kind: "error", code: Code.Unavailable } : undefined;
    await client.put("key", "x");
    await client.put("key", "y", { precondition: { version: 1 } });
    await client.delete("key", { precondition: { version: 2 } });
    await client.getMany(["a", "b"]);
    await client.get("a", { consistency: "stale", maxStalenessMs: 5 });
    await client.status();
    await client.metadata();
    const changeId = await client.cluster.rebalance();
    cluster.changes.tell({ changeId, description: "", done: 1, total: 1, finished: true, error: "" });
    await client.cluster.changes();
    await client.cluster.waitForChange(changeId);
    const [, ...later] = cluster.meant;
    assert.equal(later.filter(([, clusterId]) => clusterId !== "fake"), []);
    const methods = new Set(later.map(([method]) => method));
    for (
      const method of [
        "WriteBatch",
        "Put",
        "Delete",
        "GetMany",
        "Get",
        "GetStatus",
        "GetMetadata",
        "Rebalance",
        "WatchChanges",
      ]
    ) assert.ok(methods.has(method), method);
  }));

test("a node of another cluster at a known address gets nothing done, and is asked no more", () =>
  inCluster(async (cluster, client) => {
    cluster.clusterAt = (node) => node === 2 ? "another" : "fake";
    for (let partition = 0; partition < 6; partition++) {
      if (cluster.leaderOf(cluster.keysIn(partition, 1)[0]!) === 2) cluster.elect(partition, 0);
    }
    const keys = Array.from({ length: 60 }, (_, number) => `key-${number}`);
    for (const key of keys) await client.put(key, "x");
    for (let round = 0; round < 6; round++) await client.cluster.rebalance();
    assert.equal(cluster.applied, keys);
    assert.ok(cluster.calls.every(({ node }) => node !== 2));
    assert.ok(cluster.changes.taken.every(({ node }) => node !== 2));
    const refused = cluster.meant.length - cluster.calls.length - cluster.metadataCalls;
    assert.ok(refused < 20, `${refused} calls were refused`);
    const reports = await client.status();
    assert.equal(reports.filter(({ kind }) => kind === "failed").map(({ address }) => address), [
      cluster.addresses[2],
    ]);
  }));

test("when all of them are another cluster's, calls fail and say so", () =>
  inCluster(async (cluster, client) => {
    cluster.clusterAt = () => "another";
    const error = await assertRejects(() => client.put("key", "x", { timeoutMs: 700 })) as PrkDbError;
    assert.is(error.code, "deadline_exceeded");
    assert.match(error.message, /belongs to cluster another/);
    assert.equal(cluster.applied, []);
    assert.match((await assertRejects(() => client.metadata())).message, /belongs to cluster another/);
    cluster.clusterAt = () => "fake";
    await client.put("key", "x");
  }));

test("addresses of two clusters are refused, with the cluster of each, whichever answers first", async () => {
  const one = new FakeCluster();
  const other = new FakeCluster({ nodes: 1 });
  const gone = `http://127.0.0.1:${freePort()}`;
  other.clusterId = "other";
  try {
    const [first, second] = one.addresses;
    for (const addresses of [[first!, other.addresses[0]!, gone, second!], [other.addresses[0]!, first!]]) {
      for (const random of [() => 0, () => 0.999]) {
        const error = await assertRejects(() => PrkDbClient.connect(addresses, { random }));
        assert.is((error as PrkDbError).code, "invalid_argument");
        assert.match(error.message, `${other.addresses[0]} to cluster other`);
        assert.match(error.message, /127\.0\.0\.1:\d+ to cluster fake/);
        assert.not.match(error.message, gone);
      }
    }
  } finally {
    await Promise.all([one.close(), other.close()]);
  }
});

test("addresses that answer nothing, and other names of a node, do not disturb", async () => {
  const cluster = new FakeCluster();
  const silent = new FakeCluster({ nodes: 1 });
  silent.paused.add(0);
  try {
    const [first] = cluster.addresses;
    const otherName = cluster.addresses[1]!.replace("127.0.0.1", "localhost");
    const gone = `http://127.0.0.1:${freePort()}`;
    const client = await PrkDbClient.connect([first!, gone, silent.addresses[0]!, otherName]);
    await client.put("key", "x");
    await client.close();
    const before = cluster.metadataCalls;
    await (await PrkDbClient.connect(cluster.addresses)).close();
    assert.is(cluster.metadataCalls, before + 1, "members need not be asked");
  } finally {
    await Promise.all([cluster.close(), silent.close()]);
  }
});

test("a client waits for a cluster that is being founded", async () => {
  const cluster = new FakeCluster();
  try {
    cluster.clusterId = "";
    const error = await assertRejects(() => PrkDbClient.connect(cluster.addresses, { timeoutMs: 200 }));
    assert.match(error.message, /not founded yet/);
    const connecting = PrkDbClient.connect(cluster.addresses);
    while (cluster.metadataCalls < 12) await new Promise((resolve) => setTimeout(resolve, 5));
    cluster.clusterId = "founded";
    const client = await connecting;
    assert.is((await client.metadata()).clusterId, "founded");
    await client.close();
  } finally {
    await cluster.close();
  }
});

test("nodes are called where they say that clients find them, also when another node names one", async () => {
  const cluster = new FakeCluster();
  try {
    const unused = freePorts(3);
    cluster.advertise = (node) => `127.0.0.1:${unused[node]}`;
    cluster.clientUrl = (node) => cluster.addresses[node]!;
    const client = await PrkDbClient.connect([cluster.addresses[0]!]);
    const [first] = cluster.keysIn(0, 1);
    cluster.elect(0, 2);
    cluster.hintAddress = (node) => cluster.advertise(node);
    await client.put(first!, "x", { precondition: { absent: true } });
    assert.equal(cluster.calls.map(({ node, direct }) => [node, direct]), [[0, true], [2, true]]);
    await client.close();
  } finally {
    await cluster.close();
  }
});

test("when no advertised address can be reached, everything goes through the seeds", async () => {
  const cluster = new FakeCluster();
  try {
    const unused = freePorts(3);
    cluster.advertise = (node) => `127.0.0.1:${unused[node]}`;
    const client = await PrkDbClient.connect([cluster.addresses[1]!]);
    await client.put("key", "x");
    assert.is(await client.getText("key"), "x");
    assert.is(await client.getText("key", { consistency: "follower" }), "x");
    await client.writeBatch([{ kind: "delete", key: "key" }]);
    const changeId = await client.cluster.rebalance();
    cluster.changes.tell({ changeId, description: "", done: 1, total: 1, finished: true, error: "" });
    assert.is((await client.cluster.waitForChange(changeId)).isFinished, true);
    assert.is((await client.cluster.changes()).length, 1);
    assert.is((await client.metadata()).clusterId, "fake");
    const answered = (await client.status()).filter(({ kind }) => kind === "answered");
    assert.equal(answered.map(({ address }) => address), [cluster.addresses[1]]);
    assert.ok(cluster.calls.every(({ node }) => node === 1));
    await client.close();
  } finally {
    await cluster.close();
  }
});

test.run();
