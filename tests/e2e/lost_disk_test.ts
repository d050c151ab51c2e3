/**
 * A node whose disk comes back empty: it has forgotten what it promised. One of three such disks must never
 * cost an acknowledged write, and no node may answer as if the write had never been.
 *
 * @module
 */

import { Code, ConnectError } from "@connectrpc/connect";
import { ClusterService, KvService } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { callNode } from "../support/cluster/node_call.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { eventually, PATIENCE_MS, pause } from "../support/patience.ts";

const KEY = new TextEncoder().encode("promise");
const READS = 5;
const READ_TIMEOUT_MS = 1_500;

const test = suite("lost disk");

test("a node with an empty disk is sent away and says why; the others serve on", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 1 });
  await eventually(() => put(cluster.address(1), "kept"));
  await caughtUp(cluster);
  const [lost, ...others] = cluster.ids as [number, number, number];
  await cluster.kill(lost);
  await Deno.remove(cluster.dataDirectory(lost), { recursive: true });
  await cluster.restart(lost);
  const { code } = await cluster.process(lost).ended;
  assert.is(code, 1);
  assert.match(cluster.output(lost), /must not come back under its old id/);
  for (const id of others) assert.is(await getEventually(cluster.address(id)), "kept");
});

test("a node with an empty disk does not help to forget an acknowledged write", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 1 });
  await eventually(() => put(cluster.address(1), "before"));
  const leader = await cluster.leaderOf(0);
  const [witness, absent] = cluster.ids.filter((id) => id !== leader) as [number, number];
  await caughtUp(cluster);
  await cluster.kill(absent);
  // Acknowledged by the leader and the witness only.
  await eventually(() => put(cluster.address(leader), "after"));
  await cluster.kill(leader);
  await cluster.kill(witness);
  await Deno.remove(cluster.dataDirectory(witness), { recursive: true });
  await Promise.all([witness, absent].map((id) => cluster.restart(id)));
  assert.is((await cluster.process(witness).ended).code, 1);
  for (let reads = 0; reads < READS; reads++) {
    const found = await get(cluster.address(absent)).catch(refusal);
    assert.match(found, /^(after|refused)$/, `node ${absent} says "${found}"`);
  }
  await cluster.restart(leader);
  for (const id of [leader, absent]) assert.is(await getEventually(cluster.address(id)), "after");
});

test("a directory that is taken away from under a running node ends it, whatever comes in its place", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 1 });
  await eventually(() => put(cluster.address(1), "kept"));
  const directory = cluster.dataDirectory(1);
  await Deno.rename(directory, `${directory}-away`);
  await mustEndFor(cluster, 1);
  await Deno.rename(`${directory}-away`, directory);
  await cluster.restart(1);
  await cluster.waitReady();
  await Deno.remove(cluster.dataDirectory(2), { recursive: true });
  await mustEndFor(cluster, 2);
  const wal = `${cluster.dataDirectory(1)}/wal`;
  await Deno.rename(wal, `${wal}-old`);
  await Deno.mkdir(wal);
  for (const { name } of Deno.readDirSync(`${wal}-old`)) {
    await Deno.copyFile(`${wal}-old/${name}`, `${wal}/${name}`);
  }
  await mustEndFor(cluster, 1);
});

async function mustEndFor(cluster: ProcessCluster, id: number): Promise<void> {
  assert.is((await cluster.process(id).ended).code, 1);
  const directory = cluster.dataDirectory(id);
  assert.ok(cluster.output(id).includes(`"${directory}" was removed, moved away or replaced`));
}

async function put(address: string, value: string): Promise<void> {
  const input = { key: KEY, value: new TextEncoder().encode(value) };
  await callNode(address, KvService.method.put, { input });
}

async function get(address: string): Promise<string> {
  const { value } = await callNode(address, KvService.method.get, {
    input: { key: KEY },
    timeoutMs: READ_TIMEOUT_MS,
  });
  return value === undefined ? "nothing" : new TextDecoder().decode(value);
}

/** Asks again while there is no leader. */
async function getEventually(address: string): Promise<string> {
  const untilMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await get(address).catch(refusal);
    if (found !== "refused" || performance.now() > untilMs) return found;
  }
}

/** Waits until all replicas have applied the same entries. */
async function caughtUp(cluster: ProcessCluster): Promise<void> {
  const untilMs = performance.now() + PATIENCE_MS;
  for (;;) {
    for (const id of cluster.ids) {
      assert.ok(cluster.process(id).isRunning, `node ${id}: ${cluster.output(id)}`);
    }
    const statuses = await Promise.all(
      cluster.ids.map((id) => callNode(cluster.address(id), ClusterService.method.getStatus, { input: {} })),
    );
    const applied = statuses.map(({ replicas }) => Number(replicas[0]!.appliedIndex));
    if (applied[0]! > 0 && applied.every((index) => index === applied[0])) return;
    assert.ok(performance.now() < untilMs, `applied: ${applied}`);
    await pause(50);
  }
}

/** A node that cannot know the answer says so. */
function refusal(error: unknown): string {
  const allowed = [Code.Unavailable, Code.DeadlineExceeded];
  if (error instanceof ConnectError && allowed.includes(error.code)) return "refused";
  throw error;
}

test.run();
