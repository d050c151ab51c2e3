/**
 * What goes on and what does not when nodes are missing: a partition works as long as most of its replicas
 * do, for callers of every node; one that has lost its majority refuses writes and linearizable reads in
 * plain words; and all works again when the nodes are back. `/readyz` says which it is, `/healthz` stays up.
 *
 * @module
 */

import { Code, ConnectError } from "@connectrpc/connect";
import { Consistency, KvService, partitionOfKey } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { callNode } from "../support/cluster/node_call.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { eventually, PATIENCE_MS, pause } from "../support/patience.ts";

const PARTITIONS = 8;
/** A refusal must come within the caller's deadline; this one is short so that the test is. */
const SHORT_MS = 700;

const test = suite("quorum");

test("four nodes, two missing: partitions with two replicas left go on, the others refuse", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 4, partitions: PARTITIONS });
  for (let partition = 0; partition < PARTITIONS; partition++) {
    await eventually(() => put(cluster.address(1), { partition, value: "before" }));
  }
  const missing = [3, 4];
  await Promise.all(missing.map((id) => cluster.kill(id, "SIGKILL")));
  const { partitions } = await cluster.metadata(1);
  const left = (replicas: readonly number[]) => replicas.filter((id) => !missing.includes(id)).length;
  const alive = partitions.filter(({ replicas }) => left(replicas) === 2).map(({ partitionId }) =>
    partitionId
  );
  const dead = partitions.filter(({ replicas }) => left(replicas) === 1).map(({ partitionId }) =>
    partitionId
  );
  assert.is(alive.length, PARTITIONS / 2);
  assert.is(dead.length, PARTITIONS / 2);
  for (const id of [1, 2]) {
    const address = cluster.address(id);
    for (const partition of alive) {
      await eventually(() => put(address, { partition, value: `during ${id}` }));
      assert.is(await eventually(() => get(address, { partition })), `during ${id}`);
    }
  }
  for (const id of [1, 2]) {
    const address = cluster.address(id);
    await Promise.all(dead.map(async (partition) => {
      await refusedAsUnavailable(() => put(address, { partition, value: "lost", timeoutMs: SHORT_MS }));
      await refusedAsUnavailable(() => get(address, { partition, timeoutMs: SHORT_MS }));
    }));
  }
  await staleReadsWork(cluster, { partitions: dead, ids: [1, 2] });
  await Promise.all(missing.map((id) => cluster.restart(id)));
  await cluster.waitReady();
  for (const id of cluster.ids) {
    const address = cluster.address(id);
    for (const partition of alive) assert.is(await eventually(() => get(address, { partition })), "during 2");
    // A refused write may or may not have been kept; nothing else may be there.
    for (const partition of dead) {
      assert.match(await eventually(() => get(address, { partition })), /^(before|lost)$/);
    }
  }
  for (const id of cluster.ids) {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      await eventually(() => put(cluster.address(id), { partition, value: `after ${id}` }));
      assert.is(await eventually(() => get(cluster.address(5 - id), { partition })), `after ${id}`);
    }
  }
});

test("without a quorum /readyz says no and /healthz says yes, until the quorum is back", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 3 });
  await eventually(async () => assert.is(await statusOf(`${cluster.metricsAddress(1)}/readyz`), 200));
  await Promise.all([2, 3].map((id) => cluster.kill(id, "SIGKILL")));
  await eventually(async () => assert.is(await statusOf(`${cluster.metricsAddress(1)}/readyz`), 503));
  // It stays so: several election timeouts, in which the node tries in vain.
  for (let checks = 0; checks < 20; checks++) {
    assert.is(await statusOf(`${cluster.metricsAddress(1)}/readyz`), 503);
    assert.is(await statusOf(`${cluster.metricsAddress(1)}/healthz`), 200);
    await pause(200);
  }
  const answer = await fetch(`${cluster.metricsAddress(1)}/readyz`);
  assert.match(await answer.text(), /^partitions? [\d, ]+( and \d+ more)? ha(s|ve) no leader\n$/);
  await cluster.restart(2);
  await cluster.waitReady([1, 2]);
  await eventually(() => put(cluster.address(1), { partition: 0, value: "again" }));
});

test("a node whose two peers are paused refuses reads instead of answering from memory", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 1 });
  const leader = await cluster.leaderOf(0);
  const peers = cluster.ids.filter((id) => id !== leader);
  await eventually(() => put(cluster.address(leader), { partition: 0, value: "before", of: 1 }));
  await Promise.all(peers.map((id) => cluster.kill(id, "SIGSTOP")));
  // At once, while it still takes itself for the leader, and later, when it does not any more.
  for (const waitMs of [0, 3_000]) {
    await pause(waitMs);
    const error = await errorOf(() =>
      get(cluster.address(leader), { partition: 0, of: 1, timeoutMs: SHORT_MS })
    );
    assert.ok([Code.Unavailable, Code.DeadlineExceeded].includes(error.code), String(error));
  }
  await Promise.all(peers.map((id) => cluster.kill(id, "SIGCONT")));
  await cluster.waitReady();
  assert.is(await eventually(() => get(cluster.address(leader), { partition: 0, of: 1 })), "before");
});

/** A call about the one key of `partition` among `of` partitions, {@linkcode PARTITIONS} unless given. */
interface Question {
  readonly partition: number;
  readonly of?: number;
  readonly timeoutMs?: number;
  readonly consistency?: Consistency;
}

async function put(address: string, question: Question & { readonly value: string }): Promise<void> {
  const input = { key: keyIn(question), value: new TextEncoder().encode(question.value) };
  await callNode(address, KvService.method.put, { input, timeoutMs: question.timeoutMs ?? PATIENCE_MS });
}

async function get(address: string, question: Question): Promise<string> {
  const input = { key: keyIn(question), consistency: question.consistency ?? Consistency.LINEARIZABLE };
  const timeoutMs = question.timeoutMs ?? PATIENCE_MS;
  const { value } = await callNode(address, KvService.method.get, { input, timeoutMs });
  return value === undefined ? "nothing" : new TextDecoder().decode(value);
}

/** The first of `key-0`, `key-1`, … that belongs to the partition. */
function keyIn({ partition, of = PARTITIONS }: Question): Uint8Array {
  for (let number = 0;; number++) {
    const key = new TextEncoder().encode(`key-${number}`);
    if (partitionOfKey(key, of) === partition) return key;
  }
}

/**
 * Asserts that the call ends up refused with `unavailable`. In the first moments, while a leader does not
 * know yet that it is alone, the deadline may strike instead.
 */
async function refusedAsUnavailable(call: () => Promise<unknown>): Promise<void> {
  await eventually(async () => {
    const error = await errorOf(call);
    if (error.code === Code.DeadlineExceeded) throw error;
    assert.is(Code[error.code], "Unavailable", String(error));
  });
}

async function errorOf(call: () => Promise<unknown>): Promise<ConnectError> {
  let value: unknown;
  try {
    value = await call();
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw error;
  }
  throw new Error(`Expected a refusal, got ${String(value)}`);
}

/** Partitions that have lost their majority, and the nodes that are left. */
interface LeftReplicas {
  readonly partitions: readonly number[];
  readonly ids: readonly number[];
}

/** Replicas that are left still say what they hold to callers who ask for no more. */
async function staleReadsWork(
  cluster: ProcessCluster,
  { partitions, ids }: LeftReplicas,
): Promise<void> {
  const { partitions: all } = await cluster.metadata(ids[0]);
  for (const partition of partitions) {
    const holder = ids.find((id) => all[partition]!.replicas.includes(id))!;
    const value = await get(cluster.address(holder), { partition, consistency: Consistency.STALE });
    assert.is(value, "before");
  }
}

async function statusOf(url: string): Promise<number> {
  const response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) });
  await response.body?.cancel();
  return response.status;
}

test.run();
