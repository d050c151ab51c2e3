/**
 * One request and its answer over HTTP/2: who holds which bytes, what goes out in which write, who learns
 * that a caller has left, how streams take turns, and how a connection ends.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import type { AnswerStream, BodySink, StreamHandler, WholeHandler } from "../../server/http/exchange.ts";
import { SettingId } from "../../server/http/h2/frame.ts";
import {
  dataFrame,
  headersFrame,
  pingFrame,
  requestFields,
  resetFrame,
  windowUpdateFrame,
} from "./http2_frames.ts";
import { CountingBudget, echoHandler, fixedHandler, ManualPatrol, openHttp2Peer } from "./http2_peer.ts";
import { concatBytes } from "./memory_channel.ts";

const test = suite("http2 exchange");
const GET = requestFields("GET");
const POST = requestFields("POST");

/** A streamed exchange in the hands of a test. */
class Held {
  answer!: AnswerStream;
  readonly said: string[] = [];
  taking: Promise<void> | undefined;
  readonly handler: StreamHandler;

  constructor(isPatient = false) {
    const sink: BodySink = {
      chunk: (bytes) => {
        this.said.push(`chunk ${bytes.length}`);
        return this.taking;
      },
      end: () => void this.said.push("end"),
      abort: (reason) => void this.said.push(`abort: ${reason instanceof Error ? reason.message : ""}`),
    };
    const open = (answer: AnswerStream) => {
      this.answer = answer;
      return sink;
    };
    this.handler = { kind: "stream", isPatient, open: (_head, answer) => open(answer) };
  }
}

test("head, body and trailers of a whole answer are one write, at once or later", async () => {
  const answer = {
    status: 200,
    headers: [],
    body: new Uint8Array(500),
    trailers: [["grpc-status", "0"]],
  } as const;
  for (
    const handler of [{ ...echoHandler(), answer: () => answer }, {
      ...echoHandler(),
      answer: async () => await answer,
    }]
  ) {
    const peer = await openHttp2Peer({ handler });
    const before = peer.channel.writes;
    await peer.send(headersFrame(1, GET));
    assert.is(peer.channel.writes, before + 1);
    assert.equal(peer.takeLines(), ["HEADERS 1 200", "DATA 1 500", "HEADERS 1 0 END"]);
    await peer.send(headersFrame(3, GET), headersFrame(5, GET));
    assert.is(peer.takeLines().length, 6);
    await peer.leave();
  }
});

test("a body in one frame is handed over as it came, or copied if it would hold a larger chunk", async () => {
  const bodies: Uint8Array[] = [];
  const handler: WholeHandler = {
    ...echoHandler(),
    answer: (_head, body) => {
      bodies.push(body);
      return { status: 200, headers: [], body: new Uint8Array(0) };
    },
  };
  const peer = await openHttp2Peer({ handler });
  const large = concatBytes([headersFrame(1, POST, false), dataFrame(1, new Uint8Array(1_000), true)]);
  peer.channel.feed(large);
  await peer.settle();
  assert.is(bodies[0]!.buffer, large.buffer);
  const small = concatBytes([headersFrame(3, POST, false), dataFrame(3, new Uint8Array(10), true)]);
  peer.channel.feed(small);
  await peer.settle();
  assert.is.not(bodies[1]!.buffer, small.buffer);
  await peer.send(headersFrame(5, POST, false), dataFrame(5, new Uint8Array(3_000)));
  await peer.send(dataFrame(5, new Uint8Array(3_000), true));
  assert.is(bodies[2]!.length, 6_000);
  assert.ok(bodies[2]!.buffer.byteLength <= 12_000);
  await peer.leave();
});

test("a body whose beginning tells its length gets just that much room, and no more when that is forged", async () => {
  const BODY_BYTES = 70_000;
  for (const [told, room] of [[BODY_BYTES, BODY_BYTES], [2 ** 31, 65_536], [undefined, 4_096]] as const) {
    const peer = await openHttp2Peer({
      handler: {
        ...echoHandler(),
        lengthOf: () => told,
        answer: () => Promise.withResolvers<never>().promise,
      },
    });
    await peer.send(headersFrame(1, POST, false), dataFrame(1, new Uint8Array(1_000)));
    assert.is(peer.bodies.usedBytes, Math.min(room, 65_536), `${told} bytes, at first`);
    for (let at = 1_000; at < BODY_BYTES; at += 10_000) {
      const length = Math.min(10_000, BODY_BYTES - at);
      await peer.send(dataFrame(1, new Uint8Array(length), at + length === BODY_BYTES));
    }
    if (told === BODY_BYTES) assert.is(peer.bodies.usedBytes, BODY_BYTES, "in the end");
    await peer.leave();
  }
});

test("what a handler sees of a head", async () => {
  const peer = await openHttp2Peer();
  const more = [["cookie", "a=1"], ["x", "1"], ["cookie", "b=2"], ["x", "2"], [
    "content-length",
    "0",
  ]] as const;
  await peer.send(headersFrame(1, requestFields("GET", ...more)));
  const [head] = peer.heads;
  assert.equal([head!.version, head!.method, head!.target, head!.authority, head!.scheme], [
    "2",
    "GET",
    "/",
    "localhost",
    "http",
  ]);
  assert.is(head!.headers.get("cookie"), "a=1; b=2");
  assert.is(head!.headers.get("x"), "1, 2");
  assert.is(head!.headers.get("y"), null);
  assert.equal([...head!.headers], more);
  await peer.leave();
});

test("answers to HEAD, and those with 204 and 304, have no content", async () => {
  for (const [method, status] of [["HEAD", 200], ["GET", 204], ["GET", 304]] as const) {
    const answer = { status, headers: [["content-length", "5"]], body: new Uint8Array(5) } as const;
    const held = new Held();
    const whole = await openHttp2Peer({ handler: { ...echoHandler(), answer: () => answer } });
    await whole.send(headersFrame(1, requestFields(method)));
    assert.equal(whole.takeLines(), [`HEADERS 1 ${status} 5 END`]);
    const streamed = await openHttp2Peer({ handler: held.handler });
    await streamed.send(headersFrame(1, requestFields(method)));
    held.answer.start(status, []);
    void held.answer.write(new Uint8Array(5));
    held.answer.end();
    await streamed.settle();
    assert.equal(streamed.takeLines(), [`HEADERS 1 ${status}`, "DATA 1 0 END"]);
    for (const peer of [whole, streamed]) await peer.leave();
  }
});

test("a caller leaves once: by its reset, or with its connection, but not when it was answered", async () => {
  const left: number[] = [];
  const answers: (() => void)[] = [];
  const handler: WholeHandler = {
    ...echoHandler(),
    answer: (_head, body, caller) =>
      new Promise((resolve) => {
        const at = answers.push(() => resolve({ status: 200, headers: [], body }));
        caller.onLeave = () => left.push(at);
      }),
  };
  const peer = await openHttp2Peer({ handler });
  await peer.send(headersFrame(1, GET), headersFrame(3, GET), headersFrame(5, GET));
  await peer.send(resetFrame(3));
  assert.equal(left, [2]);
  answers[0]!();
  answers[1]!();
  await peer.settle();
  assert.equal(peer.takeLines(), ["HEADERS 1 200 END"]);
  await peer.leave();
  assert.equal(left, [2, 3]);
});

test("small bodies in one frame are taken without room, so many bytes of a connection", async () => {
  const bodies = new CountingBudget(0);
  const waiting: (() => void)[] = [];
  const answer = async (_head: unknown, body: Uint8Array) => {
    await new Promise<void>((resolve) => waiting.push(resolve));
    return { status: 200, headers: [], body };
  };
  const peer = await openHttp2Peer({ bodies, handler: { ...echoHandler(), answer } });
  const post = (stream: number, bytes: number) =>
    peer.send(headersFrame(stream, POST, false), dataFrame(stream, new Uint8Array(bytes), true));
  await post(1, 4_000);
  await post(3, 97);
  assert.equal(peer.takeLines(), ["RST_STREAM 3 REFUSED_STREAM"]);
  await post(5, 96);
  for (const resolve of waiting.splice(0)) resolve();
  await peer.settle();
  const answered = peer.takeLines().filter((line) => line.startsWith("DATA"));
  assert.equal(answered, ["DATA 1 4000 END", "DATA 5 96 END"]);
  await post(7, 4_096);
  assert.is(waiting.length, 1, "there is room again");
  assert.is(bodies.usedBytes, 0);
  await peer.leave();
});

test("a sink takes chunks, holds credit back, and sees the end behind the last one", async () => {
  const held = new Held();
  const taken = Promise.withResolvers<void>();
  const peer = await openHttp2Peer({ handler: held.handler });
  await peer.send(headersFrame(1, POST, false), dataFrame(1, new Uint8Array(10)));
  held.taking = taken.promise;
  await peer.send(dataFrame(1, new Uint8Array(20)), dataFrame(1, new Uint8Array(30), true));
  assert.equal(held.said, ["chunk 10", "chunk 20"]);
  assert.is(peer.bodies.usedBytes, 30);
  held.taking = undefined;
  taken.resolve();
  await peer.settle();
  assert.equal(held.said, ["chunk 10", "chunk 20", "chunk 30", "end"]);
  assert.is(peer.bodies.usedBytes, 0);
  await peer.leave();
  assert.is(held.said.at(-1), "abort: the client has closed its connection");
});

test("credit comes back when half a window was taken", async () => {
  const held = new Held();
  const peer = await openHttp2Peer({ handler: held.handler });
  await peer.send(headersFrame(1, POST, false));
  for (let sent = 0; sent < 31; sent++) peer.channel.feed(dataFrame(1, new Uint8Array(16_384)));
  await peer.settle();
  assert.equal(peer.takeLines(), []);
  await peer.send(dataFrame(1, new Uint8Array(16_384)));
  assert.equal(peer.takeLines(), ["WINDOW_UPDATE 1 524288"]);
  await peer.leave();
});

test("DATA behind an early answer is credited to the connection and ignored, however much it is", async () => {
  const peer = await openHttp2Peer({ handler: echoHandler(10) });
  await peer.send(headersFrame(1, POST, false), dataFrame(1, new Uint8Array(100)));
  assert.equal(peer.takeLines(), ["HEADERS 1 413 END", "RST_STREAM 1 NO_ERROR"]);
  for (let sent = 0; sent < 1_100; sent++) peer.channel.feed(dataFrame(1, new Uint8Array(16_384)));
  await peer.settle();
  const lines = peer.takeLines();
  assert.equal(lines.map((line) => line.slice(0, 15)), ["WINDOW_UPDATE 0", "WINDOW_UPDATE 0"]);
  await peer.send(dataFrame(1, new Uint8Array(1), true), headersFrame(3, GET));
  assert.equal(peer.takeLines(), ["HEADERS 3 200 END"]);
  await peer.leave();
});

test("an answer that ends before the body does: the sink hears nothing more", async () => {
  const held = new Held();
  const peer = await openHttp2Peer({ handler: held.handler });
  await peer.send(headersFrame(1, POST, false));
  held.answer.start(200, []);
  held.answer.end([["x", "y"]]);
  held.answer.end();
  await peer.send(dataFrame(1, new Uint8Array(5), true));
  assert.equal(peer.takeLines(), ["HEADERS 1 200", "HEADERS 1 y END", "RST_STREAM 1 NO_ERROR"]);
  await peer.leave();
  assert.equal(held.said, []);
});

test("an answer that is complete at once, to a request that is complete, is not followed by a reset", async () => {
  const handler: StreamHandler = {
    kind: "stream",
    isPatient: false,
    open: (_head, answer) => {
      answer.start(200, []);
      answer.end();
      return { chunk: () => {}, end: () => {}, abort: () => {} };
    },
  };
  const peer = await openHttp2Peer({ handler });
  await peer.send(headersFrame(1, GET));
  assert.equal(peer.takeLines(), ["HEADERS 1 200", "DATA 1 0 END"]);
  await peer.leave();
});

test("a client that expects to be asked for the body is asked, unless it is too large", async () => {
  const expecting = (length: string) =>
    requestFields("POST", ["expect", "100-continue"], ["content-length", length]);
  const peer = await openHttp2Peer({ handler: echoHandler(10) });
  await peer.send(headersFrame(1, expecting("2"), false));
  assert.equal(peer.takeLines(), ["HEADERS 1 100"]);
  await peer.send(dataFrame(1, Uint8Array.of(1, 2), true));
  assert.equal(peer.takeLines(), ["HEADERS 1 200", "DATA 1 2 END"]);
  await peer.send(headersFrame(3, expecting("11"), false));
  assert.equal(peer.takeLines(), ["HEADERS 3 413 END", "RST_STREAM 3 NO_ERROR"]);
  await peer.leave();
});

test("the last answer of a connection that drains reaches a slow reader", async () => {
  const peer = await openHttp2Peer({ handler: fixedHandler(new Uint8Array(60_000)) });
  peer.channel.setReading(false);
  await peer.send(headersFrame(1, GET));
  peer.connection.drain();
  await peer.send(pingFrame(1));
  assert.ok(peer.channel.hasEndedWriting);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  assert.not(peer.channel.isClosed, "it may take its time");
  peer.channel.setReading(true);
  await peer.served;
  assert.ok(peer.channel.isClosed);
});

test("an answer that cannot be completed resets its stream", async () => {
  for (const isStarted of [true, false]) {
    const held = new Held();
    const peer = await openHttp2Peer({ handler: held.handler });
    await peer.send(headersFrame(1, POST, false));
    if (isStarted) held.answer.start(200, []);
    if (isStarted) held.answer.abort();
    else held.answer.end();
    await peer.settle();
    assert.is(peer.takeLines().at(-1), "RST_STREAM 1 INTERNAL_ERROR");
    await peer.leave();
    assert.equal(held.said, []);
  }
});

test("who writes faster than the client reads waits; who has lost the client does not", async () => {
  const held = new Held();
  const peer = await openHttp2Peer({ handler: held.handler });
  await peer.send(headersFrame(1, GET));
  held.answer.start(200, []);
  assert.is(held.answer.write(new Uint8Array(200_000)), undefined);
  let hasRoom = false;
  const room = held.answer.write(new Uint8Array(200_000));
  void room!.then(() => hasRoom = true);
  await peer.send(windowUpdateFrame(0, 1_000_000), windowUpdateFrame(1, 150_000));
  assert.not(hasRoom);
  await peer.send(windowUpdateFrame(1, 60_000));
  assert.ok(hasRoom);
  const more = held.answer.write(new Uint8Array(300_000));
  await peer.send(resetFrame(1));
  await more;
  assert.is(peer.answers.usedBytes, 0);
  await peer.leave();
});

test("streams take turns of 16 KiB", async () => {
  const settings = [[SettingId.initialWindowSize, 1_000_000]] as const;
  const peer = await openHttp2Peer({ handler: fixedHandler(new Uint8Array(100_000)), settings });
  await peer.send(headersFrame(1, GET), headersFrame(3, GET), headersFrame(5, GET));
  await peer.send(windowUpdateFrame(0, 1_000_000));
  const order = peer.takeLines().filter((line) => line.startsWith("DATA")).map((line) => line.split(" ")[1]);
  assert.is(order.slice(0, 12).join(" "), "1 3 5 1 3 5 1 3 5 1 3 5");
  await peer.leave();
});

test("a head that is larger than a frame goes on in CONTINUATION", async () => {
  const headers = [["x", "y".repeat(40_000)]] as const;
  const handler: WholeHandler = {
    ...echoHandler(),
    answer: () => ({ status: 200, headers, body: new Uint8Array(0) }),
  };
  const peer = await openHttp2Peer({ handler });
  peer.channel.takeWritten();
  peer.channel.feed(headersFrame(1, GET));
  await new Promise((resolve) => setTimeout(resolve, 0));
  const written = peer.channel.takeWritten();
  assert.equal([written[3], written[4], written[9 + 16_384 + 3], written[2 * (9 + 16_384) + 4]], [
    1,
    1,
    9,
    4,
  ]);
  await peer.leave();
});

test("a patient handler is not hurried", async () => {
  const held = new Held(true);
  const patrol = new ManualPatrol();
  const peer = await openHttp2Peer({ handler: held.handler, patrol });
  await peer.send(headersFrame(1, POST, false));
  patrol.advance(50_000);
  await peer.settle();
  assert.equal(peer.takeLines(), []);
  await peer.leave();
});

test("draining: two GOAWAY with a ping between them, nothing new behind the second, an end in peace", async () => {
  const held = new Held();
  const peer = await openHttp2Peer({ handler: held.handler });
  await peer.send(headersFrame(1, POST, false));
  peer.connection.drain();
  await peer.send(headersFrame(3, POST, false));
  assert.equal(peer.takeLines(), ["GOAWAY NO_ERROR", "PING"], "what was under way is let in");
  await peer.send(pingFrame(1));
  assert.equal(peer.takeLines(), ["GOAWAY NO_ERROR"]);
  await peer.send(headersFrame(5, GET));
  assert.equal(peer.takeLines(), ["RST_STREAM 5 REFUSED_STREAM"]);
  held.answer.start(200, []);
  held.answer.end();
  await peer.send(resetFrame(1));
  assert.ok(peer.channel.hasEndedWriting);
  assert.not(peer.channel.isClosed, "what the client still sends is read first");
  await peer.leave();
  assert.ok(peer.channel.isClosed);
});

test("draining does not wait for a client that answers no ping, and a silent connection ends at once", async () => {
  const peer = await openHttp2Peer();
  peer.connection.drain();
  await peer.until("GOAWAY");
  await peer.served;
  assert.ok(peer.channel.isClosed);
});

test("ending aborts streams under way, and closes the connection at once", async () => {
  const held = new Held();
  const peer = await openHttp2Peer({ handler: held.handler });
  await peer.send(headersFrame(1, POST, false));
  peer.connection.end();
  assert.ok(peer.channel.isClosed);
  assert.equal(held.said, ["abort: the connection was ended by the server"]);
  peer.connection.end();
  await peer.served;
  assert.is(held.said.length, 1);
});

test("a handler that ends its connection is the last one of it", async () => {
  const closing: WholeHandler = {
    ...echoHandler(),
    answer: (_head, body) => {
      peer.connection.end();
      return { status: 200, headers: [], body };
    },
  };
  const peer = await openHttp2Peer({ handler: closing });
  await peer.send(headersFrame(1, GET), headersFrame(3, GET), pingFrame());
  assert.is(peer.heads.length, 1);
  assert.equal(peer.takeLines(), []);
  await peer.leave();
});

test("a connection that breaks ends in order", async () => {
  const held = new Held();
  const peer = await openHttp2Peer({ handler: held.handler });
  await peer.send(headersFrame(1, POST, false));
  peer.channel.breakOff();
  await peer.served;
  assert.equal(held.said, ["abort: the connection is broken"]);
});

test.run();
