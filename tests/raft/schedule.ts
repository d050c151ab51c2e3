/**
 * Random lives of a cluster of bare cores. A seed decides everything: the shape of the cluster, how bad network and
 * nodes are, and every single step. After the bad times comes a calm phase, in which the cluster must recover.
 *
 * @module
 */

import { type GroupId, type Message, type NodeId, type ReadyBatch, votersOnly } from "../../raft/mod.ts";
import { Random } from "../../raft/random.ts";
import { bytes, Cluster, type ClusterNode } from "./cluster.ts";
import { Oracle } from "./oracle.ts";

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
  readonly crashes: number;
}

/** How bad a run is. */
interface Weather {
  /** Chances of one message. */
  readonly loss: number;
  readonly duplication: number;
  readonly reordering: number;
  /** Chances of one step. */
  readonly crash: number;
  readonly cut: number;
  readonly restart: number;
  readonly stop: number;
  /** Chance that a node which died is back at once. */
  readonly bounce: number;
  /** Chance that what it had sent dies with it. */
  readonly mute: number;
  /** Chance that a node dies while a batch is out, before and after the disk has it. */
  readonly crashInBatch: number;
  /** The same for batches in which a vote is given or a leader is new: there the worst can happen. */
  readonly crashAtTurn: number;
  /** Batches that may be on their way to the disk, and the chance of a step that the disk gets on. */
  readonly batches: number;
  readonly disk: number;
  /** Messages that arrive at once. */
  readonly burst: number;
  /** Share of each action, of the sum of all. */
  readonly shares: Readonly<Record<Action, number>>;
}

type Action = "tick" | "duel" | "deliver" | "propose" | "read" | "unreachable" | "transfer" | "rest";

/** Chance that a turn finds the disk busy and must not ask for a write. */
const BUSY_DISK = 0.25;

const CALM_TICKS_MAX = 400;
const CLUSTER_SIZES = [3, 5] as const;
/** Twice the election timeout: whoever stands still for so long, as its peers see it, is no leader to them. */
const DUEL_TICKS = 20;
const STOP_STEPS_MAX = 600;
const IN_TRANSIT_MAX = 600;
const ACTIONS: readonly Action[] = [
  "tick",
  "duel",
  "deliver",
  "propose",
  "read",
  "unreachable",
  "transfer",
  "rest",
];

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
  readonly #weather: Weather;
  readonly #cluster: Cluster;
  readonly #oracle: Oracle;
  readonly #steps: number;
  #step = 0;
  #crashes = 0;
  #elections = 0;
  #readsGranted = 0;
  readonly #stoppedUntil = new Map<NodeId, number>();

  constructor(options: ScheduleOptions) {
    const random = new Random(options.seed);
    this.#random = random;
    this.#steps = options.steps;
    this.#weather = drawWeather(random);
    this.#cluster = drawCluster(random, options.seed);
    this.#oracle = new Oracle(this.#cluster);
    this.#count();
  }

  run(): ScheduleResult {
    for (this.#step = 1; this.#step <= this.#steps; this.#step++) this.#act();
    this.#calm();
    const committed = this.#cluster.groups.reduce(
      (sum, group) => sum + this.#oracle.committed(group).length,
      0,
    );
    return {
      committed,
      elections: this.#elections,
      readsGranted: this.#readsGranted,
      crashes: this.#crashes,
    };
  }

  #act(): void {
    const node = this.#pick(this.#cluster.nodes);
    if (node.raft === undefined) {
      if (this.#random.chance(this.#weather.restart)) this.#cluster.start(node);
      return this.#deliverSome();
    }
    if (this.#isStopped(node)) return this.#deliverSome();
    if (this.#random.chance(this.#weather.crash)) return this.#crash(node);
    if (this.#random.chance(this.#weather.stop)) this.#stop();
    if (this.#random.chance(this.#weather.cut)) this.#changeLinks();
    if (node.batches.length > 0 && this.#random.chance(this.#weather.disk)) return this.#goOn(node);
    this.#do(this.#drawAction(), node);
    const mayBegin = node.batches.length < this.#weather.batches && node.core.hasReady();
    if (mayBegin && this.#random.chance(0.5)) this.#cluster.begin(node, !this.#random.chance(BUSY_DISK));
  }

  #do(action: Action, node: ClusterNode): void {
    switch (action) {
      case "tick":
        return node.core.tick();
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
      case "rest":
        return;
    }
  }

  /** Two clocks jump: leases end, and elections overlap that never would otherwise. */
  #duel(): void {
    for (const node of [this.#pick(this.#cluster.nodes), this.#pick(this.#cluster.nodes)]) {
      if (!this.#mayAct(node)) continue;
      for (let passed = 0; passed < DUEL_TICKS; passed++) node.core.tick();
    }
  }

  #mayAct(node: ClusterNode): boolean {
    return node.raft !== undefined && !this.#isStopped(node);
  }

  /** Like a process under SIGSTOP: its clock stands still, and what is sent to it waits. */
  #isStopped(node: ClusterNode): boolean {
    return (this.#stoppedUntil.get(node.id) ?? 0) > this.#step;
  }

  #stop(): void {
    const leaders = this.#leaders();
    const node = leaders.length > 0 && this.#random.chance(0.7)
      ? this.#pick(leaders)
      : this.#pick(this.#cluster.nodes);
    this.#stoppedUntil.set(node.id, this.#step + this.#random.below(STOP_STEPS_MAX));
  }

  #leaders(): readonly ClusterNode[] {
    const group = this.#group();
    return this.#cluster.nodes.filter((node) => node.raft?.view(group)?.role === "leader");
  }

  #drawAction(): Action {
    const { shares } = this.#weather;
    const sum = ACTIONS.reduce((total, action) => total + shares[action], 0);
    let left = this.#random.below(sum);
    return ACTIONS.find((action) => (left -= shares[action]) < 0) ?? "rest";
  }

  /** The disk takes one more batch, or the oldest turn ends. */
  #goOn(node: ClusterNode): void {
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

  #crash(node: ClusterNode): void {
    this.#oracle.onCrash(node);
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

  #propose(node: ClusterNode): void {
    const count = 1 + this.#random.below(3);
    for (let i = 0; i < count; i++) node.core.propose(this.#group(), bytes(`${this.#step}.${i}`));
  }

  #read(node: ClusterNode): void {
    const read = { group: this.#group(), readId: this.#step };
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

  /** No more faults: a leader appears in every group, all catch up, and no read stays unanswered. */
  #calm(): void {
    const cluster = this.#cluster;
    cluster.heal();
    for (const node of cluster.nodes) {
      if (node.raft === undefined) cluster.start(node);
      cluster.finishAll(node);
    }
    cluster.settle();
    for (const group of cluster.groups) this.#recover(group);
    // A question whose answer was lost is given up after an election timeout, which is ten ticks.
    cluster.tick(11);
    if (this.#oracle.openReads() > 0) {
      throw new Error(`${this.#oracle.openReads()} reads were never answered`);
    }
  }

  #recover(group: GroupId): void {
    const cluster = this.#cluster;
    let proposed = { index: 0, term: 0 };
    const isRecovered = () => {
      const leader = cluster.leader(group);
      // What was proposed to a leader that is no longer one may be lost; the new one is asked again.
      if (leader !== undefined && leader.view(group).term !== proposed.term) {
        const result = leader.core.propose(group, bytes("calm"));
        if (result.accepted) proposed = result;
        return false;
      }
      return leader !== undefined &&
        cluster.nodes.every((node) => node.view(group).applied >= proposed.index && isCaughtUp(node, group));
    };
    cluster.tickUntil(isRecovered, CALM_TICKS_MAX);
    const [first, ...others] = cluster.nodes.map((node) => node.applied.get(group)!);
    for (const other of others) {
      if (other.length !== first!.length) throw new Error(`replicas of group ${group} differ in the calm`);
    }
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
function isTurningPoint(node: ClusterNode, batch: ReadyBatch): boolean {
  const { persist, transitions } = batch;
  const isNew = persist.some(({ group, hardState }) => {
    const known = node.disk.group(group).hardState;
    return hardState !== undefined && (hardState.vote !== known.vote || hardState.term !== known.term);
  });
  return isNew || transitions.some((transition) => transition.role === "leader");
}

function isCaughtUp(node: ClusterNode, group: GroupId): boolean {
  const { applied, commit, lastIndex } = node.view(group);
  return applied === commit && commit === lastIndex;
}

/** From a fine day to a disaster, so that both progress and confusion are seen. */
function drawWeather(random: Random): Weather {
  const harshness = random.chance(0.6) ? 1 : 0.15;
  const upTo = (
    worst: number,
  ) => (random.chance(0.3) ? 0 : (random.below(1_000) / 1_000) * worst * harshness);
  return {
    loss: upTo(0.3),
    duplication: upTo(0.4),
    reordering: upTo(1),
    crash: upTo(0.02),
    cut: upTo(0.03),
    restart: 0.01 + upTo(0.3),
    stop: upTo(0.01),
    bounce: upTo(0.9),
    mute: upTo(0.9),
    crashInBatch: upTo(0.1),
    crashAtTurn: upTo(0.8),
    batches: 1 + random.below(3),
    disk: 0.1 + random.below(10) * 0.08,
    burst: 1 + random.below(4),
    shares: {
      // From elections now and then to ones that overtake each other.
      tick: 8 + random.below(60),
      duel: random.below(5),
      deliver: 30 + random.below(60),
      propose: 2 + random.below(20),
      read: 1 + random.below(10),
      unreachable: random.below(3),
      transfer: random.below(4),
      rest: 20,
    },
  };
}

function drawCluster(random: Random, seed: number): Cluster {
  const size = CLUSTER_SIZES[random.below(CLUSTER_SIZES.length)]!;
  const nodes = Array.from({ length: size }, (_, position) => position + 1);
  const groups = random.chance(0.5) ? [1] : [0, 3, 7];
  const hasPriority = random.chance(0.6);
  const priority = (group: GroupId) => (hasPriority ? nodes.map((_, i) => nodes[(i + group) % size]!) : []);
  // Small limits make flow control, paging and refusals everyday events.
  const config = random.chance(0.4) ? {} : {
    inflightMessagesMax: 1 + random.below(4),
    inflightBytesMax: 200,
    appendBytesMax: 70 + random.below(100),
    uncommittedBytesMax: 700,
    committedBytesMax: 150,
    readsWaitingMax: 4,
  };
  // Half of the clusters go on from a snapshot, so that an index is never mistaken for a position.
  const index = random.chance(0.5) ? 0 : 1 + random.below(5_000);
  const term = index === 0 ? 0 : 3;
  const snapshot = { index, term, membership: votersOnly(nodes) };
  const restored = () => ({ hardState: { term, vote: 0, commit: index }, snapshot, entries: [] });
  return new Cluster({ nodes, groups, seed, config, priority, restored });
}
