/**
 * Reads that need not go to the leader, on every node: follower reads are as fresh as any other, on replicas
 * and on nodes that hold none; stale reads are what the node has, and never older than the bound they come
 * with.
 *
 * @module
 */

import { Code, ConnectError } from "@connectrpc/connect";
import { PrkDbClient } from "../../client/mod.ts";
import { Consistency, KvService, partitionOfKey } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { checkLinearizable, describeVerdict } from "../linearizability/checker.ts";
import { staleReadComplaints } from "../linearizability/stale_reads.ts";
import { callNode } from "../support/cluster/node_call.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { ProxiedCluster } from "../support/cluster/proxied_cluster.ts";
import { HistoryRecorder, type RecordedClient } from "../support/load/history.ts";
import { MixedLoad } from "../support/load/mixed_load.ts";
import { eventually, PATIENCE_MS, pause, until } from "../support/patience.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const PARTITIONS = 8;
const ROUNDS = 25;
const SHORT_MS = 1_000;
const BOUND_MS = 300;
const STALE_READERS = 4;
const STALE_READS_MIN = 50;
const FLAGS = ["--election-timeout-ms=500", "--heartbeat-ms=50"];

const test = suite("reads");

test("follower reads on every node see every acknowledged write at once, stale reads soon", async () => {
  await using cluster = await ProcessCluster.start({
    nodes: 4,
    partitions: PARTITIONS,
    replicationFactor: 3,
  });
  await using client = await PrkDbClient.connect(cluster.addresses(), { timeoutMs: PATIENCE_MS });
  const keys = Array.from({ length: PARTITIONS }, (_, partition) => keyIn(partition));
  let reads = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const value = `round ${round}`;
    await Promise.all(keys.map(async (key) => {
      await client.put(key, value);
      const values = await onEveryNode(cluster, { key, consistency: Consistency.FOLLOWER });
      assert.equal(values, cluster.ids.map(() => value));
      assert.is(await client.getText(key, { consistency: "follower" }), value);
      reads += values.length + 1;
    }));
  }
  for (const key of keys) {
    const newest = cluster.ids.map(() => `round ${ROUNDS - 1}`);
    await eventually(async () =>
      assert.equal(await onEveryNode(cluster, { key, consistency: Consistency.STALE }), newest)
    );
    const bounded = { key, consistency: Consistency.STALE, maxStalenessMs: 1n };
    assert.equal(await onEveryNode(cluster, bounded), newest);
  }
  console.log(`follower reads: ${reads} on four nodes, all fresh`);
});

for (const role of ["follower", "leader"] as const) {
  test(`a ${role} that is cut off answers with what it has, and not when that may be too old`, async () => {
    await using cluster = await ProxiedCluster.start({ nodes: 3, partitions: 1, flags: FLAGS });
    const { processes } = cluster;
    const key = keyIn(0, 1);
    const leader = await processes.leaderOf(0);
    const other = processes.ids.find((id) => id !== leader)!;
    const [victim, witness] = role === "leader" ? [leader, other] : [other, leader];
    const address = processes.address(victim);
    await eventually(() => put(processes.address(leader), { key, value: "old" }));
    const follower = { key, consistency: Consistency.FOLLOWER };
    assert.is(await eventually(() => get(address, follower)), "old");
    cluster.isolate([victim]);
    const cutMs = performance.now();
    await eventually(() => put(processes.address(witness), { key, value: "new" }));
    await pause(Math.max(0, 2 * BOUND_MS - (performance.now() - cutMs)));

    assert.is(await get(address, { key, consistency: Consistency.STALE }), "old");
    assert.is(await get(address, { key, consistency: Consistency.STALE, maxStalenessMs: 3_600_000n }), "old");
    for (
      const question of [
        { consistency: Consistency.STALE, maxStalenessMs: BigInt(BOUND_MS) },
        { consistency: Consistency.FOLLOWER },
        { consistency: Consistency.LINEARIZABLE },
      ]
    ) await isRefused(() => get(address, { key, ...question, timeoutMs: SHORT_MS }));
    cluster.heal();
    await processes.waitReady();
    const bounded = { key, consistency: Consistency.STALE, maxStalenessMs: BigInt(BOUND_MS) };
    assert.is(await eventually(() => get(address, bounded)), "new");
    assert.is(await eventually(() => get(address, follower)), "new");
  });
}

test("under load and pauses follower reads are linearizable and stale reads keep their bound", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: PARTITIONS, flags: FLAGS });
  await using client = await PrkDbClient.connect(cluster.addresses());
  const recorder = new HistoryRecorder(() => performance.now());
  const keys = Array.from({ length: PARTITIONS }, (_, partition) => textOf(keyIn(partition)));
  const load = MixedLoad.start({
    clients: [0, 1, 2, 3].map((worker) => recorder.client(worker, client)),
    keys,
    random: new SeededRandom(3),
    timeoutMs: PATIENCE_MS,
    pauseMs: 3,
  });
  const readers = Array.from({ length: STALE_READERS }, (_, at) => recorder.client(100 + at, client));
  const stale = readers.map((reader, at) => readStale(reader, { keys, isBounded: at % 2 === 0 }));
  for (let pauses = 0; pauses < 6; pauses++) {
    const id = 1 + pauses % 3;
    await pause(700);
    await cluster.kill(id, "SIGSTOP");
    await pause(700);
    await cluster.kill(id, "SIGCONT");
  }
  await cluster.waitReady();
  const staleReads = (isBounded: boolean) =>
    recorder.staleReads().filter(({ bound }) => (bound === BOUND_MS) === isBounded).length;
  await until(
    () => Math.min(staleReads(true), staleReads(false)) >= STALE_READS_MIN,
    () =>
      `${STALE_READS_MIN} stale reads with a bound (${staleReads(true)}) and without (${staleReads(false)})`,
  );
  await Promise.all([load.stop(), ...stale.map((each) => each.stop())]);
  const reads = recorder.staleReads();
  const verdict = checkLinearizable(recorder.history());
  console.log(`stale reads under load: ${reads.length}, none too old; ${describeVerdict(verdict)}`);
  assert.is(verdict.kind, "linearizable", describeVerdict(verdict));
  assert.equal(staleReadComplaints(recorder.history(), reads), []);
});

interface Question {
  readonly key: Uint8Array<ArrayBuffer>;
  readonly consistency: Consistency;
  readonly maxStalenessMs?: bigint;
  readonly timeoutMs?: number;
}

async function get(address: string, { timeoutMs = PATIENCE_MS, ...input }: Question): Promise<string> {
  const { value } = await callNode(address, KvService.method.get, { input, timeoutMs });
  return value === undefined ? "nothing" : textOf(value);
}

/** What is written. */
interface KeyValue {
  readonly key: Uint8Array<ArrayBuffer>;
  readonly value: string;
}

async function put(
  address: string,
  { key, value }: KeyValue,
): Promise<void> {
  const input = { key, value: new TextEncoder().encode(value) };
  await callNode(address, KvService.method.put, { input, timeoutMs: PATIENCE_MS });
}

/** What each node answers; one that has no answer is asked again. */
function onEveryNode(cluster: ProcessCluster, question: Question): Promise<string[]> {
  return Promise.all(cluster.addresses().map((address) => eventually(() => get(address, question))));
}

/** A key of `partition`: the first of `key-0`, `key-1`, … */
function keyIn(partition: number, partitions = PARTITIONS): Uint8Array<ArrayBuffer> {
  for (let number = 0;; number++) {
    const key = new TextEncoder().encode(`key-${number}`);
    if (partitionOfKey(key, partitions) === partition) return key;
  }
}

/** What is read, and whether with a bound. */
interface StaleReadOptions {
  readonly keys: readonly string[];
  readonly isBounded: boolean;
}

/** Reads without end, until stopped. */
function readStale(
  client: RecordedClient,
  { keys, isBounded }: StaleReadOptions,
): { readonly stop: () => Promise<void> } {
  let isStopping = false;
  const options = { timeoutMs: PATIENCE_MS, ...(isBounded ? { maxStalenessMs: BOUND_MS } : {}) };
  const run = async () => {
    for (let number = 0; !isStopping; number++) {
      await client.getStale(keys[number % keys.length]!, options);
      await pause(3);
    }
  };
  const done = run();
  return {
    stop: async () => {
      isStopping = true;
      await done;
    },
  };
}

async function isRefused(call: () => Promise<unknown>): Promise<void> {
  let value: unknown;
  try {
    value = await call();
  } catch (error) {
    const allowed = [Code.Unavailable, Code.DeadlineExceeded];
    if (error instanceof ConnectError && allowed.includes(error.code)) return;
    throw error;
  }
  throw new Error(`Expected a refusal, got ${String(value)}`);
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

test.run();
