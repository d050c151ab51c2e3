/**
 * Handlers that break their promises: what they throw or answer wrongly costs their caller its connection,
 * and never the process.
 *
 * @module
 */

import type { AnswerStream, HttpRouter, StreamHandler, WholeAnswer } from "../../server/http/mod.ts";
import { webHandler } from "../../server/http/mod.ts";
import { assert, suite } from "../harness.ts";
import {
  KnownContext,
  MIRROR_HANDLER,
  MIRROR_ROUTER,
  plain,
  request,
  ScriptedConnection,
  statusesOf,
  wholeRouter,
} from "./h1_fixture.ts";
import { handled } from "./h1_streams.ts";
import { allSettled, utf8Bytes } from "./scripted_channel.ts";

const test = suite("mistakes of handlers");
const HOST = "Host: a";
const GET = request(["GET / HTTP/1.1", HOST]);
/** Answers that are none, whatever the types say. */
const WRONG_ANSWERS: readonly unknown[] = [
  undefined,
  null,
  { status: 200, headers: undefined, body: utf8Bytes("x") },
  { status: 200, headers: [["a"]], body: utf8Bytes("x") },
  { status: 200, headers: [], body: undefined },
];
/** Cannot be made a string. */
const WORDLESS: unknown = Object.create(null);

const escaped: unknown[] = [];
globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  escaped.push(event.reason);
});
globalThis.addEventListener("error", (event) => {
  event.preventDefault();
  escaped.push(event.error);
});

/** The connection has ended, has given everything back, and nothing came to the process. */
async function endsAlone(peer: ScriptedConnection, name: string): Promise<void> {
  await allSettled();
  // Errors that nobody caught are told in a turn of their own.
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(escaped.splice(0), [], name);
  assert.ok(peer.isOver && peer.channel.isClosed, name);
  assert.is(peer.context.bodies.usedBytes + peer.context.answers.usedBytes, 0, name);
}

test("a whole answer that is none ends its connection, at once or later", async () => {
  for (const wrong of WRONG_ANSWERS) {
    for (const answer of [wrong, Promise.resolve(wrong)]) {
      const peer = new ScriptedConnection(wholeRouter(() => answer as WholeAnswer));
      await peer.send(request(["POST / HTTP/1.1", HOST, "Content-Length: 2"], "ab") + GET);
      await endsAlone(peer, JSON.stringify(wrong) ?? "undefined");
      assert.equal(statusesOf(peer.channel.sent), []);
    }
  }
});

test("a refusal that throws ends its connection", async () => {
  const refuse = () => {
    throw new Error("broken");
  };
  const peer = new ScriptedConnection({ route: () => ({ ...MIRROR_HANDLER, bodyLimitBytes: 1, refuse }) });
  await peer.send(request(["POST / HTTP/1.1", HOST, "Content-Length: 2"]));
  await endsAlone(peer, "refuse");
});

test("a handler that throws while it is told that its caller has left harms nobody", async () => {
  const peer = new ScriptedConnection({
    route: () => ({
      ...MIRROR_HANDLER,
      answer: (_head, _body, caller) => {
        caller.onLeave = () => {
          throw new Error("broken");
        };
        return new Promise(() => {});
      },
    }),
  });
  await peer.send(GET);
  peer.channel.breakOff();
  await endsAlone(peer, "onLeave");
});

test("what cannot be made a string may be thrown, too", async () => {
  const rejecting = new ScriptedConnection(wholeRouter(() => Promise.reject(WORDLESS)));
  assert.equal(statusesOf(await rejecting.send(GET + GET)), [500, 500]);
  const web = webHandler(() => {
    throw WORDLESS;
  });
  const throwing = new ScriptedConnection({ route: () => web });
  assert.equal(statusesOf(await throwing.send(GET + GET)), [500, 500]);
  const unopened: StreamHandler = {
    kind: "stream",
    isPatient: false,
    open: () => {
      throw WORDLESS;
    },
  };
  assert.equal(statusesOf(await new ScriptedConnection({ route: () => unopened }).send(GET)), [500]);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(escaped.splice(0), []);
});

/** What streamed handlers may do wrong. */
const WRONG_STREAMS: Readonly<Record<string, (answer: AnswerStream) => void>> = {
  "headers that are none": (answer) => answer.start(200, undefined!),
  "a field without a value": (answer) => answer.start(200, [["a"] as never]),
  "a piece that is none": (answer) => {
    answer.start(200, []);
    void answer.write(undefined!);
  },
  "headers that are none, and an end": (answer) => {
    answer.start(200, undefined!);
    answer.end();
  },
};

test("a streamed answer that is none ends its connection", async () => {
  for (const [name, act] of Object.entries(WRONG_STREAMS)) {
    const { router, streams } = handled();
    const peer = new ScriptedConnection(router);
    await peer.send(GET);
    act(streams[0]!.answer);
    await endsAlone(peer, name);
    assert.ok(streams[0]!.reason, name);
  }
});

test("a mistake behind a wait ends its connection: of a sink, of a reader, of the time", async () => {
  const failing: HttpRouter = {
    route: () => ({ ...MIRROR_HANDLER, bodyLimitBytes: 1, refuse: () => undefined as never }),
  };
  const post = request(["POST / HTTP/1.1", HOST, "Content-Length: 9"]);
  // Behind unread answers the next request waits.
  const routers = [wholeRouter(() => plain(200, "x".repeat(70_000))), failing];
  const unread = new ScriptedConnection({ route: (head) => routers.shift()!.route(head) });
  unread.channel.isRead = false;
  await unread.send(GET + post);
  unread.channel.takeAll();
  await endsAlone(unread, "unread");
  // A sink that has held back is followed by a request.
  let goOn = () => {};
  const holding: StreamHandler = {
    kind: "stream",
    isPatient: false,
    open: (_head, answer) => ({
      chunk: () => new Promise<void>((resolve) => goOn = resolve),
      end: () => {
        answer.start(200, []);
        answer.end();
      },
      abort: () => {},
    }),
  };
  let asked = 0;
  const held = new ScriptedConnection({ route: (head) => asked++ === 0 ? holding : failing.route(head) });
  await held.send(request(["POST / HTTP/1.1", HOST, "Content-Length: 1"], "x") + post);
  goOn();
  await endsAlone(held, "held");
  // A counter that throws is asked by the time.
  const context = new KnownContext();
  context.observeLimit = () => {
    throw new Error("broken");
  };
  const late = new ScriptedConnection(MIRROR_ROUTER, context);
  await late.send("GET / HT");
  await late.patrol.pass(20_000);
  await endsAlone(late, "late");
});

test.run();
