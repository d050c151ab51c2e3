/**
 * Handlers and routers that break their promises over HTTP/2: their callers get status 500, the operator a
 * line in the log, and nobody else anything; never does the process end.
 *
 * @module
 */

import { configureSync, type LogRecord, resetSync } from "@logtape/logtape";
import { assert, suite } from "../harness.ts";
import type {
  AnswerStream,
  HttpRouter,
  RequestHead,
  StreamHandler,
  WholeAnswer,
  WholeHandler,
} from "../../server/http/exchange.ts";
import { dataFrame, headersFrame, pingFrame, requestFields, resetFrame } from "./http2_frames.ts";
import { CountingBudget, echoHandler, openHttp2Peer } from "./http2_peer.ts";

const test = suite("http2 failures");
const GET = requestFields("GET");
const POST = requestFields("POST");
/** An answer that the handler, or the router, has failed to give. */
const FAILED = ["DATA 1 15 END", "HEADERS 1 500 text/plain; charset=utf-8"];
const IGNORING = { chunk: () => {}, end: () => {}, abort: () => {} };

const logged: string[] = [];
test.beforeEach(() => {
  logged.length = 0;
  const keep = (record: LogRecord) => void logged.push(record.message.join(""));
  configureSync({
    reset: true,
    sinks: { keep },
    loggers: [{ category: ["prkdb"], sinks: ["keep"] }, { category: ["logtape", "meta"], sinks: [] }],
  });
});
test.afterEach(() => resetSync());

const fail = () => {
  throw new Error("oh");
};
const reject = () => Promise.reject(new Error("oh"));

function streamed(open: (answer: AnswerStream) => ReturnType<StreamHandler["open"]>): StreamHandler {
  return { kind: "stream", isPatient: false, open: (_head, answer) => open(answer) };
}

const BROKEN: readonly (readonly [what: string, handler: WholeHandler | StreamHandler])[] = [
  ["a whole answer throws", { ...echoHandler(), answer: fail }],
  ["a whole answer rejects", { ...echoHandler(), answer: reject }],
  ["a refusal throws", { ...echoHandler(0), refuse: fail }],
  ["opening throws", { kind: "stream", isPatient: false, open: fail }],
  ["a chunk throws", streamed(() => ({ ...IGNORING, chunk: fail }))],
  ["a chunk rejects", streamed(() => ({ ...IGNORING, chunk: reject }))],
  ["the end throws", streamed(() => ({ ...IGNORING, end: fail }))],
];

for (const [what, handler] of BROKEN) {
  test(`${what}: status 500, one line in the log, and the connection goes on`, async () => {
    const peer = await openHttp2Peer({ handler });
    await peer.send(headersFrame(1, POST, false), dataFrame(1, new Uint8Array(1), true));
    const lines = peer.takeLines().filter((line) => line !== "RST_STREAM 1 NO_ERROR");
    assert.equal(lines.sort(), FAILED);
    assert.equal(logged, ["A request failed unexpectedly: Error: oh"]);
    await peer.send(pingFrame());
    assert.equal(peer.takeLines(), ["PING ACK"]);
    await peer.leave();
    assert.is(peer.bodies.usedBytes, 0);
  });
}

test("a router that throws: the same", async () => {
  const router: HttpRouter = {
    route: ({ headers }: RequestHead) => headers.get("x") === null ? fail() : echoHandler(),
  };
  const peer = await openHttp2Peer({ router });
  await peer.send(headersFrame(1, GET), headersFrame(3, requestFields("GET", ["x", "y"])));
  assert.equal(peer.takeLines().sort(), [...FAILED, "HEADERS 3 200 END"].sort());
  assert.equal(logged, ["A request failed unexpectedly: Error: oh"]);
  await peer.leave();
});

test("an answer that has begun cannot become a 500: it is reset", async () => {
  const handler = streamed((answer) => {
    answer.start(200, []);
    return { ...IGNORING, end: fail };
  });
  const peer = await openHttp2Peer({ handler });
  await peer.send(headersFrame(1, GET));
  assert.equal(peer.takeLines(), ["HEADERS 1 200", "RST_STREAM 1 INTERNAL_ERROR"]);
  assert.is(logged.length, 1);
  await peer.leave();
});

test("whoever is told that a caller has left, and throws, harms nobody", async () => {
  const leaving: WholeHandler = {
    ...echoHandler(),
    answer: (_head, _body, caller) => {
      caller.onLeave = fail;
      return new Promise<WholeAnswer>(() => {});
    },
  };
  for (const handler of [leaving, streamed(() => ({ ...IGNORING, abort: fail }))]) {
    logged.length = 0;
    const peer = await openHttp2Peer({ handler });
    await peer.send(headersFrame(1, GET), resetFrame(1), pingFrame());
    assert.equal(peer.takeLines(), ["PING ACK"]);
    assert.equal(logged, ["A request failed unexpectedly: Error: oh"]);
    await peer.leave();
  }
});

test("an answer that cannot be sent ends its connection, with a line in the log, and not the process", async () => {
  // No program that passes the compiler gives such an answer; a mistake in ours might.
  const broken = { status: 200, headers: [["x", undefined]], body: new Uint8Array(1) } as unknown;
  for (const answer of [() => broken as WholeAnswer, () => Promise.resolve(broken as WholeAnswer)]) {
    logged.length = 0;
    const peer = await openHttp2Peer({ handler: { ...echoHandler(), answer } });
    await peer.send(headersFrame(1, GET));
    assert.equal(peer.takeLines(), ["GOAWAY INTERNAL_ERROR"]);
    assert.is(logged.length, 1);
    assert.match(logged[0]!, "An HTTP/2 connection failed unexpectedly");
    await peer.leave();
  }
});

test("a sink whose stream was lost while it was opened is told, once", async () => {
  const reasons: string[] = [];
  const handler = streamed((answer) => {
    answer.start(200, []);
    void answer.write(new Uint8Array(100_000));
    return { ...IGNORING, abort: (reason) => void reasons.push(String(reason)) };
  });
  const peer = await openHttp2Peer({ handler, answers: new CountingBudget(50_000) });
  await peer.send(headersFrame(1, POST, false));
  assert.equal(peer.takeLines(), ["HEADERS 1 200", "RST_STREAM 1 ENHANCE_YOUR_CALM"]);
  await peer.leave();
  assert.equal(reasons, ["Error: stream 1 was reset by the server: code 11"]);
});

test.run();
