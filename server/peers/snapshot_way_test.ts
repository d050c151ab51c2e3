/**
 * Snapshots over HTTP: from a node's transport to another node's service and back, over a real port.
 *
 * @module
 */

import { HTTP_LIMITS } from "../http/limits.ts";
import { startHttp1 } from "../http/h1/mod.ts";
import { ByteShare, type HttpMeters, type HttpRouter, TcpListener, webHandler } from "../http/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import { FakeNode } from "../../tests/conformance/fake_node.ts";
import { contentOf, MemorySource, PassingClock } from "../../tests/support/cluster/snapshot_ends.ts";
import { MemoryDisk } from "../../tests/support/disk/memory_file_system.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { ClusterId } from "../data/cluster_id.ts";
import { type Identity, PeerIdentities, Troubles } from "../data/mod.ts";
import type { SnapshotAnswer } from "../ports/mod.ts";
import { RpcRouter } from "../rpc/mod.ts";
import { SnapshotCaller } from "../snapshot/snapshot_caller.ts";
import { SNAPSHOT_PATH } from "../snapshot/snapshot_service.ts";
import { SnapshotSender } from "../snapshot/mod.ts";
import { type PeerHost, PeerService } from "./service.ts";
import { StreamTransport } from "./transport.ts";

const test = suite("snapshots over HTTP");
const CLUSTER = "0123456789abcdef0123456789abcdef";
const OTHER_CLUSTER = "0123456789abcdef0123456789abcde0";
const PART_BYTES_MAX = 1024 * 1024;
const FILE = { name: "a", length: 5 * PART_BYTES_MAX };
const BEGIN = { kind: "begin", group: 1 } as const;
const INBOX = { size: 0, push: () => {} };

test("a file comes over as it is, part by part, over one connection", async () => {
  await using port = await openService();
  const transport = await transportTo(port.address);
  const begun = await transport.askSnapshot(1, BEGIN);
  if (begun.kind !== "begun") throw new Error(`it is ${begun.kind}`);
  const { snapshotId } = begun;
  const content = contentOf(FILE);
  for (let offset = 0; offset < FILE.length; offset += PART_BYTES_MAX) {
    const request = {
      kind: "read",
      group: 1,
      snapshotId,
      fileNumber: 1,
      offset,
      bytesMax: PART_BYTES_MAX,
    } as const;
    const answer = await transport.askSnapshot(1, request);
    const bytes = answer.kind === "part" ? answer.bytes : new Uint8Array(0);
    assert.is(bytes.length, PART_BYTES_MAX);
    assert.ok(bytes.every((byte, at) => byte === content[offset + at]), `the part at ${offset}`);
  }
  assert.equal(await transport.askSnapshot(1, { kind: "end", group: 1, snapshotId }), { kind: "done" });
  const again = await transport.askSnapshot(1, { ...BEGIN, kind: "end", snapshotId });
  assert.equal(again, { kind: "done" });
  assert.is(port.connections(), 1);
  await transport.close();
});

test("only members of the cluster are answered, and only what is meant for the node", async () => {
  await using port = await openService({
    admits: (id) => id === 2,
    hasRemoved: (id) => id === 4,
    distrustOf: (id) => id === 5 ? "it has lost what it promised" : undefined,
  });
  const asks: readonly (readonly [Asker, RegExp])[] = [
    [{ nodeId: 2, cluster: OTHER_CLUSTER }, /this is cluster 0123456789abcdef0123456789abcdef, not/],
    [{ nodeId: 3 }, /node 3 is not in this cluster/],
    [{ nodeId: 4 }, /node 4 was removed from this cluster/],
    [{ nodeId: 5 }, /node 5 is not believed any more: it has lost/],
    [{ nodeId: 2, to: 9 }, /this is node 1, not 9/],
  ];
  for (const [asker, reason] of asks) {
    const transport = await transportTo(port.address, asker);
    const answer = await transport.askSnapshot(asker.to ?? 1, BEGIN);
    assert.match(answer.kind === "refused" && !answer.isGone ? answer.reason : "", reason);
    await transport.close();
  }
});

test("a node without snapshots says so, and one whose service fails is asked in vain", async () => {
  await using without = await openService({ answerSnapshot: undefined });
  const transport = await transportTo(without.address);
  const reason = "there are no snapshots here";
  assert.equal(await transport.askSnapshot(1, BEGIN), { kind: "refused", reason, isGone: false });
  await transport.close();
  await using failing = await openService({ answerSnapshot: () => Promise.reject(new Error("a defect")) });
  const other = await transportTo(failing.address);
  await mustReject(other.askSnapshot(1, BEGIN), /HTTP status 500: a defect/);
  await other.close();
});

test("what is no request is refused, and so is one that is too long or no POST", async () => {
  await using port = await openService();
  const url = `http://${port.address}${SNAPSHOT_PATH}`;
  const ask = async (init: RequestInit) => {
    const response = await fetch(url, init);
    await response.text();
    return response.status;
  };
  const random = new SeededRandom(1);
  for (let round = 0; round < 100; round++) {
    const status = await ask({ method: "POST", body: random.bytes(random.below(60)) });
    assert.ok(status === 400 || status === 200, `status ${status}`);
  }
  assert.is(await ask({ method: "POST", body: new Uint8Array(5_000) }), 413);
  assert.is(await ask({ method: "GET" }), 405);
});

test("nobody there, no peer, silence: the request rejects, at the latest when its time is over", async () => {
  const transport = await transportTo("127.0.0.1:1");
  await mustReject(transport.askSnapshot(1, BEGIN), /./);
  await mustReject(transport.askSnapshot(7, BEGIN), /node 7 for a snapshot: it is no peer/);
  await transport.close();
  await mustReject(transport.askSnapshot(1, BEGIN), /this node stops/);
  const end = Promise.withResolvers<SnapshotAnswer>();
  await using silent = await openService({ answerSnapshot: () => end.promise });
  const envelope = { clusterId: CLUSTER, from: 2, to: 1, address: "node-2.test:1", request: BEGIN };
  await mustReject(new SnapshotCaller(50).ask(silent.address, envelope), /no answer within 50 ms/);
  const closing = await transportTo(silent.address);
  const waiting = mustReject(closing.askSnapshot(1, BEGIN), /this node stops/);
  await closing.close();
  await waiting;
  end.resolve({ kind: "done" });
});

test("what answers there may be something else than a node", async () => {
  await using stranger = listen({
    route: () => webHandler(() => new Response("<html>a proxy</html>", { status: 200 })),
  });
  const transport = await transportTo(stranger.address);
  await mustReject(transport.askSnapshot(1, BEGIN), /HTTP status 200: <html>a proxy/);
  await transport.close();
});

test.run();

async function mustReject(waiting: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await waiting.then(() => undefined, (reason) => reason);
  assert.instance(error, Error);
  assert.match(error.message, message);
}

/** Who asks, and whom. */
interface Asker {
  readonly nodeId: number;
  readonly cluster?: string;
  readonly to?: number;
}

async function transportTo(address: string, asker: Asker = { nodeId: 2 }): Promise<StreamTransport> {
  const { nodeId, cluster = CLUSTER, to = 1 } = asker;
  const { clusterId, identities } = await dataOf(cluster);
  const transport = new StreamTransport({
    identity: identityOf(nodeId),
    clusterId,
    identities,
    inbox: INBOX,
    address: `node-${nodeId}.test:1`,
    answerLimitMs: 1_000,
  });
  transport.setPeers(new Map([[to, [address]]]));
  return transport;
}

async function openService(host: { [Name in keyof PeerHost]?: PeerHost[Name] | undefined } = {}) {
  const sender = new SnapshotSender({ source: new MemorySource([FILE]), clock: new PassingClock() });
  const peers = new PeerService({
    host: {
      admits: () => true,
      hasRemoved: () => false,
      distrustOf: () => undefined,
      takeIdentityMismatch: () => {},
      answerSnapshot: (from, request) => sender.answer(from, request),
      ...host,
    } as PeerHost,
    identity: identityOf(1),
    ...await dataOf(CLUSTER),
    inbox: INBOX,
    answerIntervalMs: 0,
  });
  return listen(
    new RpcRouter({
      node: new FakeNode(),
      readiness: () => ({ isReady: true, isReadyForReads: true, troubles: [] }),
      requests: { observe: () => {}, observeRefusal: () => {} },
      room: { bodies: new ByteShare(2 ** 30), answers: new ByteShare(2 ** 30) },
      peers,
      snapshots: peers.snapshots,
    }),
  );
}

/** A port on which `router` answers. */
function listen(router: HttpRouter) {
  let connections = 0;
  const meters: HttpMeters = {
    observeConnections: (change) => void (connections += Math.max(0, change)),
    observeLimit: () => {},
  };
  const room = { bodies: new ByteShare(2 ** 30), answers: new ByteShare(2 ** 30) };
  const context = { limits: HTTP_LIMITS, ...room, meters };
  const listener = new TcpListener({ hostname: "127.0.0.1", port: 0, context, http1: startHttp1 });
  listener.router = router;
  return {
    address: listener.address,
    connections: () => connections,
    [Symbol.asyncDispose]: () => listener.close(),
  };
}

function identityOf(nodeId: number): Identity {
  return {
    clusterId: CLUSTER,
    nodeId,
    incarnation: `node ${nodeId}`,
    partitionCount: 1,
    replicationFactor: 1,
    nodeIds: [],
  };
}

async function dataOf(cluster: string) {
  const fileSystem = new MemoryDisk({ random: new SeededRandom(1) }).mount();
  await fileSystem.createDirectory("/data");
  const place = { fileSystem, directory: "/data" };
  const clusterId = await ClusterId.open({ ...place, first: cluster });
  await clusterId.settle(cluster);
  return { clusterId, identities: await PeerIdentities.open({ ...place, troubles: new Troubles() }) };
}
