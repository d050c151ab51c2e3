/**
 * When a stream is given up, and when an idle one is asked for a sign.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { AnswerWatch } from "./answer_watch.ts";

const test = suite("answer watch");
const LIMIT_MS = 1_000;

test("a stream is reached with the answer to its hello", () => {
  const watch = new AnswerWatch(LIMIT_MS);
  watch.noteSent(0);
  assert.not.ok(watch.isReached);
  watch.noteAnswer(1, 5);
  assert.ok(watch.isReached);
});

test("a stream on which nothing is answered is dead after the limit, however much is sent", () => {
  const watch = new AnswerWatch(LIMIT_MS);
  watch.noteSent(0);
  watch.noteAnswer(1, 10);
  for (let ms = 100; ms < 1_100; ms += 100) {
    watch.noteSent(ms);
    assert.not.ok(watch.isDead(ms), `${ms}`);
  }
  assert.not.ok(watch.isDead(1_099));
  assert.ok(watch.isDead(1_100));
});

test("what is answered late is no reason, as long as something is", () => {
  const watch = new AnswerWatch(LIMIT_MS);
  for (let ms = 0; ms < 10_000; ms += 500) {
    watch.noteSent(ms);
    watch.noteSent(ms);
    if (ms > 0) watch.noteAnswer(ms / 500, ms);
    assert.not.ok(watch.isDead(ms + 999));
  }
  // More of a large batch has arrived, not all of it.
  watch.noteAnswer(19, 10_400);
  assert.not.ok(watch.isDead(11_399));
  assert.ok(watch.isDead(11_400));
});

test("a stream on which all is answered may rest, and is idle after a quarter of the limit", () => {
  const watch = new AnswerWatch(LIMIT_MS);
  watch.noteSent(0);
  watch.noteAnswer(1, 10);
  assert.not.ok(watch.isIdle(249));
  assert.ok(watch.isIdle(250));
  assert.not.ok(watch.isDead(1_000_000));
});

test("the time in which this process did nothing does not count", () => {
  const watch = new AnswerWatch(LIMIT_MS);
  watch.noteSent(0);
  watch.excuse(5_000);
  assert.not.ok(watch.isDead(5_999));
  assert.ok(watch.isDead(6_000));
});

test("an answer for what was never sent, or less than before, is refused", () => {
  const watch = new AnswerWatch(LIMIT_MS);
  watch.noteSent(0);
  assert.throws(() => watch.noteAnswer(2, 1), /batch 2 is answered for, of 1/);
  watch.noteAnswer(1, 1);
  assert.throws(() => watch.noteAnswer(0, 2), /batch 0/);
});

test.run();
