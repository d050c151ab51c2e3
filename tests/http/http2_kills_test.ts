/**
 * Sockets that are killed anywhere in a conversation of HTTP/2, with bodies under way and answers that wait
 * for a window: nothing is left of them, every handler hears of its end, and others are served as before.
 *
 * @module
 */

import { startHttp1 } from "../../server/http/h1/mod.ts";
import { FrameFlag, FrameType, SettingId } from "../../server/http/h2/frame.ts";
import { startHttp2 } from "../../server/http/h2/mod.ts";
import { type HttpRouter, type StreamHandler, TcpListener, webHandler } from "../../server/http/mod.ts";
import { assert, suite } from "../harness.ts";
import { until } from "../support/patience.ts";
import { KnownContext, MIRROR_HANDLER } from "./h1_fixture.ts";
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
import { fixedHandler, PREFACE_BYTES } from "./http2_peer.ts";
import { concatBytes } from "./memory_channel.ts";
import { RawClient } from "./raw_client.ts";

const test = suite("killed sockets of HTTP/2");
/** Sockets at a time. */
const PARALLEL = 16;
/** Smaller than every answer, so that answers wait. */
const WINDOW_BYTES = 4;

/** The head of a request for `path`. */
function head(stream: number, path: string, isEnd = false): Uint8Array {
  const fields = requestFields("POST").map(([name, value]) =>
    [name, name === ":path" ? path : value] as const
  );
  return headersFrame(stream, fields, isEnd);
}

/** Whole and streamed requests, two of them at a time, one that is reset, one in two blocks, and trailers. */
const CONVERSATION = concatBytes([
  PREFACE_BYTES,
  settingsFrame([SettingId.initialWindowSize, WINDOW_BYTES]),
  head(1, "/whole"),
  head(3, "/stream"),
  dataFrame(1, new Uint8Array(30)),
  dataFrame(3, new Uint8Array(20)),
  pingFrame(),
  dataFrame(1, new Uint8Array(10), true),
  head(5, "/web"),
  dataFrame(5, new Uint8Array(25), true),
  windowUpdateFrame(1, 2),
  resetFrame(3),
  frameBytes({ type: FrameType.headers, stream: 7, payload: headerBlock(requestFields("POST")) }),
  frameBytes({
    type: FrameType.continuation,
    flags: FrameFlag.endHeaders,
    stream: 7,
    payload: headerBlock([["a", "b"]]),
  }),
  dataFrame(7, new Uint8Array(15)),
  headersFrame(7, [["trailer", "x"]]),
  head(9, "/stream"),
  dataFrame(9, new Uint8Array(40)),
  head(11, "/large", true),
  head(13, "/held"),
  dataFrame(13, new Uint8Array(30)),
  dataFrame(13, new Uint8Array(10)),
  windowUpdateFrame(0, 100),
]);

/** Answers with more than a connection may hold without a place in the budget. */
const LARGE = fixedHandler(new Uint8Array(50_000));

/** Streams that were opened and what became of them. */
class Streams {
  opened = 0;
  ended = 0;

  /** Answers each piece of a body with itself, or takes one and wants no further ones. */
  readonly handler: StreamHandler = {
    kind: "stream",
    isPatient: false,
    open: ({ target }, answer) => {
      this.opened++;
      answer.start(200, []);
      return {
        chunk: (bytes) => target === "/held" ? new Promise(() => {}) : answer.write(bytes.slice()),
        end: () => {
          this.ended++;
          answer.end();
        },
        abort: () => void this.ended++,
      };
    },
  };
}

/** Kills a socket behind each byte of the conversation and returns what is left, which must be nothing. */
async function killAll({ isReading }: { readonly isReading: boolean }): Promise<Streams> {
  const streams = new Streams();
  const context = new KnownContext({ bodyBytes: 10_000_000, answerBytes: 10_000_000 });
  const protocols = { http1: startHttp1, http2: startHttp2 };
  const listener = new TcpListener({ hostname: "127.0.0.1", port: 0, context, ...protocols });
  const web = webHandler((request) => new Response(request.body));
  const router: HttpRouter = {
    route: ({ target }) => {
      if (target === "/large") return LARGE;
      if (target === "/web") return web;
      return target === "/stream" || target === "/held" ? streams.handler : MIRROR_HANDLER;
    },
  };
  listener.router = router;
  let cut = 0;
  const killNext = async () => {
    while (cut <= CONVERSATION.length) {
      const client = await RawClient.open(listener.address);
      const bytes = CONVERSATION.subarray(0, cut++);
      await client.send(bytes);
      if (isReading && bytes.length > PREFACE_BYTES.length) await client.readSome();
      client.close();
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, killNext));
  await until(() => context.connections === 0, () => `all have ended: ${context.connections} have not`);
  const heldBytes = () => context.bodies.usedBytes + context.answers.usedBytes;
  await until(() => heldBytes() === 0, () => `all memory is given back: ${heldBytes()} bytes are not`);
  await until(() => streams.ended === streams.opened, "every handler has heard of the end");
  const response = await fetch(`http://${listener.address}/web`, { method: "POST", body: "still here" });
  assert.is(await response.text(), "still here");
  await listener.close();
  assert.equal(context.reached, []);
  return streams;
}

test("a connection that is killed behind any byte leaves nothing behind", async () => {
  const { opened } = await killAll({ isReading: false });
  assert.ok(opened > 0, "requests came through before their end");
});

test("nor does one that has read part of its answers", async () => {
  const { opened } = await killAll({ isReading: true });
  assert.ok(opened > CONVERSATION.length / 2, `requests came through: ${opened}`);
});

test.run();
