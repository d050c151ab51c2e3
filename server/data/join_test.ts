/**
 * How a node asks to be taken in, of a cluster that is made up.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { DenoFileSystem } from "../../wal-wasm/mod.ts";
import { DataDirectoryError } from "./data_directory.ts";
import { JoinError, obtainJoinRecord, shapeOf } from "./join.ts";

const test = suite("join");

const CLUSTER_ID = "0123456789abcdef0123456789abcdef";

/** What a node of the cluster answers, by method; may be changed while it serves. */
class FakeCluster implements Disposable {
  readonly url: string;
  /** Methods in the order in which they were called. */
  readonly calls: string[] = [];
  clusterId = CLUSTER_ID;
  nodeIds: readonly number[] = [1, 2, 3];
  refusal: { readonly code: string; readonly message: string } | undefined;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#answer(request),
    );
    this.url = `http://127.0.0.1:${this.#server.addr.port}`;
  }

  [Symbol.dispose](): void {
    void this.#server.shutdown();
  }

  #answer(request: Request): Response {
    const method = new URL(request.url).pathname.split("/").at(-1)!;
    this.calls.push(method);
    if (method === "AddNode") {
      if (this.refusal !== undefined) return Response.json(this.refusal, { status: 400 });
      return Response.json({ changeId: "1" });
    }
    return Response.json({
      clusterId: this.clusterId,
      replicationFactor: 3,
      nodes: this.nodeIds.map((nodeId) => ({ nodeId, address: `host:${nodeId}` })),
      partitions: [{ replicas: [1, 2, 3] }, { partitionId: 1, replicas: [2, 3, 1] }],
    });
  }
}

async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "prkdb-join-" });
  try {
    await body(`${directory}/node`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function obtain(url: string, directory: string) {
  const request = { nodeId: 4, address: "host:4", url, limitMs: 0 };
  return obtainJoinRecord(new DenoFileSystem(), directory, request);
}

test("a node is told what the cluster is, and keeps it", () =>
  withDirectory(async (directory) => {
    using cluster = new FakeCluster();
    const record = await obtain(cluster.url, directory);
    assert.equal(cluster.calls, ["GetMetadata", "AddNode"]);
    assert.is(record.clusterId, CLUSTER_ID);
    assert.equal(record.replicas, [[1, 2, 3], [2, 3, 1]]);
    const { nodes, partitionCount, replicationFactor } = shapeOf(record);
    assert.equal([...nodes], [[1, "host:1"], [2, "host:2"], [3, "host:3"]]);
    assert.equal([partitionCount, replicationFactor], [2, 3]);
    assert.equal(await obtain("http://127.0.0.1:1", directory), record, "nobody answers");
  }));

test("a node that starts again is told the members of now, and does not ask to be taken in again", () =>
  withDirectory(async (directory) => {
    using cluster = new FakeCluster();
    await obtain(cluster.url, directory);
    cluster.nodeIds = [3, 4, 5, 6];
    const again = await obtain(cluster.url, directory);
    assert.equal(again.nodes.map(({ nodeId }) => nodeId), [3, 5, 6]);
    assert.equal(cluster.calls, ["GetMetadata", "AddNode", "GetMetadata"]);
    cluster.clusterId = CLUSTER_ID.replaceAll("0", "f");
    const kept = await obtain(cluster.url, directory);
    assert.equal([kept.clusterId, kept.nodes.length], [CLUSTER_ID, 3], "of another cluster nothing is taken");
  }));

test("a cluster that refuses, or is none, is believed at once", () =>
  withDirectory(async (directory) => {
    using cluster = new FakeCluster();
    cluster.refusal = { code: "invalid_argument", message: "node ids never come back" };
    const refused = await obtain(cluster.url, directory).catch((error) => error);
    assert.instance(refused, JoinError);
    assert.match(refused.message, /node ids never come back/);
    cluster.clusterId = "none";
    const strange = await obtain(cluster.url, directory).catch((error) => error);
    assert.match(String(strange), /does not describe a cluster/);
    assert.equal(await Array.fromAsync(Deno.readDir(directory)), [], "nothing is kept");
  }));

test("a directory of something else, or of a founder, is not used to join", () =>
  withDirectory(async (directory) => {
    using cluster = new FakeCluster();
    await Deno.mkdir(directory);
    await Deno.writeTextFile(`${directory}/identity.json`, "{}");
    assert.instance(await obtain(cluster.url, directory).catch((error) => error), DataDirectoryError);
    await Deno.rename(`${directory}/identity.json`, `${directory}/thesis.txt`);
    assert.instance(await obtain(cluster.url, directory).catch((error) => error), DataDirectoryError);
    assert.equal(cluster.calls, []);
  }));

test.run();
