/**
 * A cluster of three grows to five and shrinks back, one of one to three, and a node that has lost its disk
 * is replaced, while many clients call without end: not one of their calls fails, what they are told is
 * linearizable, and nothing is lost.
 *
 * @module
 */

import type { ChangeProgress } from "../../client/cluster/change_watch.ts";
import { PrkDbClient } from "../../client/mod.ts";
import { assert, suite } from "../harness.ts";
import { checkLinearizable, describeVerdict } from "../linearizability/checker.ts";
import { describeOperation } from "../linearizability/history.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { HistoryRecorder } from "../support/load/history.ts";
import { MixedLoad } from "../support/load/mixed_load.ts";
import { PATIENCE_MS, until } from "../support/patience.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const WORKERS = 8;
const KEYS = Array.from({ length: 10 }, (_, number) => `key-${number}`);
/** Written before anything changes and never again: it has to travel with the partitions. */
const CARGO = 2_000;
/** Calls that must be answered during each change. */
const ANSWERS_PER_CHANGE_MIN = 30;

const test = suite("grow and shrink");

test("from three nodes to five and back under load", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 9 });
  await underLoad(cluster, async (step) => {
    await step("node 4 joins", () => cluster.join(4, 1).then(() => 1));
    await step("node 5 joins", () => cluster.join(5, 4).then(() => 1));
    await replicasMustBeEven(cluster, [1, 2, 3, 4, 5]);
    await cluster.restart(4);
    await cluster.waitReady();
    for (const id of [5, 4]) {
      await step(`node ${id} is removed`, async () => {
        await cluster.callCluster("RemoveNode", { nodeId: id }, id);
        return 1;
      });
      assert.is((await cluster.process(id).ended).code, 0, cluster.output(id));
      assert.match(cluster.output(id), /removed from its cluster/);
    }
    await replicasMustBeEven(cluster, [1, 2, 3]);
  });
  await cluster.restart(5);
  assert.is((await cluster.process(5).ended).code, 0, cluster.output(5));
  assert.match(cluster.output(5), /removed from its cluster/);
});

test("from one node to three, and from one replica to three, to one and back, under load", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 1, partitions: 6 });
  await underLoad(cluster, async (step, client) => {
    await step("node 2 joins", () => cluster.join(2, 1).then(() => 1));
    await step("node 3 joins", () => cluster.join(3, 2).then(() => 1));
    await replicasMustBeEven(cluster, [1, 2, 3]);
    await step("the factor becomes 1", () => client.cluster.setReplicationFactor(1).then(() => 1));
    await replicasMustBeEven(cluster, [1, 2, 3], 1);
    await step("the factor becomes 3", () => client.cluster.setReplicationFactor(3).then(() => 1));
    await replicasMustBeEven(cluster, [1, 2, 3]);
  });
});

test("a node whose disk is gone is replaced, and the node that coordinates that is killed", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 6 });
  await underLoad(cluster, async (step) => {
    await cluster.kill(3, "SIGKILL");
    await Deno.remove(cluster.dataDirectory(3), { recursive: true });
    await step("node 4 takes the place of node 3", async () => {
      await cluster.join(4, 2);
      await cluster.callCluster("RemoveNode", { nodeId: 3 }, 4);
      // Node 1 leads the cluster's own group unless it has lost it.
      await cluster.restart(1);
      return 2;
    });
    await replicasMustBeEven(cluster, [1, 2, 4]);
  });
});

test("two of three founders go while the third is down, which then comes back and knows nobody", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 6 });
  await underLoad(cluster, async (step, client) => {
    await step("nodes 4, 5 and 6 join", async () => {
      for (const id of [4, 5, 6]) await cluster.join(id, 1);
      return 3;
    });
    await cluster.kill(3, "SIGKILL");
    await step("nodes 1 and 2 are removed", async () => {
      for (const id of [1, 2]) await client.cluster.removeNode(id);
      return 2;
    });
    for (const id of [1, 2]) assert.is((await cluster.process(id).ended).code, 0, cluster.output(id));
    await cluster.restart(3);
    // A node that is not heard is left out, and the change says so.
    await cluster.waitReady([3]);
    await step("everything is evened out", () => client.cluster.rebalance().then(() => 1));
    await replicasMustBeEven(cluster, [3, 4, 5, 6]);
  });
});

/** Begins as many changes as `begin` says and waits for their end. */
type Step = (name: string, begin: () => Promise<number>) => Promise<void>;

/** Runs `body` under load, and judges the load's history and the cargo afterwards. */
async function underLoad(
  cluster: ProcessCluster,
  body: (step: Step, client: PrkDbClient) => Promise<void>,
): Promise<void> {
  await using client = await PrkDbClient.connect(cluster.addresses(), { timeoutMs: PATIENCE_MS });
  const cargo = new Map(Array.from({ length: CARGO }, (_, number) => [`cargo-${number}`, `${number}`]));
  const written = await client.writeBatch([...cargo].map(([key, value]) => ({ kind: "put", key, value })));
  assert.ok(written.every((result) => result.kind !== "failed"));
  const recorder = new HistoryRecorder(() => performance.now());
  await using load = MixedLoad.start({
    clients: Array.from({ length: WORKERS }, (_, worker) => recorder.client(worker, client)),
    keys: KEYS,
    random: new SeededRandom(1),
    timeoutMs: PATIENCE_MS,
    pauseMs: 3,
  });
  let begun = 0;
  await body(async (name, begin) => {
    const before = { answers: load.answered, ms: performance.now() };
    begun += await begin();
    await changesMustFinish(client, begun);
    const seconds = (performance.now() - before.ms) / 1000;
    console.log(`${name}: ${seconds.toFixed(1)} s, ${load.answered - before.answers} answers`);
    const wanted = before.answers + ANSWERS_PER_CHANGE_MIN;
    await until(() => load.answered >= wanted, "calls are answered after a change");
  }, client);
  await load.stop();
  const verdict = checkLinearizable(recorder.history());
  console.log(
    `${load.answered} answers, ${load.writes} of them writes, slowest ${load.slowestMs.toFixed(0)} ms; ` +
      describeVerdict(verdict),
  );
  assert.equal(load.unknown.map(describeOperation), []);
  assert.is(verdict.kind, "linearizable", describeVerdict(verdict));
  const found = await client.getMany([...cargo.keys()]);
  const lost = [...cargo.values()].filter((value, at) => new TextDecoder().decode(found[at]) !== value);
  assert.equal(lost, []);
}

/** Resolves when as many changes as were begun are known and all of them have ended well. */
async function changesMustFinish(client: PrkDbClient, begun: number): Promise<void> {
  const changes = new Map<string, ChangeProgress>();
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    for await (const progress of client.cluster.watchChanges({ signal })) {
      changes.set(progress.changeId, progress);
      assert.is(progress.error, "", progress.description);
      if (changes.size >= begun && [...changes.values()].every(({ isFinished }) => isFinished)) return;
    }
  } catch (error) {
    const known = [...changes.values()].map((each) => JSON.stringify(each));
    throw new Error(`Changes have not finished: ${known.join("; ")}`, { cause: error });
  }
}

/**
 * Every node, whichever told of the end of the changes, gets to know the same members with an even share
 * each.
 */
async function replicasMustBeEven(
  cluster: ProcessCluster,
  ids: readonly number[],
  replicasEach = 3,
): Promise<void> {
  for (const id of ids) {
    const { partitions } = await cluster.metadataWhen(
      id,
      ({ nodes, partitions }) =>
        isSameList(nodes.map((each) => each.nodeId), ids) &&
        partitions.every(({ replicas }) => replicas.length === replicasEach),
    );
    const replicas = ids.map((each) => partitions.filter((place) => place.replicas.includes(each)).length);
    assert.ok(Math.max(...replicas) - Math.min(...replicas) <= 1, `replicas ${replicas}`);
    const preferred = ids.map((each) => partitions.filter((place) => place.replicas[0] === each).length);
    assert.ok(Math.max(...preferred) - Math.min(...preferred) <= 1, `preferred leaders ${preferred}`);
    assert.is(replicas.reduce((sum, each) => sum + each), replicasEach * partitions.length);
  }
}

function isSameList(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((each, at) => each === b[at]);
}

test.run();
