/**
 * Data directories that are looked at: what is told of them is what nodes have written, damage is named with
 * its file, and nothing in them changes.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { NodeCluster, put, TINY_SIZES, WRITE } from "../../tests/support/cluster/node_cluster.ts";
import { folderState } from "../../tests/support/disk/folder_state.ts";
import { ReadOnlyFileSystem } from "../../wal-wasm/mod.ts";
import { EmbeddedNode } from "../embedded.ts";
import { lookAtStore } from "../storage/mod.ts";
import { type DirectoryReport, inspectDirectory, reportText } from "./mod.ts";
import type { StoreReport } from "./store_report.ts";

const test = suite("inspection");
const folder = Deno.makeTempDirSync({ prefix: "prkdb-inspect-" });
test.after(() => Deno.removeSync(folder, { recursive: true }));
const ROUNDS = 30;
const KEYS = 200;

async function withData(body: (directory: string, cluster: NodeCluster) => Promise<void>): Promise<void> {
  const cluster = new NodeCluster(1, { sizes: TINY_SIZES, partitionCount: 1 });
  try {
    await cluster.start();
    await cluster.ready();
    await writeRounds(cluster, ROUNDS);
    await body(cluster.directoryOf(1), cluster);
  } finally {
    await cluster.close();
  }
}

async function writeRounds(cluster: NodeCluster, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const mutations = Array.from(
      { length: KEYS },
      (_, at) => put(`key ${at}`, `${round} `.padEnd(40, "x")),
    );
    await cluster.node(1).write(mutations, WRITE);
  }
}

function storeOf(report: DirectoryReport, group: number): StoreReport {
  const store = report.stores.find((each) => each.group === group);
  if (store === undefined || "problem" in store) throw new Error(`no store of group ${group}`);
  return store;
}

test("what is told of a directory is what the node has written", async () => {
  await withData(async (directory, cluster) => {
    const { appliedIndex } = cluster.node(1).replicas.assigned()[0]!.machine;
    await cluster.stop(1);
    const before = await folderState(directory);
    const report = await inspectDirectory(directory, { check: true });
    assert.equal(await folderState(directory), before);
    assert.equal(report.problems, []);
    assert.is(report.identity.nodeId, 1);
    assert.is(report.log?.groups.find(({ group }) => group === 1)?.entries?.last, appliedIndex);
    const store = storeOf(report, 1);
    assert.ok(store.tables > 0);
    assert.is(store.checked, store.tables);
    assert.is(store.levels.reduce((sum, level) => sum + level.entries, 0), store.entries);
    assert.ok(store.point.index <= appliedIndex);
    assert.match(reportText(report), /partition 0 .* up to entry \d+ .* read and sound/);
  });
});

test("a running node is not disturbed, and what it changes meanwhile is no damage", async () => {
  await withData(async (directory, cluster) => {
    let isWriting = true;
    const writing = writeRounds(cluster, ROUNDS).finally(() => isWriting = false);
    let looks = 0;
    while (isWriting) {
      const { problems } = await inspectDirectory(directory, { check: true });
      assert.equal(problems, []);
      looks++;
    }
    await writing;
    assert.ok(looks > 0);
  });
});

test("a flipped byte is named with its file, and the rest is told all the same", async () => {
  await withData(async (directory, cluster) => {
    await cluster.stop(1);
    const resting = (await lookAtStore(new ReadOnlyFileSystem(), `${directory}/state/1`))!;
    const path = resting.pathOf([...resting.tables.values()].at(-1)!);
    flip(path, 20);
    assert.equal((await inspectDirectory(directory)).problems, [], "blocks are read when that is asked for");
    const report = await inspectDirectory(directory, { check: true });
    assert.is(report.problems.length, 1);
    assert.ok(report.problems[0]!.includes(path), report.problems[0]);
    assert.is(storeOf(report, 1).checked, storeOf(report, 1).tables - 1);
    flip(`${directory}/state/1/CURRENT`, 30);
    const { log, problems, stores } = await inspectDirectory(directory);
    assert.is(problems.length, 1);
    assert.match(problems[0]!, /the store of group 1 cannot be read: .*CURRENT/);
    assert.is(stores.length, 2);
    assert.ok(log !== undefined && log.records > 0);
  });
});

test("damage of the log is named with its place, and not mended", async () => {
  const directory = `${folder}/log`;
  const node = await EmbeddedNode.open({ dataDir: directory, numPartitions: 1 });
  await node.close();
  const [segment] = (await inspectDirectory(directory)).log!.segments;
  flip(segment!.path, 4_096 + 40);
  const before = await folderState(directory);
  const { problems } = await inspectDirectory(directory);
  assert.equal(await folderState(directory), before);
  assert.is(problems.length, 1);
  assert.ok(problems[0]!.startsWith(`${segment!.path}: `), problems[0]);
});

test("a directory that is no node's is refused", async () => {
  for (const directory of [folder, `${folder}/nowhere`]) {
    try {
      await inspectDirectory(directory);
      assert.unreachable();
    } catch (error) {
      assert.match((error as Error).message, /^Cannot inspect /);
    }
  }
});

function flip(path: string, offset: number): void {
  const bytes = Deno.readFileSync(path);
  bytes[offset]! ^= 1;
  Deno.writeFileSync(path, bytes);
}

test.run();
