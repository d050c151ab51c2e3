/**
 * A connection of either version that is ended at once, as at their bound: nothing of it goes on.
 *
 * @module
 */

import { startHttp1 } from "../../server/http/h1/mod.ts";
import { startHttp2 } from "../../server/http/h2/mod.ts";
import { VersionedConnection } from "../../server/http/versioned_connection.ts";
import { assert, suite } from "../harness.ts";
import { KnownContext, request, ScriptedPatrol, wholeRouter } from "./h1_fixture.ts";
import { handled } from "./h1_streams.ts";
import { headersFrame, requestFields, settingsFrame } from "./http2_frames.ts";
import { PREFACE_BYTES } from "./http2_peer.ts";
import { concatBytes } from "./memory_channel.ts";
import { allSettled, latinBytes, ScriptedChannel, utf8Bytes } from "./scripted_channel.ts";

const test = suite("connections that are ended");
const HTTP2_OPENING = concatBytes([PREFACE_BYTES, settingsFrame(), headersFrame(1, requestFields("GET"))]);
const GET = request(["GET / HTTP/1.1", "Host: a"]);

function serve(router: ConstructorParameters<typeof VersionedConnection>[0]["router"]) {
  const channel = new ScriptedChannel();
  const context = new KnownContext();
  const protocols = { http1: startHttp1, http2: startHttp2 };
  const connection = new VersionedConnection({
    channel,
    protocols,
    router,
    context,
    patrol: new ScriptedPatrol(),
  });
  const state = { isOver: false };
  void connection.serve().then(() => state.isOver = true);
  return { channel, context, connection, state };
}

/** The first bytes of a request for a stream, in each version. */
const OPENINGS: readonly (readonly [name: string, bytes: Uint8Array])[] = [
  ["HTTP/1.1", latinBytes(GET)],
  ["HTTP/1.1 with more behind", latinBytes(GET + GET)],
  ["HTTP/2", HTTP2_OPENING],
];

test("a busy stream is aborted at once, and writes nothing more", async () => {
  for (const [name, bytes] of OPENINGS) {
    const { router, streams } = handled({ isPatient: true });
    const { channel, context, connection, state } = serve(router);
    channel.arrive(bytes);
    await allSettled();
    streams[0]!.answer.start(200, []);
    void streams[0]!.answer.write(utf8Bytes("tick"));
    await allSettled();
    connection.end();
    assert.ok(streams[0]!.reason, name);
    const { sent } = channel;
    void streams[0]!.answer.write(utf8Bytes("tock"));
    await allSettled();
    assert.is(channel.sent, sent, name);
    assert.ok(channel.isClosed && state.isOver, name);
    assert.is(context.answers.usedBytes, 0, name);
    connection.end();
  }
});

test("a handler that works is told, and its answer is nobody's", async () => {
  let finish: (() => void) | undefined;
  const router = wholeRouter(() =>
    new Promise((resolve) => finish = () => resolve({ status: 200, headers: [], body: utf8Bytes("late") }))
  );
  const { channel, context, connection, state } = serve(router);
  channel.arrive(request(["POST / HTTP/1.1", "Host: a", "Content-Length: 2"], "ab"));
  await allSettled();
  connection.end();
  await allSettled();
  assert.ok(channel.isClosed && state.isOver);
  assert.ok(context.bodies.usedBytes > 0, "the handler holds the body");
  finish!();
  await allSettled();
  assert.is(channel.sent, "");
  assert.is(context.bodies.usedBytes, 0);
});

test("whose version is not certain yet is ended, too", async () => {
  const { channel, connection, state } = serve(handled().router);
  channel.arrive("PRI");
  await allSettled();
  connection.end();
  await allSettled();
  assert.ok(channel.isClosed && state.isOver);
});

test.run();
