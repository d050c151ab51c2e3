/**
 * How a node asks to be taken in, of a cluster that is made up.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { freePort } from "../../tests/support/cluster/free_port.ts";
import { DenoFileSystem } from "../../wal-wasm/mod.ts";
import { DataDirectoryError } from "./data_directory.ts";
import { obtainJoinRecord, replicationWarning, shapeOf } from "./join.ts";
import { JoinError } from "./join_call.ts";

const test = suite("join");

const CLUSTER_ID = "0123456789abcdef0123456789abcdef";

/** What a node of the cluster answers, by method; may be changed while it serves. */
class FakeCluster implements Disposable {
  readonly url: string;
  /** Methods in the order in which they were called. */
  readonly calls: string[] = [];
  clusterId = CLUSTER_ID;
  nodeIds: readonly number[] = [1, 2, 3];
  /** Instead of all this, whatever is asked for. */
  instead: ((request: Request) => Response) | undefined;
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
    if (this.instead !== undefined) return this.instead(request);
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

interface WantedRefusal {
  readonly directory: string;
  readonly words: RegExp;
}

async function assertRefused(url: string, { directory, words }: WantedRefusal): Promise<void> {
  const request = { nodeId: 4, address: "host:4", url, limitMs: 60_000 };
  const refused = await obtainJoinRecord(new DenoFileSystem(), directory, request).catch((error) => error);
  assert.instance(refused, JoinError);
  assert.match(refused.message, words);
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

test("an id that is in use is refused with the address of the node that has it", () =>
  withDirectory(async (directory) => {
    using cluster = new FakeCluster();
    cluster.nodeIds = [1, 2, 3, 4];
    const announced = await obtain(cluster.url, directory);
    assert.equal(announced.nodes.length, 3, "at its own address it was announced");
    cluster.calls.length = 0;
    const request = { nodeId: 2, address: "elsewhere:9", url: cluster.url, limitMs: 60_000 };
    const refused = await obtainJoinRecord(new DenoFileSystem(), `${directory}-2`, request).catch((e) => e);
    assert.instance(refused, JoinError);
    assert.match(
      refused.message,
      /as node 2: that id is in use, by the node at host:2.* take another --node-id/,
    );
    assert.match(refused.message, /only announced .* start this one at host:2, .* cluster remove-node 2$/);
    assert.equal(cluster.calls, ["GetMetadata"]);
  }));

test("fewer replicas than the nodes allow are warned of", () => {
  assert.match(
    replicationWarning(2, 1) ?? "",
    /keeps 1 replica of each partition, .* has 2 nodes: .* disk is/,
  );
  assert.match(
    replicationWarning(4, 2) ?? "",
    /keeps 2 replicas .* has 4 nodes: .* prkdb cluster set-replication-factor 3$/,
  );
  for (const [nodeCount, factor] of [[1, 1], [1, 3], [2, 3], [2, 2], [3, 3], [9, 3], [9, 5]] as const) {
    assert.is(replicationWarning(nodeCount, factor), undefined);
  }
});

test("what is no node is told at once, also to a node that could go on asking", () =>
  withDirectory(async (directory) => {
    using cluster = new FakeCluster();
    const page = (text: string, status: number) => new Response(text, { status });
    const strangers: readonly (readonly [(request: Request) => Response, RegExp])[] = [
      [
        () => page("<html>welcome</html>", 200),
        /is not a prkdb node \(HTTP status 200: <html>welcome<\/html>\)/,
      ],
      [() => page("no such page", 404), /is not a prkdb node \(HTTP status 404: no such page\)/],
      [() => Response.json({ error: "what?" }, { status: 404 }), /is not a prkdb node/],
      [() => Response.json({}), /is not a prkdb node \(it describes no cluster\)/],
      [
        () => page(`Cannot serve the host db1: ${"x".repeat(100)} --allowed-hosts db1\n`, 421),
        /^Cannot join by way of http:\S+: Cannot serve the host db1: x+ --allowed-hosts db1$/,
      ],
      [
        ({ url }) => url.endsWith("/metrics") ? page("prkdb_ready 1\n", 200) : page("use GET or HEAD", 405),
        /is a node's port for operators; name its port for clients/,
      ],
    ];
    for (const [instead, words] of strangers) {
      cluster.instead = instead;
      await assertRefused(cluster.url, { directory, words });
    }
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const greeted = (async () => {
      using connection = await listener.accept();
      await connection.write(new TextEncoder().encode("SSH-2.0-x\r\n"));
      await connection.read(new Uint8Array(1_024));
    })();
    const { port } = listener.addr as Deno.NetAddr;
    await assertRefused(`http://127.0.0.1:${port}`, {
      directory,
      words: /does not speak HTTP, or speaks TLS/,
    });
    await greeted;
    assert.equal(await Array.fromAsync(Deno.readDir(directory)), [], "nothing is kept");
  }));

test("what may be well later is asked again", () =>
  withDirectory(async (directory) => {
    using cluster = new FakeCluster();
    let asked = 0;
    cluster.instead = () => {
      if (++asked === 2) cluster.instead = undefined;
      return new Response("the node is starting\n", { status: 503 });
    };
    const request = { nodeId: 4, address: "host:4", url: cluster.url, limitMs: 60_000 };
    const record = await obtainJoinRecord(new DenoFileSystem(), directory, request);
    assert.equal([record.clusterId, asked], [CLUSTER_ID, 2]);
    const nobody = await obtain(`http://127.0.0.1:${freePort()}`, `${directory}-nobody`).catch((error) =>
      error
    );
    assert.match(String(nobody), /nothing listens there \(connection refused\); check --join/);
    using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = silent.addr as Deno.NetAddr;
    const late = await obtain(`http://127.0.0.1:${port}`, `${directory}-late`).catch((error) => error);
    assert.match(String(late), /no answer within 3 s; check --join/);
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
