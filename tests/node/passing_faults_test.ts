/**
 * Every call to the disk of a running node fails in turn, once or for a while: nothing acknowledged is lost,
 * and the node lives on, unless a write or sync of its log failed. Then it ends, and the next start has
 * everything.
 *
 * @module
 */

import type { NodeTrouble } from "../../server/api/mod.ts";
import { newIncarnation, openDataDirectory, Troubles } from "../../server/data/mod.ts";
import { Inbox, Node } from "../../server/node/mod.ts";
import type { Clock, PeerTransport } from "../../server/ports/mod.ts";
import { SYSTEM_CLOCK } from "../../server/ports/system_clock.ts";
import { assert, suite } from "../harness.ts";
import { kindOf, put, READ, text, WRITE } from "../support/cluster/node_cluster.ts";
import { type DiskCall, MemoryDisk } from "../support/disk/memory_file_system.ts";
import { until } from "../support/patience.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const test = suite("passing faults");

const NO_METERS = {
  observeTurn() {},
  observeFrame() {},
  observeSync() {},
  observeProposal() {},
  observeRefusal() {},
};
const NO_PEERS: PeerTransport = {
  setPeers: () => {},
  whoIsAt: () => Promise.resolve({ kind: "nobody", reason: "there is no network" }),
  send: () => false,
  askSnapshot: () => Promise.reject(new Error("there is no network")),
  statuses: () => [],
  close: () => Promise.resolve(),
};
const PUTS = 24;
const VALUE = "v".repeat(700);
/** Time in which a pause between two attempts is hardly one. */
const HASTY_CLOCK: Clock = {
  ...SYSTEM_CLOCK,
  after: (delayMs, callback) => SYSTEM_CLOCK.after(delayMs / 10, callback),
};

/** A disk whose call number `failing` fails, and for a while all further ones that are not of the log. */
class TroubledDisk {
  readonly disk: MemoryDisk;
  readonly #failing: number;
  readonly #forMs: number;
  #calls = -1;
  #untilMs = 0;
  #isOver = false;
  /** The call that failed first. */
  struck: DiskCall | undefined;

  constructor(failing: number, forMs: number) {
    this.#failing = failing;
    this.#forMs = forMs;
    this.disk = new MemoryDisk({ random: new SeededRandom(3), fault: (call) => this.#faultOf(call) });
  }

  begin(): void {
    this.#calls = 0;
  }

  end(): void {
    this.#isOver = true;
  }

  /** Whether what was struck may end a node. */
  get isFinal(): boolean {
    return this.struck !== undefined && isOfLog(this.struck);
  }

  #faultOf(call: DiskCall): Error | undefined {
    if (this.#isOver || this.#calls < 0) return undefined;
    if (this.#calls++ === this.#failing) {
      this.struck = call;
      this.#untilMs = performance.now() + this.#forMs;
    }
    const goesOn = this.struck !== undefined && !isOfLog(call) && performance.now() < this.#untilMs;
    return call === this.struck || goesOn ? new Error(`${call.operation} of ${call.path} fails`) : undefined;
  }
}

function isOfLog({ operation, path }: DiskCall): boolean {
  return (operation === "writeSync" || operation === "syncData") && path.endsWith(".wal");
}

for (const forMs of [0, 150]) {
  test(`the n-th call fails${forMs > 0 ? " and so do others for a while" : ""}, for every n`, async () => {
    let lived = 0;
    let ended = 0;
    for (let failing = 0;; failing++) {
      const trouble = new TroubledDisk(failing, forMs);
      const { acknowledged, hasEnded } = await writeThrough(trouble);
      if (trouble.struck === undefined) break;
      const where = `${trouble.struck.operation} of ${trouble.struck.path}`;
      assert.is(hasEnded, trouble.isFinal, where);
      if (hasEnded) ended++;
      else lived++;
      trouble.end();
      trouble.disk.crash({ lostPercent: 100, garbledPercent: 0 });
      await assertHeld(trouble.disk, acknowledged, where);
    }
    assert.ok(lived >= 10, `${lived} failures passed`);
    assert.ok(ended >= 10, `${ended} failures were final`);
  });
}

test("a cluster whose id cannot be kept acknowledges nothing, says why, and serves when it can", async () => {
  let isFull = true;
  const fault = ({ path }: DiskCall) =>
    isFull && path.includes("cluster_id.json") ? new Error("no space left") : undefined;
  const node = await openNode(new MemoryDisk({ random: new SeededRandom(3), fault }));
  await until(() => node.resourceTroubles().length > 0, "the node says what is wrong");
  assert.equal(node.resourceTroubles().map(({ kind }) => kind), ["cluster_id_file"]);
  const [{ kind, reason }] = node.readiness().troubles as [NodeTrouble];
  assert.is(kind, "idNotKept");
  assert.match(reason, /no space left/);
  const write = (timeoutMs: number) => node.write([put("key", VALUE)], { ...WRITE, timeoutMs });
  assert.equal((await write(50)).map(kindOf), ["unavailable"]);
  isFull = false;
  assert.equal((await write(WRITE.timeoutMs)).map(kindOf), ["ok"]);
  await until(() => node.resourceTroubles().length === 0, "the trouble is over");
  await node.close();
});

for (const ends of ["there is room again", "it is killed"] as const) {
  test(`a turn larger than what the log has left is told to nobody as done, until ${ends}`, async () => {
    let isFull = false;
    const fault = ({ operation, path }: DiskCall) =>
      isFull && operation === "create" && path.includes("/wal/") ? new Error("no space left") : undefined;
    const disk = new MemoryDisk({ random: new SeededRandom(3), fault });
    const node = await openNode(disk);
    await ready(node);
    assert.equal((await node.write([put("before", VALUE)], WRITE)).map(kindOf), ["ok"]);
    await until(() => segmentsOn(disk) === 2, "the next segment lies ready");
    isFull = true;
    // All in one turn, and more than the rest of this segment and the next one.
    const impatient = { ...WRITE, timeoutMs: 400 };
    const keys = Array.from({ length: 30 }, (_, at) => `key ${at}`);
    const first = node.write([put("order", "first")], impatient);
    const many = keys.map((key) => node.write([put(key, VALUE)], impatient));
    const last = node.write([put("order", "last")], impatient);
    const told = (await Promise.all([first, ...many, last])).map(([result]) => kindOf(result));
    assert.equal(new Set(told), new Set(["deadline"]));
    assert.is(await text(node, "before", READ), VALUE);
    assert.is(await text(node, "order", READ), undefined);
    const [refused] = await node.write([put("small", "1")], impatient);
    assert.is(kindOf(refused), "overloaded");
    assert.match(String(refused?.ok === false && refused.error.message), /log is full.*no space left/);
    await until(() => !node.readiness().isReady, "calls are told of");
    assert.equal(node.readiness().troubles.map(({ kind }) => kind), ["diskFull"]);
    assert.ok(node.readiness().isReadyForReads);
    isFull = false;
    if (ends === "it is killed") {
      disk.crash({ lostPercent: 0, garbledPercent: 0 });
      node.close().catch(() => {});
    } else {
      await ready(node);
      assert.equal((await node.write([put("small", "1")], WRITE)).map(kindOf), ["ok"]);
      for (const key of keys) assert.is(await text(node, key, READ), VALUE, key);
      assert.is(await text(node, "order", READ), "last");
      await node.close();
    }
    const again = await openNode(disk);
    await ready(again);
    assert.is(await text(again, "before", READ), VALUE);
    const kept = ends === "it is killed" ? [undefined, undefined] : [VALUE, "last"];
    assert.equal([await text(again, "key 29", READ), await text(again, "order", READ)], kept);
    await again.close();
  });
}

function segmentsOn(disk: MemoryDisk): number {
  return disk.paths().filter((path) => path.endsWith(".wal")).length;
}

/** Writes one key after the other while the disk is troubled; each that is refused is written again. */
async function writeThrough(
  trouble: TroubledDisk,
): Promise<{ readonly acknowledged: readonly string[]; readonly hasEnded: boolean }> {
  const node = await openNode(trouble.disk);
  let hasEnded = false;
  // A node that has ended answers nobody any more.
  const ended = node.ended.then(() => void (hasEnded = true));
  const acknowledged: string[] = [];
  await ready(node);
  trouble.begin();
  while (acknowledged.length < PUTS && !hasEnded) {
    const key = `key ${acknowledged.length}`;
    const written = node.write([put(key, VALUE)], { ...WRITE, timeoutMs: 300 });
    const [result] = await Promise.race([written, ended.then(() => [])]);
    if (result?.ok === true) acknowledged.push(key);
    else if (!hasEnded) {
      assert.ok(["overloaded", "deadline", "unavailable"].includes(kindOf(result)), kindOf(result));
    }
  }
  if (hasEnded) node.close().catch(() => {});
  else {
    assert.is(await text(node, acknowledged[0]!, READ), VALUE);
    // A failure in the very last moment is the next start's business.
    await node.close().catch(() => hasEnded = true);
  }
  return { acknowledged, hasEnded };
}

async function assertHeld(disk: MemoryDisk, keys: readonly string[], where: string): Promise<void> {
  const node = await openNode(disk);
  await ready(node);
  for (const key of keys) assert.is(await text(node, key, READ), VALUE, `${where}: ${key} is lost`);
  await node.close();
}

async function ready(node: Node): Promise<void> {
  await until(() => node.readiness().isReady, "the node is ready");
}

async function openNode(disk: MemoryDisk): Promise<Node> {
  const fileSystem = disk.mount();
  const shape = { nodes: new Map([[1, "host:1"]]), partitionCount: 1, replicationFactor: 1 };
  const data = await openDataDirectory(fileSystem, {
    directory: "data/node",
    nodeId: 1,
    shape,
    incarnation: newIncarnation({ wallMs: 1, seed: 1 }),
  });
  return await Node.open({
    data,
    shape,
    fileSystem,
    clock: HASTY_CLOCK,
    seed: 1,
    inbox: new Inbox(),
    transport: NO_PEERS,
    electionTimeoutMs: 1_000,
    heartbeatMs: 100,
    walSync: { kind: "always" },
    walSegmentBytes: 8_192,
    memory: { log: 2 ** 30, state: 2 ** 30, calls: 2 ** 27 },
    troubles: new Troubles(),
    meters: NO_METERS,
  });
}

test.run();
