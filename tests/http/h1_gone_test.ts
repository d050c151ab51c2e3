/**
 * Callers that have gone while a handler works: they are noticed, whatever they have sent behind it.
 *
 * @module
 */

import type { AnswerStream, StreamHandler } from "../../server/http/mod.ts";
import { assert, suite } from "../harness.ts";
import { plain, request, ScriptedConnection, statusesOf, wholeRouter } from "./h1_fixture.ts";
import { handled } from "./h1_streams.ts";
import { allSettled, utf8Bytes } from "./scripted_channel.ts";

const test = suite("callers that have gone");
const HOST = "Host: a";
const WATCH = request(["POST /watch HTTP/1.1", HOST, "Content-Length: 2"], "{}");
const GET = request(["GET / HTTP/1.1", HOST]);
/** More than is held behind a request. */
const MANY = GET.repeat(1_000);

/** A streamed answer that has begun, and what its caller has sent behind its request. */
async function watching(behind: string) {
  const { router, streams } = handled();
  const peer = new ScriptedConnection(router);
  await peer.send(WATCH + behind);
  streams[0]!.answer.start(200, []);
  await allSettled();
  return { peer, stream: streams[0]!, streams };
}

test("the end behind a request and a few more bytes is noticed while its answer streams", async () => {
  for (const behind of ["", "x", GET, GET.repeat(10)]) {
    const { peer, stream } = await watching(behind);
    peer.channel.arriveEnd();
    await peer.patrol.pass(2_500);
    assert.ok(stream.reason, JSON.stringify(behind.slice(0, 9)));
    assert.ok(peer.isOver);
  }
  for (const behind of ["x", GET.repeat(10)]) {
    const { peer, stream } = await watching(behind);
    await peer.send("more");
    peer.channel.breakOff();
    await allSettled();
    assert.ok(stream.reason, "broken");
    assert.ok(peer.isOver);
  }
});

test("the end behind many requests is noticed, too, after a while", async () => {
  const { peer, stream } = await watching(MANY);
  peer.channel.arrive(MANY);
  peer.channel.arriveEnd();
  const { progressMs } = peer.context.limits;
  await peer.patrol.pass(progressMs - 2_000);
  assert.is(stream.reason, undefined);
  await peer.patrol.pass(6_000);
  assert.ok(stream.reason);
  assert.ok(peer.isOver);
});

test("many requests behind a long answer are given up: the connection ends with it", async () => {
  const { peer, stream, streams } = await watching(MANY);
  await peer.patrol.pass(peer.context.limits.progressMs + 2_000);
  await peer.send(MANY);
  void stream.answer.write(utf8Bytes("still here"));
  stream.answer.end();
  await allSettled();
  assert.is(stream.reason, undefined);
  assert.is(streams.length, 1);
  assert.match(peer.channel.sent, /still here\r\n0\r\n\r\n$/);
  assert.ok(peer.channel.hasEndedWriting);
  // What still comes is bounded.
  for (let count = 0; count < 10; count++) await peer.send(MANY);
  assert.ok(peer.isOver);
});

test("many requests behind a short answer are all answered", async () => {
  let goOn = () => {};
  let asked = 0;
  const peer = new ScriptedConnection(wholeRouter(() => {
    if (asked++ > 0) return plain(200, "");
    return new Promise((resolve) => goOn = () => resolve(plain(200, "")));
  }));
  peer.channel.arrive(MANY);
  peer.channel.arrive(MANY);
  await peer.patrol.pass(peer.context.limits.progressMs - 2_000);
  goOn();
  await allSettled();
  assert.is(statusesOf(peer.channel.sent).length, 2_000);
  assert.not.ok(peer.isOver);
});

/** A streamed request that holds every piece back until it is told to go on. */
class HoldingHandler implements StreamHandler {
  readonly kind = "stream";
  readonly isPatient = false;
  body = "";
  isComplete = false;
  reason: unknown;
  goOn = () => {};

  open(_head: unknown, answer: AnswerStream) {
    return {
      chunk: (bytes: Uint8Array) => {
        this.body += String.fromCharCode(...bytes);
        return new Promise<void>((resolve) => this.goOn = resolve);
      },
      end: () => {
        this.isComplete = true;
        answer.start(200, []);
        answer.end();
      },
      abort: (reason: unknown) => void (this.reason = reason),
    };
  }
}

const CHUNKS = ["1\r\na\r\n", "1\r\nb\r\n0\r\n\r\n"] as const;

test("a body that is here waits for its handler, also when its caller has ended its side", async () => {
  for (const cut of [false, true]) {
    const handler = new HoldingHandler();
    const peer = new ScriptedConnection({ route: () => handler });
    const head = request(["POST / HTTP/1.1", HOST, "Transfer-Encoding: chunked"]);
    await peer.send(head, ...(cut ? CHUNKS : [CHUNKS.join("")]));
    peer.channel.arriveEnd();
    await peer.patrol.pass(10_000);
    assert.is(handler.reason, undefined);
    for (const expected of ["ab", "ab"]) {
      handler.goOn();
      await allSettled();
      assert.is(handler.body, expected);
    }
    assert.ok(handler.isComplete);
    assert.equal(statusesOf(peer.channel.sent), [200]);
    assert.ok(peer.isOver);
  }
});

test("a body that broke off while its handler held it back ends its request", async () => {
  for (
    const [name, lines, body] of [
      ["by length", ["Content-Length: 9"], "abcd"],
      ["in chunks", ["Transfer-Encoding: chunked"], CHUNKS[0]],
    ] as const
  ) {
    const handler = new HoldingHandler();
    const peer = new ScriptedConnection({ route: () => handler });
    await peer.send(request(["POST / HTTP/1.1", HOST, ...lines]), body.slice(0, 4), body.slice(4));
    peer.channel.arriveEnd();
    await allSettled();
    handler.goOn();
    await allSettled();
    assert.ok(handler.reason, name);
    assert.ok(peer.isOver, name);
    assert.equal(statusesOf(peer.channel.sent), [], name);
  }
  const stuck = new HoldingHandler();
  const peer = new ScriptedConnection({ route: () => stuck });
  await peer.send(request(["POST / HTTP/1.1", HOST, "Transfer-Encoding: chunked"], CHUNKS[0] + "1"));
  peer.channel.arriveEnd();
  await peer.patrol.pass(peer.context.limits.progressMs + 2_000);
  assert.ok(stuck.reason);
});

test("a channel that has broken while nobody read is noticed by the time", async () => {
  const { peer, stream } = await watching(MANY);
  peer.channel.isClosed = true;
  await peer.patrol.pass(1_000);
  assert.ok(stream.reason);
  assert.ok(peer.isOver);
});

test.run();
