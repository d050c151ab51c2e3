/**
 * Clients of others: the gRPC transport of connect-es, over a real connection of HTTP/2.
 *
 * @module
 */

import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  compressionGzip,
  createGrpcTransport,
  type GrpcTransportOptions,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { ClusterService, ErrorInfoSchema, Health, KvService, NotLeaderSchema } from "../../proto/mod.ts";
import { begunChange, FAIL_PREFIX, SLOW_KEY } from "../conformance/fake_node.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { GrpcNode } from "../support/grpc_node.ts";
import { OwnPort } from "../support/own_port.ts";
import { until } from "../support/patience.ts";

const test = suite("gRPC of connect-es");
const WAYS: readonly (readonly [string, Partial<GrpcTransportOptions>])[] = [
  ["plain", {}],
  ["gzip", {
    acceptCompression: [compressionGzip],
    sendCompression: compressionGzip,
    compressMinBytes: 0,
  }],
];

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** A transport whose connection ends with the scope. */
class GrpcConnection {
  readonly #sessionManager: Http2SessionManager;
  readonly transport: Transport;

  constructor(address: string, options: Partial<GrpcTransportOptions> = {}) {
    const baseUrl = `http://${address}`;
    const sessionManager = new Http2SessionManager(baseUrl);
    this.#sessionManager = sessionManager;
    this.transport = createGrpcTransport({ baseUrl, ...options, sessionManager });
  }

  /** Before its server ends: told so (GOAWAY) after streams that were reset, Deno 2.9.6 may crash. */
  [Symbol.dispose](): void {
    this.#sessionManager.abort();
  }
}

/** The error of a call that must fail. */
async function failureOf(call: () => Promise<unknown>): Promise<ConnectError> {
  return ConnectError.from(await assertRejects(call));
}

for (const [name, options] of WAYS) {
  test(`calls, errors, deadlines and streams, ${name}`, async () => {
    const grpc = new GrpcNode();
    await using bridge = new OwnPort(grpc.router);
    using connection = new GrpcConnection(bridge.address, options);
    const { transport } = connection;
    const kv = createClient(KvService, transport);
    const cluster = createClient(ClusterService, transport);

    const value = bytes("value ".repeat(1_000));
    const { version } = await kv.put({ key: bytes("a"), value });
    assert.is(version, 1n);
    assert.equal(Uint8Array.from((await kv.get({ key: bytes("a") })).value!), value);

    const wrong = await failureOf(() =>
      kv.put({ key: bytes("a"), precondition: { expected: { case: "absent", value: true } } })
    );
    assert.is(wrong.code, Code.FailedPrecondition);
    const [info] = wrong.findDetails(ErrorInfoSchema);
    assert.equal([info!.reason, info!.currentVersion], ["PRECONDITION", 1n]);
    const elsewhere = await failureOf(() => kv.get({ key: bytes(`${FAIL_PREFIX}notLeader`) }));
    assert.is(elsewhere.findDetails(NotLeaderSchema)[0]!.leaderAddress, "127.0.0.1:50053");

    const late = await failureOf(() => kv.get({ key: bytes(SLOW_KEY) }, { timeoutMs: 50 }));
    assert.is(late.code, Code.DeadlineExceeded);

    const leaving = new AbortController();
    const watch = cluster.watchChanges({}, { signal: leaving.signal })[Symbol.asyncIterator]();
    const first = watch.next();
    await until(() => grpc.node.listenerCount === 1, "somebody watches");
    grpc.node.showChanges([begunChange("c1")]);
    assert.is((await first).value?.changeId, "c1");
    leaving.abort();
    const left = await failureOf(() => watch.next());
    assert.is(left.code, Code.Canceled);
    await until(() => grpc.node.listenerCount === 0, "nobody watches");

    const { status } = await createClient(Health, transport).check({});
    assert.is(status, 1);
    assert.is(grpc.bodies.takenBytes, 0);
  });
}

test("a message above the limit is refused in words", async () => {
  const grpc = new GrpcNode();
  await using bridge = new OwnPort(grpc.router);
  using connection = new GrpcConnection(bridge.address);
  const kv = createClient(KvService, connection.transport);
  const huge = await failureOf(() => kv.put({ key: bytes("a"), value: new Uint8Array(16 * 1024 * 1024) }));
  assert.is(huge.code, Code.InvalidArgument);
  assert.match(huge.rawMessage, /the limit is 16777216 \(REQUEST_BYTES_MAX\)/);
});

test.run();
