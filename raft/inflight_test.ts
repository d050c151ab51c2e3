/**
 * The window by itself, and against a plain list.
 *
 * @module
 */

import { assert, suite } from "../tests/harness.ts";
import { InflightWindow } from "./inflight.ts";
import { Random } from "./random.ts";

const test = suite("inflight window");

test("a window is full by messages", () => {
  const window = new InflightWindow({ inflightMessagesMax: 2, inflightBytesMax: 100 });
  window.add({ lastIndex: 5, bytes: 1 });
  assert.not(window.isFull);
  window.add({ lastIndex: 6, bytes: 1 });
  assert.ok(window.isFull);
  window.freeTo(4);
  assert.ok(window.isFull);
  window.freeTo(5);
  assert.not(window.isFull);
});

test("a window is full by bytes, after at least one message", () => {
  const window = new InflightWindow({ inflightMessagesMax: 9, inflightBytesMax: 100 });
  assert.not(window.isFull);
  window.add({ lastIndex: 1, bytes: 500 });
  assert.ok(window.isFull);
  window.freeTo(1);
  assert.equal([window.isFull, window.bytes, window.messages], [false, 0, 0]);
});

test("random use leaves what a plain list leaves", () => {
  const random = new Random(5);
  const window = new InflightWindow({ inflightMessagesMax: 1_000, inflightBytesMax: 1e9 });
  let plain: { readonly lastIndex: number; readonly bytes: number }[] = [];
  let lastIndex = 0;
  for (let round = 0; round < 5_000; round++) {
    if (random.chance(0.6)) {
      lastIndex += 1 + random.below(3);
      const append = { lastIndex, bytes: random.below(50) };
      window.add(append);
      plain.push(append);
    } else {
      const index = lastIndex - random.below(200);
      window.freeTo(index);
      plain = plain.filter((append) => append.lastIndex > index);
    }
    assert.is(window.messages, plain.length);
    assert.is(window.bytes, plain.reduce((sum, append) => sum + append.bytes, 0));
  }
});

test.run();
