/**
 * Transfers from a sender to a receiver over a way on which all sorts of things go wrong.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import {
  type Fate,
  FatefulWay,
  MemorySource,
  MemoryTarget,
  type NamedFile,
  PassingClock,
} from "../../tests/support/cluster/snapshot_ends.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { Pacer } from "./pacer.ts";
import { SnapshotReceiver } from "./snapshot_receiver.ts";
import { SnapshotSender } from "./snapshot_sender.ts";

const test = suite("snapshot receiver");
const MEBIBYTE = 1024 * 1024;
const FILES: readonly NamedFile[] = [
  { name: "a", length: 2 * MEBIBYTE + 5 },
  { name: "b", length: 100 },
  { name: "c", length: MEBIBYTE },
];
const FILES_BYTES = 3 * MEBIBYTE + 105;
/** So many requests bring them. */
const PARTS = 5;
const HOUR_MS = 3_600_000;
/** What a transfer without trouble takes at most. */
const SOON_MS = 1_000;
const FUZZ_SEEDS = 15;

/** Node 3 receives; nodes 1 and 2 can send. */
class Stage {
  readonly clock = new PassingClock();
  readonly way = new FatefulWay(3, this.clock);
  readonly target = new MemoryTarget();
  readonly sources = new Map([[1, new MemorySource(FILES)], [2, new MemorySource(FILES)]]);
  readonly senders = new Map<number, SnapshotSender>();
  readonly receiver: SnapshotReceiver;

  constructor(bytesPerSecondMax?: number) {
    const rate = bytesPerSecondMax === undefined ? {} : { bytesPerSecondMax };
    this.receiver = new SnapshotReceiver({
      target: this.target,
      transport: this.way,
      clock: this.clock,
      ...rate,
    });
    for (const node of [1, 2]) this.startSender(node);
  }

  startSender(node: number): void {
    const sender = new SnapshotSender({ source: this.sources.get(node)!, clock: this.clock });
    this.senders.set(node, sender);
    this.way.nodes.set(node, (from, request) => sender.answer(from, request));
  }

  /** Says that group 1 wants a snapshot, again and again, until it is installed. */
  async wantUntilInstalled(leader: number, limitMs: number): Promise<number> {
    return await this.clock.passUntil(() => {
      const isInstalled = this.target.installed.length > 0;
      if (!isInstalled) this.receiver.want({ group: 1, leader });
      return isInstalled;
    }, limitMs);
  }

  asked(kind: string, node?: number): number {
    const isMeant = (to: number) => node === undefined || node === to;
    return this.way.asked.filter(({ to, request }) => request.kind === kind && isMeant(to)).length;
  }
}

test("a snapshot is fetched whole and installed, and the sender hears that it is not in use", async () => {
  const stage = new Stage();
  await stage.wantUntilInstalled(1, SOON_MS);
  await stage.clock.pass(100);
  assert.equal(stage.target.installed, [100]);
  const received = { received: 1, bytesReceived: FILES_BYTES, installed: 1, failed: 0, underWay: 0 };
  assert.equal(stage.receiver.stats, received);
  assert.equal(stage.senders.get(1)!.stats, { sent: 1, bytesSent: FILES_BYTES, underWay: 0 });
  assert.equal([stage.asked("begin"), stage.asked("read"), stage.asked("end")], [1, PARTS, 1]);
  assert.is(stage.target.abandoned, 0);
  assert.is(stage.senders.get(1)!.heldIndex(1), 100);
});

test("wanting again while one is under way begins no other, and no group gets more than its turn", async () => {
  const stage = new Stage();
  for (const group of [1, 2, 3, 1]) stage.receiver.want({ group, leader: 1 });
  assert.is(stage.receiver.stats.underWay, 2);
  assert.equal([1, 2, 3].map((group) => stage.receiver.isReceiving(group)), [true, true, false]);
  await stage.clock.passUntil(() => stage.receiver.stats.underWay === 0, SOON_MS);
  assert.is(stage.target.begun, 2);
  stage.receiver.want({ group: 3, leader: 0 });
  assert.is(stage.receiver.stats.underWay, 0);
});

test("lost requests and answers are asked for again, and no part is taken twice", async () => {
  for (let seed = 1; seed <= FUZZ_SEEDS; seed++) {
    const stage = new Stage();
    const random = new SeededRandom(seed);
    const fates: readonly Fate[] = ["answered", "answered", "requestLost", "answerLost", "broken"];
    stage.way.fate = () => random.pick(fates);
    await stage.wantUntilInstalled(1, HOUR_MS);
    assert.is(stage.receiver.stats.received, 1, `seed ${seed}`);
    assert.is(stage.receiver.stats.bytesReceived, FILES_BYTES, `seed ${seed}`);
  }
});

test("a request without an answer is repeated where it stopped, of the same snapshot", async () => {
  const stage = new Stage();
  let count = 0;
  stage.way.fate = (_, { kind }) => kind === "read" && ++count === 3 ? "broken" : "answered";
  await stage.wantUntilInstalled(1, SOON_MS);
  assert.equal([stage.asked("begin"), stage.asked("read")], [1, PARTS + 1]);
});

test("pauses grow while a request fails, and are short again after a part has come", async () => {
  const stage = new Stage();
  stage.way.fate = (_, { kind }) => kind === "read" && stage.asked("read") % 6 !== 0 ? "broken" : "answered";
  const tookMs = await stage.wantUntilInstalled(1, HOUR_MS);
  // 100, 200, 400, 800 and 1600 ms for each of the parts.
  assert.ok(tookMs >= 15_500 && tookMs < 16_500, `${tookMs} ms`);
});

test("a snapshot that is gone is begun anew; what has come of the same files counts", async () => {
  const stage = new Stage();
  let count = 0;
  stage.way.fate = (_, { kind }) => {
    // Its sender has started again meanwhile, and has something new.
    if (kind === "read" && ++count === 4) {
      stage.sources.get(1)!.index = 150;
      stage.sources.get(1)!.files = [...FILES, { name: "d", length: 7 }];
      stage.startSender(1);
    }
    return "answered";
  };
  await stage.wantUntilInstalled(1, SOON_MS);
  assert.equal(stage.target.installed, [150]);
  assert.equal([stage.target.begun, stage.target.abandoned], [2, 1]);
  assert.is(stage.receiver.stats.bytesReceived, FILES_BYTES + 7);
});

test("a snapshot that says the same as the one before goes on in its place", async () => {
  const stage = new Stage();
  let count = 0;
  stage.way.fate = (_, { kind }) => {
    if (kind === "read" && ++count === 3) stage.startSender(1);
    return "answered";
  };
  await stage.wantUntilInstalled(1, SOON_MS);
  assert.equal([stage.target.begun, stage.target.abandoned, stage.asked("begin")], [1, 0, 2]);
  assert.is(stage.receiver.stats.bytesReceived, FILES_BYTES);
});

test("a snapshot that is always gone is given up", async () => {
  const stage = new Stage();
  let index = 0;
  stage.way.nodes.set(1, (_, { kind }) => {
    const description = new TextEncoder().encode(JSON.stringify({ index: index++, files: FILES }));
    if (kind === "begin") return Promise.resolve({ kind: "begun", snapshotId: 1, description });
    return Promise.resolve({ kind: "refused", reason: "gone", isGone: true });
  });
  stage.receiver.want({ group: 1, leader: 1 });
  const tookMs = await stage.clock.passUntil(() => stage.receiver.stats.failed === 1, HOUR_MS);
  assert.ok(tookMs >= 60_000 && tookMs < 70_000, `${tookMs} ms`);
  // Every other request begins anew, and pauses grow to two seconds.
  assert.ok(stage.way.asked.length < 100, `${stage.way.asked.length} requests`);
});

test("a silent source is given up after a minute without progress; a later wish begins anew", async () => {
  const stage = new Stage();
  let isSilent = false;
  stage.way.fate = (_, { kind }) => {
    if (kind === "read" && stage.asked("read") === 2) isSilent = true;
    return isSilent ? "requestLost" : "answered";
  };
  stage.receiver.want({ group: 1, leader: 1 });
  const tookMs = await stage.clock.passUntil(() => stage.receiver.stats.failed === 1, HOUR_MS);
  assert.ok(tookMs >= 60_000 && tookMs < 75_000, `${tookMs} ms`);
  assert.equal([stage.target.abandoned, stage.receiver.stats.underWay], [1, 0]);
  stage.way.fate = () => "answered";
  await stage.wantUntilInstalled(1, 2_000);
  assert.is(stage.receiver.stats.bytesReceived, FILES_BYTES);
});

test("a slow source is not given up as long as parts come", async () => {
  const stage = new Stage();
  stage.way.fate = () => stage.way.asked.length % 5 === 0 ? "answered" : "requestLost";
  await stage.wantUntilInstalled(1, HOUR_MS);
  assert.equal([stage.receiver.stats.installed, stage.receiver.stats.failed], [1, 0]);
});

test("another leader is turned to when the source does not answer, and not before", async () => {
  const answering = new Stage(MEBIBYTE);
  answering.receiver.want({ group: 1, leader: 1 });
  await answering.clock.pass(100);
  await answering.wantUntilInstalled(2, 10_000);
  assert.equal([answering.asked("begin", 1), answering.asked("begin", 2)], [1, 0]);

  const silent = new Stage();
  silent.way.fate = (to) => to === 1 && silent.asked("read") > 2 ? "broken" : "answered";
  silent.receiver.want({ group: 1, leader: 1 });
  await silent.clock.pass(1_000);
  assert.equal(silent.target.installed, []);
  await silent.wantUntilInstalled(2, 3_000);
  assert.is(silent.asked("begin", 2), 1);
  await silent.clock.pass(100);
  // So that it lets the snapshot go when it can be reached again.
  assert.equal([silent.asked("end", 1), silent.asked("end", 2)], [1, 1]);
  assert.is(silent.receiver.stats.bytesReceived, FILES_BYTES);
});

test("a source that has no snapshots is left for the node that leads now", async () => {
  const stage = new Stage();
  stage.sources.get(1)!.hasReplica = false;
  stage.receiver.want({ group: 1, leader: 1 });
  await stage.clock.pass(500);
  await stage.wantUntilInstalled(2, 3_000);
  assert.is(stage.receiver.stats.failed, 0);
});

test("transfers are held to so many bytes a second together", async () => {
  const stage = new Stage(MEBIBYTE);
  const tookMs = await stage.wantUntilInstalled(1, HOUR_MS);
  // The last mebibyte may come at once.
  assert.ok(tookMs >= 2_000 && tookMs < 3_000, `${tookMs} ms`);
  const clock = new PassingClock();
  const pacer = new Pacer(clock, 1_000);
  assert.equal([500, 500, 1_000].map((bytes) => pacer.delayMsFor(bytes)), [0, 500, 1_000]);
  await clock.pass(5_000);
  assert.equal([500, 500].map((bytes) => pacer.delayMsFor(bytes)), [0, 500]);
});

for (const step of ["begin", "write", "install"] as const) {
  test(`a full disk at "${step}" ends the transfer; the group rests, then a wish begins anew`, async () => {
    const stage = new Stage();
    stage.target.failing = step;
    stage.receiver.want({ group: 1, leader: 1 });
    await stage.clock.passUntil(() => stage.receiver.stats.failed === 1, SOON_MS);
    assert.is(stage.target.abandoned, step === "begin" ? 0 : 1);
    await stage.clock.pass(100);
    assert.is(stage.senders.get(1)!.stats.underWay, 0);
    stage.receiver.want({ group: 1, leader: 1 });
    assert.is(stage.receiver.stats.underWay, 0);
    for (let failed = 2; failed <= 4; failed++) {
      await stage.clock.passUntil(() => {
        stage.receiver.want({ group: 1, leader: 1 });
        return stage.receiver.stats.failed === failed;
      }, 10_000);
    }
    if (step === "write") {
      // Long ago is forgotten: the rest is a short one again.
      await stage.clock.pass(150_000);
      stage.receiver.tick();
      stage.receiver.want({ group: 1, leader: 1 });
      await stage.clock.passUntil(() => stage.receiver.stats.failed === 5, SOON_MS);
    }
    stage.target.failing = undefined;
    const tookMs = await stage.wantUntilInstalled(1, HOUR_MS);
    const restMs = step === "write" ? 1_000 : 8_000;
    assert.ok(tookMs > restMs - 200 && tookMs < restMs + 1_000, `${tookMs} ms`);
  });
}

test("a snapshot that no replica wants is left at once", async () => {
  const stage = new Stage();
  stage.target.isWanted = false;
  stage.receiver.want({ group: 1, leader: 1 });
  await stage.clock.passUntil(() => stage.receiver.stats.underWay === 0, SOON_MS);
  await stage.clock.pass(100);
  assert.is(stage.receiver.stats.failed, 0);
  assert.is(stage.senders.get(1)!.stats.underWay, 0);
});

test("a part of another length than was asked for is not taken", async () => {
  const stage = new Stage();
  const sender = stage.senders.get(1)!;
  let count = 0;
  stage.way.nodes.set(1, async (from, request) => {
    const answer = await sender.answer(from, request);
    const isCut = answer.kind === "part" && ++count % 2 === 1;
    return isCut ? { kind: "part", bytes: answer.bytes.subarray(1) } : answer;
  });
  await stage.wantUntilInstalled(1, 10_000);
  assert.is(stage.asked("read"), 2 * PARTS);
});

test("while a snapshot is installed for long, its source hears that it is in use", async () => {
  const stage = new Stage();
  const gate = Promise.withResolvers<void>();
  stage.target.gate = gate.promise;
  stage.receiver.want({ group: 1, leader: 1 });
  for (let minute = 0; minute < 5; minute++) {
    await stage.clock.pass(60_000);
    stage.senders.get(1)!.tick();
  }
  assert.is(stage.senders.get(1)!.heldIndex(1), 100);
  assert.is(stage.senders.get(1)!.stats.underWay, 1);
  gate.resolve();
  await stage.clock.pass(100);
  assert.is(stage.receiver.stats.installed, 1);
  const { length } = stage.way.asked;
  await stage.clock.pass(60_000);
  assert.is(stage.way.asked.length, length);
});

for (const how of ["close", "forget"] as const) {
  test(`"${how}" ends what waits for an answer or a pause at once`, async () => {
    for (const fate of ["requestLost", "broken"] as const) {
      const stage = new Stage();
      stage.way.fate = (_, { kind }) => kind === "read" && stage.asked("read") > 2 ? fate : "answered";
      stage.receiver.want({ group: 1, leader: 1 });
      await stage.clock.pass(200);
      const atMs = stage.clock.monotonicMs();
      await (how === "close" ? stage.receiver.close() : stage.receiver.forget(1));
      assert.is(stage.clock.monotonicMs(), atMs);
      assert.equal([stage.target.abandoned, stage.receiver.stats.underWay], [1, 0]);
      assert.is(stage.receiver.stats.failed, 0);
      stage.receiver.want({ group: 1, leader: 1 });
      assert.is(stage.receiver.stats.underWay, how === "close" ? 0 : 1);
      await stage.clock.pass(20_000);
      await stage.receiver.close();
    }
  });
}

test("closing waits for the installation that is under way", async () => {
  const stage = new Stage();
  const gate = Promise.withResolvers<void>();
  stage.target.gate = gate.promise;
  stage.receiver.want({ group: 1, leader: 1 });
  await stage.clock.passUntil(() => stage.receiver.stats.received === 1, SOON_MS);
  let isClosed = false;
  const closing = stage.receiver.close().then(() => isClosed = true);
  await stage.clock.pass(1_000);
  assert.not.ok(isClosed);
  gate.resolve();
  await closing;
  assert.equal(stage.target.installed, [100]);
  assert.is(stage.target.abandoned, 0);
});

test.run();
