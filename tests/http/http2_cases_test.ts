/**
 * The table of `http2_cases.ts` against the server, and against servers with planted bugs, so that the table
 * is known to catch them.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { Planter } from "../mutants/planter.ts";
import type { Http2Case } from "./http2_case.ts";
import { HTTP2_CASES } from "./http2_cases.ts";
import { headersFrame, pingFrame, requestFields, settingsFrame } from "./http2_frames.ts";
import { type Http2PeerOptions, openHttp2Peer, PREFACE_BYTES } from "./http2_peer.ts";
import { concatBytes } from "./memory_channel.ts";

const test = suite("http2 cases");
const text = new TextEncoder();

for (const each of HTTP2_CASES) {
  test(each.id, async () => assert.is(await outcome(each), each.says));
}

/** Cases of h2spec 2.6.0 with `--strict`, by section. */
const SECTIONS: Readonly<Record<string, number>> = {
  "generic/1": 1,
  "generic/2": 5,
  "generic/3.1": 3,
  "generic/3.2": 3,
  "generic/3.3": 5,
  "generic/3.4": 1,
  "generic/3.5": 1,
  "generic/3.7": 1,
  "generic/3.8": 1,
  "generic/3.9": 2,
  "generic/3.10": 2,
  "generic/4": 4,
  "generic/5": 15,
  "http2/3.5": 2,
  "http2/4.1": 3,
  "http2/4.2": 3,
  "http2/4.3": 3,
  "http2/5.1": 13,
  "http2/5.1.1": 2,
  "http2/5.1.2": 1,
  "http2/5.3.1": 2,
  "http2/5.4.1": 2,
  "http2/5.5": 2,
  "http2/6.1": 3,
  "http2/6.2": 4,
  "http2/6.3": 2,
  "http2/6.4": 3,
  "http2/6.5": 3,
  "http2/6.5.2": 5,
  "http2/6.5.3": 2,
  "http2/6.7": 4,
  "http2/6.8": 1,
  "http2/6.9": 3,
  "http2/6.9.1": 3,
  "http2/6.9.2": 3,
  "http2/6.10": 6,
  "http2/7": 2,
  "http2/8.1": 1,
  "http2/8.1.2": 1,
  "http2/8.1.2.1": 4,
  "http2/8.1.2.2": 2,
  "http2/8.1.2.3": 7,
  "http2/8.1.2.6": 2,
  "http2/8.2": 1,
  "hpack/2.3.3": 2,
  "hpack/4.2": 1,
  "hpack/5.2": 3,
  "hpack/6.1": 1,
  "hpack/6.3": 1,
};
/** The two cases whose client is no ordinary one; they have a test each, below. */
const OPENING_CASES = ["http2/3.5/1", "http2/3.5/2"];

test("every case of h2spec is there, and is there once", () => {
  const wanted = Object.entries(SECTIONS).flatMap(([section, count]) =>
    Array.from({ length: count }, (_, at) => `${section}/${at + 1}`)
  );
  assert.is(wanted.length, 147);
  const ids = [...OPENING_CASES, ...HTTP2_CASES.map(({ id }) => id).filter((id) => /^[a-z]+\d?\//.test(id))];
  assert.equal(ids.toSorted(), wanted.toSorted());
});

test("http2/3.5/1: the settings of the server come first", async () => {
  const peer = await openHttp2Peer({ isSilent: true });
  await peer.send(PREFACE_BYTES, settingsFrame(), pingFrame());
  assert.equal(peer.takeLines(), ["SETTINGS", "WINDOW_UPDATE 0 16711681", "SETTINGS ACK", "PING ACK"]);
  await peer.leave();
});

test("http2/3.5/2: another preface ends the connection", async () => {
  const peer = await openHttp2Peer({ isSilent: true });
  await peer.send(text.encode("INVALID CONNECTION PREFACE\r\n\r\n"));
  assert.is(peer.takeLines().at(-1), "GOAWAY PROTOCOL_ERROR");
  await peer.leave();
});

test("a first frame that is not SETTINGS ends the connection", async () => {
  for (const frame of [headersFrame(1, requestFields("GET")), pingFrame()]) {
    const peer = await openHttp2Peer({ isSilent: true });
    await peer.send(PREFACE_BYTES, frame);
    assert.is(peer.takeLines().at(-1), "GOAWAY PROTOCOL_ERROR");
    await peer.leave();
  }
});

// But for those where a window changes while an answer waits: what comes in one chunk counts together.
test("all cases say the same whichever way their chunks are cut", async () => {
  for (const each of HTTP2_CASES) {
    if (!each.id.startsWith("http2/6.9.2/")) {
      assert.is(
        await outcome({ ...each, sends: [concatBytes(each.sends)] }),
        each.says,
        `${each.id}, in one`,
      );
    }
    const bytes = concatBytes(each.sends);
    if (bytes.length > 500) continue;
    const single = Array.from(bytes, (byte) => Uint8Array.of(byte));
    assert.is(await outcome({ ...each, sends: single }), each.says, `${each.id}, byte by byte`);
  }
});

const SESSION = "server/http/h2/session.ts";
const BUGS = [
  {
    name: "padding is not counted in flow control",
    edits: [{
      file: SESSION,
      find: "stream.receiveWindow -= payload.length;",
      replace: "stream.receiveWindow -= withoutPadding(frame).length;",
    }],
  },
  {
    name: "the order of stream ids is not checked",
    edits: [{
      file: SESSION,
      find: "if (streamId <= this.#lastStreamId) return this.#takeLateHeaders(streamId);",
      replace: "",
    }],
  },
  {
    name: "credit of 0 is accepted",
    edits: [{
      file: "server/http/h2/control_frames.ts",
      find: "if (increment === 0) this.#host.reset(stream, Http2Code.protocolError);",
      replace: "if (increment === 0) return;",
    }],
  },
  {
    name: "a smaller initial window does not reach open streams",
    edits: [{
      file: "server/http/h2/answer_sender.ts",
      find: "if (change === 0) return;",
      replace: "if (change <= 0) return;",
    }],
  },
];

for (const bug of BUGS) {
  test(`the table catches a planted bug: ${bug.name}`, async () => {
    using planter = new Planter(["server/http"]);
    const room = await import(new URL("server/http/h2/mod.ts", planter.plant(bug)).href);
    const caught: string[] = [];
    for (const each of HTTP2_CASES) {
      if (await outcome(each, { room }) !== each.says) caught.push(each.id);
    }
    assert.ok(caught.length > 0 && caught.length < 12, `caught by ${caught.join(", ") || "nothing"}`);
    console.log(`${bug.name}: caught by ${caught.join(", ")}`);
  });
}

test.run();

async function outcome({ sends, options }: Http2Case, more: Http2PeerOptions = {}): Promise<string> {
  const peer = await openHttp2Peer({ ...options, ...more });
  for (const bytes of sends) peer.channel.feed(bytes);
  await peer.settle();
  await peer.settle();
  await peer.leave();
  assert.is(peer.bodies.usedBytes, 0, "bodies are given back");
  assert.is(peer.answers.usedBytes, 0, "answers are given back");
  return peer.takeLines().join(", ");
}
