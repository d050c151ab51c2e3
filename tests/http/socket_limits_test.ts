/**
 * The limits of time and memory, over real sockets and with short times: what is silent, half-sent, or unread
 * goes, and what is not goes on.
 *
 * @module
 */

import { startHttp1 } from "../../server/http/h1/mod.ts";
import { type HttpRouter, type StreamHandler, TcpListener } from "../../server/http/mod.ts";
import { assert, suite } from "../harness.ts";
import { until } from "../support/patience.ts";
import { KnownContext, MIRROR_HANDLER, MIRROR_ROUTER, plain, statusesOf, wholeRouter } from "./h1_fixture.ts";
import { answerInParts, handled } from "./h1_streams.ts";
import { RawClient } from "./raw_client.ts";

const test = suite("limits on sockets");
const HEAD = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/** Long enough for a busy machine to send what is to be sent before. */
const SHORT_MS = 1_500;
/** So long that no test gets there. */
const LONG_MS = 3_600_000;
const LONG = { headMs: LONG_MS, progressMs: LONG_MS, idleMs: LONG_MS };

const opened: TcpListener[] = [];
test.afterEach(async () => {
  for (const listener of opened.splice(0)) await listener.close();
});

function serve(context: KnownContext, router: HttpRouter = MIRROR_ROUTER): TcpListener {
  const listener = new TcpListener({ hostname: "127.0.0.1", port: 0, context, http1: startHttp1 });
  listener.router = router;
  opened.push(listener);
  return listener;
}

test("who sends nothing, or half a head, is gone after its time", async () => {
  const context = new KnownContext({ limits: { ...LONG, headMs: SHORT_MS } });
  const { address } = serve(context);
  const texts = ["", "G", "PRI * HT", HEAD.slice(0, -2), `${HEAD}GET / HT`];
  const clients = await Promise.all(texts.map(() => RawClient.open(address)));
  await Promise.all(clients.map((client, at) => client.send(texts[at]!)));
  const answers = await Promise.all(clients.map((client) => client.readToEnd()));
  assert.equal(answers.map(statusesOf), [[], [408], [], [408], [200, 408]]);
  for (const client of clients) client.close();
  await until(() => context.connections === 0, "all connections have ended");
  assert.equal(context.reached, Array(5).fill("head_time"));
});

test("a body that stands still ends its request, and not that of a patient handler", async () => {
  const context = new KnownContext({ limits: { ...LONG, progressMs: SHORT_MS } });
  const { router: patient, streams } = handled({ isPatient: true });
  const { router: strict, streams: refused } = handled();
  const listener = serve(context, {
    route: (head) => {
      if (head.target === "/whole") return MIRROR_HANDLER;
      return (head.target === "/patient" ? patient : strict).route(head);
    },
  });
  const post = (path: string) => `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na`;
  using waiting = await RawClient.open(listener.address);
  await waiting.send(post("/patient"));
  for (const path of ["/whole", "/strict"]) {
    using client = await RawClient.open(listener.address);
    await client.send(post(path));
    assert.equal(statusesOf(await client.readToEnd()), [408], path);
  }
  assert.match(String(refused[0]!.reason), "made no progress");
  assert.equal(context.reached, ["body_time", "body_time"]);
  assert.is(context.bodies.usedBytes, 0);
  await waiting.send("bc");
  await until(() => streams[0]!.isBodyComplete, "the patient handler has its body");
  answerInParts(streams[0]!.answer, [], "ok");
  assert.equal(statusesOf(await waiting.readUntil((text) => text.endsWith("0\r\n\r\n"))), [200]);
});

test("a connection that was used may be idle for so long", async () => {
  const context = new KnownContext({ limits: { ...LONG, idleMs: SHORT_MS } });
  const { address } = serve(context);
  using client = await RawClient.open(address);
  await client.send(HEAD);
  assert.equal(statusesOf(await client.readToEnd()), [200]);
  assert.equal(context.reached, ["idle"]);
});

test("a handler may take longer than all of these", async () => {
  const context = new KnownContext({ limits: { headMs: 50, progressMs: 50, idleMs: 50 } });
  const router = wholeRouter(() =>
    new Promise((resolve) => setTimeout(() => resolve(plain(200, "late")), 600))
  );
  using client = await RawClient.open(serve(context, router).address);
  await client.send(HEAD.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
  assert.equal(statusesOf(await client.readToEnd()), [200]);
});

test("who does not read its answer is gone after its time, and its memory is free", async () => {
  const context = new KnownContext({ limits: { ...LONG, progressMs: SHORT_MS } });
  const large = { status: 200, headers: [], body: new Uint8Array(30_000_000) };
  using client = await RawClient.open(serve(context, wholeRouter(() => large)).address);
  await client.send(HEAD);
  await until(() => context.answers.usedBytes > 0, "the answer is under way");
  await until(() => context.connections === 0, "the reader is given up");
  assert.is(context.answers.usedBytes, 0);
  assert.equal(context.reached, ["body_time"]);
});

test("unread answers fill their share of memory and no more; others are told to come again", async () => {
  const context = new KnownContext({ limits: LONG, answerBytes: 70_000_000 });
  const large = { status: 200, headers: [], body: new Uint8Array(30_000_000) };
  const { address } = serve(
    context,
    wholeRouter(({ target }) => target === "/small" ? plain(200, "") : large),
  );
  const greedy = await Promise.all(Array.from({ length: 8 }, () => RawClient.open(address)));
  await Promise.all(greedy.map((client) => client.send(HEAD)));
  const refused = () => context.reached.filter((limit) => limit === "answers").length;
  await until(() => refused() === 6, "six of eight are refused");
  assert.ok(context.answers.usedBytes <= 70_000_000);
  using other = await RawClient.open(address);
  await other.send(HEAD.replace("/ ", "/small "));
  assert.equal(statusesOf(await other.readUntil((text) => text.includes("\r\n\r\n"))), [200]);
  for (const client of greedy) client.close();
  await until(() => context.connections === 1, "the others have ended");
  assert.ok(context.answers.usedBytes < 1_000_000);
});

test("a stream is told to wait while its answer is not read, and ends when there is no room", async () => {
  const context = new KnownContext({ limits: LONG, answerBytes: 20_000_000 });
  const { router, streams } = handled();
  using client = await RawClient.open(serve(context, router).address);
  await client.send(HEAD);
  await until(() => streams.length === 1, "the request is there");
  const { answer } = streams[0]!;
  answer.start(200, []);
  const piece = new Uint8Array(1_000_000);
  let isWaiting = false;
  for (let count = 0; count < 15 && !isWaiting; count++) {
    const room = answer.write(piece);
    if (room instanceof Promise) {
      isWaiting = await Promise.race([
        room.then(() => false),
        new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 300)),
      ]);
    }
  }
  assert.ok(isWaiting);
  for (let count = 0; count < 25; count++) void answer.write(piece);
  assert.equal(context.reached, ["answers"]);
  assert.ok(streams[0]!.reason);
  await until(() => context.connections === 0, "the connection has ended");
  assert.is(context.answers.usedBytes, 0);
});

test("a caller that goes is noticed, whatever it has sent behind its request", async () => {
  const context = new KnownContext({ limits: { ...LONG, progressMs: SHORT_MS } });
  const { router, streams } = handled({ isPatient: true });
  const { address } = serve(context, router);
  for (const behind of ["", "x", HEAD, HEAD.repeat(5_000)]) {
    const client = await RawClient.open(address);
    await client.send(HEAD);
    await until(() => streams.length === 1, "the request is there");
    streams[0]!.answer.start(200, []);
    await client.send(behind);
    client.close();
    await until(() => streams[0]!.reason !== undefined, `the handler is told behind ${behind.length} bytes`);
    streams.length = 0;
    await until(() => context.connections === 0, "the connection has ended");
  }
  assert.is(context.answers.usedBytes, 0);
});

test("at the bound, those without a request make room, then idle ones, then one of the newest", async () => {
  const context = new KnownContext({ limits: { ...LONG, connectionsMax: 3 } });
  const { address } = serve(context);
  using proven = await RawClient.open(address);
  await proven.send(HEAD);
  await proven.readUntil((text) => text.includes("GET / a"));
  using silent = await RawClient.open(address);
  using half = await RawClient.open(address);
  await half.send("GET / HT");
  await until(() => context.connections === 3, "all are accepted");
  using fourth = await RawClient.open(address);
  await fourth.send(HEAD);
  assert.is(await silent.readToEnd(), "");
  assert.equal(statusesOf(await fourth.readUntil((text) => text.includes("GET / a"))), [200]);
  using fifth = await RawClient.open(address);
  await fifth.send(HEAD);
  assert.is(await half.readToEnd(), "");
  await fifth.readUntil((text) => text.includes("GET / a"));
  using sixth = await RawClient.open(address);
  await sixth.send(HEAD);
  await sixth.readUntil((text) => text.includes("GET / a"));
  // The one that was idle has gone.
  assert.equal(statusesOf(await proven.readToEnd()), [200]);
  for (const client of [fourth, fifth, sixth]) {
    await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1");
  }
  await until(() => context.bodies.usedBytes > 0, "requests are open");
  await new Promise((resolve) => setTimeout(resolve, 100));
  // A newcomer may be a peer, so one of those at work makes room, of which the newest passes its place on.
  using seventh = await RawClient.open(address);
  await seventh.send(HEAD);
  assert.equal(statusesOf(await sixth.readToEnd()), [200]);
  await seventh.readUntil((text) => text.includes("GET / a"));
  for (const client of [fourth, fifth]) {
    await client.send("23456789");
    assert.equal(statusesOf(await client.readUntil((text) => statusesOf(text).length === 2)), [200, 200]);
  }
  assert.equal(context.reached, Array(4).fill("connections"));
  assert.is(context.connections, 3);
});

test("whoever has been cut off finds a place again among connections that are idle", async () => {
  const context = new KnownContext({ limits: { ...LONG, connectionsMax: 4 } });
  const { address } = serve(context);
  const crowd: RawClient[] = [];
  for (let count = 0; count < 4; count++) {
    const client = await RawClient.open(address);
    crowd.push(client);
    await client.send(HEAD);
    await client.readUntil((text) => text.includes("GET / a"));
  }
  for (let count = 0; count < 3; count++) {
    using newcomer = await RawClient.open(address);
    await newcomer.send(HEAD);
    assert.equal(statusesOf(await newcomer.readUntil((text) => text.includes("GET / a"))), [200]);
  }
  for (const client of crowd) client.close();
});

test("whoever has shown who it is stands outside the bound", async () => {
  const context = new KnownContext({ limits: { ...LONG, connectionsMax: 2 } });
  const trusting: StreamHandler = {
    kind: "stream",
    isPatient: true,
    open: (_, answer) => {
      answer.start(200, []);
      return { chunk: () => answer.trust(), end: () => answer.end(), abort: () => {} };
    },
  };
  const { address } = serve(context, { route: () => trusting });
  const trusted: RawClient[] = [];
  while (trusted.length < 3) {
    const client = await RawClient.open(address);
    trusted.push(client);
    await client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
    await client.readUntil((text) => text.includes("200"));
  }
  // Two silent ones fill the bound; the third takes the place of the first.
  const silent = [];
  for (let count = 0; count < 3; count++) silent.push(await RawClient.open(address));
  assert.is(await silent[0]!.readToEnd(), "");
  await until(() => context.connections === 5, "three are trusted, two are silent");
  for (const client of trusted) {
    await client.send("0\r\n\r\n");
    assert.match(await client.readUntil((text) => text.endsWith("0\r\n\r\n")), /^HTTP\/1\.1 200/);
  }
  for (const client of [...trusted, ...silent]) client.close();
});

test("a crowd that says nothing keeps nobody out", async () => {
  const context = new KnownContext({ limits: { ...LONG, connectionsMax: 50 } });
  const { address } = serve(context);
  using proven = await RawClient.open(address);
  await proven.send(HEAD);
  await proven.readUntil((text) => text.includes("GET / a"));
  const crowd: RawClient[] = [];
  for (let round = 1; round <= 6; round++) {
    for (let count = 0; count < 50; count++) crowd.push(await RawClient.open(address));
    await proven.send(HEAD);
    await proven.readUntil((text) => statusesOf(text).length === round + 1);
    using newcomer = await RawClient.open(address);
    await newcomer.send(HEAD);
    assert.equal(statusesOf(await newcomer.readUntil((text) => text.includes("GET / a"))), [200]);
    assert.ok(context.connections <= 50);
  }
  assert.is(statusesOf(proven.received).length, 7);
  for (const client of crowd) client.close();
  await until(() => context.connections === 1, "the crowd has gone");
});

test.run();
