/**
 * Which nodes count as silent, and when.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { FailureDetector } from "./coordinator.ts";

const test = suite("failure detector");

const LIMIT_MS = 1_000;
const NOBODY: ReadonlySet<number> = new Set();

test("a node is silent when it was not heard for long", () => {
  const detector = new FailureDetector(LIMIT_MS);
  for (const nowMs of [5_000, 5_500]) detector.look([1, 2], { heard: new Set([1, 2]), nowMs });
  detector.look([1, 2], { heard: new Set([1]), nowMs: 6_400 });
  assert.not(detector.isSilent(2, 6_499));
  assert.ok(detector.isSilent(2, 6_500));
  assert.not(detector.isSilent(1, 6_500));
  detector.look([1, 2], { heard: new Set([1, 2]), nowMs: 6_600 });
  assert.not(detector.isSilent(2, 6_600));
});

test("a node that is new, or looked at for the first time, has its time before it", () => {
  const detector = new FailureDetector(LIMIT_MS);
  assert.not(detector.isSilent(1, 9_000));
  detector.look([1], { heard: NOBODY, nowMs: 9_000 });
  assert.not(detector.isSilent(1, 9_999));
  detector.look([1, 2], { heard: NOBODY, nowMs: 10_000 });
  assert.ok(detector.isSilent(1, 10_000));
  assert.not(detector.isSilent(2, 10_999));
});

test("a node that is gone, and every node after a reset, begins anew", () => {
  const detector = new FailureDetector(LIMIT_MS);
  detector.look([1, 2], { heard: NOBODY, nowMs: 0 });
  detector.look([2], { heard: NOBODY, nowMs: 2_000 });
  detector.look([1, 2], { heard: NOBODY, nowMs: 2_500 });
  assert.not(detector.isSilent(1, 2_600));
  assert.ok(detector.isSilent(2, 2_600));
  detector.reset();
  assert.not(detector.isSilent(2, 2_600));
});

test.run();
