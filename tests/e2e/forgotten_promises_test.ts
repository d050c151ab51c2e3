/**
 * Nodes that have forgotten what they promised without knowing it: their log was removed while the rest of
 * the directory stayed, or an older copy of the directory was put back. Acknowledged writes must not
 * disappear in silence, and no node may stay stuck and call itself ready.
 *
 * @module
 */

import { KvService } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { callNode } from "../support/cluster/node_call.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { eventually, pause } from "../support/patience.ts";

const EXIT_UNUSABLE = 2;
const EXIT_FATAL = 1;
const WRITES = 50;
/** Promises are written with the commit hint, an election timeout after the last write. */
const WRITTEN_MS = 2_500;
const LOST_LOG = /the log that it had is gone.*must not come back under its id.*remove/;
const LOST_PROMISE = /Group \d+ has lost what node \d promised to node \d: it had reached term \d+ and entry/;
const CONTRADICTION = /Group 1 contradicts what is committed here: entry \d+ is of term \d+, but node \d/;

const test = suite("forgotten promises");

for (const what of ["its directory of segments", "its segments only"] as const) {
  test(`a member without ${what} is refused, and nothing acknowledged is lost`, async () => {
    await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 1 });
    await cluster.kill(3, "SIGTERM");
    await writeAll(cluster, 1, "kept");
    await cluster.kill(1, "SIGTERM");
    await cluster.kill(2, "SIGTERM");
    await removeLog(cluster.dataDirectory(2), what === "its segments only");
    const before = await namesIn(cluster.dataDirectory(2));
    await Promise.allSettled([cluster.restart(2), cluster.restart(3)]);
    await mustEnd(cluster, 2, { code: EXIT_UNUSABLE, says: LOST_LOG });
    assert.equal(await namesIn(cluster.dataDirectory(2)), before, "nothing is touched");
    await cluster.restart(1);
    for (const id of [1, 3]) await mustReadAll(cluster, id, "kept");
  });
}

test("a node that is alone does not begin empty where it had a log", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 1, partitions: 1 });
  await writeAll(cluster, 1, "kept");
  await cluster.kill(1, "SIGTERM");
  await removeLog(cluster.dataDirectory(1), true);
  await cluster.restart(1).catch(() => {});
  await mustEnd(cluster, 1, { code: EXIT_UNUSABLE, says: /A node that is alone: restore its data/ });
});

for (const victim of [2, 1] as const) {
  const role = victim === 1 ? "led" : "followed";
  test(`an older copy of a directory is refused while others live, where the node ${role}`, async () => {
    await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 1 });
    await ledBy(cluster, 1);
    const copy = await copyOf(cluster, victim);
    await ledBy(cluster, 1);
    await writeAll(cluster, 1, "kept");
    await pause(WRITTEN_MS);
    await cluster.kill(victim);
    await putBack(cluster, victim, copy);
    await cluster.restart(victim).catch(() => {});
    await mustEnd(cluster, victim, { code: EXIT_FATAL, says: LOST_PROMISE });
    for (const id of [1, 2, 3].filter((each) => each !== victim)) await mustReadAll(cluster, id, "kept");
  });
}

test("where only a node that is away could tell, it tells when it returns", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 1 });
  const copy = await copyOf(cluster, 2);
  await ledBy(cluster, 1);
  await cluster.kill(3);
  await writeAll(cluster, 1, "forgotten");
  await pause(WRITTEN_MS);
  await cluster.kill(1);
  await cluster.kill(2);
  await putBack(cluster, 2, copy);
  await Promise.all([cluster.restart(2), cluster.restart(3)]);
  // Nothing can tell here: a majority of two serves.
  await writeAll(cluster, 2, "new");
  await cluster.restart(1).catch(() => {});
  const ends = [1, 2].map((id) => cluster.process(id).ended.then(({ code }) => ({ id, code })));
  const { id, code } = await Promise.race(ends);
  assert.is(code, EXIT_FATAL, cluster.output(id));
  assert.match(cluster.output(id), id === 2 ? LOST_PROMISE : CONTRADICTION);
  // What remains of the past of node 1 contradicts that of node 3: they do not serve side by side.
  const { code: other } = await ends[id === 1 ? 1 : 0]!;
  assert.is(other, EXIT_FATAL);
});

/** Waits until node `id`, which is preferred, leads. */
async function ledBy(cluster: ProcessCluster, id: number): Promise<void> {
  await eventually(async () => assert.is(await cluster.leaderOf(0), id));
}

/** How a node must end. */
interface Ending {
  readonly code: number;
  readonly says: RegExp;
}

async function mustEnd(cluster: ProcessCluster, id: number, { code, says }: Ending): Promise<void> {
  const status = await cluster.process(id).ended;
  assert.is(status.code, code, cluster.output(id));
  assert.match(cluster.output(id), says);
  // Before the node serves the reason is a line of its own, after that it is logged.
  const lines = cluster.process(id).standardError.trim().split("\n").filter((line) =>
    line.startsWith("prkdb:") || line.includes("[FTL]")
  );
  assert.is(lines.length, 1, cluster.output(id));
}

async function writeAll(cluster: ProcessCluster, id: number, value: string): Promise<void> {
  for (let at = 0; at < WRITES; at++) {
    const input = { key: keyOf(at), value: new TextEncoder().encode(value) };
    await eventually(() => callNode(cluster.address(id), KvService.method.put, { input }));
  }
}

async function mustReadAll(cluster: ProcessCluster, id: number, value: string): Promise<void> {
  for (let at = 0; at < WRITES; at++) {
    const input = { key: keyOf(at) };
    const found = await eventually(() => callNode(cluster.address(id), KvService.method.get, { input }));
    assert.is(found.value === undefined ? "nothing" : new TextDecoder().decode(found.value), value);
  }
}

function keyOf(at: number): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`key-${at}`);
}

async function removeLog(directory: string, isSegmentsOnly: boolean): Promise<void> {
  const wal = `${directory}/wal`;
  if (!isSegmentsOnly) return await Deno.remove(wal, { recursive: true });
  for await (const { name } of Deno.readDir(wal)) {
    if (name.endsWith(".wal")) await Deno.remove(`${wal}/${name}`);
  }
}

async function namesIn(directory: string): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    names.push(name);
    if (isDirectory) names.push(...(await namesIn(`${directory}/${name}`)).map((each) => `${name}/${each}`));
  }
  return names.sort();
}

/** A copy of what node `id` has on its disk, made while it is down. */
async function copyOf(cluster: ProcessCluster, id: number): Promise<string> {
  const copy = `${cluster.dataDirectory(id)}.copy`;
  await cluster.kill(id, "SIGTERM");
  await copyFolder(cluster.dataDirectory(id), copy);
  await cluster.restart(id);
  await cluster.waitReady();
  return copy;
}

async function putBack(cluster: ProcessCluster, id: number, copy: string): Promise<void> {
  await Deno.remove(cluster.dataDirectory(id), { recursive: true });
  await copyFolder(copy, cluster.dataDirectory(id));
}

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

test.run();
