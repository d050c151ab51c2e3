/**
 * Nodes whose stores and logs may take next to nothing: what is written goes through memtables, tables and
 * merges, the log is let go of, and a restart has everything.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import {
  kindOf,
  NodeCluster,
  put,
  READ,
  text,
  TINY_SIZES,
  utf8,
  WRITE,
} from "../support/cluster/node_cluster.ts";
import { PATIENCE_MS, until } from "../support/patience.ts";
import { stateHash } from "../support/state_hash.ts";

const test = suite("bounded log");
const ROUNDS = 60;
const KEYS = 300;

test("a log stays short however much is written, and a restart has it all", async () => {
  const cluster = new NodeCluster(1, { sizes: TINY_SIZES });
  try {
    await cluster.start();
    await cluster.ready();
    const expected = new Map<string, string>();
    for (let round = 0; round < ROUNDS; round++) {
      await writeRound(cluster, { node: 1, round, expected });
      if (round % 20 === 19) await restart(cluster, 1);
    }
    const node = cluster.node(1);
    await until(() => node.wal.stats.segmentCount <= 4, "the log is let go of");
    assert.ok(node.wal.stats.oldestSegment > 5, `segment ${node.wal.stats.oldestSegment}`);
    await restart(cluster, 1);
    for (const [key, value] of expected) assert.is(await text(cluster.node(1), key), value);
  } finally {
    await cluster.close();
  }
});

test("replicas with stores of their own agree", async () => {
  const cluster = new NodeCluster(3, { sizes: TINY_SIZES });
  try {
    await cluster.start();
    await cluster.ready();
    const expected = new Map<string, string>();
    for (let round = 0; round < ROUNDS; round++) {
      await writeRound(cluster, { node: 1 + round % 3, round, expected });
    }
    for (const [key, value] of expected) assert.is(await text(cluster.node(2), key), value);
    await untilEqual(cluster);
  } finally {
    await cluster.close();
  }
});

test("a replica whose entries are gone everywhere gets a snapshot, and goes on from there", async () => {
  const cluster = new NodeCluster(3, { sizes: TINY_SIZES });
  try {
    await cluster.start();
    await cluster.ready();
    const expected = new Map<string, string>();
    await writeRound(cluster, { node: 1, round: 0, expected });
    await cluster.stop(3);
    for (let round = 1; round < ROUNDS; round++) await writeRound(cluster, { node: 1, round, expected });
    await cluster.start(3);
    await cluster.ready();
    await until(() => cluster.node(3).keeper.stats.installed > 0, "a snapshot is installed");
    for (let round = ROUNDS; round < ROUNDS + 5; round++) {
      await writeRound(cluster, { node: 3, round, expected });
    }
    await untilEqual(cluster);
    await restart(cluster, 3);
    await untilEqual(cluster);
    for (const [key, value] of expected) {
      assert.is(await text(cluster.node(3), key, { ...READ, consistency: "follower" }), value);
    }
  } finally {
    await cluster.close();
  }
});

test("a node that joins a cluster whose log is gone gets everything by snapshots", async () => {
  const cluster = new NodeCluster(3, { sizes: TINY_SIZES });
  try {
    await cluster.start();
    await cluster.ready();
    const expected = new Map<string, string>();
    for (let round = 0; round < ROUNDS; round++) await writeRound(cluster, { node: 1, round, expected });
    const id = await cluster.node(1).changeCluster(
      { kind: "addNode", nodeId: 4, address: "host:4" },
      { timeoutMs: PATIENCE_MS },
    );
    await cluster.join(1, 4);
    const isFinished = () =>
      cluster.node(1).clusterChanges().some(({ changeId, isFinished }) => changeId === id && isFinished);
    await until(isFinished, "node 4 is in, and has its share");
    assert.ok(cluster.node(4).keeper.stats.installed > 0);
    await cluster.stop(1);
    for (const [key, value] of expected) assert.is(await text(cluster.node(4), key), value);
  } finally {
    await cluster.close();
  }
});

async function untilEqual(cluster: NodeCluster): Promise<void> {
  const hashOf = (id: number) =>
    cluster.node(id).replicas.assigned().map(({ machine }) => `${machine.appliedIndex}:${stateHash(machine)}`)
      .join();
  await until(() => hashOf(1) === hashOf(2) && hashOf(1) === hashOf(3), "all nodes have the same state");
}

interface Round {
  readonly node: number;
  readonly round: number;
  readonly expected: Map<string, string>;
}

/** Writes some keys and deletes some. */
async function writeRound(cluster: NodeCluster, { node, round, expected }: Round): Promise<void> {
  const mutations = Array.from({ length: 40 }, (_, at) => {
    const key = `key-${(round * 37 + at * 11) % KEYS}`;
    const value = `${round}-${at}-`.padEnd(200, "x");
    expected.set(key, value);
    return put(key, value);
  });
  const results = await cluster.node(node).write(mutations, WRITE);
  assert.equal([...new Set(results.map(kindOf))], ["ok"]);
  const gone = `key-${(round * 53) % KEYS}`;
  expected.delete(gone);
  const [result] = await cluster.node(node).write(
    [{ kind: "delete", key: utf8(gone), precondition: undefined }],
    WRITE,
  );
  assert.is(kindOf(result), "ok");
}

async function restart(cluster: NodeCluster, id: number): Promise<void> {
  await cluster.stop(id);
  await cluster.start(id);
  await cluster.ready();
}

test.run();
