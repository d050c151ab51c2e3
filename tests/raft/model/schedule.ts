/**
 * Random schedules of a cluster of bare cores. A seed decides everything: the shape of the cluster, how bad
 * network and nodes are, and every single step. After the bad times comes a calm phase, in which the cluster
 * must recover.
 *
 * @module
 */

import type { GroupId, LogIndex, Message, NodeId, ReadyBatch, Term } from "../../../raft/mod.ts";
import { Random } from "../../../raft/random.ts";
import { ScheduleCalm } from "./calm.ts";
import { type Cluster, type ModelNode, textBytes } from "./cluster.ts";
import { drawGoal, drive, type Goal } from "./drive.ts";
import { Oracle } from "./oracle.ts";
import { ScheduleReplacements } from "./replacements.ts";
import { drawTarget } from "./reshaping.ts";
import { ScheduleSnapshots } from "./snapshots.ts";
import {
  ACTIONS,
  drawCluster,
  type Drawn,
  drawScheduleWeather,
  type ScheduleAction,
  type ScheduleWeather,
} from "./weather.ts";

/** One run. */
export interface ScheduleOptions {
  readonly seed: number;
  readonly steps: number;
}

/** What a run came to, for sums over many. */
export interface ScheduleResult {
  readonly committed: number;
  readonly elections: number;
  readonly readsGranted: number;
  readonly rests: number;
  readonly changes: number;
  readonly crashes: number;
  readonly installs: number;
  /** Replicas that came in the place of others. */
  readonly replaced: number;
}

/** Chance that a tick is not noticed. */
const LATE_TICK = 0.05;
/** Chance that a turn finds the disk busy and must not ask for a write. */
const BUSY_DISK = 0.25;

/** Share of the runs in which leaders keep leases. */
const LEASES = 0.4;
/**
 * Twice the election timeout: whoever stands still for so long, as its peers see it, is no leader to them.
 */
const DUEL_TICKS = 20;
const STOP_STEPS_MAX = 600;
/** Chance that a group is wanted elsewhere before it is where it was wanted. */
const NEW_GOAL = 0.1;
/** Snapshots are drawn for themselves, so that runs without them are what they were before there were any. */
const SNAPSHOT_SEED = 1_000_000_007;
/** The same for replicas that leave, and the share of the runs with changes in which they do. */
const REPLACEMENT_SEED = 2_000_000_011;
const REPLACED = 0.6;
/** A node that is in no cluster of this size. */
const STRANGER: NodeId = 99;
const IN_TRANSIT_MAX = 600;
/** Reads have to wait for one entry of so many that are proposed. */
const FLOOR_EVERY = 4;

/** An entry that was proposed. */
interface EntryPlace {
  readonly index: LogIndex;
  readonly term: Term;
}

/**
 * Runs one schedule.
 *
 * @throws when any promise is broken; the message starts with the seed
 */
export function runSchedule(options: ScheduleOptions): ScheduleResult {
  try {
    return new Schedule(options).run();
  } catch (error) {
    const reason = error instanceof Error ? error.stack ?? error.message : String(error);
    const replay = `RAFT_SEED=${options.seed} RAFT_STEPS=${options.steps} deno task test tests/raft/schedule`;
    throw new Error(`seed ${options.seed} fails; replay with: ${replay}\n${reason}`);
  }
}

class Schedule {
  readonly #random: Random;
  readonly #weather: ScheduleWeather;
  readonly #cluster: Cluster;
  readonly #oracle: Oracle;
  readonly #snapshots: ScheduleSnapshots;
  readonly #replacements: ScheduleReplacements | undefined;
  readonly #steps: number;
  readonly #hasLeases: boolean;
  readonly #isReshaped: boolean;
  /** What each group is being driven to. */
  readonly #goals = new Map<GroupId, Goal>();
  /** Where a node has raised the floor of its reads, by node and group. */
  readonly #floors = new Map<string, EntryPlace>();
  readonly #drawn: Drawn;
  #step = 0;
  #crashes = 0;
  #elections = 0;
  #readsGranted = 0;
  #changes = 0;
  readonly #stoppedUntil = new Map<NodeId, number>();

  constructor(options: ScheduleOptions) {
    const random = new Random(options.seed);
    this.#random = random;
    this.#steps = options.steps;
    this.#weather = drawScheduleWeather(random, new Random(options.seed + SNAPSHOT_SEED));
    this.#hasLeases = random.chance(LEASES);
    this.#isReshaped = this.#weather.shares.reshape + this.#weather.shares.drive > 0;
    const { seed } = options;
    const isReshaped = this.#isReshaped;
    const replacing = new Random(seed + REPLACEMENT_SEED);
    const hasReplicaIds = isReshaped && replacing.chance(REPLACED);
    const draw = { seed, leaseReads: this.#hasLeases, isReshaped, hasReplicaIds };
    this.#drawn = drawCluster(random, draw);
    this.#cluster = this.#drawn.cluster;
    this.#oracle = new Oracle(this.#cluster);
    this.#snapshots = new ScheduleSnapshots(this.#cluster, random);
    const parts = { cluster: this.#cluster, oracle: this.#oracle, snapshots: this.#snapshots };
    if (hasReplicaIds) this.#replacements = new ScheduleReplacements({ ...parts, random: replacing });
    this.#count();
  }

  run(): ScheduleResult {
    for (this.#step = 1; this.#step <= this.#steps; this.#step++) this.#act();
    const rests = new ScheduleCalm({
      cluster: this.#cluster,
      oracle: this.#oracle,
      snapshots: this.#snapshots,
      replicaIds: (group) => this.#replacements?.idsOf(group),
      random: this.#random,
      fallsQuiet: this.#drawn.fallsQuiet,
      isReshaped: this.#isReshaped,
    }).run();
    const committed = this.#cluster.groups.reduce(
      (sum, group) => sum + this.#oracle.committed(group).length,
      0,
    );
    return {
      committed,
      elections: this.#elections,
      readsGranted: this.#readsGranted,
      rests,
      changes: this.#changes,
      crashes: this.#crashes,
      installs: this.#snapshots.installs,
      replaced: this.#replacements?.replaced ?? 0,
    };
  }

  #act(): void {
    const node = this.#pick(this.#cluster.nodes);
    if (node.raft === undefined) {
      if (this.#random.chance(this.#weather.restart)) this.#cluster.start(node);
      return this.#deliverSome();
    }
    if (this.#isStopped(node)) return this.#deliverSome();
    this.#replacements?.act(node, this.#cluster.groups[this.#step % this.#cluster.groups.length]!);
    if (this.#random.chance(this.#weather.crash)) return this.#crash(node);
    if (this.#random.chance(this.#weather.stop)) this.#stop();
    if (this.#random.chance(this.#weather.cut)) this.#changeLinks();
    if (node.batches.length > 0 && this.#random.chance(this.#weather.disk)) return this.#goOn(node);
    this.#do(this.#drawAction(), node);
    const mayBegin = node.batches.length < this.#weather.batches && node.core.hasReady();
    if (mayBegin && this.#random.chance(0.5)) this.#cluster.begin(node, !this.#random.chance(BUSY_DISK));
  }

  #do(action: ScheduleAction, node: ModelNode): void {
    switch (action) {
      case "tick":
        return this.#tick(node);
      case "duel":
        return this.#duel();
      case "deliver":
        return this.#deliverSome(node.id);
      case "propose":
        return this.#propose(node);
      case "read":
        return this.#read(node);
      case "unreachable":
        return node.core.reportUnreachable(this.#pick(this.#cluster.nodes).id);
      case "transfer":
        return void node.core.transferLeadership(this.#group(), this.#pick(this.#cluster.nodes).id);
      case "reshape":
        return this.#reshape();
      case "drive":
        return this.#drive();
      case "prefer":
        return node.core.setPriority(this.#group(), drawGoal(this.#random, [...this.#nodeIds(), STRANGER]));
      case "snapshot":
        return this.#snapshots.act(node, this.#group());
      case "rest":
        return;
    }
  }

  /** Where leases hold, clocks run alike; ticks may come late, and stand still where a node does. */
  #tick(node: ModelNode): void {
    if (!this.#hasLeases) return node.tick();
    if (!this.#random.chance(0.5)) return;
    for (const each of this.#cluster.nodes) {
      if (this.#mayAct(each) && !this.#random.chance(LATE_TICK)) each.tick();
      else each.clock++;
    }
  }

  /** A leader is asked to change the members of its group. */
  #reshape(): void {
    const group = this.#group();
    const leaders = this.#leaders(group).filter((leader) => this.#mayAct(leader));
    if (leaders.length === 0) return;
    const leader = this.#pick(leaders);
    const { core } = leader;
    const target = drawTarget(this.#random, {
      current: core.status(group)!.membership,
      nodes: this.#nodeIds(),
    });
    const replicaIds = this.#replacements?.idsOf(group);
    const named = replicaIds === undefined ? target : { ...target, replicaIds };
    if (core.changeMembership(group, named).accepted) this.#changes++;
  }

  /**
   * A group has a goal, and its leader takes a step towards it; the next time another node may lead, and the
   * goal may be another.
   */
  #drive(): void {
    const group = this.#group();
    if (!this.#goals.has(group) || this.#random.chance(NEW_GOAL)) {
      this.#goals.set(group, drawGoal(this.#random, this.#nodeIds()));
    }
    const goal = this.#goals.get(group)!;
    for (const leader of this.#leaders(group).filter((node) => this.#mayAct(node))) {
      const replicaIds = this.#replacements?.idsOf(group);
      if (drive(leader, { group, goal, replicaIds }) === "changing") this.#changes++;
    }
  }

  #nodeIds(): readonly NodeId[] {
    return this.#cluster.nodes.map((node) => node.id);
  }

  /** Two clocks jump: leases end, and elections overlap that never would otherwise. */
  #duel(): void {
    if (this.#hasLeases) return;
    for (const node of [this.#pick(this.#cluster.nodes), this.#pick(this.#cluster.nodes)]) {
      if (!this.#mayAct(node)) continue;
      for (let passed = 0; passed < DUEL_TICKS; passed++) node.tick();
    }
  }

  #mayAct(node: ModelNode): boolean {
    return node.raft !== undefined && !this.#isStopped(node);
  }

  /** Like a process under SIGSTOP: its clock stands still, and what is sent to it waits. */
  #isStopped(node: ModelNode): boolean {
    return (this.#stoppedUntil.get(node.id) ?? 0) > this.#step;
  }

  #stop(): void {
    const leaders = this.#leaders();
    const node = leaders.length > 0 && this.#random.chance(0.7)
      ? this.#pick(leaders)
      : this.#pick(this.#cluster.nodes);
    this.#stoppedUntil.set(node.id, this.#step + this.#random.below(STOP_STEPS_MAX));
  }

  #leaders(group = this.#group()): readonly ModelNode[] {
    return this.#cluster.nodes.filter((node) => node.raft?.status(group)?.role === "leader");
  }

  #drawAction(): ScheduleAction {
    const { shares } = this.#weather;
    const sum = ACTIONS.reduce((total, action) => total + shares[action], 0);
    let left = this.#random.below(sum);
    return ACTIONS.find((action) => (left -= shares[action]) < 0) ?? "rest";
  }

  /** The disk takes one more batch, or the oldest turn ends. */
  #goOn(node: ModelNode): void {
    const next = node.batches.find(({ isPersisted }) => !isPersisted);
    const isEnding = next === undefined || (node.batches[0]!.isPersisted && this.#random.chance(0.7));
    if (isEnding) return this.#cluster.finish(node);
    const { crashInBatch, crashAtTurn } = this.#weather;
    const crash = isTurningPoint(node, next.batch) ? crashAtTurn / 2 : crashInBatch;
    if (this.#random.chance(crash)) return this.#crash(node);
    this.#cluster.persist(node);
    // Dying here, the node has kept its promises on disk without having told anybody.
    if (this.#random.chance(crash)) this.#crash(node);
  }

  #crash(node: ModelNode): void {
    this.#oracle.onCrash(node);
    this.#snapshots.onCrash(node);
    this.#cluster.crash(node);
    this.#crashes++;
    const { inTransit } = this.#cluster;
    // What a process has handed to its socket may die with it.
    if (this.#random.chance(this.#weather.mute)) {
      const others = inTransit.splice(0).filter((message) => message.from !== node.id);
      inTransit.push(...others);
    }
    if (this.#random.chance(this.#weather.bounce)) this.#cluster.start(node);
  }

  #deliverSome(to?: NodeId): void {
    const { inTransit } = this.#cluster;
    while (inTransit.length > IN_TRANSIT_MAX) inTransit.splice(this.#random.below(inTransit.length), 1);
    const count = 1 + this.#random.below(this.#weather.burst);
    for (let i = 0; i < count; i++) this.#deliverOne(to);
  }

  #deliverOne(to: NodeId | undefined): void {
    const { inTransit } = this.#cluster;
    const isFree = (message: Message) => {
      const node = this.#cluster.node(message.to);
      return !this.#isStopped(node) && (to === undefined || message.to === to);
    };
    let position = inTransit.findIndex(isFree);
    if (position < 0) return;
    if (this.#random.chance(this.#weather.reordering)) {
      const other = this.#random.below(inTransit.length);
      if (isFree(inTransit[other]!)) position = other;
    }
    const message = inTransit[position]!;
    if (!this.#random.chance(this.#weather.duplication)) inTransit.splice(position, 1);
    if (this.#random.chance(this.#weather.loss)) return;
    if (!this.#cluster.cuts.has(`${message.from}>${message.to}`)) this.#cluster.deliver(message);
  }

  #propose(node: ModelNode): void {
    const count = 1 + this.#random.below(3);
    for (let i = 0; i < count; i++) {
      const group = this.#group();
      const result = node.core.propose(group, textBytes(`${this.#step}.${i}`));
      if (!result.accepted || result.index % FLOOR_EVERY !== 0) continue;
      node.core.raiseReadFloor(group, result.index);
      this.#floors.set(`${node.id}/${group}`, result);
    }
  }

  /** What a read of the leadership that `node` has now must wait for. */
  #floorAt(node: ModelNode, group: GroupId): LogIndex {
    const floor = this.#floors.get(`${node.id}/${group}`);
    const { role, term } = node.status(group);
    return role === "leader" && floor?.term === term ? floor.index : 0;
  }

  /** Leases go wrong at leaders, above all at those that are none any more. */
  #read(node: ModelNode): void {
    const leaders = this.#hasLeases ? this.#leaders().filter((leader) => this.#mayAct(leader)) : [];
    if (leaders.length > 0) node = this.#pick(leaders);
    const group = this.#group();
    const read = { group, readId: this.#step, floor: this.#floorAt(node, group) };
    if (node.core.readIndex(read.group, read.readId).accepted) this.#oracle.noteRead(node, read);
  }

  /** Cuts single links in one direction, isolates nodes, leaders above all, or heals everything. */
  #changeLinks(): void {
    const { nodes, cuts } = this.#cluster;
    const dice = this.#random.below(5);
    const leaders = this.#leaders();
    if (dice === 4 && leaders.length > 0) return this.#cluster.isolate(this.#pick(leaders).id);
    if (dice === 0) this.#cluster.heal();
    else if (dice === 1) this.#cluster.isolate(this.#pick(nodes).id);
    else if (dice === 2) this.#cluster.isolate(this.#pick(nodes).id, this.#pick(nodes).id);
    else cuts.add(`${this.#pick(nodes).id}>${this.#pick(nodes).id}`);
  }

  #count(): void {
    const { onTransition, onRead } = this.#oracle;
    this.#oracle.onTransition = (node, transition) => {
      if (transition.role === "leader") this.#elections++;
      onTransition.call(this.#oracle, node, transition);
    };
    this.#oracle.onRead = (node, read) => {
      if (read.granted) this.#readsGranted++;
      onRead.call(this.#oracle, node, read);
    };
  }

  #group(): GroupId {
    return this.#pick(this.#cluster.groups);
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#random.below(list.length)]!;
  }
}

/** Whether `batch` enters a term, gives a vote, or follows an election won. */
function isTurningPoint(node: ModelNode, batch: ReadyBatch): boolean {
  const { persist, transitions } = batch;
  const isNew = persist.some(({ group, hardState }) => {
    const known = node.disk.group(group).hardState;
    return hardState !== undefined && (hardState.vote !== known.vote || hardState.term !== known.term);
  });
  return isNew || transitions.some((transition) => transition.role === "leader");
}
