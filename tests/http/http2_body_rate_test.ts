/**
 * The least rate of bodies by HTTP/2: one that trickles loses its place, one that is slow keeps it, and time
 * in which the server holds its client back counts against nobody.
 *
 * @module
 */

import type { AnswerStream, BodySink, StreamHandler } from "../../server/http/exchange.ts";
import { CONNECTION_WINDOW_BYTES } from "../../server/http/h2/session.ts";
import { STREAM_WINDOW_BYTES } from "../../server/http/h2/stream.ts";
import { BODY_BYTES_PER_SECOND_MIN, HTTP_LIMITS } from "../../server/http/mod.ts";
import { assert, suite } from "../harness.ts";
import { dataFrame, headersFrame, requestFields } from "./http2_frames.ts";
import { echoHandler, type Http2Peer, ManualPatrol, openHttp2Peer } from "./http2_peer.ts";

const test = suite("http2 body rate");
const POST = requestFields("POST");
const LIMIT_S = HTTP_LIMITS.progressMs / 1_000;
/** Lost, and when: at the limit or in the round behind it. */
const LOST = "RST_STREAM 1 CANCEL";
const FRAME_BYTES = 16_384;

/** A handler whose sink is `sink`. */
function streamed(sink: (answer: AnswerStream) => Partial<BodySink>, isPatient = false): StreamHandler {
  const silent: BodySink = { chunk: () => {}, end: () => {}, abort: () => {} };
  return { kind: "stream", isPatient, open: (_head, answer) => ({ ...silent, ...sink(answer) }) };
}

/** A handler that takes chunks only when it is told to. */
class Gate {
  #waiting: (() => void)[] = [];
  readonly handler = streamed(() => ({
    chunk: () => new Promise<void>((resolve) => this.#waiting.push(resolve)),
  }));

  /** Takes what has come, piece by piece, until nothing more is there. */
  async takeAll(peer: Http2Peer): Promise<void> {
    while (this.#waiting.length > 0) {
      for (const resolve of this.#waiting.splice(0)) resolve();
      await peer.settle();
    }
  }
}

/** Sends so much each second; @returns after how many seconds the stream was lost, if it was. */
async function trickle(peer: Http2Peer, patrol: ManualPatrol, flow: Flow): Promise<number> {
  for (let second = 1; second <= flow.seconds; second++) {
    for (let left = flow.bytes; left > 0; left -= FRAME_BYTES) {
      peer.channel.feed(dataFrame(1, new Uint8Array(Math.min(left, FRAME_BYTES))));
    }
    await peer.settle();
    patrol.advance(1_000);
    await peer.settle();
    if (peer.lines.includes(LOST)) return second;
  }
  return Infinity;
}

/** Bytes each second. */
interface Flow {
  readonly bytes: number;
  readonly seconds: number;
}

async function openBody(handler: StreamHandler | ReturnType<typeof echoHandler>) {
  const patrol = new ManualPatrol();
  const peer = await openHttp2Peer({ handler, patrol, pingEveryMs: 1e9 });
  await peer.send(headersFrame(1, POST, false));
  return { peer, patrol };
}

for (
  const [kind, handler] of [["whole", echoHandler(5_000_000)], ["streamed", streamed(() => ({}))]] as const
) {
  test(`a ${kind} body that trickles loses its place, one that is slow keeps it`, async () => {
    const trickling = await openBody(handler);
    const lostAfter = await trickle(trickling.peer, trickling.patrol, { bytes: 1_000, seconds: 100 });
    assert.ok(lostAfter >= LIMIT_S && lostAfter <= LIMIT_S + 3, `lost after ${lostAfter} s`);
    assert.equal(trickling.peer.observed, ["body_time"]);
    assert.is(trickling.peer.bodies.usedBytes, 0);
    const slow = await openBody(handler);
    const flow = { bytes: BODY_BYTES_PER_SECOND_MIN + 1_000, seconds: 4 * LIMIT_S };
    assert.is(await trickle(slow.peer, slow.patrol, flow), Infinity);
    for (const { peer } of [trickling, slow]) await peer.leave();
  });
}

test("a patient handler gets its body at any rate", async () => {
  const { peer, patrol } = await openBody(streamed(() => ({}), true));
  assert.is(await trickle(peer, patrol, { bytes: 1, seconds: 10 * LIMIT_S }), Infinity);
  await peer.leave();
});

test("empty frames are no progress", async () => {
  const { peer, patrol } = await openBody(echoHandler());
  for (let second = 0; second < LIMIT_S + 3; second++) {
    await peer.send(dataFrame(1, new Uint8Array(0)));
    patrol.advance(1_000);
  }
  await peer.settle();
  assert.ok(peer.lines.includes(LOST));
  await peer.leave();
});

test("a conversation of small questions goes on while they are answered", async () => {
  const answering = streamed((answer) => {
    answer.start(200, []);
    return { chunk: (bytes) => answer.write(bytes.slice()) };
  });
  const { peer, patrol } = await openBody(answering);
  assert.is(await trickle(peer, patrol, { bytes: 10, seconds: 4 * LIMIT_S }), Infinity);
  assert.ok(await trickle(peer, patrol, { bytes: 0, seconds: 2 * LIMIT_S }) <= LIMIT_S + 3, "then silence");
  await peer.leave();
});

test("the time in which a handler has not taken what came does not count", async () => {
  const gate = new Gate();
  const { peer, patrol } = await openBody(gate.handler);
  const isLost = () => peer.lines.includes(LOST);
  patrol.advance(20_000);
  await peer.send(dataFrame(1, new Uint8Array(10)));
  for (let round = 0; round < 10; round++) patrol.advance(LIMIT_S * 1_000);
  await peer.settle();
  assert.not.ok(isLost(), "the handler is slow, not the client");
  await gate.takeAll(peer);
  patrol.advance(5_000);
  await peer.settle();
  assert.not.ok(isLost(), "20 s and 5 s");
  patrol.advance(10_000);
  await peer.settle();
  assert.ok(isLost(), "20 s, 5 s and 10 s: held back for a while is no fresh start");
  await peer.leave();
});

test("the time in which other streams have used up the connection's window does not count", async () => {
  const gate = new Gate();
  const patrol = new ManualPatrol();
  const router = { route: () => peer.heads.length === 1 ? echoHandler() : gate.handler };
  const peer: Http2Peer = await openHttp2Peer({ router, patrol, pingEveryMs: 1e9 });
  await peer.send(headersFrame(1, POST, false));
  const others = CONNECTION_WINDOW_BYTES / STREAM_WINDOW_BYTES;
  for (let stream = 3; stream < 3 + 2 * others; stream += 2) {
    peer.channel.feed(headersFrame(stream, POST, false));
    for (let sent = 0; sent < STREAM_WINDOW_BYTES; sent += FRAME_BYTES) {
      peer.channel.feed(dataFrame(stream, new Uint8Array(FRAME_BYTES)));
    }
  }
  await peer.settle();
  for (let round = 0; round < 10; round++) patrol.advance(LIMIT_S * 1_000);
  await peer.settle();
  assert.equal(peer.takeLines(), [], "nobody is lost, nobody has credit");
  await gate.takeAll(peer);
  assert.ok(peer.takeLines().some((line) => line.startsWith("WINDOW_UPDATE 0")), "the window is open again");
  patrol.advance(LIMIT_S * 1_000 + 5_000);
  await peer.settle();
  assert.ok(peer.lines.includes(LOST), "now it is the client's silence");
  await peer.leave();
});

test.run();
