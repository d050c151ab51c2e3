/**
 * The shares of memory that connections of HTTP/1.1 take from: who fills them harms himself, not others.
 *
 * @module
 */

import { BODY_BYTES_PER_SECOND_MIN } from "../../server/http/mod.ts";
import { assert, suite } from "../harness.ts";
import { KnownContext, plain, request, ScriptedConnection, statusesOf, wholeRouter } from "./h1_fixture.ts";
import { collecting, handled } from "./h1_streams.ts";
import { allSettled, utf8Bytes } from "./scripted_channel.ts";

const test = suite("memory of HTTP/1.1");
const HOST = "Host: a";
const GET = request(["GET / HTTP/1.1", HOST]);

/** A context whose share for answers is full. */
function fullOfAnswers(): KnownContext {
  const context = new KnownContext({ answerBytes: 10_000 });
  context.answers.take(10_000);
  return context;
}

test("streams begin and go on in small pieces while others' unread answers fill their share", async () => {
  const context = fullOfAnswers();
  const { router, streams } = handled();
  const peer = new ScriptedConnection(router, context);
  await peer.send(GET);
  const { answer } = streams[0]!;
  answer.start(200, [["content-type", "text/plain"]]);
  await allSettled();
  for (let count = 0; count < 20; count++) void answer.write(utf8Bytes("x".repeat(1_000)));
  answer.end();
  assert.equal(statusesOf(peer.channel.sent), [200]);
  assert.match(peer.channel.sent, /\r\n0\r\n\r\n$/);
  assert.not.ok(peer.isOver);
  assert.equal(context.reached, []);
  assert.is(context.answers.usedBytes, 10_000);
});

test("what needs no room is bounded for each connection: who reads none of it is closed", async () => {
  const context = fullOfAnswers();
  const { router, streams } = handled();
  const peer = new ScriptedConnection(router, context);
  peer.channel.isRead = false;
  await peer.send(GET);
  const { answer } = streams[0]!;
  answer.start(200, []);
  for (let count = 0; count < 20; count++) void answer.write(utf8Bytes("x".repeat(1_000)));
  assert.ok(peer.channel.sent.length > 2_000);
  assert.ok(peer.channel.sent.length <= 4_096);
  assert.equal(context.reached, ["answers"]);
  assert.ok(streams[0]!.reason);
  await allSettled();
  assert.ok(peer.isOver);
  assert.is(context.answers.usedBytes, 10_000);
});

test("whoever has shown who it is always finds room", async () => {
  const context = fullOfAnswers();
  const { router, streams } = handled();
  const peer = new ScriptedConnection(router, context);
  await peer.send(GET);
  const { answer } = streams[0]!;
  answer.trust();
  answer.start(200, []);
  void answer.write(utf8Bytes("x".repeat(200_000)));
  answer.end();
  assert.ok(peer.channel.sent.length > 200_000);
  assert.not.ok(peer.isOver);
  assert.equal(context.reached, []);
  assert.is(context.answers.usedBytes, 10_000);
});

test("a whole answer that is small needs no room, a large one is told to come again", async () => {
  const context = fullOfAnswers();
  const router = wholeRouter(({ target }) => plain(200, "x".repeat(target === "/large" ? 5_000 : 50)));
  const peer = new ScriptedConnection(router, context);
  assert.equal(statusesOf(await peer.send(GET, GET.replace("/", "/large"), GET)), [200, 503, 200]);
  assert.equal(context.reached, ["answers"]);
});

test("bodies that are announced and do not come keep nobody out", async () => {
  const context = new KnownContext({ bodyBytes: 1_000_000 });
  const head = (bytes: number) => request(["POST / HTTP/1.1", HOST, `Content-Length: ${bytes}`]);
  for (let count = 0; count < 200; count++) {
    const announcing = new ScriptedConnection(undefined, context);
    await announcing.send(head(1_000_000), count % 2 === 0 ? "" : "x");
  }
  assert.ok(context.bodies.usedBytes <= 200 * 1_024);
  const other = new ScriptedConnection(undefined, context);
  assert.equal(statusesOf(await other.send(head(100_000), "x".repeat(100_000))), [200]);
  assert.equal(context.reached, []);
});

/** Sends a body in pieces of `bytes`, one every second, and says in which second it was told to stop. */
async function trickle(peer: ScriptedConnection, bytes: number, seconds: number): Promise<number> {
  for (let second = 1; second <= seconds; second++) {
    await peer.send("x".repeat(bytes));
    await peer.patrol.pass(1_000);
    if (peer.channel.hasEndedWriting) return second;
  }
  return Infinity;
}

test("a body that trickles loses its place, one that is slow keeps it, and so does a patient one", async () => {
  const head = request(["POST / HTTP/1.1", HOST, "Content-Length: 900000"]);
  for (const router of [undefined, collecting().router]) {
    const context = new KnownContext();
    const peer = new ScriptedConnection(router, context);
    await peer.send(head);
    const endedAfter = await trickle(peer, 1_000, 100);
    assert.ok(endedAfter >= 30 && endedAfter <= 33, `ended after ${endedAfter} s`);
    assert.equal(statusesOf(peer.channel.sent), [408]);
    assert.equal(context.reached, ["body_time"]);
    assert.is(context.bodies.usedBytes, 0);
  }
  const slow = new ScriptedConnection();
  await slow.send(head);
  assert.is(await trickle(slow, BODY_BYTES_PER_SECOND_MIN + 1_000, 45), Infinity);
  const { router, streams } = handled({ isPatient: true });
  const patient = new ScriptedConnection(router);
  await patient.send(head);
  assert.is(await trickle(patient, 1, 100), Infinity);
  assert.is(streams[0]!.reason, undefined);
});

test.run();
