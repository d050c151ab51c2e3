/**
 * Networks that break between nodes while all of them live: a minority refuses writes and linearizable reads
 * in plain words, the majority goes on, and when the links are mended all nodes have the same data again.
 * Also where a link breaks in one direction only.
 *
 * @module
 */

import { Code, ConnectError } from "@connectrpc/connect";
import { PrkDbClient } from "../../client/mod.ts";
import { Consistency, KvService, partitionOfKey } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { callNode } from "../support/cluster/node_call.ts";
import { ProxiedCluster } from "../support/cluster/proxied_cluster.ts";
import { eventually, PATIENCE_MS, pause } from "../support/patience.ts";

const PARTITIONS = 6;
/** Long enough to be answered by a node that has all it needs, short enough to be refused often. */
const SHORT_MS = 1_000;
/** Elections in half the usual time, so that the test is short. */
const FLAGS = ["--election-timeout-ms=500", "--heartbeat-ms=50"];

const test = suite("partition");

for (const state of ["hanging", "refusing"] as const) {
  test(
    `a node cut off by ${state} links refuses, the others go on, healing brings all together`,
    async () => {
      await using cluster = await ProxiedCluster.start({ nodes: 3, partitions: PARTITIONS, flags: FLAGS });
      const { processes } = cluster;
      const minority = await processes.leaderOf(0);
      const majority = processes.ids.filter((id) => id !== minority);
      await everyPartition((partition) =>
        eventually(() => put(processes.address(1), { partition, key: "kept", value: "before" }))
      );
      await assertEqual(cluster, { key: "kept", pattern: /^before$/ });

      cluster.isolate([minority], state);
      // At once, while it may still take itself for the leader, and again when it cannot.
      for (const value of ["lost 1", "lost 2"]) {
        await everyPartition((partition) => refuses(processes.address(minority), { partition, value }));
      }
      for (const id of majority) {
        await everyPartition(async (partition) => {
          await eventually(() => put(processes.address(id), { partition, key: "kept", value: `by ${id}` }));
          const kept = await eventually(() => get(processes.address(id), { partition, key: "kept" }));
          assert.is(kept, `by ${id}`);
        });
      }
      await everyPartition(async (partition) => {
        const stale = { partition, key: "kept", consistency: Consistency.STALE };
        assert.is(await get(processes.address(minority), stale), "before");
        await refuses(processes.address(minority), { partition, value: "lost 3" });
      });
      await eventually(async () => assert.is(await readiness(processes.metricsAddress(minority)), 503));

      cluster.heal();
      await processes.waitReady();
      await assertEqual(cluster, { key: "kept", pattern: new RegExp(`^by ${majority.at(-1)}$`) });
      // What was refused may have been kept or not, but not in two ways.
      await assertEqual(cluster, { key: "refused", pattern: /^(lost [123]|nothing)$/ });
      await everyPartition((partition) =>
        eventually(() => put(processes.address(minority), { partition, key: "kept", value: "after" }))
      );
      await assertEqual(cluster, { key: "kept", pattern: /^after$/ });
    },
  );
}

test("a node that can speak but not hear, or hear but not speak, stops nobody for long", async () => {
  await using cluster = await ProxiedCluster.start({ nodes: 3, partitions: PARTITIONS, flags: FLAGS });
  const { processes } = cluster;
  await using client = await PrkDbClient.connect(processes.addresses(), {
    caller: cluster.caller(),
    timeoutMs: PATIENCE_MS,
  });
  for (const direction of ["deaf", "mute"] as const) {
    const victim = await processes.leaderOf(0);
    for (const other of processes.ids.filter((id) => id !== victim)) {
      const link = direction === "deaf" ? { from: other, to: victim } : { from: victim, to: other };
      cluster.setLink({ ...link, state: "hanging" });
    }
    for (let round = 0; round < 3; round++) {
      await everyPartition((partition) => client.put(keyIn(partition, "turn"), `${direction} ${round}`));
      await everyPartition(async (partition) =>
        assert.is(await client.getText(keyIn(partition, "turn")), `${direction} ${round}`)
      );
    }
    cluster.heal();
    await processes.waitReady();
    await assertEqual(cluster, { key: "turn", pattern: new RegExp(`^${direction} 2$`) });
  }
});

/** A node that does not hear its leader, and disturbs it, would do so several times meanwhile. */
const UNDISTURBED_MS = 3_000;

test("a link between two of three stops nobody: the third reaches both", async () => {
  await using cluster = await ProxiedCluster.start({ nodes: 3, partitions: PARTITIONS, flags: FLAGS });
  const { processes } = cluster;
  const first = await processes.leaderOf(0);
  const second = processes.ids.find((id) => id !== first)!;
  cluster.setLink({ from: first, to: second, state: "hanging" });
  cluster.setLink({ from: second, to: first, state: "hanging" });
  await using client = await PrkDbClient.connect(processes.addresses(), {
    caller: cluster.caller(),
    timeoutMs: PATIENCE_MS,
  });
  for (let round = 0; round < 5; round++) {
    await everyPartition((partition) => client.put(keyIn(partition, "turn"), `round ${round}`));
    await pause(500);
  }
  await everyPartition(async (partition) =>
    assert.is(await client.getText(keyIn(partition, "turn")), "round 4")
  );
  // A busy machine may cost a leader its leadership now and then; one that is disturbed never rests.
  await eventually(async () => {
    const terms = await termsOf(cluster);
    await pause(UNDISTURBED_MS);
    assert.equal(await termsOf(cluster), terms);
  });
  cluster.heal();
  await processes.waitReady();
  await assertEqual(cluster, { key: "turn", pattern: /^round 4$/ });
});

interface Question {
  readonly partition: number;
  readonly key: string;
  readonly timeoutMs?: number;
  readonly consistency?: Consistency;
}

async function put(address: string, question: Question & { readonly value: string }): Promise<void> {
  const { partition, key, value, timeoutMs = PATIENCE_MS } = question;
  const input = { key: keyIn(partition, key), value: new TextEncoder().encode(value) };
  await callNode(address, KvService.method.put, { input, timeoutMs });
}

async function get(address: string, question: Question): Promise<string> {
  const { partition, key, timeoutMs = PATIENCE_MS, consistency = Consistency.LINEARIZABLE } = question;
  const input = { key: keyIn(partition, key), consistency };
  const { value } = await callNode(address, KvService.method.get, { input, timeoutMs });
  return value === undefined ? "nothing" : new TextDecoder().decode(value);
}

/** A key of `partition`: the first of `name-0`, `name-1`, … */
function keyIn(partition: number, name: string): Uint8Array<ArrayBuffer> {
  for (let number = 0;; number++) {
    const key = new TextEncoder().encode(`${name}-${number}`);
    if (partitionOfKey(key, PARTITIONS) === partition) return key;
  }
}

async function everyPartition(body: (partition: number) => Promise<unknown>): Promise<void> {
  await Promise.all(Array.from({ length: PARTITIONS }, (_, partition) => body(partition)));
}

/** A write that must be refused. */
interface RefusedWrite {
  readonly partition: number;
  readonly value: string;
}

/** Asserts that neither a write nor a linearizable read is answered. */
async function refuses(
  address: string,
  { partition, value }: RefusedWrite,
): Promise<void> {
  const question = { partition, key: "refused", timeoutMs: SHORT_MS };
  await isRefused(() => put(address, { ...question, value }));
  await isRefused(() => get(address, question));
  await isRefused(() => get(address, { ...question, consistency: Consistency.FOLLOWER }));
}

async function isRefused(call: () => Promise<unknown>): Promise<void> {
  let value: unknown;
  try {
    value = await call();
  } catch (error) {
    const allowed = [Code.Unavailable, Code.DeadlineExceeded, Code.Aborted];
    if (error instanceof ConnectError && allowed.includes(error.code)) return;
    throw error;
  }
  throw new Error(`Expected a refusal, got ${String(value)}`);
}

/** A key that must have the same value everywhere, and which values it may be. */
interface CommonValue {
  readonly key: string;
  readonly pattern: RegExp;
}

/** Asserts that linearizable reads on every node, and in the end the copies of all nodes, say the same. */
async function assertEqual(
  { processes }: ProxiedCluster,
  { key, pattern }: CommonValue,
): Promise<void> {
  await everyPartition(async (partition) => {
    const read = (consistency: Consistency) =>
      Promise.all(
        processes.ids.map((id) => get(processes.address(id), { partition, key, consistency })),
      );
    const values = await eventually(() => read(Consistency.LINEARIZABLE));
    assert.match(values[0]!, pattern);
    assert.is(new Set(values).size, 1, values.join(", "));
    await eventually(async () => assert.equal(await read(Consistency.STALE), values));
  });
}

async function termsOf({ processes }: ProxiedCluster): Promise<bigint[]> {
  const known = await Promise.all(processes.ids.map((id) => processes.metadata(id)));
  return Array.from({ length: PARTITIONS }, (_, at) => {
    const terms = known.map(({ partitions }) =>
      partitions.find(({ partitionId }) => partitionId === at)!.term
    );
    return terms.reduce((a, b) => (a > b ? a : b));
  });
}

async function readiness(address: string): Promise<number> {
  const response = await fetch(`${address}/readyz`, { signal: AbortSignal.timeout(PATIENCE_MS) });
  await response.body?.cancel();
  return response.status;
}

test.run();
