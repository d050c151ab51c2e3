/**
 * Streams by gRPC, on exchanges made by hand: what is sent and in which order, every way in which a stream
 * ends, and that nothing of it is left then.
 *
 * @module
 */

import { create, toBinary } from "@bufbuild/protobuf";
import { ClusterService, WatchChangesRequestSchema } from "../../proto/mod.ts";
import type { ClusterChange } from "../../server/cluster/mod.ts";
import { CHANGE_WATCHERS_MAX } from "../../server/rpc/cluster/watch_changes.ts";
import { envelope, gzip, pathOf } from "../conformance/callers.ts";
import { assert, suite } from "../harness.ts";
import { askRouter, type FakeAnswer, OpenExchange } from "../support/fake_exchange.ts";
import { GrpcNode, messagesOf } from "../support/grpc_node.ts";
import { pause, until } from "../support/patience.ts";

const test = suite("gRPC streams");
const { watchChanges } = ClusterService.method;
const path = pathOf(watchChanges);
const TYPE = { "content-type": "application/grpc" };
const ALL = envelope(new Uint8Array(0));
const ONCE = envelope(
  toBinary(WatchChangesRequestSchema, create(WatchChangesRequestSchema, { once: true })),
);

function change(changeId: string, more: Partial<ClusterChange> = {}): ClusterChange {
  const request = { kind: "rebalance" } as const;
  const description = "rebalance";
  return { changeId, request, description, done: 0, total: 0, isFinished: false, error: "", ...more };
}

/** A watch that has begun. */
async function watch(
  { router }: GrpcNode,
  { headers = {}, room = Infinity, body = ALL } = {},
): Promise<OpenExchange> {
  const open = new OpenExchange(router, { path, headers: { ...TYPE, ...headers } }, room);
  await open.send(body);
  open.finish();
  return open;
}

function statusIn({ headers, trailers }: FakeAnswer): readonly [status: string | null, message: string] {
  const fields = headers.get("grpc-status") === null ? trailers : headers;
  return [fields.get("grpc-status"), decodeURIComponent(fields.get("grpc-message") ?? "")];
}

function idsIn(answer: FakeAnswer): readonly string[] {
  return messagesOf(watchChanges, answer.body).map(({ changeId }) => changeId);
}

test("what is retained comes once, then the end", async () => {
  const grpc = new GrpcNode();
  const empty = await askRouter(grpc.router, { path, headers: TYPE, body: ONCE });
  assert.equal(statusIn(empty), ["0", ""]);
  assert.is(empty.body.length, 0);
  grpc.node.showChanges([change("a", { isFinished: true }), change("b")]);
  const answer = await askRouter(grpc.router, { path, headers: TYPE, body: ONCE });
  assert.is(answer.headers.get("content-type"), "application/grpc");
  assert.equal(idsIn(answer), ["a", "b"]);
  assert.equal([...answer.trailers], [["grpc-status", "0"]]);
  assert.equal(grpc.noted, ["WatchChanges ok", "WatchChanges ok"]);
  assert.is(grpc.node.listenerCount, 0);
  assert.is(grpc.bodies.takenBytes, 0);
});

test("an answer begins before there is anything to tell, and a caller who leaves is noticed", async () => {
  const grpc = new GrpcNode();
  const open = await watch(grpc);
  await until(() => open.hasStarted, "the head has come");
  assert.is(open.writes.length, 0);
  await until(() => grpc.node.listenerCount === 1, "somebody watches");
  grpc.node.showChanges([change("a")]);
  await until(() => open.writes.length === 1, "the news has come");
  open.leave();
  assert.is(statusIn(await open.ended)[0], "1");
  await until(() => grpc.node.listenerCount === 0, "nobody watches");
  assert.equal(grpc.noted, ["WatchChanges ok"]);
});

test("a caller who leaves while the node writes is noticed, too", async () => {
  const grpc = new GrpcNode();
  grpc.node.showChanges([change("a"), change("b"), change("c")]);
  const open = await watch(grpc, { room: 1 });
  await until(() => open.writes.length === 2, "a write is held back");
  open.leave();
  await open.ended;
  await until(() => grpc.node.listenerCount === 0, "nobody watches");
  assert.is(open.writes.length, 2);
});

test("a slow reader holds the stream back and gets the newest state", async () => {
  const grpc = new GrpcNode();
  grpc.node.showChanges([change("a", { total: 9 })]);
  const open = await watch(grpc, { room: 0 });
  await until(() => open.writes.length === 1, "a write is held back");
  for (let done = 1; done <= 9; done++) {
    grpc.node.showChanges([change("a", { done, total: 9 })]);
    await pause(0);
  }
  assert.is(open.writes.length, 1);
  open.read(1);
  await until(() => open.writes.length === 2, "the reader has the next");
  const [newest] = messagesOf(watchChanges, open.writes[1]!);
  assert.is(newest!.done, 9);
  open.leave();
});

test("a deadline ends a stream, and no deadline is too long", async () => {
  const grpc = new GrpcNode();
  const short = await watch(grpc, { headers: { "grpc-timeout": "20m" } });
  const [status, message] = statusIn(await short.ended);
  assert.is(status, "4");
  assert.match(message, /its deadline has passed/);
  const long = await watch(grpc, { headers: { "grpc-timeout": "99999999H" } });
  await until(() => grpc.node.listenerCount === 1, "somebody watches");
  long.leave();
  await long.ended;
  const late = await askRouter(grpc.router, { path, headers: { ...TYPE, "grpc-timeout": "0S" }, body: ALL });
  assert.is(late.headers.get("grpc-status"), "4");
  await until(() => grpc.node.listenerCount === 0, "nobody watches");
});

test("a node that stops ends its streams and says why", async () => {
  const grpc = new GrpcNode();
  const open = await watch(grpc);
  await until(() => grpc.node.listenerCount === 1, "somebody watches");
  grpc.closing.abort();
  const told = ["14", "Cannot go on with the stream: the node is stopping: ask another node"];
  assert.equal(statusIn(await open.ended), told);
  const late = await askRouter(grpc.router, { path, headers: TYPE, body: ALL });
  assert.equal(statusIn(late), told);
  await until(() => grpc.node.listenerCount === 0, "nobody watches");
});

test("what the head tells is refused by headers alone, what the message tells by trailers", async () => {
  const grpc = new GrpcNode();
  const two = Uint8Array.from([...ALL, ...ALL]);
  const refused: readonly (readonly [Uint8Array, Record<string, string>, string, RegExp])[] = [
    [new Uint8Array(0), {}, "3", /it has no message/],
    [two, {}, "3", /more than one message/],
    [ALL.slice(0, 3), {}, "3", /ends within a message/],
    [envelope(Uint8Array.of(0xff)), {}, "3", /^Cannot decode prkdb\.v1\.WatchChangesRequest/],
    [Uint8Array.of(0, 0xff, 0, 0, 0), {}, "3", /the limit is 16777216/],
    [ALL, { "grpc-encoding": "zstd" }, "12", /unknown compression "zstd"/],
    [ALL, { "grpc-timeout": "soon" }, "3", /invalid grpc timeout value: soon/],
    [ALL, { "prkdb-cluster": "another" }, "9", /this node belongs to cluster test-cluster/],
  ];
  for (const [body, headers, status, text] of refused) {
    const answer = await askRouter(grpc.router, { path, headers: { ...TYPE, ...headers }, body });
    assert.is(statusIn(answer)[0], status, text.source);
    assert.match(statusIn(answer)[1], text);
    const isHeadersAlone = answer.headers.get("grpc-status") !== null;
    assert.is(isHeadersAlone, Object.keys(headers).length > 0, text.source);
    assert.is(grpc.bodies.takenBytes, 0);
  }
  assert.is(grpc.noted.length, refused.length);
});

test("messages are compressed for those who compress, and read compressed", async () => {
  const grpc = new GrpcNode();
  grpc.node.showChanges([change("a", { description: "x".repeat(5_000) }), change("b")]);
  const folded = envelope(await gzip(ONCE.slice(5)));
  folded[0] = 1;
  const headers = { ...TYPE, "grpc-encoding": "gzip", "grpc-accept-encoding": "gzip" };
  const { body, headers: answered } = await askRouter(grpc.router, { path, headers, body: folded });
  assert.is(answered.get("grpc-encoding"), "gzip");
  const length = new DataView(body.buffer, body.byteOffset).getUint32(1);
  assert.is(body[0], 1);
  assert.ok(length < 500);
  assert.is(body[5 + length], 0, "what is short goes as it is");
});

test("a body takes its room, and a node without room says so", async () => {
  const grpc = new GrpcNode(10);
  const open = new OpenExchange(grpc.router, { path, headers: TYPE });
  await open.send(ALL.slice(0, 4));
  assert.is(grpc.bodies.takenBytes, 4);
  await open.send(new Uint8Array(20));
  open.finish();
  const [status, message] = statusIn(await open.ended);
  assert.is(status, "8");
  assert.match(message, /no room for 20 bytes/);
  assert.is(grpc.bodies.takenBytes, 0);
});

test("callers of all protocols count together, and one that ends makes room", async () => {
  const grpc = new GrpcNode();
  const open = await Promise.all(Array.from({ length: CHANGE_WATCHERS_MAX }, () => watch(grpc)));
  await until(() => grpc.node.listenerCount === CHANGE_WATCHERS_MAX, "all of them watch");
  const refusal = await askRouter(grpc.router, { path, headers: TYPE, body: ALL });
  assert.is(statusIn(refusal)[0], "8");
  open[0]!.leave();
  await until(() => grpc.node.listenerCount < CHANGE_WATCHERS_MAX, "one has left");
  const next = await askRouter(grpc.router, { path, headers: TYPE, body: ONCE });
  assert.equal(statusIn(next), ["0", ""]);
  for (const each of open) each.leave();
  await until(() => grpc.node.listenerCount === 0, "nobody watches");
});

test.run();
