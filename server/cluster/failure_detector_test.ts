/**
 * Who counts as silent, and when.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { FailureDetector } from "./failure_detector.ts";

const test = suite("silence");

const LIMIT_MS = 1_000;

test("a node is silent when it was not heard for long", () => {
  const watch = new FailureDetector(LIMIT_MS);
  for (const nowMs of [5_000, 5_500]) watch.look([1, 2], { isHeard: () => true, nowMs });
  watch.look([1, 2], { isHeard: (node) => node === 1, nowMs: 6_400 });
  assert.not(watch.isSilent(2, 6_499));
  assert.ok(watch.isSilent(2, 6_500));
  assert.not(watch.isSilent(1, 6_500));
  watch.look([1, 2], { isHeard: () => true, nowMs: 6_600 });
  assert.not(watch.isSilent(2, 6_600));
});

test("a node that is new, or looked at for the first time, has its time before it", () => {
  const watch = new FailureDetector(LIMIT_MS);
  assert.not(watch.isSilent(1, 9_000));
  watch.look([1], { isHeard: () => false, nowMs: 9_000 });
  assert.not(watch.isSilent(1, 9_999));
  watch.look([1, 2], { isHeard: () => false, nowMs: 10_000 });
  assert.ok(watch.isSilent(1, 10_000));
  assert.not(watch.isSilent(2, 10_999));
});

test("who is gone, and everybody after looking away, begins anew", () => {
  const watch = new FailureDetector(LIMIT_MS);
  watch.look([1, 2], { isHeard: () => false, nowMs: 0 });
  watch.look([2], { isHeard: () => false, nowMs: 2_000 });
  watch.look([1, 2], { isHeard: () => false, nowMs: 2_500 });
  assert.not(watch.isSilent(1, 2_600));
  assert.ok(watch.isSilent(2, 2_600));
  watch.reset();
  assert.not(watch.isSilent(2, 2_600));
});

test.run();
