/**
 * Where nodes are: wrong addresses are refused, those that have become wrong heal, a whole cluster moves, and
 * peers and clients may be told different things.
 *
 * @module
 */

import type { UnaryCall } from "../../client/transport/caller.ts";
import { PrkDbClient, type PrkDbError } from "../../client/mod.ts";
import { fetchCaller } from "../../client/transport/fetch_caller.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { CuttableProxy } from "../support/cluster/cuttable_proxy.ts";
import { freePort, freePorts } from "../support/cluster/free_port.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { ProcessNode } from "../support/cluster/process_node.ts";
import { eventually, PATIENCE_MS, until } from "../support/patience.ts";

const test = suite("addresses");
const root = await Deno.makeTempDir({ prefix: "prkdb-addresses-" });
test.after(() => Deno.removeSync(root, { recursive: true }));

const NODE_1 = 1;

test("an address is believed when the node answers there as itself", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 3 });
  await using client = await PrkDbClient.connect(cluster.addresses(), { timeoutMs: PATIENCE_MS });
  const before = await cluster.metadata(2);
  const other = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("hello"),
  );
  try {
    const hostOf = (id: number) => new URL(cluster.address(id)).host;
    const refused: readonly (readonly [nodeId: number, address: string, reason: RegExp])[] = [
      [NODE_1, `127.0.0.1:${freePort()}`, /node 1 is at .*: no node answers there .*start it there first/],
      [NODE_1, hostOf(2), /node 2 answers there/],
      [NODE_1, `127.0.0.1:${other.addr.port}`, /is no prkdb node \(HTTP status 200\)/],
      [4, hostOf(2), /node 2 answers there/],
      [4, `127.0.0.1:${other.addr.port}`, /is no prkdb node/],
    ];
    for (const [nodeId, address, reason] of refused) {
      const error = await assertRejects(() => client.cluster.addNode({ nodeId, address })) as PrkDbError;
      assert.is(error.code, "invalid_argument");
      assert.match(error.message, reason);
    }
    assert.equal((await cluster.metadata(2)).nodes, before.nodes);
    await client.cluster.addNode({ nodeId: NODE_1, address: hostOf(NODE_1) });
    await client.cluster.addNode({ nodeId: 4, address: `127.0.0.1:${freePort()}` });
    await cluster.metadataWhen(2, ({ nodes }) => nodes.length === 4);
  } finally {
    await other.shutdown();
  }
});

test("an address of a founder that has become wrong holds nobody up, and heals when it is corrected", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 6 });
  await using client = await PrkDbClient.connect(cluster.addresses(), { timeoutMs: PATIENCE_MS });
  await client.put("before", "1");
  const targetPort = Number(new URL(cluster.address(NODE_1)).port);
  const proxy = CuttableProxy.open({ port: freePort(), targetPort });
  try {
    await client.cluster.addNode({ nodeId: NODE_1, address: proxy.address });
    const addressIn = async (id: number) =>
      (await cluster.metadata(id)).nodes.find(({ nodeId }) => nodeId === NODE_1)?.address;
    for (const id of [2, 3]) {
      await cluster.metadataWhen(id, ({ nodes }) => nodes.some(({ address }) => address === proxy.address));
    }
    proxy.set("refusing");
    await cluster.join(4, 2);
    await cluster.waitReady();
    assert.is(await addressIn(4), proxy.address);
    await changesEnd(client);
    assert.ok((await cluster.metadata(4)).partitions.some(({ replicas }) => replicas.includes(4)));
    const right = `127.0.0.1:${targetPort}`;
    await client.cluster.addNode({ nodeId: NODE_1, address: right });
    for (const id of [2, 3, 4]) {
      await cluster.metadataWhen(id, ({ nodes }) => nodes.some(({ address }) => address === right));
    }
    await client.cluster.removeNode(4);
    await changesEnd(client);
    assert.is((await cluster.process(4).ended).code, 0, cluster.output(4));
    assert.is(await client.getText("before"), "1");
  } finally {
    await proxy.close();
  }
});

test("a node that starts elsewhere is found there by those that know it from before", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 3 });
  await using client = await PrkDbClient.connect(cluster.addresses(), { timeoutMs: PATIENCE_MS });
  await cluster.join(4, 1);
  await changesEnd(client);
  await cluster.kill(4, "SIGTERM");
  const port = freePort();
  const flags = [...cluster.flagsOf(4).filter((flag) => !/port/.test(flag)), `--grpc-port=${port}`];
  const moved = ProcessNode.start({ args: [...flags, "--metrics-port=0"] });
  try {
    for (const id of [1, 2, 3]) {
      await cluster.metadataWhen(
        id,
        ({ nodes }) => nodes.some(({ address }) => address === `127.0.0.1:${port}`),
      );
    }
    assert.ok(moved.isRunning, moved.standardError);
    for (let number = 0; number < 20; number++) await client.put(`key-${number}`, "x");
  } finally {
    moved.signal("SIGKILL");
    await moved.ended;
  }
});

test("a whole cluster, and a node that joined it, start at other addresses", async () => {
  const places = (ports: readonly number[]) => [1, 2, 3].map((id) => `${id}@127.0.0.1:${ports[id - 1]}`);
  const startAll = (ports: readonly number[]) =>
    Promise.all([
      ...[1, 2, 3].map((nodeId) =>
        startNode(`moved-${nodeId}`, {
          nodeId,
          port: ports[nodeId - 1]!,
          flags: [`--cluster-nodes=${places(ports).join()}`, "--num-partitions=3"],
        })
      ),
      startNode("moved-4", {
        nodeId: 4,
        port: ports[3]!,
        flags: [`--join=http://127.0.0.1:${ports[0]}`],
      }),
    ]);
  const connect = (ports: readonly number[]) =>
    PrkDbClient.connect(ports.map((port) => `127.0.0.1:${port}`), { timeoutMs: PATIENCE_MS });
  const [first, second] = [freePorts(4), freePorts(4)];
  const before = await startAll(first);
  {
    await using client = await connect(first);
    await until4(client);
    await changesEnd(client);
    await client.put("before", "1");
  }
  await stopAll(before);
  const after = await startAll(second);
  try {
    await using client = await connect(second);
    assert.is(await client.getText("before"), "1");
    for (const port of second) {
      await using one = await connect([port]);
      await eventually(async () => {
        const { nodes } = await one.metadata();
        assert.equal(nodes.map(({ address }) => address), second.map((each) => `127.0.0.1:${each}`));
      });
    }
    await client.cluster.removeNode(4);
    await changesEnd(client);
  } finally {
    await stopAll(after);
  }
});

test("peers are told names that clients cannot resolve, and clients what they can", async () => {
  const ports = freePorts(3);
  // The system resolves it, the client below does not.
  const list = `--cluster-nodes=${ports.map((port, at) => `${at + 1}@localhost:${port}`).join()}`;
  const nodes = await Promise.all(
    ports.map((port, at) =>
      startNode(`named-${at + 1}`, {
        nodeId: at + 1,
        port,
        flags: [
          list,
          `--advertise=localhost:${port}`,
          `--advertise-client=http://127.0.0.1:${port}`,
          "--num-partitions=6",
        ],
      })
    ),
  );
  try {
    const called = new Set<string>();
    const inner = fetchCaller();
    const call = (asked: UnaryCall) => {
      if (asked.address.includes("localhost")) return Promise.reject(new Error("no such host"));
      if (asked.direct) called.add(asked.address);
      return inner.call(asked);
    };
    const options = { timeoutMs: PATIENCE_MS, caller: { call } };
    await using client = await PrkDbClient.connect([`http://127.0.0.1:${ports[0]}`], options);
    await eventually(async () => {
      called.clear();
      for (let number = 0; number < 30; number++) await client.put(`key-${number}`, "x");
      await client.metadata();
      assert.is(called.size, 3, "each node is called as a leader");
    });
  } finally {
    await stopAll(nodes);
  }
});

test("a node that asks nobody to be taken in says so, and comes in when somebody is there", async () => {
  const [port, joining] = freePorts(2) as [number, number];
  const flags = [`--join=http://127.0.0.1:${port}`];
  const node = ProcessNode.start({ args: argsOf("joining", { nodeId: 2, port: joining, flags }) });
  const says = () =>
    node.standardError.match(/asking http:\/\/127\.0\.0\.1:\d+ to be taken in, .*refused/gi) ?? [];
  await until(() => says().length >= 2 || !node.isRunning, () => `it says it twice: ${node.standardError}`);
  const other = await startNode("alone", { nodeId: 1, port });
  try {
    await until(() => node.hasStarted || !node.isRunning, () => `it comes in: ${node.standardError}`);
    assert.ok(node.isRunning, node.standardError);
  } finally {
    await stopAll([node, other]);
  }
});

/** Where a node is started. */
interface Start {
  readonly nodeId: number;
  readonly port: number;
  readonly flags?: readonly string[];
}

function argsOf(name: string, { nodeId, port, flags = [] }: Start): readonly string[] {
  const own = [
    `--node-id=${nodeId}`,
    `--grpc-port=${port}`,
    "--metrics-port=0",
    `--data-dir=${root}/${name}`,
  ];
  return [...own, ...flags];
}

async function startNode(name: string, start: Start): Promise<ProcessNode> {
  const node = ProcessNode.start({ args: argsOf(name, start) });
  await until(() => node.hasStarted || !node.isRunning, () => `${name} starts: ${node.standardError}`);
  assert.ok(node.isRunning, node.standardError);
  return node;
}

async function stopAll(nodes: readonly ProcessNode[]): Promise<void> {
  for (const node of nodes) node.signal("SIGTERM");
  for (const node of nodes) await node.ended;
}

/** Resolves when four nodes are members. */
async function until4(client: PrkDbClient): Promise<void> {
  await eventually(async () => assert.is((await client.metadata()).nodes.length, 4));
}

/** Resolves when there are changes, and all of them have ended well. */
async function changesEnd(client: PrkDbClient): Promise<void> {
  await eventually(async () => {
    const changes = await client.cluster.changes();
    assert.ok(changes.length > 0 && changes.every(({ isFinished }) => isFinished), JSON.stringify(changes));
    assert.equal(changes.filter(({ error }) => error !== "" && !/answers|answer/.test(error)), []);
  });
}

test.run();
