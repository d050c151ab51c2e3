/**
 * What a leader learns about one follower from its answers, late and doubled ones included.
 *
 * @module
 */

import { assert, suite } from "../tests/harness.ts";
import { Progress } from "./progress.ts";

const test = suite("progress");

test("a probe is sent once, and again when a heartbeat is answered", () => {
  const progress = started(8);
  assert.ok(progress.maySend);
  progress.noteSent({ lastIndex: 8, bytes: 10 });
  assert.not(progress.maySend);
  assert.is(progress.nextIndex, 8);
  assert.ok(progress.noteHeard({ now: 5, lastIndex: 8 }));
  assert.ok(progress.maySend);
});

test("compaction raises the index that is asked for and delays nothing", () => {
  const progress = started(8);
  progress.becomeSnapshot(11);
  assert.not(progress.maySend, "the next heartbeat has to be answered first");
  progress.noteHeard({ now: 5, lastIndex: 20 });
  progress.becomeSnapshot(16);
  assert.ok(progress.maySend);
  progress.noteSent({ lastIndex: 15, bytes: 0 });
  assert.not(progress.noteRefused({ refusedIndex: 10, agreeableIndex: 3 }), "that was asked before");
  assert.ok(progress.noteAcknowledged(15));
  assert.equal([progress.state, progress.nextIndex], ["replicate", 16]);
});

test("an acknowledged probe opens the pipeline", () => {
  const progress = started(8);
  progress.noteSent({ lastIndex: 8, bytes: 10 });
  assert.ok(progress.noteAcknowledged(8));
  assert.equal([progress.state, progress.matchIndex, progress.nextIndex], ["replicate", 8, 9]);
  progress.noteSent({ lastIndex: 12, bytes: 10 });
  assert.equal([progress.nextIndex, progress.window.messages], [13, 1]);
  assert.ok(progress.noteAcknowledged(12));
  assert.is(progress.window.messages, 0);
});

test("late and doubled acknowledgements change nothing", () => {
  const progress = replicating(8);
  assert.not(progress.noteAcknowledged(8));
  assert.not(progress.noteAcknowledged(3));
  assert.equal([progress.matchIndex, progress.nextIndex], [8, 9]);
});

test("a refusal of what is no longer asked never lowers next below match", () => {
  const progress = replicating(8);
  assert.not(progress.noteRefused({ refusedIndex: 8, agreeableIndex: 2 }));
  assert.not(progress.noteRefused({ refusedIndex: 5, agreeableIndex: 2 }));
  assert.is(progress.state, "replicate");
  assert.ok(progress.noteRefused({ refusedIndex: 11, agreeableIndex: 2 }));
  assert.equal([progress.state, progress.nextIndex], ["probe", 9]);
});

test("a probe goes back to where the logs may agree, and ignores other refusals", () => {
  const progress = started(20);
  assert.not(progress.noteRefused({ refusedIndex: 7, agreeableIndex: 1 }));
  assert.ok(progress.noteRefused({ refusedIndex: 19, agreeableIndex: 12 }));
  assert.equal([progress.nextIndex, progress.maySend], [13, true]);
  assert.ok(progress.noteRefused({ refusedIndex: 12, agreeableIndex: 99 }));
  assert.is(progress.nextIndex, 12);
});

test("a broken stream goes back to the match", () => {
  const progress = replicating(8);
  progress.noteSent({ lastIndex: 30, bytes: 10 });
  progress.becomeProbe();
  assert.equal([progress.state, progress.nextIndex, progress.window.messages], ["probe", 9, 0]);
});

test("a follower behind the snapshot is asked once a heartbeat", () => {
  const progress = started(20);
  progress.becomeSnapshot(15);
  assert.not(progress.maySend);
  progress.noteHeard({ now: 3, lastIndex: 20 });
  assert.ok(progress.maySend);
  assert.is(progress.nextIndex, 15);
  assert.ok(progress.noteAcknowledged(14));
  assert.equal([progress.state, progress.nextIndex], ["replicate", 15]);
});

test("a follower that has everything is not suspected", () => {
  const progress = replicating(8);
  assert.not(progress.noteHeard({ now: 3, lastIndex: 8 }));
  assert.ok(progress.noteHeard({ now: 3, lastIndex: 9 }));
  assert.ok(progress.isSuspect);
});

function started(nextIndex: number): Progress {
  const limits = { inflightMessagesMax: 4, inflightBytesMax: 1_000 };
  return new Progress({ node: 2, nextIndex, now: 0, limits });
}

function replicating(matchIndex: number): Progress {
  const progress = started(matchIndex + 1);
  progress.noteAcknowledged(matchIndex);
  return progress;
}

test.run();
