/**
 * Bodies that come in: by length and in chunks, cut anywhere, within their limits and their share of memory.
 *
 * @module
 */

import type { RequestHead } from "../../server/http/mod.ts";
import { CHUNK_EXTRA_BYTES_MAX } from "../../server/http/h1/message/mod.ts";
import { assert, suite } from "../harness.ts";
import {
  bodyOf,
  KnownContext,
  MIRROR_HANDLER,
  plain,
  request,
  ScriptedConnection,
  statusesOf,
} from "./h1_fixture.ts";
import { allSettled } from "./scripted_channel.ts";
import { collecting } from "./h1_streams.ts";

const test = suite("bodies of HTTP/1.1");
const HOST = "Host: a";
const NEXT = request(["GET /next HTTP/1.1", HOST]);

function byLength(body: string): string {
  return request(["POST /l HTTP/1.1", HOST, `Content-Length: ${body.length}`], body);
}

function inChunks(text: string): string {
  return request(["POST /c HTTP/1.1", HOST, "Transfer-Encoding: Chunked"], text);
}

/** Requests with the body that they have. */
const BODIES: readonly (readonly [text: string, body: string])[] = [
  [byLength("hello"), "POST /l a hello"],
  [inChunks("5\r\nhello\r\n0\r\n\r\n"), "POST /c a hello"],
  [inChunks("3\r\nhel\r\n002\r\nlo\r\n000\r\n\r\n"), "POST /c a hello"],
  [inChunks('A;a=b;c="d"\r\n0123456789\r\n0;x\r\n\r\n'), "POST /c a 0123456789"],
  [inChunks("1\r\na\r\n0\r\nTrailer: x\r\nB: y\r\n\r\n"), "POST /c a a"],
  [inChunks("1 ;a\r\na\r\n0 \t;b\r\n\r\n"), "POST /c a a"],
  [inChunks("0\r\nA:\r\n!b:c : d\r\n\r\n"), "POST /c a "],
  [inChunks("0\r\n\r\n"), "POST /c a "],
];

test("a body is the same however it is cut, for both kinds of handlers", async () => {
  for (const [text, told] of BODIES) {
    for (let cut = 1; cut <= text.length; cut++) {
      const peer = new ScriptedConnection();
      const sent = await peer.send(text.slice(0, cut), text.slice(cut) + NEXT);
      assert.equal(statusesOf(sent), [200, 200], `${told} cut at ${cut}`);
      assert.is(bodyOf(sent).slice(0, told.length), told, `${told} cut at ${cut}`);
      assert.is(peer.context.bodies.usedBytes, 0);
    }
    const { router, bodies } = collecting();
    const peer = new ScriptedConnection(router);
    await peer.send(...text, ...NEXT);
    assert.equal(bodies, [told.replace(/^\S+ \S+ \S+ /, ""), ""], told);
  }
});

/** Bodies that are no bodies. */
const BROKEN: readonly string[] = [
  "x\r\n",
  "\r\n",
  "-1\r\n",
  "0x1\r\na\r\n",
  "1 \r\na\r\n",
  " 1\r\na\r\n",
  "1\na\r\n",
  "1\rXa\r\n",
  "1\r\nab\r\n",
  "1\r\na\n",
  "1\r\na\rX",
  "12345678901234\r\n",
  "1;a\nb\r\na\r\n",
  "1;\0\r\na\r\n",
  "0\r\nA: \x01\r\n\r\n",
  "0\r\nA: b\n\r\n",
  "0\r\nGET / HTTP/1.1\r\n\r\n",
  "0\r\nA\r\n\r\n",
  "0\r\nA : b\r\n\r\n",
  "0\r\nA: b\r\n c\r\n\r\n",
  "0\r\n: b\r\n\r\n",
  "1 \t\r\na\r\n",
  "1 a;\r\na\r\n",
  `1${" ".repeat(CHUNK_EXTRA_BYTES_MAX)};\r\na\r\n`,
  "0\r\n\n",
  `1;${"x".repeat(CHUNK_EXTRA_BYTES_MAX + 1)}\r\na\r\n`,
  `0\r\nA: ${"x".repeat(CHUNK_EXTRA_BYTES_MAX)}\r\n\r\n`,
  `${`1;${"x".repeat(99)}\r\na\r\n`.repeat(CHUNK_EXTRA_BYTES_MAX / 99 + 1)}0\r\n\r\n`,
];

test("chunks that are none, and too much around them, are refused, and the connection ends", async () => {
  for (const body of BROKEN) {
    const whole = new ScriptedConnection();
    assert.equal(
      statusesOf(await whole.send(inChunks(body) + NEXT)),
      [400],
      JSON.stringify(body.slice(0, 20)),
    );
    assert.ok(whole.channel.hasEndedWriting);
    assert.is(whole.context.bodies.usedBytes, 0);
    const { router, reasons } = collecting();
    const streamed = new ScriptedConnection(router);
    assert.equal(statusesOf(await streamed.send(inChunks(body) + NEXT)), [400]);
    assert.is(reasons.length, 1);
  }
});

test("a refusal has no body where the request was HEAD, and has one where that is not known", async () => {
  const broken = request(["HEAD / HTTP/1.1", HOST, "Transfer-Encoding: chunked"], "x\r\n");
  const late = await new ScriptedConnection().send(broken);
  assert.equal(statusesOf(late), [400]);
  assert.is(bodyOf(late), "");
  const served = request(["HEAD / HTTP/1.1", HOST]);
  const next = await new ScriptedConnection().send(served, "x\r\n\r\n");
  assert.equal(statusesOf(next), [200, 400]);
  assert.ok(next.endsWith("each\n"));
});

test("a body beyond its handler's limit is answered at once, and not read", async () => {
  const router = { route: () => ({ ...MIRROR_HANDLER, bodyLimitBytes: 10 }) };
  const long = new ScriptedConnection(router);
  const sent = await long.send(request(["POST / HTTP/1.1", HOST, "Content-Length: 11"], "0"));
  assert.equal(statusesOf(sent), [413]);
  assert.match(sent, "connection: close");
  const inPieces = new ScriptedConnection(router);
  assert.equal(statusesOf(await inPieces.send(inChunks("6\r\n012345\r\n5\r\n67890"))), [413]);
  assert.equal(statusesOf(await new ScriptedConnection(router).send(byLength("0123456789"))), [200]);
  // What has come already is read over, and then there is no reason to close.
  const short = new ScriptedConnection(router);
  assert.equal(statusesOf(await short.send(byLength("01234567890"), NEXT)), [413, 200]);
});

test("a body reserves its place as it comes or is refused at once, and gives it back", async () => {
  const context = new KnownContext({ bodyBytes: 1_500 });
  const first = new ScriptedConnection(undefined, context);
  await first.send(request(["POST / HTTP/1.1", HOST, "Content-Length: 1000"], "0"));
  assert.is(context.bodies.usedBytes, 1_000);
  const second = new ScriptedConnection(undefined, context);
  const head = request(["POST / HTTP/1.1", HOST, "Content-Length: 501"]);
  assert.equal(statusesOf(await second.send(head)), []);
  assert.equal(statusesOf(await second.send("0")), [503]);
  const inOnePiece = new ScriptedConnection(undefined, context);
  assert.equal(statusesOf(await inOnePiece.send(byLength("x".repeat(4_097)))), [503]);
  const small = new ScriptedConnection(undefined, context);
  assert.equal(statusesOf(await small.send(byLength("x".repeat(4_096)))), [200], "it lies there anyway");
  assert.is(context.bodies.usedBytes, 1_000);
  const third = new ScriptedConnection(undefined, context);
  assert.equal(statusesOf(await third.send(inChunks("1\r\n0\r\n"))), [503]);
  assert.equal(context.reached, ["bodies", "bodies", "bodies"]);
  first.channel.breakOff();
  await allSettled();
  assert.is(context.bodies.usedBytes, 0);
  assert.equal(statusesOf(await new ScriptedConnection(undefined, context).send(byLength("0123"))), [200]);
  assert.is(context.bodies.usedBytes, 0);
});

test("a body of single bytes takes no more than twice its size", async () => {
  const context = new KnownContext({ bodyBytes: 10_000 });
  const peer = new ScriptedConnection(undefined, context);
  await peer.send(inChunks("1\r\nx\r\n".repeat(4_900)));
  assert.ok(context.bodies.usedBytes >= 4_900 && context.bodies.usedBytes <= 9_800);
  assert.equal(statusesOf(await peer.send("0\r\n\r\n")), [200]);
  assert.is(context.bodies.usedBytes, 0);
});

test("who waits to be told to send a body is told so, unless the answer is there already", async () => {
  const head = (length: number) =>
    request(["POST / HTTP/1.1", HOST, `Content-Length: ${length}`, "Expect: 100-Continue"]);
  const peer = new ScriptedConnection();
  assert.is(await peer.send(head(2)), "HTTP/1.1 100 Continue\r\n\r\n");
  assert.equal(statusesOf(await peer.send("ab")), [100, 200]);
  // Who sends it all the same, or has nothing to send, is told nothing.
  assert.equal(statusesOf(await new ScriptedConnection().send(head(2) + "ab")), [200]);
  assert.equal(statusesOf(await new ScriptedConnection().send(head(0))), [200]);
  // A list may have empty members, and be written in several fields.
  const twice = head(2).replace("\r\n\r\n", " ,\r\nExpect: ,100-continue\r\n\r\n");
  assert.equal(statusesOf(await new ScriptedConnection().send(twice)), [100]);
  const odd = head(2).replace("100-Continue", "100-continue\xa0");
  assert.equal(statusesOf(await new ScriptedConnection().send(odd)), [417]);
  const empty = head(2).replace("100-Continue", "");
  assert.is(await new ScriptedConnection().send(empty), "");
  assert.equal(statusesOf(await new ScriptedConnection().send(head(2_000_000))), [413]);
  const old = head(2).replace("HTTP/1.1", "HTTP/1.0");
  assert.is(await new ScriptedConnection().send(old), "");
  const { router } = collecting();
  assert.equal(statusesOf(await new ScriptedConnection(router).send(head(2), "ab")), [100, 200]);
  const early = new ScriptedConnection(collecting({ isEarly: true }).router);
  assert.equal(statusesOf(await early.send(head(2))), [200]);
});

test("a head that is answer enough is answered at once, and with its body here the connection goes on", async () => {
  const context = new KnownContext();
  const handler = {
    ...MIRROR_HANDLER,
    refuseHead: ({ target }: RequestHead) => target === "/next" ? undefined : plain(403, "no"),
  };
  const open = () => new ScriptedConnection({ route: () => handler }, context);
  const head = byLength("0123").replace("0123", "");
  const late = await open().send(head);
  assert.equal(statusesOf(late), [403]);
  assert.match(late, /\r\nconnection: close\r\n/i);
  assert.equal(statusesOf(await open().send(head, "0123", NEXT)), [403]);
  assert.equal(statusesOf(await open().send(byLength("0123") + NEXT)), [403, 200]);
  const waiting = head.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
  assert.equal(statusesOf(await open().send(waiting)), [403]);
  assert.is(context.bodies.usedBytes, 0);
  const throws = (): never => {
    throw new Error("broken");
  };
  const broken = new ScriptedConnection({ route: () => ({ ...MIRROR_HANDLER, refuseHead: throws }) });
  assert.equal(statusesOf(await broken.send(head)), [500]);
});

test("a sink that holds back is given nothing more until it goes on", async () => {
  const { router, bodies, pieces, goOn } = collecting({ isHolding: true });
  const peer = new ScriptedConnection(router);
  await peer.send(inChunks("1\r\na\r\n1\r\nb\r\n"), "1\r\nc\r\n0\r\n\r\n");
  assert.equal(pieces, ["a"]);
  goOn();
  await allSettled();
  assert.equal(pieces, ["a", "b"]);
  goOn();
  await allSettled();
  goOn();
  await allSettled();
  assert.equal(bodies, ["abc"]);
  assert.equal(statusesOf(peer.channel.sent), [200]);
});

test("a handler that throws costs its caller an answer and nobody else anything", async () => {
  const failing = { ...MIRROR_HANDLER, answer: () => Promise.reject(new Error("broken")) };
  const rejecting = new ScriptedConnection({ route: () => failing });
  assert.equal(statusesOf(await rejecting.send(NEXT + NEXT)), [500, 500]);
  const throwing = new ScriptedConnection({
    route: ({ target }) => ({
      ...MIRROR_HANDLER,
      answer: () => {
        if (target === "/next") throw new Error("broken");
        return plain(200, "");
      },
    }),
  });
  assert.equal(statusesOf(await throwing.send(NEXT + byLength("x"))), [500, 200]);
  const unrouted = new ScriptedConnection({
    route: () => {
      throw new Error("broken");
    },
  });
  assert.equal(statusesOf(await unrouted.send(NEXT + byLength("x") + NEXT)), [500, 500, 500]);
  const unopened = new ScriptedConnection({
    route: () => ({
      kind: "stream",
      isPatient: false,
      open: () => {
        throw new Error("broken");
      },
    }),
  });
  assert.equal(statusesOf(await unopened.send(NEXT + byLength("x") + NEXT)), [500, 500, 500]);
});

test.run();
