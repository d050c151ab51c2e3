/**
 * Conversations of chance with a server of HTTP/2: frames that are nearly right, cut and broken anywhere. A
 * connection must end or go on, with all that was taken of the budgets given back; it must never fail, hang
 * or grow.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import type { StreamHandler, WholeHandler } from "../../server/http/exchange.ts";
import { FrameFlag, FrameType } from "../../server/http/h2/frame.ts";
import { Growth } from "../support/growth.ts";
import { PROOF_LIMIT_MS, proofSize } from "../support/proof_size.ts";
import { SeededRandom } from "../support/seeded_random.ts";
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
import { CountingBudget, echoHandler, openHttp2Peer } from "./http2_peer.ts";
import { concatBytes } from "./memory_channel.ts";

const test = suite("http2 fuzz");
/** Each has up to 40 frames. */
const CONVERSATIONS = proofSize("conversations");
/** At a time: most of their time they wait for the turns of the event loop. */
const PARALLEL = 16;
const FIRST_SEED = 9113;

test("conversations of chance end in order", async () => {
  let ended = 0;
  let begun = 0;
  const growth = new Growth(CONVERSATIONS);
  const converseOn = async () => {
    while (begun < CONVERSATIONS) {
      const seed = FIRST_SEED + begun++;
      try {
        if (await converse(new SeededRandom(seed))) ended++;
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
      growth.note();
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, converseOn));
  console.log(`${CONVERSATIONS} conversations, ${ended} ended by the server; ${growth.check()}`);
  assert.ok(ended > CONVERSATIONS / 20 && ended < CONVERSATIONS * 0.95, "both happen");
}, { limitMs: PROOF_LIMIT_MS });

test.run();

/** @returns whether the server ended the connection */
async function converse(random: SeededRandom): Promise<boolean> {
  const bodies = new CountingBudget(random.pick([1e6, 20_000]));
  const answers = new CountingBudget(random.pick([1e6, 20_000]));
  const violations: string[] = [];
  const handler = random.pick([echoHandler(50_000), slowEcho(random), streamedEcho(random, violations)]);
  const limits = { streamsMax: random.pick([3, 100]), headBytesMax: random.pick([300, 65_536]) };
  const peer = await openHttp2Peer({ bodies, answers, handler, limits });
  const isBreaking = random.chance(40);
  const count = random.below(40);
  const ids = { last: -1 };
  for (let sent = 0; sent < count; sent++) {
    const frame = chanceFrame(random, ids);
    if (isBreaking && random.chance(10)) frame[random.below(frame.length)] = random.below(256);
    const cut = random.below(frame.length + 1);
    if (cut > 0) peer.channel.feed(frame.slice(0, cut));
    if (cut < frame.length) peer.channel.feed(frame.slice(cut));
    if (random.chance(30)) await Promise.resolve();
    if (random.chance(10)) peer.channel.setReading(random.chance(50));
  }
  await new Promise((resolve) => setTimeout(resolve, 0));
  const isEnded = peer.channel.hasEndedWriting;
  assert.ok(peer.connection.openStreams <= limits.streamsMax);
  await random.pick([() => peer.leave(), () => breakOff()])();
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(violations, [], "sinks are told in order");
  assert.is(bodies.usedBytes, 0, "bodies are given back");
  assert.is(answers.usedBytes, 0, "answers are given back");
  return isEnded;

  async function breakOff(): Promise<void> {
    peer.channel.breakOff();
    await peer.leave();
  }
}

/** @param ids with the last stream that was opened */
function chanceFrame(random: SeededRandom, ids: { last: number }): Uint8Array {
  const isNew = ids.last < 0 || random.chance(40);
  if (isNew) ids.last += 2;
  const stream = isNew || random.chance(2) ? ids.last : random.below((ids.last + 1) / 2) * 2 + 1;
  const fields = requestFields(random.pick(["GET", "POST", "HEAD"]), ["x", "y".repeat(random.below(200))]);
  const open = () => headersFrame(stream, fields, random.chance(30));
  const data = () => dataFrame(stream, random.bytes(random.below(2_000)), random.chance(20));
  const split = () => {
    const block = headerBlock(fields);
    const cut = random.below(block.length);
    const flags = random.pick([0, 0, FrameFlag.endStream]);
    return concatBytes([
      frameBytes({ type: FrameType.headers, flags, stream, payload: block.slice(0, cut) }),
      frameBytes({
        type: FrameType.continuation,
        flags: FrameFlag.endHeaders,
        stream,
        payload: block.slice(cut),
      }),
    ]);
  };
  const other = () =>
    random.pick([
      () => resetFrame(stream),
      () => pingFrame(),
      () => windowUpdateFrame(random.pick([0, stream]), 1 + random.below(100_000)),
      () => settingsFrame([4, random.below(100_000)]),
      () => frameBytes({ type: 30 + random.below(9), stream, payload: random.bytes(random.below(20)) }),
    ])();
  if (isNew) return random.pick([open, open, split])();
  const trailers = () => headersFrame(stream, [["x", "y"]], random.chance(90));
  return random.chance(10) ? trailers() : random.pick([data, data, data, other])();
}

/** Answers later, in no order. */
function slowEcho(random: SeededRandom): WholeHandler {
  return {
    ...echoHandler(30_000),
    answer: async (_head, body) => {
      for (let turns = random.below(20); turns > 0; turns--) await Promise.resolve();
      return { status: 200, headers: [], body, trailers: [["grpc-status", "0"]] };
    },
  };
}

/** Sends back what comes, sometimes holds it up, gives up, or ends too early. */
function streamedEcho(random: SeededRandom, violations: string[]): StreamHandler {
  return {
    kind: "stream",
    isPatient: random.chance(50),
    open: (_head, answer) => {
      answer.start(200, [["content-type", "x"]]);
      let hasEnded = false;
      let isAborted = false;
      // What is thrown here is answered with 500, so that it would fail no test.
      const come = (what: string) => {
        if (hasEnded || isAborted) violations.push(`${what} behind the end`);
      };
      return {
        chunk: (bytes) => {
          come("a chunk");
          if (random.chance(3)) return answer.end([["x", "early"]]);
          if (random.chance(3)) return answer.abort();
          const writing = answer.write(bytes.slice());
          return random.chance(50) ? writing : undefined;
        },
        end: () => {
          come("an end");
          hasEnded = true;
          answer.end();
        },
        // Also behind the end of the body, as long as the answer has not been sent.
        abort: () => {
          if (isAborted) violations.push("a second abort");
          isAborted = true;
        },
      };
    },
  };
}
