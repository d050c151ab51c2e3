/**
 * Requests on one connection: their order, what keeps it open, what ends it, and the form of answers.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { until } from "../support/patience.ts";
import {
  bodyOf,
  KnownContext,
  MIRROR_HANDLER,
  plain,
  request,
  ScriptedConnection,
  statusesOf,
  wholeRouter,
} from "./h1_fixture.ts";
import { answerInParts, collecting, handled } from "./h1_streams.ts";
import { allSettled, utf8Bytes } from "./scripted_channel.ts";

const test = suite("connections of HTTP/1.1");
const HOST = "Host: a";

function get(target: string, ...lines: readonly string[]): string {
  return request([`GET ${target} HTTP/1.1`, HOST, ...lines]);
}

test("pipelined requests are answered in order, whichever is ready first", async () => {
  const answers: (() => void)[] = [];
  const router = wholeRouter(({ target }) =>
    target.startsWith("/slow")
      ? new Promise((resolve) => answers.push(() => resolve(plain(200, `[${target}]`))))
      : plain(200, `[${target}]`)
  );
  const peer = new ScriptedConnection(router);
  await peer.send(get("/slow1") + get("/b") + get("/slow2"), get("/d") + get("/e"));
  assert.is(answers.length, 1);
  answers[0]!();
  await allSettled();
  assert.equal(peer.channel.sent.match(/\[.*?\]/g), ["[/slow1]", "[/b]"]);
  answers[1]!();
  await allSettled();
  assert.equal(peer.channel.sent.match(/\[.*?\]/g), ["[/slow1]", "[/b]", "[/slow2]", "[/d]", "[/e]"]);
});

test("a thousand pipelined requests in one chunk are a thousand answers", async () => {
  const sent = await new ScriptedConnection().send(get("/x").repeat(1_000));
  assert.is(statusesOf(sent).length, 1_000);
});

test("a request like the last one is answered like it, one that differs in a byte by its own head", async () => {
  const said = wholeRouter(({ target, headers }) => plain(200, `[${target} ${headers.get("x-a")}]`));
  const requests = ["1", "1", "2", "2", "1"].map((each) => get("/t", `X-A: ${each}`));
  const wanted = ["[/t 1]", "[/t 1]", "[/t 2]", "[/t 2]", "[/t 1]"];
  for (const chunks of [requests, [requests.join("")], requests.join("").split("")]) {
    const peer = new ScriptedConnection(said);
    await peer.send(...chunks);
    assert.equal(peer.channel.sent.match(/\[.*?\]/g), wanted);
  }
});

test("pipelined requests wait while their answers are not read", async () => {
  let asked = 0;
  const peer = new ScriptedConnection(wholeRouter(() => {
    asked++;
    return plain(200, "x".repeat(40_000));
  }));
  peer.channel.isRead = false;
  await peer.send(get("/").repeat(10));
  assert.is(asked, 2);
  for (const count of [4, 6, 8, 10]) {
    peer.channel.takeAll();
    await allSettled();
    assert.is(asked, count);
  }
});

test("the version and the client's wish decide whether the connection goes on", async () => {
  const cases: readonly (readonly [string, "close" | "keep-alive" | undefined])[] = [
    [get("/"), undefined],
    [get("/", "Connection: close"), "close"],
    [get("/", "Connection: foo", "Connection: x, CLOSE"), "close"],
    [request(["GET / HTTP/1.0", HOST]), "close"],
    [request(["GET / HTTP/1.0", HOST, "Connection: Keep-Alive"]), "keep-alive"],
  ];
  for (const [text, said] of cases) {
    const peer = new ScriptedConnection();
    const sent = await peer.send(text + get("/next"));
    assert.is(/connection: (\S+)\r\n/.exec(sent)?.[1], said, text);
    assert.is(statusesOf(sent).length, said === "close" ? 1 : 2, text);
    assert.is(peer.channel.hasEndedWriting, said === "close", text);
  }
});

test("an answer has its length and the date, and nothing of a handler's own about the connection", async () => {
  const headers = [
    ["connection", "upgrade"],
    ["transfer-encoding", "gzip"],
    ["content-length", "99"],
    ["x-split", "a\r\nset-cookie: b"],
    ["x-ok", "\xe4"],
  ] as const;
  const sent = await new ScriptedConnection(
    wholeRouter(() => ({ status: 200, headers, body: utf8Bytes("abc") })),
  )
    .send(get("/"));
  const [head, body] = sent.split("\r\n\r\n");
  assert.is(body, "abc");
  const lines = head!.split("\r\n");
  assert.equal(lines.slice(0, 3), ["HTTP/1.1 200 OK", "x-ok: \xe4", "content-length: 3"]);
  assert.match(lines[3]!, /^date: \w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT$/);
  assert.is(lines.length, 4);
});

test("HEAD, 204 and 304 have no body, and the next answer begins where theirs would", async () => {
  const router = wholeRouter(({ target }) => plain(Number(target.slice(1)), "body"));
  const head = await new ScriptedConnection(router).send(request(["HEAD /200 HTTP/1.1", HOST]) + get("/204"));
  assert.match(head, /content-length: 4\r\n[^]*GMT\r\n\r\nHTTP\/1.1 204/);
  assert.match(
    await new ScriptedConnection(router).send(get("/204") + get("/304")),
    /GMT\r\n\r\nHTTP\/1.1 304/,
  );
  const none = await new ScriptedConnection(router).send(get("/204"));
  assert.not.match(none, "content-length");
  for (const method of ["HEAD", "GET"]) {
    const { router: streaming, streams } = handled();
    const peer = new ScriptedConnection(streaming);
    await peer.send(request([`${method} / HTTP/1.1`, HOST]) + get("/next"));
    if (method === "HEAD") answerInParts(streams[0]!.answer, [["content-length", "7"]], "ignored");
    else {
      streams[0]!.answer.start(304, [["content-length", "7"]]);
      streams[0]!.answer.end();
    }
    await allSettled();
    assert.match(peer.channel.sent, /content-length: 7\r\n[^]*GMT\r\n\r\n$/);
    assert.is(streams.length, 2, "the next request is served");
  }
});

test("a streamed answer comes in chunks, by its length, or to the end for an old client", async () => {
  const chunked = handled();
  const peer = new ScriptedConnection(chunked.router);
  await peer.send(get("/") + get("/next"));
  answerInParts(chunked.streams[0]!.answer, [], "hello", "", "x".repeat(20_000));
  await allSettled();
  assert.is(bodyOf(peer.channel.sent), `5\r\nhello\r\n4e20\r\n${"x".repeat(20_000)}\r\n0\r\n\r\n`);
  assert.match(peer.channel.sent, "transfer-encoding: chunked\r\n");
  assert.is(chunked.streams.length, 2);

  const known = handled();
  const second = new ScriptedConnection(known.router);
  await second.send(get("/") + get("/next"));
  answerInParts(known.streams[0]!.answer, [["content-length", "5"]], "he", "llo");
  await allSettled();
  assert.is(bodyOf(second.channel.sent), "hello");
  assert.is(known.streams.length, 2);

  const old = handled();
  const third = new ScriptedConnection(old.router);
  await third.send(request(["GET / HTTP/1.0", "Connection: keep-alive"]));
  answerInParts(old.streams[0]!.answer, [], "he", "llo");
  await allSettled();
  assert.is(bodyOf(third.channel.sent), "hello");
  assert.match(third.channel.sent, "connection: close\r\n");
  assert.ok(third.channel.hasEndedWriting);
});

test("an answer that is over at once tells its length; a head goes out though nothing follows it", async () => {
  const { router } = collecting();
  const sent = await new ScriptedConnection(router).send(get("/") + get("/"));
  assert.is(sent.match(/content-length: 0\r\n/g)?.length, 2);
  const { router: open, streams } = handled();
  const peer = new ScriptedConnection(open);
  await peer.send(get("/"));
  streams[0]!.answer.start(200, []);
  await allSettled();
  assert.match(peer.channel.sent, /^HTTP\/1.1 200 OK\r\ntransfer-encoding: chunked\r\n[^]*\r\n\r\n$/);
});

test("an answer of another length than it said is cut off, so that nobody takes it for whole", async () => {
  for (const parts of [["1234"], ["1234", "56"]]) {
    const { router, streams } = handled();
    const peer = new ScriptedConnection(router);
    await peer.send(get("/"));
    answerInParts(streams[0]!.answer, [["content-length", "5"]], ...parts);
    await allSettled();
    assert.ok(peer.channel.isClosed && peer.isOver);
  }
  const { router, streams } = handled();
  const peer = new ScriptedConnection(router);
  await peer.send(get("/"));
  streams[0]!.answer.start(200, []);
  streams[0]!.answer.abort();
  void streams[0]!.answer.write(utf8Bytes("late"));
  streams[0]!.answer.end();
  await allSettled();
  assert.ok(peer.isOver);
  assert.not.match(peer.channel.sent, "late");
});

test("body and answer of a stream go through at the same time", async () => {
  const { router, streams } = handled();
  const peer = new ScriptedConnection(router);
  await peer.send(request(["POST / HTTP/1.1", HOST, "Content-Length: 3"], "a"));
  streams[0]!.answer.start(200, []);
  void streams[0]!.answer.write(utf8Bytes("first"));
  assert.match(await peer.send("b"), /first\r\n$/);
  assert.not.ok(streams[0]!.isBodyComplete);
  await peer.send("c" + get("/next"));
  assert.ok(streams[0]!.isBodyComplete);
  streams[0]!.answer.end();
  await allSettled();
  // An answer that began before its request was complete has said that the connection ends.
  assert.match(peer.channel.sent, "connection: close\r\n");
  assert.ok(peer.channel.hasEndedWriting);
  assert.is(streams.length, 1);
});

test("behind an early answer the rest is passed over up to a bound, then the connection ends", async () => {
  const early = () => new ScriptedConnection(collecting({ isEarly: true }).router);
  const head = request(["POST / HTTP/1.1", HOST, "Content-Length: 1000000"]);
  const peer = early();
  assert.equal(statusesOf(await peer.send(head, "x".repeat(262_144))), [200]);
  assert.match(peer.channel.sent, "connection: close\r\n");
  assert.ok(peer.channel.hasEndedWriting);
  assert.not.ok(peer.channel.isClosed);
  await peer.send("x");
  assert.ok(peer.isOver);
  const slow = early();
  await slow.send(head, "x");
  await slow.patrol.pass(900);
  assert.not.ok(slow.channel.isClosed);
  await slow.patrol.pass(1_500);
  assert.ok(slow.isOver);
  const polite = early();
  await polite.send(head);
  polite.channel.arriveEnd();
  await allSettled();
  assert.ok(polite.isOver);
  // A body that is here already is no reason to close.
  const small = early();
  assert.equal(
    statusesOf(await small.send(request(["POST / HTTP/1.1", HOST, "Content-Length: 1"], "x"), get("/"))),
    [
      200,
      200,
    ],
  );
});

test("a reader that is slow gets its answer, and one that stops is given up", async () => {
  const context = new KnownContext();
  const { progressMs } = context.limits;
  const peer = new ScriptedConnection(wholeRouter(() => plain(200, "x".repeat(100_000))), context);
  peer.channel.isRead = false;
  await peer.send(get("/"));
  for (let round = 0; round < 10; round++) {
    await peer.patrol.pass(progressMs - 1_000);
    peer.channel.take(5_000);
  }
  assert.not.ok(peer.isOver);
  assert.ok(context.answers.usedBytes > 40_000);
  await peer.patrol.pass(progressMs + 1_000);
  assert.ok(peer.isOver);
  assert.is(context.answers.usedBytes, 0);
  assert.equal(context.reached, ["body_time"]);
});

test("a stream that fills the memory while it is opened is told that it has ended", async () => {
  const context = new KnownContext({ answerBytes: 1_000 });
  const reasons: unknown[] = [];
  const peer = new ScriptedConnection({
    route: () => ({
      kind: "stream",
      isPatient: false,
      open: (_head, answer) => {
        answer.start(200, []);
        void answer.write(utf8Bytes("x".repeat(5_000)));
        return { chunk: () => {}, end: () => {}, abort: (reason) => void reasons.push(reason) };
      },
    }),
  }, context);
  await peer.send(get("/"));
  assert.ok(peer.isOver);
  assert.is(reasons.length, 1);
  assert.equal(context.reached, ["answers"]);
  assert.is(context.answers.usedBytes, 0);
});

test("who ends its side gets its answers all the same, then the connection ends", async () => {
  const answers: (() => void)[] = [];
  const router = wholeRouter(() => new Promise((resolve) => answers.push(() => resolve(plain(200, "here")))));
  const peer = new ScriptedConnection(router);
  await peer.send(get("/") + get("/"));
  peer.channel.arriveEnd();
  for (const count of [1, 2]) {
    await peer.patrol.pass(peer.context.limits.progressMs - 1_000);
    answers[count - 1]!();
    await allSettled();
    assert.is(statusesOf(peer.channel.sent).length, count);
    assert.is(peer.isOver, count === 2);
  }
});

test("who ends its side and gets no answer is taken for gone after a while", async () => {
  const { router, streams } = handled();
  const peer = new ScriptedConnection(router);
  await peer.send(get("/"));
  peer.channel.arriveEnd();
  await peer.patrol.pass(peer.context.limits.progressMs - 1_000);
  assert.not.ok(peer.isOver);
  await peer.patrol.pass(3_000);
  assert.ok(peer.isOver);
  assert.ok(streams[0]!.reason);
});

test("who ends its side in the middle of a request is gone", async () => {
  const { router, reasons } = collecting();
  const peer = new ScriptedConnection(router);
  await peer.send(request(["POST / HTTP/1.1", HOST, "Content-Length: 2"], "a"));
  peer.channel.arriveEnd();
  await allSettled();
  assert.ok(peer.isOver);
  assert.is(reasons.length, 1);
  const inHead = new ScriptedConnection();
  await inHead.send("GET / HT");
  inHead.channel.arriveEnd();
  await allSettled();
  assert.ok(inHead.isOver);
  assert.is(inHead.channel.sent, "");
});

test("who ends its side in the middle of a request gets the answers to those before", async () => {
  for (
    const rest of ["Content-Length: 2\r\n\r\na", "Transfer-Encoding: chunked\r\n\r\n5\r\nab", "Content-Le"]
  ) {
    const peer = new ScriptedConnection();
    peer.channel.isRead = false;
    await peer.send(`${get("/")}${get("/")}POST / HTTP/1.1\r\n${HOST}\r\n${rest}`);
    peer.channel.arriveEnd();
    await allSettled();
    assert.not.ok(peer.channel.isClosed, `what is not read yet would be lost: ${rest}`);
    assert.equal(statusesOf(peer.channel.sent), [200, 200]);
    peer.channel.takeAll();
    await allSettled();
    assert.ok(peer.isOver);
    assert.is(peer.context.bodies.usedBytes + peer.context.answers.usedBytes, 0);
  }
});

test("a streamed answer with nothing to say ends when its caller has ended its side", async () => {
  const { router, streams } = handled();
  const peer = new ScriptedConnection(router);
  await peer.send(get("/"));
  streams[0]!.answer.start(200, []);
  peer.channel.arriveEnd();
  for (let second = 0; second < 5; second++) {
    void streams[0]!.answer.write(utf8Bytes("tick"));
    await peer.patrol.pass(1_000);
    assert.not.ok(peer.isOver);
  }
  await peer.patrol.pass(2_000);
  assert.ok(peer.isOver);
  assert.ok(streams[0]!.reason);
});

test("a handler learns that its caller has gone", async () => {
  let left = 0;
  let finish: (() => void) | undefined;
  const context = new KnownContext();
  const router = {
    route: () => ({
      ...MIRROR_HANDLER,
      answer: (_head: unknown, _body: unknown, caller: { onLeave: (() => void) | undefined }) => {
        caller.onLeave = () => left++;
        return new Promise<ReturnType<typeof plain>>((resolve) => finish = () => resolve(plain(200, "late")));
      },
    }),
  };
  const peer = new ScriptedConnection(router, context);
  await peer.send(request(["POST / HTTP/1.1", HOST, "Content-Length: 2"], "ab"));
  peer.channel.breakOff();
  await allSettled();
  assert.is(left, 1);
  assert.ok(peer.isOver);
  // The handler still holds the body.
  assert.is(context.bodies.usedBytes, 2);
  finish!();
  await allSettled();
  assert.is(context.bodies.usedBytes, 0);
  assert.is(peer.channel.sent, "");
  assert.is(left, 1);
});

test("a drained connection ends when it is idle, or when the request under way is answered", async () => {
  const idle = new ScriptedConnection();
  await idle.send(get("/"));
  idle.connection.drain();
  const fresh = new ScriptedConnection();
  await fresh.send();
  fresh.connection.drain();
  await until(() => idle.channel.hasEndedWriting && fresh.channel.hasEndedWriting, "both have ended");
  const underWay = new ScriptedConnection();
  await underWay.send(get("/"));
  underWay.connection.drain();
  assert.match((await underWay.send(get("/next"))).split("HTTP/1.1 200")[2]!, "connection: close\r\n");
  assert.ok(underWay.channel.hasEndedWriting);
  const begun = new ScriptedConnection();
  await begun.send("GET / HT");
  begun.connection.drain();
  assert.match(await begun.send("TP/1.1\r\nHost: a\r\n\r\n" + get("/")), "connection: close\r\n");
  assert.equal(statusesOf(begun.channel.sent), [200]);
  const { router, streams } = handled();
  const busy = new ScriptedConnection(router);
  await busy.send(get("/") + get("/next"));
  streams[0]!.answer.start(200, []);
  await allSettled();
  busy.connection.drain();
  assert.not.ok(busy.channel.hasEndedWriting);
  streams[0]!.answer.end();
  await allSettled();
  assert.ok(busy.channel.hasEndedWriting);
  assert.is(streams.length, 1);
});

test.run();
