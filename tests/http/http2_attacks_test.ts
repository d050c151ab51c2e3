/**
 * What strangers try on a server of HTTP/2, each within its bound: rapid reset, floods of CONTINUATION,
 * settings, pings, empty frames and resets, window games, bombs of compression, readers that do not read,
 * silence. Beside each stands what an ordinary client may do.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import type { AnswerStream, StreamHandler, WholeHandler } from "../../server/http/exchange.ts";
import { FrameFlag, FrameType, SettingId } from "../../server/http/h2/frame.ts";
import {
  dataFrame,
  frameBytes,
  headerBlock,
  headersFrame,
  pingFrame,
  requestFields,
  resetFrame,
  settingsFrame,
  windowUpdateFrame,
} from "./http2_frames.ts";
import {
  CountingBudget,
  echoHandler,
  fixedHandler,
  type Http2Peer,
  ManualPatrol,
  openHttp2Peer,
} from "./http2_peer.ts";
import { concatBytes } from "./memory_channel.ts";

const test = suite("http2 attacks");
const CALM = "GOAWAY ENHANCE_YOUR_CALM";
const GET = requestFields("GET");
const POST = requestFields("POST");

/** A handler that answers when the test says so. */
class Gate {
  readonly #waiting: (() => void)[] = [];
  started = 0;
  left = 0;
  readonly handler: WholeHandler = {
    ...echoHandler(),
    answer: async (_head, body, caller) => {
      this.started++;
      caller.onLeave = () => this.left++;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      return { status: 200, headers: [], body };
    },
  };

  open(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

test("rapid reset: handlers at work are counted as streams, whoever has left", async () => {
  const gate = new Gate();
  const peer = await openHttp2Peer({ handler: gate.handler, limits: { streamsMax: 100 } });
  for (let id = 1; id < 2_000; id += 2) {
    peer.channel.feed(concatBytes([headersFrame(id, GET), resetFrame(id)]));
  }
  await peer.settle();
  assert.is(gate.started, 100);
  assert.is(gate.left, 100);
  assert.is(peer.takeLines().filter((line) => line.endsWith("REFUSED_STREAM")).length, 900);
  gate.open();
  await peer.settle();
  await peer.send(headersFrame(2_001, GET));
  gate.open();
  await peer.settle();
  assert.equal(peer.takeLines(), ["HEADERS 2001 200 END"], "an ordinary request afterwards");
  await peer.leave();
});

test("rapid reset: 10,000 resets without an answer end the connection", async () => {
  const gate = new Gate();
  const peer = await openHttp2Peer({ handler: gate.handler, limits: { streamsMax: 20_000 } });
  await flood(peer, 10_001, (at) => concatBytes([headersFrame(at * 2 + 1, GET), resetFrame(at * 2 + 1)]));
  assert.is(peer.takeLines().at(-1), CALM);
  assert.equal(peer.observed, ["flood"]);
  gate.open();
  await peer.leave();
});

test("CONTINUATION flood: a block has 64 frames and as many bytes as a head may have", async () => {
  const begin = frameBytes({ type: FrameType.headers, stream: 1, payload: headerBlock(GET) });
  const more = (payload: Uint8Array) => frameBytes({ type: FrameType.continuation, stream: 1, payload });
  const tiny = await openHttp2Peer();
  await tiny.send(begin, ...Array.from({ length: 64 }, () => more(new Uint8Array(0))));
  assert.equal(tiny.takeLines(), [CALM]);
  await tiny.leave();
  const large = await openHttp2Peer();
  await large.send(begin, ...Array.from({ length: 5 }, () => more(new Uint8Array(16_384))));
  assert.equal(large.takeLines(), [CALM]);
  await large.leave();
});

test("heads in parts count against memory, and find no room when there is none", async () => {
  const begin = frameBytes({ type: FrameType.headers, stream: 1, payload: new Uint8Array(10_000) });
  const bodies = new CountingBudget(15_000);
  const first = await openHttp2Peer({ bodies });
  await first.send(begin);
  assert.is(bodies.usedBytes, 10_000);
  const second = await openHttp2Peer({ bodies });
  await second.send(begin);
  assert.equal(second.takeLines(), [CALM]);
  for (const peer of [first, second]) await peer.leave();
  assert.is(bodies.usedBytes, 0);
});

const FLOODS: readonly (readonly [what: string, frame: Uint8Array])[] = [
  ["settings", settingsFrame([SettingId.initialWindowSize, 1_000])],
  ["pings", pingFrame()],
  ["empty DATA", dataFrame(1, new Uint8Array(0))],
  ["resets of closed streams", resetFrame(3)],
  ["priorities", frameBytes({ type: FrameType.priority, stream: 1, payload: new Uint8Array(5) })],
  ["unknown frames", frameBytes({ type: 77 })],
  ["tiny credit", windowUpdateFrame(0, 1)],
  ["acknowledgements", settingsFrame().fill(1, 4, 5)],
];

for (const [what, frame] of FLOODS) {
  test(`a flood of ${what} ends after 10,000, not before, and not with payload in between`, async () => {
    const peer = await openHttp2Peer();
    await peer.send(headersFrame(1, POST, false), headersFrame(3, GET));
    await flood(peer, 9_999, () => frame);
    await peer.send(dataFrame(1, Uint8Array.of(1)));
    await flood(peer, 10_000, () => frame);
    assert.not(peer.takeLines().includes(CALM));
    await peer.send(frame);
    assert.is(peer.takeLines().at(-1), CALM);
    assert.equal(peer.observed, ["flood"]);
    await peer.leave();
  });
}

test("answers to pings that nobody reads: 1,000", async () => {
  const peer = await openHttp2Peer();
  peer.channel.setReading(false);
  for (let sent = 0; sent < 1_000; sent++) peer.channel.feed(pingFrame());
  await peer.settle();
  assert.not(peer.takeLines().includes(CALM));
  await peer.send(pingFrame());
  await peer.send(pingFrame());
  assert.is(peer.takeLines().at(-1), CALM);
  await peer.leave();
});

test("every ping is answered while its answers are read", async () => {
  const peer = await openHttp2Peer();
  await peer.send(...Array.from({ length: 5_000 }, () => pingFrame()));
  assert.is(peer.takeLines().filter((line) => line === "PING ACK").length, 5_000);
  await peer.leave();
});

test("window games: 1-byte windows with 10,000 updates of 1 end the connection, an ordinary reader's do not", async () => {
  const settings = [[SettingId.initialWindowSize, 1]] as const;
  const peer = await openHttp2Peer({ handler: fixedHandler(new Uint8Array(60_000)), settings });
  await peer.send(headersFrame(1, GET));
  for (let sent = 0; sent < 10_001; sent++) peer.channel.feed(windowUpdateFrame(1, 1));
  await peer.settle();
  assert.is(peer.takeLines().at(-1), CALM);
  await peer.leave();
});

test("window games: a window held at 0 resets its stream after the time for progress", async () => {
  const settings = [[SettingId.initialWindowSize, 0]] as const;
  const handler = fixedHandler(new Uint8Array(60_000));
  const patrol = new ManualPatrol();
  const peer = await openHttp2Peer({ handler, settings, patrol });
  await peer.send(headersFrame(1, GET));
  assert.is(peer.answers.usedBytes, 60_000);
  await passSeconds(peer, patrol, 29);
  assert.not(peer.lines.includes("RST_STREAM 1 CANCEL"));
  await passSeconds(peer, patrol, 4);
  assert.ok(peer.lines.includes("RST_STREAM 1 CANCEL"));
  assert.is(peer.answers.usedBytes, 0);
  assert.equal(peer.observed, ["body_time"]);
  await peer.leave();
});

test("window games: the connection's window used up ends the connection after the time for progress", async () => {
  const settings = [[SettingId.initialWindowSize, 1_000_000]] as const;
  const handler = fixedHandler(new Uint8Array(100_000));
  const patrol = new ManualPatrol();
  const peer = await openHttp2Peer({ handler, settings, patrol });
  await peer.send(headersFrame(1, GET));
  assert.is(peer.answers.usedBytes, 100_000, "an answer is held as a whole");
  await passSeconds(peer, patrol, 33);
  await peer.served;
  assert.ok(peer.channel.isClosed);
  assert.is(peer.answers.usedBytes, 0);
});

test("a reader that leaves a little of a large answer unread holds, and is counted for, all of it", async () => {
  const settings = [[SettingId.initialWindowSize, 99_000]] as const;
  const peer = await openHttp2Peer({ handler: fixedHandler(new Uint8Array(100_000)), settings });
  await peer.send(windowUpdateFrame(0, 1_000_000), headersFrame(1, GET));
  assert.is(peer.answers.usedBytes, 100_000);
  await peer.send(windowUpdateFrame(1, 1_000));
  assert.is(peer.answers.usedBytes, 0);
  await peer.send(headersFrame(3, GET));
  assert.is(peer.answers.usedBytes, 100_000);
  await peer.send(resetFrame(3));
  assert.is(peer.answers.usedBytes, 0);
  await peer.leave();
});

test("slow readers elsewhere cost no stream its small pieces, but large ones; and nothing who is trusted", async () => {
  const answers = new CountingBudget(50_000);
  assert.ok(answers.take(50_000));
  const streams: AnswerStream[] = [];
  const watch: StreamHandler = {
    kind: "stream",
    isPatient: true,
    open: (_head, answer) => {
      streams.push(answer);
      answer.start(200, []);
      return { chunk: () => {}, end: () => {}, abort: () => {} };
    },
  };
  const peer = await openHttp2Peer({ handler: watch, answers });
  await peer.send(headersFrame(1, GET), headersFrame(3, GET), windowUpdateFrame(0, 1_000_000));
  for (let count = 0; count < 10; count++) {
    void streams[0]!.write(new Uint8Array(4_000));
    await peer.settle();
  }
  const pieces = Array.from({ length: 10 }, () => "DATA 1 4000");
  assert.equal(peer.takeLines(), ["HEADERS 1 200", "HEADERS 3 200", ...pieces]);
  peer.channel.setReading(false);
  for (let count = 0; count < 5; count++) void streams[0]!.write(new Uint8Array(4_000));
  await peer.settle();
  assert.is(peer.takeLines().at(-1), "RST_STREAM 1 ENHANCE_YOUR_CALM", "above 16 KiB");
  streams[1]!.trust();
  for (let count = 0; count < 20; count++) void streams[1]!.write(new Uint8Array(4_000));
  peer.channel.setReading(true);
  await peer.settle();
  await peer.settle();
  assert.ok(!peer.takeLines().some((line) => line.startsWith("RST_STREAM")));
  await peer.send(windowUpdateFrame(3, 100_000));
  await peer.leave();
  assert.is(answers.usedBytes, 50_000);
});

test("a slow reader: what it does not take is counted, refused above the budget, and ends in time", async () => {
  const settings = [[SettingId.initialWindowSize, 1_000_000]] as const;
  const handler = fixedHandler(new Uint8Array(60_000));
  const answers = new CountingBudget(200_000);
  const peer = await openHttp2Peer({ handler, settings, answers, limits: { progressMs: 100 } });
  await peer.send(windowUpdateFrame(0, 10_000_000));
  peer.channel.setReading(false);
  for (let id = 1; id < 100; id += 2) peer.channel.feed(headersFrame(id, GET));
  await peer.settle();
  const lines = peer.takeLines();
  assert.ok(lines.filter((line) => line.endsWith("ENHANCE_YOUR_CALM")).length > 30);
  assert.ok(peer.observed.includes("answers"));
  assert.ok(answers.peakBytes <= 200_000);
  assert.ok(peer.channel.pendingBytes < 400_000);
  await peer.served;
  assert.ok(peer.channel.isClosed);
  assert.is(answers.usedBytes, 0);
});

test("a reader that is slow but steady is served, however much waits for it", async () => {
  const settings = [[SettingId.initialWindowSize, 100_000_000]] as const;
  const handler = fixedHandler(new Uint8Array(3_000_000));
  const patrol = new ManualPatrol();
  const peer = await openHttp2Peer({ handler, settings, patrol, pingEveryMs: 1e9 });
  await peer.send(windowUpdateFrame(0, 100_000_000));
  peer.channel.setReading(false);
  await peer.send(headersFrame(1, GET));
  const pendingBytes = peer.channel.pendingBytes;
  for (let round = 0; round < 20; round++) {
    patrol.advance(20_000);
    peer.channel.readSome(100);
    // As much is written as was read, so that what waits does not become less.
    for (let at = 0; at < 20; at++) peer.channel.feed(headersFrame(3 + round * 40 + at * 2, GET));
    await peer.settle();
  }
  assert.ok(peer.channel.pendingBytes >= pendingBytes);
  assert.not(peer.channel.isClosed);
  assert.equal(peer.observed, []);
  patrol.advance(40_000);
  await peer.served;
  assert.equal(peer.observed, ["body_time"], "and not when it takes nothing more");
});

test("a reader that takes heads only: it is not listened to until it reads", async () => {
  const fields = [["x-long", "y".repeat(1_000)]] as const;
  const handler: WholeHandler = {
    ...echoHandler(),
    answer: () => ({ status: 200, headers: fields, body: new Uint8Array(0) }),
  };
  const peer = await openHttp2Peer({ handler });
  peer.channel.setReading(false);
  for (let id = 1; id < 20_000; id += 2) peer.channel.feed(headersFrame(id, GET));
  await peer.settle();
  assert.ok(peer.channel.pendingBytes < 600_000, `${peer.channel.pendingBytes}`);
  assert.ok(peer.heads.length < 600);
  peer.channel.setReading(true);
  await peer.settle();
  await peer.settle();
  assert.is(peer.heads.length, 10_000);
  await peer.leave();
});

test("a bomb of compression is answered with 431 and not unfolded", async () => {
  const peer = await openHttp2Peer();
  const value = "v".repeat(3_900);
  const name = concatBytes([Uint8Array.of(0x40, 1, 0x78), headerBlock([["", value]]).slice(2)]);
  const flags = FrameFlag.endHeaders | FrameFlag.endStream;
  const block = concatBytes([headerBlock(GET), name, new Uint8Array(12_000).fill(0xbe)]);
  await peer.send(frameBytes({ type: FrameType.headers, flags, stream: 1, payload: block }));
  assert.equal(peer.takeLines(), ["HEADERS 1 431 END"]);
  assert.equal(peer.observed, ["head_bytes"]);
  await peer.send(headersFrame(3, GET));
  assert.equal(peer.takeLines(), ["HEADERS 3 200 END"], "the connection goes on");
  await peer.leave();
});

test("bodies that find no room are refused before their handler has seen them", async () => {
  const bodies = new CountingBudget(50_000);
  const gate = new Gate();
  const peer = await openHttp2Peer({ bodies, handler: gate.handler });
  for (let id = 1; id < 20; id += 2) {
    const data = dataFrame(id, new Uint8Array(12_000), true);
    peer.channel.feed(concatBytes([headersFrame(id, POST, false), data]));
  }
  await peer.settle();
  assert.is(gate.started, 4);
  assert.is(peer.takeLines().filter((line) => line.endsWith("REFUSED_STREAM")).length, 6);
  gate.open();
  await peer.settle();
  assert.is(bodies.usedBytes, 0);
  await peer.leave();
});

test("many small DATA frames hold what they bring, not the chunks they came in", async () => {
  const peer = await openHttp2Peer();
  await peer.send(headersFrame(1, POST, false));
  for (let sent = 0; sent < 2_000; sent++) peer.channel.feed(dataFrame(1, Uint8Array.of(sent)));
  await peer.settle();
  assert.ok(peer.bodies.usedBytes <= 4_096, `${peer.bodies.usedBytes}`);
  await peer.send(dataFrame(1, Uint8Array.of(1), true));
  assert.equal(peer.takeLines(), ["HEADERS 1 200", "DATA 1 2001 END"]);
  await peer.leave();
});

test("a promised length takes no room before it comes", async () => {
  const peer = await openHttp2Peer({ handler: echoHandler(100_000_000) });
  const fields = requestFields("POST", ["content-length", "90000000"]);
  await peer.send(headersFrame(1, fields, false), dataFrame(1, new Uint8Array(10)));
  assert.ok(peer.bodies.usedBytes <= 65_536);
  await peer.leave();
});

test("a sink that takes nothing holds one window, and the client stops there", async () => {
  const holding: StreamHandler = {
    kind: "stream",
    isPatient: false,
    open: () => ({ chunk: () => new Promise(() => {}), end: () => {}, abort: () => {} }),
  };
  const patrol = new ManualPatrol();
  const peer = await openHttp2Peer({ handler: holding, patrol });
  await peer.send(headersFrame(1, POST, false));
  for (let sent = 0; sent < 64; sent++) peer.channel.feed(dataFrame(1, new Uint8Array(16_384)));
  await peer.settle();
  assert.equal(peer.takeLines(), [], "no credit");
  patrol.advance(50_000);
  await peer.settle();
  assert.equal(peer.takeLines(), [], "the silence is the handler's");
  await peer.send(dataFrame(1, Uint8Array.of(1)));
  assert.equal(peer.takeLines(), ["RST_STREAM 1 FLOW_CONTROL_ERROR"]);
  await peer.leave();
});

test("silence: no head, a head without an end, a body without progress, no request", async () => {
  const silent = await openHttp2Peer({ limits: { headMs: 30 }, isSilent: true });
  await silent.until("GOAWAY NO_ERROR");
  assert.equal(silent.observed, ["head_time"]);
  const begin = frameBytes({ type: FrameType.headers, stream: 3, payload: headerBlock(GET) });
  const half = await openHttp2Peer({ limits: { headMs: 30 } });
  await half.send(headersFrame(1, GET), begin);
  await half.until("GOAWAY NO_ERROR");
  assert.equal(half.observed, ["head_time"]);
  const slow = await openHttp2Peer({ limits: { progressMs: 30 } });
  await slow.send(headersFrame(1, POST, false));
  await slow.until("RST_STREAM 1 CANCEL");
  assert.equal(slow.observed, ["body_time"]);
  const idle = await openHttp2Peer({ limits: { idleMs: 30 } });
  await idle.send(headersFrame(1, GET));
  await idle.until("GOAWAY NO_ERROR");
  assert.equal(idle.observed, ["idle"]);
  for (const peer of [silent, half, slow, idle]) await peer.leave();
});

test("a client that answers no ping is given up, one that does is not", async () => {
  const gate = new Gate();
  const times = { pingEveryMs: 20, pingAnswerMs: 40, handler: gate.handler };
  const dead = await openHttp2Peer(times);
  await dead.send(headersFrame(1, GET));
  await dead.until("PING");
  await dead.until("GOAWAY");
  assert.is(gate.left, 1);
  const alive = await openHttp2Peer({ ...times, pingAnswerMs: 10_000 });
  await alive.send(headersFrame(1, GET));
  for (let ping = 0; ping < 3; ping++) {
    await alive.until("PING");
    alive.takeLines();
    await alive.send(pingFrame(FrameFlag.ack));
  }
  assert.is(gate.left, 1);
  gate.open();
  for (const peer of [dead, alive]) await peer.leave();
});

test.run();

/** Lets so many seconds go by, with all that they bring about. */
async function passSeconds(peer: Http2Peer, patrol: ManualPatrol, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    patrol.advance(1_000);
    await peer.settle();
  }
}

/** Sends `count` frames in chunks of 500, reading what comes back. */
async function flood(peer: Http2Peer, count: number, frame: (at: number) => Uint8Array): Promise<void> {
  for (let at = 0; at < count; at += 500) {
    const frames = Array.from({ length: Math.min(500, count - at) }, (_, index) => frame(at + index));
    await peer.send(...frames);
  }
}
