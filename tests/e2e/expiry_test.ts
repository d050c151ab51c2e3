/**
 * Keys that expire, on real nodes: every node says when they do, none lets go of one early, all of them let
 * go of it in the end, and then of its memory, too; through kills of nodes and changes of leaders.
 *
 * Early and late are not alike. No answer may say that a key is gone before its time to live has passed since
 * the write was sent, so that is judged at every read. How long after that it goes depends on the machine and
 * on leaders, so that is waited for.
 *
 * @module
 */

import { PrkDbClient } from "../../client/mod.ts";
import { ClusterService, Consistency, KvService, partitionOfKey } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { callNode } from "../support/cluster/node_call.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { eventually, PATIENCE_MS, pause } from "../support/patience.ts";

const PARTITIONS = 3;
const FLAGS = ["--election-timeout-ms=500", "--heartbeat-ms=50"];
const EVERY_CONSISTENCY = [Consistency.LINEARIZABLE, Consistency.FOLLOWER, Consistency.STALE];
const HOUR_MS = 3_600_000;
/** So far may the time of day be set while a test runs. */
const SET_CLOCK_MS = 60_000;
/** Times of commands are whole milliseconds, and clocks of two processes are read one after the other. */
const ROUNDING_MS = 5;
const SHORT_MS = 4_000;
const READ_PAUSE_MS = 100;
/** A node that does not lead any more may not know it, and then has no answer for so long. */
const READ_LIMIT_MS = 5_000;
/** In each partition more than one removal takes. */
const MANY_KEYS = 4_500;
const ROUNDS = 5;

const test = suite("expiry");

test("every node says when a key expires, at every consistency, and only of those that do", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: PARTITIONS, flags: FLAGS });
  await using client = await clientOf(cluster);
  const sentAtMs = Date.now();
  const keys = keysOf("hour");
  for (const key of keys) await client.put(key, "x", { ttlMs: HOUR_MS });
  await client.increment("count", 5, { ttlMs: HOUR_MS });
  await client.increment("count");
  await client.put("cleared", "x", { ttlMs: HOUR_MS });
  await client.put("cleared", "y");
  const batch = await client.writeBatch([
    { kind: "put", key: "batch", value: "x", ttlMs: HOUR_MS },
    { kind: "increment", key: "batch-count", ttlMs: HOUR_MS },
    { kind: "put", key: "batch-never", value: "x" },
  ]);
  assert.equal(batch.map(({ kind }) => kind), ["applied", "applied", "applied"]);
  const expiring = [...keys, "count", "batch", "batch-count"];
  await expireWithin(cluster, { keys: expiring, ttlMs: HOUR_MS, sentAtMs });
  for (const key of ["cleared", "batch-never"]) {
    await eventually(async () => {
      for (const told of await onEveryNode(cluster, key)) {
        assert.equal([told.isThere, told.expiresAtMs], [true, undefined], describe(told));
      }
    });
  }
  assert.is(await client.getText("count"), "6");
});

test("keys are there until their time, gone after it on every node, and free their memory", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: PARTITIONS, flags: FLAGS });
  await using client = await clientOf(cluster);
  const kept = keysOf("kept");
  for (const key of kept) await client.put(key, "x");
  const many = Array.from({ length: MANY_KEYS }, (_, at) => `many-${at}`);
  await Promise.all(many.map((key) => client.put(key, "x".repeat(100), { ttlMs: SHORT_MS })));
  const written: Expiring[] = [];
  for (const key of keysOf("short")) written.push(await putExpiring(client, key));
  console.log(`expiry: ${await goneInTime(cluster, written)} reads before the end, none early`);
  for (const id of cluster.ids) {
    await eventually(async () => assert.is(await keyCountOf(cluster, id), kept.length, `keys of node ${id}`));
  }
  for (const { key, version: before } of written) {
    const { version } = await client.put(key, "new", { precondition: { absent: true } });
    assert.ok(version > before, `${key} at version ${version}, before ${before}`);
  }
  for (const key of [...kept, ...written.map(({ key }) => key)]) {
    await eventually(async () => {
      for (const told of await onEveryNode(cluster, key)) assert.ok(told.isThere, describe(told));
    });
  }
});

test("to conditions and increments an expired key is not there, whether it was removed or not", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: PARTITIONS, flags: FLAGS });
  await using client = await clientOf(cluster);
  for (let round = 0; round < ROUNDS; round++) {
    const lock = `lock-${round}`;
    const count = `count-${round}`;
    const sentMs = performance.now();
    await client.put(lock, "first", { ttlMs: 700 });
    await client.increment(count, 40, { ttlMs: 700 });
    // Held for as long as it lives: nobody takes it before.
    await eventually(() => client.put(lock, "second", { precondition: { absent: true } }));
    assert.ok(
      performance.now() - sentMs >= 700 - ROUNDING_MS,
      `taken after ${performance.now() - sentMs} ms`,
    );
    await eventually(async () => assert.is(await client.get(count), undefined));
    assert.is(await client.increment(count, 2), 2n);
    assert.equal([await client.getText(lock), await client.getText(count)], ["second", "2"]);
    assert.is((await client.getEntry(count))?.expiresAtMs, undefined);
  }
  // What is removed late is not what has been written since.
  await eventually(async () => {
    for (const id of cluster.ids) assert.is(await keyCountOf(cluster, id), 2 * ROUNDS);
  });
  for (let round = 0; round < ROUNDS; round++) {
    const values = await Promise.all([`lock-${round}`, `count-${round}`].map((key) => client.getText(key)));
    assert.equal(values, ["second", "2"]);
  }
});

test("times to live outlast kills of the leader and of every node", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 1, flags: FLAGS });
  await using client = await clientOf(cluster);
  const sentAtMs = Date.now();
  await client.put("hour", "x", { ttlMs: HOUR_MS });
  const stops = [
    async () => void await cluster.kill(await cluster.leaderOf(0), "SIGKILL"),
    async () => void await cluster.kill(await cluster.leaderOf(0), "SIGTERM"),
    () => cluster.killAll("SIGKILL"),
  ];
  for (const [at, stop] of stops.entries()) {
    const keys = [1, 2, 3].map((each) => `short-${at}-${each}`);
    const written: Expiring[] = [];
    for (const key of keys) written.push(await putExpiring(client, key));
    await stop();
    const stopped = cluster.ids.filter((id) => !cluster.runningIds.includes(id));
    const restarted = (async () => {
      await pause(SHORT_MS / 2);
      await Promise.all(stopped.map((id) => cluster.restart(id)));
    })();
    await goneInTime(cluster, written);
    await restarted;
    await cluster.waitReady();
    for (const key of keys) await client.put(key, "new", { precondition: { absent: true }, ttlMs: 1 });
    // The keys written last go, and the one that has an hour stays.
    for (const id of cluster.ids) {
      await eventually(async () => assert.is(await keyCountOf(cluster, id), 1, `keys of node ${id}`));
    }
    await expireWithin(cluster, { keys: ["hour"], ttlMs: HOUR_MS, sentAtMs });
  }
});

test.run();

/** A key with `SHORT_MS` to live, and the moment before which its write was not sent. */
interface Expiring {
  readonly key: string;
  readonly sentMs: number;
  readonly version: number;
}

/** A read at one node. */
interface Question {
  readonly id: number;
  readonly key: string;
  readonly consistency: Consistency;
}

/** What one node says of a key. */
interface Told extends Question {
  readonly isThere: boolean;
  readonly expiresAtMs: number | undefined;
  readonly askedMs: number;
  /** When the answer had come. */
  readonly toldMs: number;
}

/** Keys that are all to expire after the same time. */
interface ExpectedSpan {
  readonly keys: readonly string[];
  readonly ttlMs: number;
  /** The time of day before the first of them was written. */
  readonly sentAtMs: number;
}

function clientOf(cluster: ProcessCluster): Promise<PrkDbClient> {
  return PrkDbClient.connect(cluster.addresses(), { timeoutMs: PATIENCE_MS });
}

/** One key in each partition. */
function keysOf(prefix: string): readonly string[] {
  return Array.from({ length: PARTITIONS }, (_, partition) => {
    for (let number = 0;; number++) {
      const key = `${prefix}-${number}`;
      if (partitionOfKey(new TextEncoder().encode(key), PARTITIONS) === partition) return key;
    }
  });
}

async function putExpiring(client: PrkDbClient, key: string): Promise<Expiring> {
  const sentMs = performance.now();
  const { version } = await client.put(key, "x", { ttlMs: SHORT_MS });
  return { key, sentMs, version };
}

/**
 * Reads the keys of all nodes at all consistencies until they are gone everywhere, and fails if one is gone
 * before its time or comes back.
 *
 * @returns how often one of them was read while it was there
 */
async function goneInTime(cluster: ProcessCluster, written: readonly Expiring[]): Promise<number> {
  const counts = written.flatMap((expiring) => {
    const life = new Life(expiring);
    return questionsOf(cluster, expiring.key).map((question) => watch(cluster, { question, life }));
  });
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}

/** One reader, until it is told that the key is gone and it can be. */
async function watch(
  cluster: ProcessCluster,
  { question, life }: { readonly question: Question; readonly life: Life },
): Promise<number> {
  const untilMs = performance.now() + PATIENCE_MS;
  for (let seen = 0;; await pause(READ_PAUSE_MS)) {
    const told = await tell(cluster, question);
    life.judge(told);
    if (told.isThere) seen++;
    else if (life.isOver(told)) return seen;
    assert.ok(performance.now() < untilMs, `${describe(told)}: still there`);
  }
}

/** What all readers together may be told of a key. */
class Life {
  readonly #expiring: Expiring;
  /** Since when some reader knows that it is gone. */
  #goneMs = Infinity;

  constructor(expiring: Expiring) {
    this.#expiring = expiring;
  }

  isOver({ toldMs }: Told): boolean {
    return toldMs - this.#expiring.sentMs >= SHORT_MS - ROUNDING_MS;
  }

  judge(told: Told): void {
    // A replica's own state may be from before the write, and it may not know of an end yet.
    if (told.consistency === Consistency.STALE) return;
    const livedMs = told.toldMs - this.#expiring.sentMs;
    if (told.isThere) assert.ok(told.askedMs <= this.#goneMs, `come back: ${describe(told)}`);
    else {
      assert.ok(this.isOver(told), `gone after ${livedMs} ms: ${describe(told)}`);
      this.#goneMs = Math.min(this.#goneMs, told.toldMs);
    }
  }
}

function describe({ id, key, consistency, expiresAtMs }: Told): string {
  return `${key} at node ${id}, ${Consistency[consistency]}, expires at ${expiresAtMs}`;
}

/** Asserts of every node and consistency that the keys are there and expire when they must. */
async function expireWithin(
  cluster: ProcessCluster,
  { keys, ttlMs, sentAtMs }: ExpectedSpan,
): Promise<void> {
  for (const key of keys) {
    await eventually(async () => {
      for (const told of await onEveryNode(cluster, key)) {
        const { expiresAtMs, isThere } = told;
        assert.ok(isThere, describe(told));
        assert.ok(
          expiresAtMs !== undefined && expiresAtMs >= sentAtMs + ttlMs - SET_CLOCK_MS &&
            expiresAtMs <= Date.now() + ttlMs + SET_CLOCK_MS,
          `${describe(told)}, written after ${sentAtMs}`,
        );
      }
    });
  }
}

function questionsOf(cluster: ProcessCluster, key: string): readonly Question[] {
  return cluster.ids.flatMap((id) => EVERY_CONSISTENCY.map((consistency) => ({ id, key, consistency })));
}

function onEveryNode(cluster: ProcessCluster, key: string): Promise<readonly Told[]> {
  return Promise.all(questionsOf(cluster, key).map((question) => tell(cluster, question)));
}

/** A node that has no answer, or does not run, is asked again. */
async function tell(cluster: ProcessCluster, question: Question): Promise<Told> {
  const input = { key: new TextEncoder().encode(question.key), consistency: question.consistency };
  return await eventually(async () => {
    const askedMs = performance.now();
    const { value, expiresAtMs } = await callNode(cluster.address(question.id), KvService.method.get, {
      input,
      timeoutMs: READ_LIMIT_MS,
    });
    return {
      ...question,
      isThere: value !== undefined,
      expiresAtMs: expiresAtMs === undefined ? undefined : Number(expiresAtMs),
      askedMs,
      toldMs: performance.now(),
    };
  });
}

/** Keys in the memory of node `id`, over all of its replicas. */
async function keyCountOf(cluster: ProcessCluster, id: number): Promise<number> {
  const status = await callNode(cluster.address(id), ClusterService.method.getStatus, { input: {} });
  return status.replicas.reduce((sum, { keyCount }) => sum + Number(keyCount), 0);
}
