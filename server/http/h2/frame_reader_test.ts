/**
 * The frame reader: every way to cut a conversation gives the same frames, chunks that hold a frame are not
 * copied, and bytes of chance are frames or refused.
 *
 * @module
 */

import { assert, suite } from "../../../tests/harness.ts";
import {
  dataFrame,
  frameBytes,
  headersFrame,
  pingFrame,
  settingsFrame,
} from "../../../tests/http/http2_frames.ts";
import { PREFACE_BYTES } from "../../../tests/http/http2_peer.ts";
import { concatBytes } from "../../../tests/http/memory_channel.ts";
import { Growth } from "../../../tests/support/growth.ts";
import { PROOF_LIMIT_MS, proofSize } from "../../../tests/support/proof_size.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { type Frame, Http2Error } from "./frame.ts";
import { FrameReader } from "./frame_reader.ts";

const test = suite("frame reader");
const FUZZ_ROUNDS = proofSize("frames");

const CONVERSATION = concatBytes([
  PREFACE_BYTES,
  settingsFrame([4, 100_000]),
  headersFrame(1, [[":method", "GET"], ["x", "y".repeat(30)]]),
  dataFrame(1, new Uint8Array(0)),
  dataFrame(1, Uint8Array.from({ length: 50 }, (_, at) => at), true),
  pingFrame(),
]);
const FRAMES = read([CONVERSATION]);

test("a conversation is cut into its frames", () => {
  assert.equal(FRAMES.map(({ type, streamId, payload }) => [type, streamId, payload.length]), [
    [4, 0, 6],
    [1, 1, 39],
    [0, 1, 0],
    [0, 1, 50],
    [6, 0, 8],
  ]);
});

test("every cut in two or three gives the same frames", () => {
  const { length } = CONVERSATION;
  for (let first = 0; first <= length; first++) {
    for (let second = first; second <= length; second += 7) {
      const cuts = [[0, first], [first, second], [second, length]] as const;
      assert.equal(read(cuts.map(([from, to]) => CONVERSATION.slice(from, to))), FRAMES);
    }
  }
});

test("a frame within one chunk is a view into it, another one owns its bytes", () => {
  const chunk = concatBytes([PREFACE_BYTES, dataFrame(1, new Uint8Array(100))]);
  assert.is(read([chunk])[0]!.payload.buffer, chunk.buffer);
  const [whole] = read([chunk.slice(0, 60), chunk.slice(60)]);
  assert.is(whole!.payload.buffer.byteLength, 109);
});

test("a length above the limit is refused before its payload comes", () => {
  const head = frameBytes({ type: 0, stream: 1, length: 16_385 }).slice(0, 9);
  assert.throws(() => read([PREFACE_BYTES, head]), (error: Error) => error instanceof Http2Error);
  assert.throws(() => read([concatBytes([PREFACE_BYTES, head.slice(0, 4)]), head.slice(4)]));
});

test("bytes of chance are frames or refused, however they are cut", () => {
  const random = new SeededRandom(9113);
  let refused = 0;
  const growth = new Growth(FUZZ_ROUNDS);
  for (let round = 0; round < FUZZ_ROUNDS; round++) {
    growth.note();
    const bytes = random.bytes(random.below(80));
    // Small lengths, mostly.
    for (let at = 0; at < bytes.length; at += 9 + bytes[at + 2]!) {
      if (random.chance(90)) bytes[at] = bytes[at + 1] = 0;
      if (at + 2 < bytes.length) bytes[at + 2]! &= 0x1f;
      if (at + 2 >= bytes.length) break;
    }
    const cut = random.below(bytes.length + 1);
    const whole = readOrRefuse([PREFACE_BYTES, bytes]);
    assert.equal(readOrRefuse([PREFACE_BYTES, bytes.slice(0, cut), bytes.slice(cut)]), whole);
    if (whole === "refused") refused++;
  }
  assert.ok(refused > FUZZ_ROUNDS / 100 && refused < FUZZ_ROUNDS, `both happen: ${refused}`);
  console.log(`${FUZZ_ROUNDS} strings of bytes, ${refused} refused; ${growth.check()}`);
}, { limitMs: PROOF_LIMIT_MS });

test.run();

function read(chunks: readonly Uint8Array[]): Frame[] {
  const frames: Frame[] = [];
  const reader = new FrameReader((frame) => void frames.push(frame));
  for (const chunk of chunks) reader.push(chunk);
  return frames;
}

function readOrRefuse(chunks: readonly Uint8Array[]): readonly Frame[] | "refused" {
  try {
    return read(chunks);
  } catch (error) {
    assert.ok(error instanceof Http2Error, String(error));
    return "refused";
  }
}
