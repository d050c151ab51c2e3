/**
 * When the log says that partitions are without a leader, and that they have one again.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { QuorumWatch } from "./quorum_watch.ts";

const test = suite("quorum watch");
const LIMIT_MS = 1_000;
const NOTHING = { lost: [], regained: [] };

function started(): QuorumWatch {
  const watch = new QuorumWatch(LIMIT_MS);
  assert.equal(watch.look([], 0), NOTHING);
  assert.equal(watch.look([], 10_000), NOTHING);
  return watch;
}

test("a loss is told once, when it has lasted for longer than an election", () => {
  const watch = started();
  assert.equal(watch.look([3], 20_000), NOTHING);
  assert.equal(watch.look([3, 4], 20_900), NOTHING);
  assert.equal(watch.look([3, 4], 21_000), { lost: [3], regained: [] });
  assert.equal(watch.look([3, 4], 21_900), { lost: [4], regained: [] });
  assert.equal(watch.look([3, 4], 99_000), NOTHING);
  assert.equal(watch.look([4], 99_100), { lost: [], regained: [3] });
  assert.equal(watch.look([], 99_200), { lost: [], regained: [4] });
  assert.equal(watch.look([], 99_300), NOTHING);
});

test("an election is no loss", () => {
  const watch = started();
  for (let ms = 20_000; ms < 60_000; ms += 1_000) {
    assert.equal(watch.look([1], ms), NOTHING);
    assert.equal(watch.look([1], ms + 900), NOTHING);
    assert.equal(watch.look([], ms + 950), NOTHING);
  }
});

test("a node that has just started has elections to wait for", () => {
  const watch = new QuorumWatch(LIMIT_MS);
  assert.equal(watch.look([1, 2], 0), NOTHING);
  assert.equal(watch.look([1, 2], 4_900), NOTHING);
  assert.equal(watch.look([1, 2], 5_000), { lost: [1, 2], regained: [] });
});

test.run();
