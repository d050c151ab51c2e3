/**
 * Which nodes `deno task cluster` starts, by what lies in the data directory.
 *
 * @module
 */

import { assert, suite } from "../tests/harness.ts";
import { findLocalNodes, freeId, isForgotten } from "./local_nodes.ts";

const test = suite("local nodes");
const root = await Deno.makeTempDir({ prefix: "prkdb-local-" });
test.after(() => Deno.removeSync(root, { recursive: true }));

const OURS = "a".repeat(32);
const ids = async () => (await findLocalNodes(root)).map(({ nodeId }) => nodeId);

async function write(node: string, file: string, clusterId: string): Promise<void> {
  await Deno.mkdir(`${root}/${node}`, { recursive: true });
  await Deno.writeTextFile(`${root}/${node}/${file}`, JSON.stringify({ clusterId }));
}

test("at first the three founders", async () => {
  const nodes = await findLocalNodes(`${root}/missing`);
  assert.equal(nodes.map(({ nodeId }) => nodeId), [1, 2, 3]);
  assert.equal(nodes[1], {
    nodeId: 2,
    address: "127.0.0.1:50052",
    metricsPort: 9_092,
    flags: ["--node-id=2", "--cluster-nodes=1@127.0.0.1:50051,2@127.0.0.1:50052,3@127.0.0.1:50053"],
  });
});

test("then those too that have joined their cluster, and no others", async () => {
  await write("node-1", "identity.json", "b".repeat(32));
  await write("node-2", "cluster_id.json", OURS);
  await write("node-10", "cluster.json", OURS);
  await write("node-4", "cluster.json", OURS);
  await write("node-5", "cluster.json", "c".repeat(32));
  await write("node-6", "identity.json", OURS);
  await write("backup", "cluster.json", OURS);
  await Deno.mkdir(`${root}/node-7`);
  await Deno.writeTextFile(`${root}/node-7/cluster.json`, "{");
  assert.equal(await ids(), [1, 2, 3, 4, 10]);
  const joined = (await findLocalNodes(root)).at(-1)!;
  assert.equal(joined.flags, ["--node-id=10", "--join=http://127.0.0.1:50051"]);
});

test("a cluster of an earlier version has its id from the beginning", async () => {
  await Deno.remove(`${root}/node-2`, { recursive: true });
  await write("node-1", "identity.json", OURS);
  assert.equal(await ids(), [1, 2, 3, 4, 10]);
});

test("a node is forgotten when another one knows it with a directory that is not there", async () => {
  const place = `${root}/disks`;
  const file = async (node: number, name: string, fields: unknown) => {
    await Deno.mkdir(`${place}/node-${node}`, { recursive: true });
    await Deno.writeTextFile(`${place}/node-${node}/${name}`, JSON.stringify(fields));
  };
  await file(1, "identity.json", { incarnation: "a" });
  await file(1, "peers.json", { "2": "b", "3": "c" });
  await file(2, "identity.json", { incarnation: "b" });
  await file(2, "peers.json", {});
  await file(12, "identity.json", { incarnation: "x" });
  assert.equal(await Promise.all([1, 2, 12].map((id) => isForgotten(place, id))), [false, false, false]);
  assert.is(await isForgotten(place, 3), true, "its directory is gone");
  await file(2, "identity.json", { incarnation: "another" });
  assert.is(await isForgotten(place, 2), true, "it began anew");
  assert.equal([await freeId(place), await freeId(`${root}/missing`)], [13, 4]);
});

test.run();
