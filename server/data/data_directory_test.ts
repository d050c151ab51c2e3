/**
 * That a data directory belongs to one node of one cluster, and that a refusal touches nothing.
 *
 * @module
 */

import { assert, assertRejects, suite } from "../../tests/harness.ts";
import { DenoFileSystem } from "../../wal-wasm/mod.ts";
import type { ClusterShape } from "../cluster/founding.ts";
import { DataDirectoryError, openDataDirectory } from "./data_directory.ts";

const test = suite("data directory");
const fileSystem = new DenoFileSystem();
const folders: string[] = [];

function temporary(): string {
  const folder = Deno.makeTempDirSync({ prefix: "prkdb-data-" });
  folders.push(folder);
  return `${folder}/node`;
}

test.after(() => {
  for (const folder of folders) Deno.removeSync(folder, { recursive: true });
});

function shape(over: Partial<ClusterShape> = {}): ClusterShape {
  const nodes = new Map([[1, "a:1"], [2, "b:2"], [3, "c:3"]]);
  return { nodes, partitionCount: 9, replicationFactor: 3, ...over };
}

async function open(directory: string, nodeId = 1, of: ClusterShape = shape()) {
  const data = await openDataDirectory(fileSystem, { directory, nodeId, shape: of, incarnation: "i" });
  data.lock.release();
  return data.identity;
}

/** The message with which opening is refused; asserts that nothing in the directory changed. */
async function refusal(directory: string, nodeId: number, of: ClusterShape): Promise<string> {
  const before = snapshot(directory);
  const { message } = await assertRejects(
    () => open(directory, nodeId, of),
    (error) => error instanceof DataDirectoryError,
  );
  assert.equal(snapshot(directory), before, "nothing is touched");
  return message;
}

function snapshot(directory: string): string[] {
  return [...Deno.readDirSync(directory)].filter(({ name }) => name !== "LOCK").map(({ name }) =>
    `${name}:${Deno.readTextFileSync(`${directory}/${name}`)}`
  ).sort();
}

test("all nodes of a cluster get the same identity, and keep it when addresses change", async () => {
  const directory = temporary();
  const first = await open(directory, 1);
  assert.match(first.clusterId, /^[0-9a-f]{32}$/);
  assert.is((await open(temporary(), 2)).clusterId, first.clusterId);
  const moved = shape({ nodes: new Map([[1, "x:1"], [2, "y:2"], [3, "z:3"]]) });
  assert.equal(await open(directory, 1, moved), first);
  assert.is.not((await open(temporary(), 1, moved)).clusterId, first.clusterId);
});

test("a directory in use is refused", async () => {
  const directory = temporary();
  const data = await openDataDirectory(fileSystem, {
    directory,
    nodeId: 1,
    shape: shape(),
    incarnation: "i",
  });
  const { message } = await assertRejects(() => open(directory));
  assert.match(message, /in use/);
  data.lock.release();
  await open(directory);
});

test("once the cluster is founded, another replication factor is no reason to refuse", async () => {
  const directory = temporary();
  const wanted = { directory, nodeId: 1, shape: shape(), incarnation: "i" };
  const data = await openDataDirectory(fileSystem, wanted);
  await data.clusterId.settle(data.clusterId.draw());
  data.lock.release();
  assert.is((await open(directory, 1, shape({ replicationFactor: 5 }))).replicationFactor, 3);
});

test("founders with different factors are of different clusters, also where they allow the same", async () => {
  const ids = [];
  for (const replicationFactor of [1, 3, 5]) {
    ids.push((await open(temporary(), 1, shape({ replicationFactor }))).clusterId);
  }
  assert.is(new Set(ids).size, 3);
});

test("another node's, another cluster's or a foreign directory is refused untouched", async () => {
  const directory = temporary();
  await open(directory);
  assert.match(await refusal(directory, 2, shape()), /node 1, not to node 2/);
  assert.match(await refusal(directory, 1, shape({ partitionCount: 8 })), /9 partitions, not 8/);
  assert.match(await refusal(directory, 1, shape({ replicationFactor: 1 })), /replication factor 3, not 1/);
  const fewer = shape({ nodes: new Map([[1, "a:1"], [2, "b:2"]]) });
  assert.match(await refusal(directory, 1, fewer), /nodes 1, 2, 3, not 1, 2/);
  const foreign = temporary();
  Deno.mkdirSync(foreign);
  Deno.writeTextFileSync(`${foreign}/letter.txt`, "dear");
  assert.match(await refusal(foreign, 1, shape()), /letter\.txt/);
});

test("an identity that cannot be read is refused, half a one is made anew", async () => {
  const directory = temporary();
  await open(directory);
  Deno.writeTextFileSync(`${directory}/identity.json`, '{"format": 99}');
  assert.match(await refusal(directory, 1, shape()), /format 99/);
  Deno.writeTextFileSync(`${directory}/identity.json`, '{"form');
  assert.match(await refusal(directory, 1, shape()), /identity\.json/);
  const half = temporary();
  Deno.mkdirSync(half);
  Deno.writeTextFileSync(`${half}/identity.json.new`, '{"form');
  assert.is((await open(half)).nodeId, 1);
});

test.run();
