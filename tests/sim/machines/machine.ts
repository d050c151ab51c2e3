/**
 * One machine of the cluster: a disk, a clock and, most of the time, a process that is the product's own
 * `Node`. It is started, crashed, killed, stopped, paused and damaged from outside, and starts again by
 * itself after its node has given up, as a supervisor would see to it.
 *
 * ```
 * down ──start──▶ starting ──open──▶ serving ──stop──▶ stopping ─┐
 *   ▲                └──────────┬───────┴──────────────┬─────────┘
 *   └───────── crash, kill, a fatal error ─────────────┘        lost: its disk is gone, it never comes back
 * ```
 *
 * A node that learns that the cluster has removed it stops, and its machine is `removed`.
 *
 * @module
 */

import type { GroupId, NodeId } from "../../../raft/mod.ts";
import type { ClusterShape } from "../../../server/cluster/founding.ts";
import {
  DescriptorReserve,
  identityPath,
  newIncarnation,
  openDataDirectory,
  Troubles,
} from "../../../server/data/mod.ts";
import { Inbox } from "../../../server/node/inbox.ts";
import { type JoinedCluster, Node } from "../../../server/node/node.ts";
import type { NodeEnd } from "../../../server/node/node_loop.ts";
import { createLocalCaller } from "../../../server/rpc/mod.ts";
import type { StateBudget, StoreSizes } from "../../../server/state/mod.ts";
import type { WalTimer } from "../../../wal-wasm/mod.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import type { World } from "../world/world.ts";
import type { Network } from "./network.ts";
import { SimulatedTransport } from "./sim_transport.ts";
import { SimProcess } from "./process.ts";
import { type MachineClock, ProcessClock } from "./process_clock.ts";
import { type DiskCopy, SimDisk } from "./sim_disk.ts";

/** Where a node comes from: it is a founder, or has joined. */
export interface Origin {
  readonly shape: ClusterShape;
  readonly joined?: JoinedCluster;
}

/**
 * How often stores were flushed and merged, the log let go of, snapshots installed, damage repaired, and
 * replicas given up and come back.
 */
export interface KeptCounts {
  flushes: number;
  compactions: number;
  releases: number;
  installed: number;
  repaired: number;
  drops: number;
  returns: number;
}

/** Of nothing. */
export const NOTHING_KEPT: Readonly<KeptCounts> = {
  flushes: 0,
  compactions: 0,
  releases: 0,
  installed: 0,
  repaired: 0,
  drops: 0,
  returns: 0,
};

/** All machines' settings. */
export interface SimMachineOptions {
  readonly nodeId: NodeId;
  readonly origin: Origin;
  readonly electionTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly leaseReads: boolean;
  readonly walSegmentBytes: number;
  readonly budget: StateBudget;
  readonly storeSizes: StoreSizes;
  readonly syncMsMax: number;
  readonly clockRate: number;
}

/** Is told what becomes of machines. */
export interface MachineWatcher {
  /** A process has come up; nothing has happened in it yet. */
  onStart(machine: SimMachine): void;
  /** A process is gone. */
  onEnd(machine: SimMachine): void;
  /** Something happened that must not. */
  fail(message: string, cause?: unknown): void;
}

/** See the module comment. */
export type MachineState = "down" | "starting" | "serving" | "stopping" | "lost" | "removed";

/** A node, and what it hears of the world through. */
interface OpenNode {
  readonly node: Node;
  readonly inbox: Inbox;
}

/** Answers one call of a client. */
type LocalCaller = ReturnType<typeof createLocalCaller>;

const NO_METERS = {
  observeTurn() {},
  observeFrame() {},
  observeSync() {},
  observeProposal() {},
  observeRefusal() {},
};
/** More than any run holds: the limit itself has tests of its own. */
const MEMORY = { log: 2 ** 30, state: 2 ** 30, calls: 2 ** 27 };
/** How far wall clocks are off from the start. */
const WALL_OFFSET_MS_MAX = 20 * 60_000;
/** A supervisor waits so long before it starts a node again that gave up. */
const RESTART_MS_MIN = 100;
const RESTART_MS_MAX = 1_000;

/** See the module comment. */
export class SimMachine {
  readonly disk: SimDisk;
  readonly clock: MachineClock;
  readonly #world: World;
  readonly #network: Network;
  readonly #options: SimMachineOptions;
  readonly #watcher: MachineWatcher;
  readonly #random: SeededRandom;
  #state: MachineState = "down";
  #process: SimProcess | undefined;
  #node: Node | undefined;
  #inbox: Inbox | undefined;
  #caller: LocalCaller | undefined;
  /** Where the log ended when a process last had it open. */
  #logEnd = { segment: 1, offset: 0 };
  #isDamaged = false;
  /** Whether a node was ever open on this disk. */
  #isUsed = false;
  #hasLostLog = false;
  #isPutBack = false;
  #isRemoved = false;
  /** Somebody asked for a start while the process was stopping. */
  #startsAgain = false;
  /** What its processes so far have done to keep state and log bounded. */
  readonly #kept: KeptCounts = { ...NOTHING_KEPT };

  constructor(
    parts: {
      readonly world: World;
      readonly network: Network;
      readonly watcher: MachineWatcher;
      readonly options: SimMachineOptions;
    },
  ) {
    this.#world = parts.world;
    this.#network = parts.network;
    this.#watcher = parts.watcher;
    this.#options = parts.options;
    this.#random = this.#world.fork();
    this.disk = new SimDisk({ random: this.#world.fork(), syncMsMax: parts.options.syncMsMax });
    const wallOffsetMs = this.#random.below(2 * WALL_OFFSET_MS_MAX + 1) - WALL_OFFSET_MS_MAX;
    this.clock = { rate: parts.options.clockRate, wallOffsetMs };
  }

  get id(): NodeId {
    return this.#options.nodeId;
  }

  get state(): MachineState {
    return this.#state;
  }

  /** The process, while there is one. */
  get process(): SimProcess | undefined {
    return this.#process;
  }

  /** The node, once it is open and until it is gone. */
  get node(): Node | undefined {
    return this.#node;
  }

  /** What all its processes have done to keep state and log bounded. */
  get kept(): Readonly<KeptCounts> {
    if (this.#node === undefined) return this.#kept;
    const { keeper: { stats }, replicas: { returns } } = this.#node;
    return sumOfKept(this.#kept, { ...stats, returns });
  }

  /** Answers calls of clients while the node is open. */
  get caller(): LocalCaller | undefined {
    return this.#caller;
  }

  /** Whether its disk holds less than its node has promised. */
  get isPutBack(): boolean {
    return this.#isPutBack;
  }

  /** Starts a process, if the machine is down; if one is stopping, another follows it. */
  start(): void {
    if (this.#state === "stopping") this.#startsAgain = true;
    if (this.#state !== "down") return;
    this.#startsAgain = false;
    this.#state = "starting";
    const process = new SimProcess(this.#world, this.id);
    this.#process = process;
    const inbox = new Inbox();
    this.#open(process, inbox).then(
      (node) => this.#opened(process, { node, inbox }),
      (error) => this.#refused(process, error),
    );
  }

  /** The power goes. */
  crash(): void {
    if (this.#end("crashes")) this.disk.crash();
  }

  /** The process is killed, the system goes on. */
  kill(): void {
    if (this.#end("is killed")) this.disk.kill();
  }

  /** A clean stop, as by SIGTERM. */
  stop(): void {
    const { node, process } = { node: this.#node, process: this.#process };
    if (this.#state !== "serving" || node === undefined || process === undefined) return;
    this.#state = "stopping";
    const end = (outcome: string) => {
      if (!process.isAlive || !this.#end(outcome)) return;
      this.disk.kill();
      if (this.#startsAgain) this.start();
    };
    node.close().then(() => end("has stopped"), (error) => {
      if (this.disk.faults === 0) this.#watcher.fail(`node ${this.id} cannot stop`, error);
      end("has failed to stop");
    });
  }

  pause(): void {
    this.#process?.pause();
  }

  resume(): void {
    this.#process?.resume();
  }

  /** Bytes on the disk change while the machine is down. Whoever then refuses to start is lost. */
  damage(): void {
    this.crash();
    if (this.#state === "down" && this.disk.damage(`${DIRECTORY}/wal`, this.#logEnd)) this.#isDamaged = true;
  }

  /** A bit of the state changes on the disk, whatever the machine is doing. */
  rotState(): void {
    this.disk.rot(`${DIRECTORY}/state/`);
  }

  /** The log is removed from the disk while the machine is down. A node that was open before must refuse. */
  removeLog(): void {
    this.crash();
    if (this.#state !== "down" || !this.#isUsed) return;
    this.disk.removeLog(`${DIRECTORY}/wal`);
    this.#hasLostLog = true;
  }

  /** An older copy of the whole disk takes its place; the machine is down. */
  putBack(copy: DiskCopy): void {
    this.disk.putBack(copy);
    this.#isPutBack = true;
  }

  /** The disk is gone, and the machine with it. */
  lose(): void {
    this.crash();
    this.#state = "lost";
  }

  /** Asks the node to hand a group to `to`, if it leads it. */
  transferLeadership(group: GroupId, to: NodeId): void {
    this.#inbox?.push({ kind: "transfer", group, to });
  }

  /** Notes where the log ends, for damage to be done. */
  noteLogEnd(): void {
    if (this.#node !== undefined) this.#logEnd = this.#node.wal.end;
  }

  async #open(process: SimProcess, inbox: Inbox): Promise<Node> {
    const { origin, electionTimeoutMs, heartbeatMs, leaseReads, walSegmentBytes } = this.#options;
    const troubles = new Troubles();
    const clock = new ProcessClock(this.#world, { process, machine: this.clock, random: this.#world.fork() });
    const fileSystem = new DescriptorReserve({
      fileSystem: this.disk.mount(process),
      timer: timerOf(clock),
      troubles,
    });
    const saltRandom = this.#world.fork();
    const seed = this.#random.word();
    const data = await openDataDirectory(fileSystem, {
      directory: DIRECTORY,
      nodeId: this.id,
      shape: origin.shape,
      joinedClusterId: origin.joined?.clusterId,
      incarnation: newIncarnation({ wallMs: clock.wallMs(), seed }),
    });
    await fileSystem.fill(identityPath(DIRECTORY));
    return await Node.open({
      ...origin,
      data,
      fileSystem,
      clock,
      seed,
      randomWord: () => saltRandom.word(),
      inbox,
      transport: new SimulatedTransport({ nodeId: this.id, network: this.#network, process }),
      electionTimeoutMs,
      heartbeatMs,
      leaseReads,
      walSync: { kind: "always" },
      walSegmentBytes,
      memory: MEMORY,
      budget: this.#options.budget,
      storeSizes: this.#options.storeSizes,
      troubles,
      meters: NO_METERS,
    });
  }

  #opened(process: SimProcess, { node, inbox }: OpenNode): void {
    if (!process.isAlive) return;
    void node.ended.then((end) => this.#onEnd(process, end));
    this.#network.attach(this.id, { process, inbox, host: node });
    this.#state = "serving";
    this.#node = node;
    this.#inbox = inbox;
    this.#caller = createLocalCaller(node);
    if (this.#hasLostLog) this.#watcher.fail(`node ${this.id} starts without the log it had`);
    this.#isUsed = true;
    this.#world.trace.note(`node ${this.id} is up`);
    this.#watcher.onStart(this);
  }

  #onEnd(process: SimProcess, end: NodeEnd): void {
    if (!process.isAlive) return;
    if (end.kind === "fatal") return this.#onFatal(end.error);
    // It stops by itself, when it has done what it is at.
    this.#isRemoved = true;
    process.plan(0, "is removed", () => this.stop());
  }

  #refused(process: SimProcess, error: unknown): void {
    if (!process.isAlive) return;
    if (this.#isDamaged || this.#hasLostLog) return this.#giveUpForGood("its log is damaged or gone");
    if (this.disk.faults === 0) this.#watcher.fail(`node ${this.id} refuses to start`, error);
    this.#giveUp("cannot start");
  }

  #onFatal(error: Error): void {
    if (this.#isPutBack && LOST_PROMISE.test(error.message)) {
      return this.#giveUpForGood("it does not hold what it has promised");
    }
    // A failed write or sync of the log ends a node; nothing else may, whatever a disk refuses.
    const isOfDisk = this.disk.finalFaults > 0 && Reflect.get(error, "code") === "WAL_POISONED";
    if (!isOfDisk) this.#watcher.fail(`node ${this.id} dies`, error);
    this.#giveUp("gives up");
  }

  #giveUpForGood(why: string): void {
    this.#end(`is lost: ${why}`);
    this.disk.kill();
    this.#state = "lost";
  }

  #giveUp(what: string): void {
    if (!this.#end(what)) return;
    this.disk.kill();
    const delayMs = RESTART_MS_MIN + this.#random.below(RESTART_MS_MAX - RESTART_MS_MIN);
    this.#world.plan(delayMs, `node ${this.id} is started again`, () => this.start());
  }

  /** Ends the process; false if there is none. */
  #end(what: string): boolean {
    if (this.#process === undefined) return false;
    this.#world.trace.note(`node ${this.id} ${what}`);
    this.noteLogEnd();
    Object.assign(this.#kept, this.kept);
    const process = this.#process;
    this.#state = this.#isRemoved ? "removed" : "down";
    this.#process = undefined;
    this.#node = undefined;
    this.#inbox = undefined;
    this.#caller = undefined;
    process.end();
    this.#watcher.onEnd(this);
    return true;
  }
}

/** Both together. */
export function sumOfKept(one: Readonly<KeptCounts>, other: Readonly<KeptCounts>): KeptCounts {
  return {
    flushes: one.flushes + other.flushes,
    compactions: one.compactions + other.compactions,
    releases: one.releases + other.releases,
    installed: one.installed + other.installed,
    repaired: one.repaired + other.repaired,
    drops: one.drops + other.drops,
    returns: one.returns + other.returns,
  };
}

function timerOf(clock: ProcessClock): WalTimer {
  return {
    now: () => clock.monotonicMs(),
    after: (delayMs, callback) => {
      const timer = clock.after(delayMs, callback);
      return () => timer.cancel();
    },
  };
}

const DIRECTORY = "disk/prkdb";
/** What a node says that finds out that its disk was put back. */
const LOST_PROMISE = /has lost what node \d+ promised to node/;
