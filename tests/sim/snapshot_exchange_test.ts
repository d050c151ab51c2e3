/**
 * Requests for snapshots on the simulated network: they share its losses, cuts, clogs and pauses, and hold up
 * nothing else.
 *
 * @module
 */

import type { PeerHost } from "../../server/peers/service.ts";
import type { SnapshotAnswer, SnapshotRequest } from "../../server/ports/snapshot_exchange.ts";
import { SnapshotReceiver, SnapshotSender } from "../../server/snapshot/mod.ts";
import { Inbox } from "../../server/node/inbox.ts";
import { assert, suite } from "../harness.ts";
import { MemorySource, MemoryTarget } from "../support/cluster/snapshot_ends.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { Promises } from "./checks/promises.ts";
import { Network, type Station } from "./machines/network.ts";
import { SimProcess } from "./machines/process.ts";
import { ProcessClock } from "./machines/process_clock.ts";
import { SimulatedTransport } from "./machines/sim_transport.ts";
import { CALM, type Weather } from "./world/weather.ts";
import { World } from "./world/world.ts";

const test = suite("snapshot exchange");
const BEGIN: SnapshotRequest = { kind: "begin", group: 1 };
const ANSWER: SnapshotAnswer = { kind: "begun", snapshotId: 5, description: Uint8Array.of(1, 2) };
const FILES = [{ name: "a", length: 3_000_000 }, { name: "b", length: 7 }];
const BAD: Weather = { ...CALM, hasStreams: false, lossPercent: 20, duplicationPercent: 30, delayMsMax: 100 };
const LIMIT_MS = 10_000;
const HOUR_MS = 3_600_000;
const STORMS = 10;

/** Node 2 asks node 1. */
class Scene {
  readonly world: World;
  readonly network: Network;
  readonly asker: SimProcess;
  readonly asked: SimProcess;
  readonly transport: SimulatedTransport;
  /** What node 1 was asked. */
  count = 0;
  answer: NonNullable<PeerHost["answerSnapshot"]> = () => Promise.resolve(ANSWER);

  constructor({ seed = 1, weather = CALM }: { readonly seed?: number; readonly weather?: Weather } = {}) {
    this.world = new World({ seed, keepsTrace: false });
    const promises = new Promises({ fail: (message: string) => assert.unreachable(message) } as never);
    this.network = new Network(this.world, { weather, promises, electionTimeoutMs: 1_000 });
    this.asked = this.#attach(1);
    this.asker = this.#attach(2);
    this.transport = new SimulatedTransport({ nodeId: 2, network: this.network, process: this.asker });
    this.transport.setPeers(new Map([[1, []]]));
  }

  clockOf(process: SimProcess): ProcessClock {
    const machine = { rate: 1, wallOffsetMs: 0 };
    return new ProcessClock(this.world, { process, machine, random: new SeededRandom(1) });
  }

  /** What becomes of one request, and when. */
  async ask(): Promise<{ readonly answer: SnapshotAnswer | string; readonly atMs: number }> {
    let end: { readonly answer: SnapshotAnswer | string; readonly atMs: number } | undefined;
    this.transport.askSnapshot(1, BEGIN).then(
      (answer) => end = { answer, atMs: this.world.nowMs },
      (error) => end ??= { answer: error.message, atMs: this.world.nowMs },
    );
    while (end === undefined && await this.world.step());
    return end ?? { answer: "never settled", atMs: Infinity };
  }

  #attach(nodeId: number): SimProcess {
    const process = new SimProcess(this.world, nodeId);
    const clusterId = "c".repeat(32);
    const host: Station["host"] = {
      clusterId,
      identity: { clusterId },
      admits: () => true,
      hasRemoved: () => false,
      distrustOf: () => undefined,
      takeIdentityMismatch: () => {},
      answerSnapshot: (from, request) => {
        this.count++;
        return this.answer(from, request);
      },
    };
    this.network.attach(nodeId, { process, inbox: new Inbox(), host });
    return process;
  }
}

test("a request is answered after the delays of both ways", async () => {
  const { answer, atMs } = await new Scene().ask();
  assert.equal(answer, ANSWER);
  assert.ok(atMs > 0 && atMs < 3, `${atMs} ms`);
});

test("what is lost or cut off on either way is given up when its time is over", async () => {
  const lossy = new Scene({ weather: { ...CALM, lossPercent: 100 } });
  assert.equal(await lossy.ask(), { answer: "node 1 does not answer", atMs: LIMIT_MS });
  assert.is(lossy.count, 0);
  for (const [route, count] of [[{ from: 2, to: 1 }, 0], [{ from: 1, to: 2 }, 1]] as const) {
    const scene = new Scene();
    scene.network.cut(route);
    assert.equal(await scene.ask(), { answer: "node 1 does not answer", atMs: LIMIT_MS });
    assert.is(scene.count, count);
  }
});

test("a process that dies before it answers is waited for in vain; one that is gone is not asked", async () => {
  const dying = new Scene();
  dying.answer = async () => {
    await Promise.resolve();
    dying.asked.end();
    return ANSWER;
  };
  assert.equal(await dying.ask(), { answer: "node 1 does not answer", atMs: LIMIT_MS });
  assert.equal(await dying.ask(), { answer: "node 1 does not answer", atMs: 2 * LIMIT_MS });
  assert.is(dying.count, 1);
});

test("a process that asked and is gone hears nothing any more", async () => {
  const scene = new Scene();
  scene.answer = () => {
    scene.asker.end();
    return Promise.resolve(ANSWER);
  };
  assert.is((await scene.ask()).answer, "never settled");
});

test("a process that stands still answers when it wakes, and hears when it wakes", async () => {
  for (const who of ["asked", "asker"] as const) {
    const scene = new Scene();
    scene[who].pause();
    scene.world.plan(4_000, "wakes", () => scene[who].resume());
    const { answer, atMs } = await scene.ask();
    assert.equal(answer, ANSWER);
    assert.ok(atMs >= 4_000 && atMs < 4_010, `${atMs} ms`);
  }
});

test("a clogged way is waited for", async () => {
  const scene = new Scene();
  scene.network.clog({ from: 1, to: 2 });
  scene.world.plan(3_000, "is clear", () => scene.network.unclog({ from: 1, to: 2 }));
  const { answer, atMs } = await scene.ask();
  assert.equal(answer, ANSWER);
  assert.ok(atMs >= 3_000 && atMs < 3_010, `${atMs} ms`);
});

test("a host that answers no such requests refuses; one that is no peer is not asked", async () => {
  const scene = new Scene();
  scene.answer = () => Promise.reject(new Error("a defect"));
  assert.is((await scene.ask()).answer, "node 1 does not answer");
  const error = await scene.transport.askSnapshot(3, BEGIN).catch((reason) => reason);
  assert.match(error.message, /node 3 for a snapshot: it is no peer/);
});

test("a snapshot arrives whole through bad weather, and the same seed does the same", async () => {
  for (let seed = 1; seed <= STORMS; seed++) {
    const runs = [];
    for (let run = 0; run < 2; run++) runs.push(await transferredIn(seed));
    assert.ok(runs[0]! < HOUR_MS, `seed ${seed}`);
    assert.is(runs[0], runs[1], `seed ${seed}`);
  }
});

test.run();

/** How long a transfer takes in bad weather. */
async function transferredIn(seed: number): Promise<number> {
  const scene = new Scene({ seed, weather: BAD });
  const { asked, asker, transport, world } = scene;
  const sender = new SnapshotSender({ source: new MemorySource(FILES), clock: scene.clockOf(asked) });
  scene.answer = (from, request) => sender.answer(from, request);
  const target = new MemoryTarget();
  const receiver = new SnapshotReceiver({ target, transport, clock: scene.clockOf(asker) });
  const want = () => {
    receiver.want({ group: 1, leader: 1 });
    sender.tick();
    if (target.installed.length === 0) world.plan(500, "wants a snapshot", want);
  };
  want();
  while (target.installed.length === 0 && world.nowMs < HOUR_MS && await world.step());
  assert.equal(target.installed, [100]);
  assert.is(receiver.stats.bytesReceived, FILES[0]!.length + FILES[1]!.length);
  return world.nowMs;
}
