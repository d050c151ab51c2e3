/**
 * Sockets that are killed behind each byte of an answer, by both versions of HTTP: one that came at once, and
 * one that is still being written. Nothing is left of them, and every handler hears that its caller has gone.
 *
 * @module
 */

import { startHttp1 } from "../../server/http/h1/mod.ts";
import { FrameFlag, FrameType } from "../../server/http/h2/frame.ts";
import { startHttp2 } from "../../server/http/h2/mod.ts";
import { type HttpRouter, type StreamHandler, TcpListener } from "../../server/http/mod.ts";
import { assert, suite } from "../harness.ts";
import { pause, until } from "../support/patience.ts";
import { KnownContext, MIRROR_HANDLER } from "./h1_fixture.ts";
import { headersFrame, requestFields, settingsFrame } from "./http2_frames.ts";
import { PREFACE_BYTES } from "./http2_peer.ts";
import { concatBytes } from "./memory_channel.ts";
import { RawClient } from "./raw_client.ts";
import { latinBytes } from "./scripted_channel.ts";

const test = suite("sockets killed in answers");
/** Bytes of the answer that is written one by one. */
const SLOW_BYTES = 40;
/** Where an answer is written as slowly, but ends only when its caller has gone. */
const HELD_PATH = "/held";
/** Sockets at a time. */
const PARALLEL = 8;

/** Answers that are written byte by byte, and what became of them. */
class SlowAnswers {
  opened = 0;
  completed = 0;
  /** Answers whose caller had gone before they were complete. */
  left = 0;

  readonly handler: StreamHandler = {
    kind: "stream",
    isPatient: false,
    open: ({ target }, answer) => {
      this.opened++;
      let hasLeft = false;
      const write = async () => {
        answer.start(200, []);
        for (let sent = 0; sent < SLOW_BYTES && !hasLeft; sent++) {
          await answer.write(Uint8Array.of(97 + sent % 26));
          await pause(0);
        }
        if (hasLeft || target === HELD_PATH) return;
        this.completed++;
        answer.end();
      };
      void write();
      const abort = () => {
        if (!hasLeft) this.left++;
        hasLeft = true;
      };
      return { chunk: () => {}, end: () => {}, abort };
    },
  };
}

/** One way to ask. */
interface Version {
  readonly name: string;
  readonly request: (path: string) => Uint8Array;
  /** Whether an answer is complete, by all that came. */
  readonly isComplete: (received: string) => boolean;
  /** Bytes that end an answer behind the last one of its body. */
  readonly endBytes: number;
}

const FRAME_HEAD_BYTES = 9;

const VERSIONS: readonly Version[] = [
  {
    name: "HTTP/1.1",
    request: (path) => latinBytes(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`),
    isComplete: (received) => received.endsWith("0\r\n\r\n") || received.endsWith(" a "),
    endBytes: "0\r\n\r\n".length,
  },
  {
    name: "HTTP/2",
    request: (path) => {
      const fields = requestFields("GET").map(([name, value]) =>
        [name, name === ":path" ? path : name === ":authority" ? "a" : value] as const
      );
      return concatBytes([PREFACE_BYTES, settingsFrame(), headersFrame(1, fields)]);
    },
    isComplete: hasEndOfStream,
    endBytes: FRAME_HEAD_BYTES,
  },
];

/** Whether a frame that ends its stream has come. */
function hasEndOfStream(received: string): boolean {
  for (let at = 0; at + FRAME_HEAD_BYTES <= received.length;) {
    const [high, middle, low, type, flags] = Array.from(
      received.slice(at, at + 5),
      (each) => each.charCodeAt(0),
    );
    at += FRAME_HEAD_BYTES + (high! << 16) + (middle! << 8) + low!;
    const canEnd = type === FrameType.data || type === FrameType.headers;
    if (canEnd && (flags! & FrameFlag.endStream) !== 0) return at <= received.length;
  }
  return false;
}

for (const version of VERSIONS) {
  for (const path of ["/whole", "/slow"]) {
    test(`a connection by ${version.name} that is killed behind each byte of ${path}`, () =>
      killAll(version, path));
  }
}

async function killAll({ request, isComplete, endBytes }: Version, path: string): Promise<void> {
  const slow = new SlowAnswers();
  const context = new KnownContext();
  const protocols = { http1: startHttp1, http2: startHttp2 };
  const listener = new TcpListener({ hostname: "127.0.0.1", port: 0, context, ...protocols });
  const router: HttpRouter = {
    route: ({ target }) => target === "/slow" || target === HELD_PATH ? slow.handler : MIRROR_HANDLER,
  };
  listener.router = router;
  const ask = async (read: (client: RawClient) => Promise<unknown>, target = path) => {
    using client = await RawClient.open(listener.address);
    await client.send(request(target));
    await read(client);
    return client.received;
  };
  const whole = await ask((client) => client.readUntil(isComplete));
  const heldBytes = path === "/slow" ? whole.length - endBytes : 0;
  let cut = 0;
  const killNext = async () => {
    while (cut < whole.length) {
      const bytes = cut++;
      // However fast the machine writes, nothing but the kill ends an answer that is held.
      const target = bytes <= heldBytes && heldBytes > 0 ? HELD_PATH : path;
      const received = await ask((client) => client.readExactly(bytes), target);
      assert.is(received.length, bytes);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, killNext));
  await until(() => context.connections === 0, () => `all have ended: ${context.connections} have not`);
  await until(() => slow.completed + slow.left >= slow.opened, "every handler is done or told");
  assert.is(context.bodies.usedBytes + context.answers.usedBytes, 0, "all memory is given back");
  if (heldBytes > 0) assert.ok(slow.left > heldBytes, `${slow.left} callers had gone before the end`);
  assert.is((await ask((client) => client.readUntil(isComplete))).length, whole.length, "others are served");
  assert.equal(context.reached, []);
  await listener.close();
}

test.run();
