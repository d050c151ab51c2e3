/**
 * Whole nodes in one process, on real files and a network in memory.
 *
 * @module
 */

import { partitionOfKey } from "../../proto/mod.ts";
import { assert, assertRejects, suite } from "../../tests/harness.ts";
import {
  kindOf,
  NodeCluster,
  put,
  READ,
  text,
  utf8,
  withCluster,
  WRITE,
} from "../../tests/support/cluster/node_cluster.ts";
import { eventually, pause, until } from "../../tests/support/patience.ts";
import type { NodeReadOptions } from "../api/node_api.ts";
import { stateHash } from "../../tests/support/state_hash.ts";
import { groupOfPartition } from "../cluster/mod.ts";
import { encodeCommand, encodeExpireCommand, type Mutation } from "../kv/mod.ts";
import type { ForwardedReply } from "../ports/mod.ts";
import type { Node } from "./node.ts";

const test = suite("node");

test("one node alone writes, reads, deletes and comes back with its data", async () => {
  await withCluster(1, async (cluster) => {
    const results = await cluster.node(1).write(
      Array.from({ length: 100 }, (_, at) => put(`key-${at}`, `value-${at}`)),
      WRITE,
    );
    assert.ok(results.every((result) => result.ok));
    await cluster.node(1).write([{ kind: "delete", key: utf8("key-7"), precondition: undefined }], WRITE);
    await cluster.stop(1);
    await cluster.start(1);
    await cluster.ready();
    assert.is(await text(cluster.node(1), "key-42"), "value-42");
    assert.is(await text(cluster.node(1), "key-7"), undefined);
  });
});

test("what a write costs in memory counts from the moment it is applied", async () => {
  await withCluster(1, async (cluster) => {
    const node = cluster.node(1);
    for (let round = 0; round < 20; round++) {
      await node.write(Array.from({ length: 50 }, (_, at) => put(`key-${round}-${at}`, "v")), WRITE);
      const state = node.memory().find(({ name }) => name === "state");
      const machines = [...node.replicas.all.values()].map(({ machine }) => machine);
      const held = machines.reduce((bytes, { memoryBytes }) => bytes + memoryBytes, 0);
      assert.is(state?.usedBytes, held + node.keeper.figures.cache.bytes, `after write ${round}`);
    }
  });
});

test("any of three nodes takes any call, and all end up with the same state", async () => {
  await withCluster(3, async (cluster) => {
    for (const id of [1, 2, 3]) {
      const [result] = await cluster.node(id).write([put(`from-${id}`, `${id}`)], WRITE);
      assert.is(kindOf(result), "ok");
    }
    for (const id of [1, 2, 3]) {
      for (const from of [1, 2, 3]) assert.is(await text(cluster.node(id), `from-${from}`), `${from}`);
      assert.is(await text(cluster.node(id), "from-2", { ...READ, consistency: "follower" }), "2");
    }
    const hashOf = (id: number) =>
      cluster.node(id).replicas.assigned().map(({ machine }) =>
        `${machine.appliedIndex}:${stateHash(machine)}`
      )
        .join();
    await until(() => hashOf(1) === hashOf(2) && hashOf(1) === hashOf(3), "all nodes have the same state");
  });
});

test("a direct call to a follower names the leader", async () => {
  await withCluster(3, async (cluster) => {
    // Another may have been elected since the node was asked who leads.
    await eventually(() => namesLeader(cluster.node(1)));
  });
});

/** Asserts it for a partition that `node`, which is node 1, does not lead. */
async function namesLeader(node: Node): Promise<void> {
  const { partitions } = node.metadata();
  const elsewhere = partitions.find(({ leaderId }) => leaderId !== 1)!;
  const key = findKey((id) => id === elsewhere.partitionId, node);
  const [result] = await node.write([put(key, "x")], { ...WRITE, direct: true });
  if (result === undefined || result.ok) throw new Error("expected a refusal");
  const { failure } = result.error;
  if (failure.kind !== "notLeader") throw new Error(`expected notLeader, got ${failure.kind}`);
  assert.is(failure.leaderId, elsewhere.leaderId);
  assert.is(failure.leaderAddress, `host:${elsewhere.leaderId}`);
}

test("writes go on when a node has stopped, and it catches up when it is back", async () => {
  await withCluster(3, async (cluster) => {
    await cluster.stop(2);
    const mutations = Array.from({ length: 40 }, (_, at) => put(`key-${at}`, "while away"));
    const results = await cluster.node(1).write(mutations, WRITE);
    assert.equal([...new Set(results.map(kindOf))], ["ok"]);
    await cluster.start(2);
    await cluster.ready();
    for (let at = 0; at < 40; at++) {
      assert.is(await text(cluster.node(2), `key-${at}`, { ...READ, consistency: "follower" }), "while away");
    }
  });
});

test("a node that served and lost its majority says so, and does not call it a start", async () => {
  await withCluster(3, async (cluster) => {
    assert.is(cluster.node(1).status().state, "serving");
    await cluster.stop(2);
    await cluster.stop(3);
    await until(() => cluster.node(1).status().state === "no quorum", "node 1 says that it has no quorum");
    await cluster.start(2);
    await cluster.start(3);
    await cluster.ready();
    await until(() => cluster.node(1).status().state === "serving", "node 1 serves again");
  });
});

test("a node without a majority acknowledges nothing", async () => {
  await withCluster(3, async (cluster) => {
    cluster.network.cut(1, 2);
    cluster.network.cut(1, 3);
    const [written] = await cluster.node(1).write([put("a", "1")], { ...WRITE, timeoutMs: 1_500 });
    assert.ok(["deadline", "outcomeUnknown", "unavailable"].includes(kindOf(written)), kindOf(written));
    const failed = await cluster.node(1).read([utf8("a")], { ...READ, timeoutMs: 1_000 }).catch((error) =>
      error
    );
    assert.instance(failed, Error);
    const [elsewhere] = await cluster.node(2).write([put("b", "2")], WRITE);
    assert.is(kindOf(elsewhere), "ok");
    cluster.network.heal();
    await cluster.ready();
    assert.is(await text(cluster.node(1), "b"), "2");
  });
});

test("a stale read with a bound is no older than the bound", async () => {
  await withCluster(3, async (cluster) => {
    await cluster.node(1).write([put("a", "1")], WRITE);
    const bounded: NodeReadOptions = { ...READ, consistency: "stale", maxStalenessMs: 1 };
    for (const id of [1, 2, 3]) {
      await pause(5);
      assert.is(await text(cluster.node(id), "a", bounded), "1", `node ${id}`);
    }
  });
});

test("a batch over all partitions applies those of one partition all or none", async () => {
  await withCluster(1, async (cluster) => {
    const node = cluster.node(1);
    await node.write([put("{a}1", "old")], WRITE);
    const results = await node.write([
      { ...put("{a}1", "new"), precondition: { kind: "absent" } } as Mutation,
      put("{a}2", "new"),
      put(findKey((id) => id !== partitionOf("{a}1", node), node), "new"),
    ], WRITE);
    assert.equal(results.map(kindOf), ["precondition", "batchAborted", "ok"]);
    assert.is(await text(node, "{a}1"), "old");
    assert.is(await text(node, "{a}2"), undefined);
  });
});

test("a repeated request takes effect once", async () => {
  await withCluster(3, async (cluster) => {
    const requestId = { clientId: "00000000000000aa", sequence: 1, acknowledgedBelow: 0 };
    const [first] = await cluster.node(1).write([put("a", "1")], { ...WRITE, requestId });
    await cluster.node(1).write([put("a", "2")], WRITE);
    const [again] = await cluster.node(2).write([put("a", "1")], { ...WRITE, requestId });
    assert.equal(again, first);
    assert.is(await text(cluster.node(3), "a"), "2");
  });
});

test("increments are counted once, whichever node is asked, and a repeated one hears its number", async () => {
  await withCluster(3, async (cluster) => {
    const numbers: number[] = [];
    const count = async (id: number, sequence: number) => {
      const requestId = { clientId: `000000000000000${id}`, sequence, acknowledgedBelow: sequence };
      const ask = () => cluster.node(id).write([increment("n", "1")], { ...WRITE, requestId });
      const [[result], [again]] = [await ask(), await ask()];
      if (!result?.ok || result.number === undefined) throw new Error(`not counted: ${kindOf(result)}`);
      assert.equal(again, result);
      numbers.push(Number(result.number));
    };
    const rounds = Array.from({ length: 10 }, (_, round) => round + 1);
    await Promise.all([1, 2, 3].map(async (id) => {
      for (const round of rounds) await count(id, round);
    }));
    assert.equal(numbers.sort((a, b) => a - b), Array.from({ length: 30 }, (_, at) => at + 1));
    for (const id of [1, 2, 3]) assert.is(await text(cluster.node(id), "n"), "30");
  });
});

test("an increment that cannot be done is told by every node, with what it kept from being applied", async () => {
  await withCluster(3, async (cluster) => {
    await cluster.node(1).write([put("{n}text", "x")], WRITE);
    for (const id of [1, 2, 3]) {
      const mutations = [increment("{n}text", "1"), put("{n}other", "y")];
      const results = await cluster.node(id).write(mutations, WRITE);
      assert.equal(results.map(kindOf), ["notANumber", "batchAborted"]);
      assert.is(await text(cluster.node(id), "{n}other"), undefined);
    }
  });
});

function increment(key: string, by: string): Mutation {
  return { kind: "increment", key: utf8(key), by, ttlMs: 0, precondition: undefined };
}

test("what breaks a node that the cluster has removed is told when it is closed", async () => {
  await withCluster(1, async (cluster) => {
    const node = cluster.node(1);
    cluster.network.inboxOf(1).push({ kind: "removed", by: 2 });
    assert.equal(await node.ended, { kind: "removed" });
    node.takeIdentityMismatch(2);
    await assertRejects(() => cluster.stop(1), ({ message }) => message.includes("another data directory"));
    cluster.nodes.delete(1);
  });
});

test("two clusters of the same nodes have ids of their own, known to all of their nodes and kept", async () => {
  const found = async () => {
    let clusterId = "";
    await withCluster(3, async (cluster) => {
      clusterId = cluster.node(1).clusterId;
      await cluster.stop(2);
      await cluster.start(2);
      assert.is(cluster.node(2).clusterId, clusterId, "before it has heard of anybody");
      for (const id of [1, 2, 3]) {
        assert.is(cluster.node(id).metadata().clusterId, clusterId);
        assert.is(cluster.node(id).status().clusterId, clusterId);
      }
    });
    return clusterId;
  };
  const [one, other] = [await found(), await found()];
  assert.match(one, /^[0-9a-f]{32}$/);
  assert.is.not(one, other);
  assert.is(one.slice(0, 16), other.slice(0, 16), "half of it follows from the list");
});

test("before a cluster is founded a node acknowledges nothing, and says of which cluster it is not", async () => {
  const cluster = new NodeCluster(3);
  try {
    await cluster.start(1);
    const node = cluster.node(1);
    assert.equal([node.clusterId, node.metadata().clusterId, node.status().clusterId], ["", "", ""]);
    const short = { ...WRITE, timeoutMs: 50 };
    assert.equal((await node.write([put("a", "1"), put("b", "1")], short)).map(kindOf), [
      "unavailable",
      "unavailable",
    ]);
    const failures = await Promise.allSettled([
      node.read([utf8("a")], { ...READ, timeoutMs: 50 }),
      node.changeCluster({ kind: "rebalance" }, { timeoutMs: 50 }),
    ]);
    for (const failure of failures) {
      assert.match(
        failure.status === "rejected" ? failure.reason.message : "answered",
        /not know its cluster's id/,
      );
    }
    const waiting = node.write([put("a", "2")], WRITE);
    await cluster.start(2);
    assert.equal((await waiting).map(kindOf), ["ok"], "a call that can wait is answered when it is founded");
  } finally {
    await cluster.close();
  }
});

test("what a node passes on is taken, but not if it removes keys as expired", async () => {
  await withCluster(1, async (cluster) => {
    const { inbox, transport } = cluster.network.attach(9);
    const passOn = async (callId: number, command: Uint8Array): Promise<ForwardedReply> => {
      const calls = [{
        kind: "write",
        callId,
        timeoutMs: 60_000,
        group: groupOfPartition(0),
        command,
      }] as const;
      transport.send(1, { messages: [], calls, replies: [], leaderships: [], reminders: [] });
      for (;;) {
        for (const input of inbox.drain()) {
          const reply = input.kind === "peerBatch" ? input.batch.replies[0] : undefined;
          if (reply !== undefined) return reply;
        }
        await pause(5);
      }
    };
    const remove: Mutation = { kind: "delete", key: utf8("a"), precondition: undefined };
    const expire: Mutation = { kind: "expire", key: utf8("a") };
    assert.is((await passOn(1, encodeCommand([remove], undefined))).kind, "outcome");
    for (const command of [encodeExpireCommand([utf8("a")]), encodeCommand([remove, expire], undefined)]) {
      const reply = await passOn(2, command);
      if (reply.kind !== "failed") throw new Error(`expected a refusal, got ${reply.kind}`);
      assert.is(reply.failure.kind, "invalidArgument");
      assert.match(reply.message, /removal of expired keys/);
    }
  });
});

/** The partition that owns `key`. */
function partitionOf(key: string, node: Node): number {
  return partitionOfKey(utf8(key), node.metadata().partitions.length);
}

/** Some key whose partition is wanted. */
function findKey(isWanted: (partitionId: number) => boolean, node: Node): string {
  for (let at = 0;; at++) if (isWanted(partitionOf(`probe-${at}`, node))) return `probe-${at}`;
}

test.run();
