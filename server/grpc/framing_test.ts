/**
 * Messages in bodies: cut into chunks anywhere, they come out as they went in.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { type FramedMessage, frameMessage, MessageReader, onlyMessage } from "./framing.ts";

const test = suite("framing");
const LIMIT = 16 * 1024 * 1024;
const ROUNDS = 300;

function join(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

test("a message stands behind a flag and its length, big-endian", () => {
  assert.equal(
    [...frameMessage({ isCompressed: false, bytes: Uint8Array.of(7, 8) })],
    [0, 0, 0, 0, 2, 7, 8],
  );
  const long = frameMessage({ isCompressed: true, bytes: new Uint8Array(0x01_02_03) });
  assert.equal([...long.subarray(0, 5)], [1, 0, 1, 2, 3]);
  assert.equal(onlyMessage(Uint8Array.of(1, 0, 0, 0, 1, 9)), {
    isCompressed: true,
    bytes: Uint8Array.of(9),
  });
  assert.equal([...onlyMessage(Uint8Array.of(0, 0, 0, 0, 0)).bytes], []);
});

test("bodies cut anywhere give their messages, which own their bytes", () => {
  const random = new SeededRandom(20_261);
  for (let round = 0; round < ROUNDS; round++) {
    const sent: FramedMessage[] = Array.from({ length: random.below(6) }, () => ({
      isCompressed: random.below(2) === 1,
      bytes: Uint8Array.from({ length: random.below(40) }, () => random.below(256)),
    }));
    const body = join(sent.map(frameMessage));
    const reader = new MessageReader();
    const found: FramedMessage[] = [];
    for (let at = 0; at < body.length;) {
      const end = Math.min(body.length, at + 1 + random.below(20));
      const chunk = body.slice(at, end);
      found.push(...reader.push(chunk));
      chunk.fill(0xee);
      at = end;
    }
    assert.equal(found.map(({ isCompressed, bytes }) => [isCompressed, ...bytes]), [
      ...sent.map(({ isCompressed, bytes }) => [isCompressed, ...bytes]),
    ]);
    assert.is(reader.heldBytes, 0, `round ${round}`);
  }
});

test("what has begun is held, and no more", () => {
  const reader = new MessageReader();
  const body = frameMessage({ isCompressed: false, bytes: new Uint8Array(10) });
  assert.equal(reader.push(body.slice(0, 3)), []);
  assert.is(reader.heldBytes, 3);
  assert.equal(reader.push(body.slice(3, 14)), []);
  assert.is(reader.heldBytes, 14);
  const [message] = reader.push(Uint8Array.of(...body.slice(14), 0, 0));
  assert.is(message!.bytes.length, 10);
  assert.is(reader.heldBytes, 2);
});

test("a length above the limit is refused before its message comes", () => {
  const prefix = new Uint8Array(5);
  new DataView(prefix.buffer).setUint32(1, LIMIT);
  assert.equal(new MessageReader().push(prefix), []);
  new DataView(prefix.buffer).setUint32(1, LIMIT + 1);
  assert.throws(() => new MessageReader().push(prefix), /16777217 bytes, the limit is 16777216/);
});

test("flags that nobody knows are refused", () => {
  assert.throws(() => new MessageReader().push(Uint8Array.of(0x80, 0, 0, 0, 0)), /has the flags 128/);
});

test.run();
