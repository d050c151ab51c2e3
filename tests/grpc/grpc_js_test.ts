/**
 * Clients of others: the gRPC library of Node.js, which knows of a node only what reflection says, over a
 * real connection of HTTP/2.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import {
  type CallOptions,
  type ClientOptions,
  compressionAlgorithms,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { ErrorInfoSchema } from "../../proto/mod.ts";
import type { ClusterChange } from "../../server/cluster/mod.ts";
import { SLOW_KEY } from "../conformance/fake_node.ts";
import { assert, suite } from "../harness.ts";
import { GrpcNode } from "../support/grpc_node.ts";
import { OwnPort } from "../support/own_port.ts";
import { type PlainMessage, Stranger } from "../support/grpc_stranger.ts";
import { PATIENCE_MS, until } from "../support/patience.ts";

const test = suite("gRPC of Node.js");
const KV = "prkdb.v1.KvService";
const MIB = 1_048_576;
const CONCURRENT = 1_000;

async function withStranger(
  body: (stranger: Stranger, grpc: GrpcNode) => Promise<void>,
  options: ClientOptions = {},
): Promise<void> {
  const grpc = new GrpcNode();
  await using bridge = new OwnPort(grpc.router);
  const stranger = await Stranger.meet(bridge.address, options);
  try {
    await body(stranger, grpc);
  } finally {
    stranger.client.close();
  }
}

/** What a call failed with. */
async function refusal(call: Promise<unknown>): Promise<ServiceError> {
  return await call.then(
    () => {
      throw new Error("the call was answered");
    },
    (error: ServiceError) => error,
  );
}

function change(changeId: string): ClusterChange {
  const request = { kind: "rebalance" } as const;
  return { changeId, request, description: "rebalance", done: 0, total: 0, isFinished: false, error: "" };
}

test("writes and reads what it has learned of by reflection", () =>
  withStranger(async (stranger, { node }) => {
    const key = Buffer.from("a");
    const put = await stranger.call(`${KV}/Put`, { key, value: Buffer.from("1") }, {
      metadata: {
        "prkdb-route": "direct",
        "prkdb-cluster": "test-cluster",
        "trace-bin": Buffer.from("ignored"),
      },
    });
    assert.equal(put["version"], "1");
    const [seen] = node.seen;
    assert.ok(seen?.kind === "write" && seen.options.direct);
    const got = await stranger.call(`${KV}/Get`, { key });
    assert.is(String(got["value"]), "1");
    const status = await stranger.call("prkdb.v1.ClusterService/GetStatus", {});
    assert.is(status["cluster_id"], "test-cluster");
  }));

test("errors have their code, their text and their details", () =>
  withStranger(async (stranger) => {
    const key = Buffer.from("a");
    const expected = { key, precondition: { version: "9" } };
    const error = await refusal(stranger.call(`${KV}/Put`, expected));
    assert.is(error.code, 9);
    assert.is(error.details, "Cannot write: the key must be at version 9, it is at 0");
    const [bin] = error.metadata.get("grpc-status-details-bin");
    const trailers = new Headers({
      "grpc-status": "9",
      "grpc-status-details-bin": (bin as Buffer).toString("base64"),
    });
    assert.equal(
      findTrailerError(trailers)!.findDetails(ErrorInfoSchema).map(({ reason }) => reason),
      ["PRECONDITION"],
    );
    const foreign = await refusal(
      stranger.call(`${KV}/Get`, { key }, { metadata: { "prkdb-cluster": "another" } }),
    );
    assert.is(foreign.code, 9);
    assert.match(foreign.details, /this node belongs to cluster test-cluster/);
    assert.is((await refusal(stranger.call(`${KV}/Get`, {}))).code, 3);
    assert.is((await refusal(stranger.call(`${KV}/Transact`, {}))).code, 12);
  }));

test("a method that is not there is unimplemented", () =>
  withStranger(async ({ client }) => {
    const { promise, resolve } = Promise.withResolvers<ServiceError | null>();
    const asIs = (bytes: Buffer) => bytes;
    client.makeUnaryRequest("/prkdb.v1.KvService/Nothing", asIs, asIs, Buffer.alloc(0), (error) =>
      resolve(error));
    assert.is((await promise)?.code, 12);
  }));

test("a refusal arrives while a large message is being sent, or before one is", () =>
  withStranger(async (stranger) => {
    const value = Buffer.alloc(MIB, "prkdb ");
    const mutations = Array.from({ length: 4 }, () => ({ put: { key: Buffer.from("k"), value } }));
    const metadata = { "prkdb-cluster": "another" };
    assert.is((await refusal(stranger.call(`${KV}/WriteBatch`, { mutations }, { metadata }))).code, 9);
    const asIs = (bytes: Buffer) => bytes;
    const waiting = new Promise<number>((resolve) => {
      const deadline = Date.now() + PATIENCE_MS;
      const stream = stranger.client.makeBidiStreamRequest("/a.B/C", asIs, asIs, new Metadata(), {
        deadline,
      });
      stream.on("data", () => {}).on("error", (error: ServiceError) => resolve(error.code));
    });
    assert.is(await waiting, 12);
  }));

test("a deadline passes at the client and is told to the node", () =>
  withStranger(async (stranger, { node }) => {
    const options = { deadline: Date.now() + 200 };
    const late = await refusal(stranger.call(`${KV}/Get`, { key: Buffer.from(SLOW_KEY) }, { options }));
    assert.is(late.code, 4);
    const [seen] = node.seen;
    assert.ok(seen?.kind === "read" && seen.options.timeoutMs <= 200);
  }));

test("a stream tells news until its caller cancels it", () =>
  withStranger(async (stranger, { node }) => {
    node.showChanges([change("a")]);
    const stream = stranger.stream("prkdb.v1.ClusterService/WatchChanges", {});
    const codes: number[] = [];
    stream.on("error", (error: ServiceError) => codes.push(error.code));
    const ids: unknown[] = [];
    stream.on("data", (message: PlainMessage) => ids.push(message["change_id"]));
    await until(() => ids.length === 1, "the first has come");
    node.showChanges([change("a"), change("b")]);
    await until(() => ids.length === 2, "the second has come");
    stream.cancel();
    await until(() => node.listenerCount === 0, "nobody watches");
    await until(() => codes.length === 1, "the caller is told");
    assert.equal([ids, codes], [["a", "b"], [1]]);
  }));

test("a stream that is refused says why, and one with a deadline ends by it", () =>
  withStranger(async (stranger, { closing }) => {
    const codeOf = (path: string, options: CallOptions = {}) =>
      new Promise<number>((resolve) => {
        stranger.stream(path, {}, options).on("data", () => {}).on("error", (error: ServiceError) =>
          resolve(error.code));
      });
    assert.is(await codeOf(`${KV}/Watch`), 12);
    const deadline = Date.now() + 100;
    assert.is(await codeOf("prkdb.v1.ClusterService/WatchChanges", { deadline }), 4);
    const stopped = codeOf("prkdb.v1.ClusterService/WatchChanges");
    closing.abort();
    assert.is(await stopped, 14);
  }));

test("health is asked and watched", () =>
  withStranger(async (stranger) => {
    const answer = await stranger.call("grpc.health.v1.Health/Check", { service: KV });
    assert.equal(answer["status"], "SERVING");
    assert.is((await refusal(stranger.call("grpc.health.v1.Health/Check", { service: "x" }))).code, 5);
    const stream = stranger.stream("grpc.health.v1.Health/Watch", {});
    const told: unknown[] = [];
    stream.on("data", ({ status }: PlainMessage) => told.push(status)).on("error", () => {});
    await until(() => told.length === 1, "the status has come");
    assert.equal(told, ["SERVING"]);
    stream.cancel();
  }));

test("large messages go both ways, compressed or not", async () => {
  const algorithms = [compressionAlgorithms.identity, compressionAlgorithms.gzip];
  for (const algorithm of algorithms) {
    await withStranger(async (stranger, { bodies }) => {
      const value = Buffer.alloc(MIB, "prkdb ");
      const mutations = Array.from(
        { length: 7 },
        (_, at) => ({ put: { key: Buffer.from(`k${at}`), value } }),
      );
      await stranger.call(`${KV}/WriteBatch`, { mutations });
      const keys = Array.from({ length: 42 }, (_, at) => Buffer.from(`k${at % 7}`));
      const { results } = await stranger.call(`${KV}/GetMany`, { keys }) as { results: PlainMessage[] };
      assert.is(results.length, 42);
      for (const { value: found } of results) assert.ok(value.equals(found as Buffer));
      const tooMany = Array.from({ length: 17 }, () => ({ put: { key: Buffer.from("k"), value } }));
      const error = await refusal(stranger.call(`${KV}/WriteBatch`, { mutations: tooMany }));
      assert.is(error.code, 3);
      assert.match(error.details, /the limit is 16777216 \(REQUEST_BYTES_MAX\)/);
      assert.is(bodies.takenBytes, 0);
    }, { "grpc.default_compression_algorithm": algorithm });
  }
});

test("a thousand calls at a time are each answered with their own", () =>
  withStranger(async (stranger) => {
    const keys = Array.from({ length: CONCURRENT }, (_, at) => Buffer.from(`key ${at}`));
    await Promise.all(keys.map((key) => stranger.call(`${KV}/Put`, { key, value: key })));
    const answers = await Promise.all(keys.map((key) => stranger.call(`${KV}/Get`, { key })));
    for (const [at, { value }] of answers.entries()) assert.is(String(value), `key ${at}`);
  }));

test.run();
