/**
 * Keys that expire, in whole nodes: never before their time, gone for all who ask, and then from memory.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import {
  kindOf,
  type NodeCluster,
  put,
  READ,
  text,
  utf8,
  withCluster,
  WRITE,
} from "../../tests/support/cluster/node_cluster.ts";
import { pause, until } from "../../tests/support/patience.ts";
import type { Mutation } from "../kv/mod.ts";

const test = suite("expiry");
const HOUR_MS = 3_600_000;
const KEYS = Array.from({ length: 40 }, (_, at) => `key-${at}`);

function timedPut(key: string, ttlMs: number): Mutation {
  return { kind: "put", key: utf8(key), value: utf8(key), ttlMs, precondition: undefined };
}

/** What a node's replicas count together. */
function countOf(cluster: NodeCluster, id: number, what: "keyCount" | "expiredKeys"): number {
  return cluster.node(id).status().replicas.reduce((sum, replica) => sum + replica[what], 0);
}

test("every node tells what a key has left, and a key without a time has none", async () => {
  await withCluster(3, async (cluster) => {
    const results = await cluster.node(1).write([timedPut("timed", HOUR_MS), put("for ever", "x")], WRITE);
    assert.equal(results.map(kindOf), ["ok", "ok"]);
    for (const id of [1, 2, 3]) {
      for (const consistency of ["linearizable", "follower", "stale"] as const) {
        // What a stale read finds is there once an exact one was answered from the same replica.
        await cluster.node(id).read([utf8("timed"), utf8("for ever")], { ...READ, consistency: "follower" });
        const [timed, forEver] = await cluster.node(id).read(
          [utf8("timed"), utf8("for ever")],
          { ...READ, consistency },
        );
        const left = timed?.expiresInMs ?? 0;
        assert.ok(left >= 1 && left <= HOUR_MS, `node ${id}, ${consistency}: ${left} ms are left`);
        assert.is(forEver?.expiresInMs, undefined);
      }
    }
  });
});

test("keys are gone no sooner than their time, for all who ask, and then removed from all nodes", async () => {
  await withCluster(3, async (cluster) => {
    const ttlMs = 700;
    const putMs = performance.now();
    const results = await cluster.node(1).write(KEYS.map((key) => timedPut(key, ttlMs)), WRITE);
    assert.equal([...new Set(results.map(kindOf))], ["ok"]);
    for (let asked = 0; await text(cluster.node(1 + asked % 3), "key-7") !== undefined; asked++) {
      await pause(5);
    }
    assert.ok(performance.now() - putMs >= ttlMs, "not before its time");
    for (const id of [1, 2, 3]) {
      for (const consistency of ["linearizable", "follower"] as const) {
        assert.is(await text(cluster.node(id), "key-7", { ...READ, consistency }), undefined);
      }
    }
    for (const id of [1, 2, 3]) {
      await until(() => countOf(cluster, id, "keyCount") === 0, `node ${id} holds no key`);
      assert.is(countOf(cluster, id, "expiredKeys"), KEYS.length);
    }
  });
});

test("a group that has fallen quiet wakes for a key whose time is reached", async () => {
  await withCluster(3, async (cluster) => {
    await cluster.node(1).write([timedPut("a", 4_000)], WRITE);
    const replicasOf = (id: number) => cluster.node(id).status().replicas;
    await until(
      () => replicasOf(1).every(({ isQuiet }) => isQuiet) || countOf(cluster, 1, "keyCount") === 0,
      "all groups rest",
    );
    for (const id of [1, 2, 3]) await until(() => countOf(cluster, id, "expiredKeys") === 1, `node ${id}`);
  });
});

test("a node that starts anew knows what has expired and what has not", async () => {
  await withCluster(1, async (cluster) => {
    await cluster.node(1).write(
      [timedPut("soon", 1), timedPut("later", HOUR_MS), put("for ever", "x")],
      WRITE,
    );
    await until(() => countOf(cluster, 1, "expiredKeys") === 1, "the key is removed");
    await cluster.stop(1);
    await cluster.start(1);
    await cluster.ready();
    const found = await cluster.node(1).read(["soon", "later", "for ever"].map(utf8), READ);
    assert.equal(found.map((item) => item === undefined ? "gone" : item.expiresInMs !== undefined), [
      "gone",
      true,
      false,
    ]);
  });
});

test.run();
