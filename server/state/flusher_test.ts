/**
 * Groups that cannot be flushed or merged, beside others that can.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { PassingClock } from "../../tests/support/cluster/snapshot_ends.ts";
import type { GroupId } from "../../raft/mod.ts";
import { Flusher, type FlusherOptions } from "./flusher.ts";

const test = suite("flusher");
const BUDGET = { memtableBytes: 100, cacheBytes: 0, logBytes: 0, heldLogBytes: 0, segments: 3 };

/** A store that does what a test says. */
class FakeState {
  isInstalling = false;
  isFailing = false;
  memtableBytes = 0;
  fullness = 0;
  piecesLeft = 0;
  /** What was done, oldest first. */
  readonly done: string[];
  readonly store;

  constructor(readonly group: GroupId, done: string[]) {
    this.done = done;
    const fullness = () => this.fullness;
    const memtableBytes = () => this.memtableBytes;
    this.store = {
      get memtableBytes() {
        return memtableBytes();
      },
      get backlog() {
        return { frozenBytes: 0, fullness: fullness() };
      },
      compact: () => this.#do("merge", () => this.fullness = 0),
    };
  }

  noteTables(): void {}
  noteError(): void {}

  prepareFlush(): boolean {
    if (this.piecesLeft === 0) return true;
    this.piecesLeft--;
    this.done.push(`piece ${this.group}`);
    return false;
  }

  flush(): Promise<boolean> {
    return this.#do("flush", () => this.memtableBytes = 0);
  }

  #do(what: string, change: () => void): Promise<boolean> {
    this.done.push(`${what} ${this.group}`);
    if (this.isFailing) return Promise.reject(new Error(`no ${what} of ${this.group}`));
    change();
    return Promise.resolve(true);
  }
}

interface Bench {
  readonly flusher: Flusher;
  readonly clock: PassingClock;
  readonly states: readonly FakeState[];
  readonly replicas: Map<GroupId, { stallReason: string | undefined }>;
  readonly done: string[];
  /** Lets so much time pass, a tick each ten milliseconds. */
  run(ms: number): Promise<void>;
}

function bench(): Bench {
  const done: string[] = [];
  const states = [1, 2, 3].map((group) => new FakeState(group, done));
  const all = new Map(states.map((state) => [state.group, state]));
  const clock = new PassingClock();
  const replicas = new Map(states.map(({ group }) => [group, { stallReason: undefined }]));
  const stores = { all, get: (group: GroupId) => all.get(group)! };
  const flusher = new Flusher({ stores, replicas, clock, budget: BUDGET } as unknown as FlusherOptions);
  const run = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 10) {
      flusher.tick();
      await clock.pass(10);
    }
  };
  return { flusher, clock, states, replicas, done, run };
}

test("a group that cannot be flushed now holds up no other, and is not counted", async () => {
  for (const why of ["stalled", "installing"]) {
    const { states: [stuck, other], replicas, done, run } = bench();
    stuck!.memtableBytes = 1_000;
    stuck!.isInstalling = why === "installing";
    if (why === "stalled") replicas.set(1, { stallReason: "a block cannot be read" });
    other!.memtableBytes = 60;
    await run(50);
    assert.equal(done, []);
    other!.memtableBytes = 101;
    await run(50);
    assert.equal(done, ["flush 2"]);
    replicas.set(1, { stallReason: undefined });
    stuck!.isInstalling = false;
    await run(50);
    assert.equal(done, ["flush 2", "flush 1"]);
  }
});

test("a group whose flush fails over and over holds up no other, and is tried until it succeeds", async () => {
  const { flusher, states: [failing, other], done, run } = bench();
  failing!.isFailing = true;
  flusher.want(1);
  flusher.want(2);
  await run(50);
  assert.equal(done, ["flush 1"]);
  assert.is(flusher.trouble, "no flush of 1");
  await run(200);
  assert.ok(done.includes("flush 2"));
  failing!.memtableBytes = 1_000;
  other!.memtableBytes = 60;
  done.length = 0;
  await run(10_000);
  // It rests two seconds in the end, and what the others have in memory is not made to tables for it.
  assert.ok(done.length >= 4 && done.length <= 12 && !done.includes("flush 2"), done.join());
  failing!.isFailing = false;
  await run(2_000);
  assert.is(failing!.memtableBytes, 0);
  assert.is(flusher.trouble, undefined);
});

test("while the disk takes nothing it is asked with growing pauses, whatever groups there are", async () => {
  const { flusher, states, done, run } = bench();
  for (const state of states) {
    state.isFailing = true;
    flusher.want(state.group);
  }
  await run(20_000);
  assert.ok(done.length >= 8 && done.length <= 24, done.join());
  for (const state of states) state.isFailing = false;
  await run(2_100);
  assert.is(flusher.trouble, undefined);
});

test("a group whose tables cannot be merged holds up no other", async () => {
  const { flusher, states: [damaged, other], done, run } = bench();
  damaged!.isFailing = true;
  damaged!.fullness = 9;
  other!.fullness = 2;
  await run(500);
  assert.is(other!.fullness, 0);
  assert.is(flusher.trouble, "no merge of 1");
  await run(10_000);
  assert.ok(done.length <= 12, done.join());
  damaged!.fullness = 0.5;
  await run(50);
  assert.is(flusher.trouble, undefined);
});

test("a flush that is waited for writes in pieces what there is much of", async () => {
  const { clock, flusher, states: [state], done } = bench();
  state!.piecesLeft = 2;
  const flush = flusher.flushNow(1);
  assert.equal(done, ["piece 1"]);
  await clock.pass(2);
  assert.equal(done, ["piece 1", "piece 1"]);
  await clock.pass(2);
  await flush;
  assert.equal(done, ["piece 1", "piece 1", "flush 1"]);
});

test.run();
