/**
 * The calm after the bad times of a schedule. No more faults: a leader appears in every group, all members
 * catch up, no read stays unanswered, groups become what somebody wants, under load, fall quiet, and wake
 * when a node dies.
 *
 * @module
 */

import type { GroupId, NodeId, ReplicaId } from "../../../raft/mod.ts";
import type { Random } from "../../../raft/random.ts";
import { type Cluster, type ModelNode, textBytes } from "./cluster.ts";
import { drawGoal, drive } from "./drive.ts";
import type { Oracle } from "./oracle.ts";
import type { ScheduleSnapshots } from "./snapshots.ts";

const CALM_TICKS_MAX = 400;

/** What has to come to rest. */
export interface ScheduleCalmOptions {
  readonly cluster: Cluster;
  readonly oracle: Oracle;
  readonly snapshots: ScheduleSnapshots;
  /** Which replica each node has, if they have ids. */
  readonly replicaIds: (group: GroupId) => ReadonlyMap<NodeId, ReplicaId> | undefined;
  readonly random: Random;
  readonly fallsQuiet: boolean;
  readonly isReshaped: boolean;
}

/** See the module comment. */
export class ScheduleCalm {
  readonly #options: ScheduleCalmOptions;
  #rests = 0;

  constructor(options: ScheduleCalmOptions) {
    this.#options = options;
  }

  /** Returns how many times a group fell quiet. */
  run(): number {
    const cluster = this.#options.cluster;
    cluster.heal();
    for (const node of cluster.nodes) {
      if (node.raft === undefined) cluster.start(node);
      cluster.finishAll(node);
    }
    cluster.afterTick = () => this.#options.snapshots.serveAll();
    this.#options.snapshots.serveAll();
    for (const group of cluster.groups) this.#agreeOnPriority(group);
    cluster.settle();
    for (const group of cluster.groups) this.#recover(group);
    if (this.#options.isReshaped) { for (const group of cluster.groups) this.#driveSomewhere(group); }
    this.#endOutsiders();
    if (this.#options.fallsQuiet) this.#rest();
    // A question whose answer was lost is given up after an election timeout, which is ten ticks.
    cluster.tick(11);
    for (const { core } of cluster.nodes.filter((node) => node.raft !== undefined)) {
      const held = core.groups().reduce((sum, group) => sum + core.status(group)!.logBytes, 0);
      if (held !== core.logBytes) throw new Error(`${core.logBytes} log bytes are counted, ${held} held`);
    }
    if (this.#options.oracle.openReads() > 0) {
      throw new Error(`${this.#options.oracle.openReads()} reads were never answered`);
    }
    return this.#rests;
  }

  /**
   * Replicas that prefer different leaders would hand leadership to and fro, more and more slowly, but for
   * ever.
   */
  #agreeOnPriority(group: GroupId): void {
    const { cluster, random } = this.#options;
    const order = drawGoal(random, cluster.nodes.map((node) => node.id));
    for (const node of cluster.nodes) node.core.setPriority(group, order);
  }

  /** A group that nothing disturbs gets wherever it is wanted, while it is written to. */
  #driveSomewhere(group: GroupId): void {
    const { cluster, random } = this.#options;
    const goal = drawGoal(random, cluster.nodes.map((node) => node.id));
    const replicaIds = this.#options.replicaIds(group);
    cluster.tickUntil(() => {
      const leaders = cluster.nodes.filter((node) => node.status(group).role === "leader");
      for (const leader of leaders) leader.core.propose(group, textBytes("load"));
      return leaders.some((leader) => drive(leader, { group, goal, replicaIds }) === "reached");
    }, CALM_TICKS_MAX);
    if (cluster.groups.length === 1) this.#cutPower();
    this.#recover(group);
  }

  /** The others need nobody who was replaced, whatever they may forget. */
  #cutPower(): void {
    const { cluster } = this.#options;
    this.#endOutsiders();
    const up = cluster.nodes.filter((node) => node.raft !== undefined);
    for (const node of up) this.#end(node);
    for (const node of up) cluster.start(node);
  }

  /** A node that is no member of any group any more need not come back. */
  #endOutsiders(): void {
    const { groups, nodes } = this.#options.cluster;
    const isNeeded = (node: ModelNode) => groups.some((group) => this.#members(group).includes(node.id));
    for (const node of nodes) if (!isNeeded(node)) this.#end(node);
  }

  /** In the calm every group rests; whichever node dies then, the others go on without it. */
  #rest(): void {
    const { groups } = this.#options.cluster;
    const isQuiet = () =>
      groups.every((group) => this.#upMembers(group).every((node) => node.status(group).isQuiet));
    this.#options.cluster.tickUntil(isQuiet, CALM_TICKS_MAX);
    this.#rests += groups.length;
    const victims = this.#options.cluster.nodes.filter((node) =>
      node.raft !== undefined && this.#isDispensable(node)
    );
    if (victims.length === 0) return;
    this.#end(victims[this.#options.random.below(victims.length)]!);
    const before = groups.map((group) => this.#options.oracle.committed(group).length);
    for (const group of groups) this.#recover(group);
    groups.forEach((group, at) => {
      if (this.#options.oracle.committed(group).length === before[at]) {
        throw new Error(`group ${group} does not wake`);
      }
    });
  }

  #end(node: ModelNode): void {
    this.#options.oracle.onCrash(node);
    this.#options.snapshots.onCrash(node);
    this.#options.cluster.crash(node);
  }

  /** Whether every group has a majority without `node`; nobody else is down that votes. */
  #isDispensable(node: ModelNode): boolean {
    return this.#options.cluster.groups.every((group) => {
      const { voters } = this.#options.oracle.membership(group);
      return voters.filter((voter) => voter !== node.id).length > voters.length / 2;
    });
  }

  #members(group: GroupId): readonly NodeId[] {
    const { voters, votersOutgoing, learners } = this.#options.oracle.membership(group);
    return [...voters, ...votersOutgoing, ...learners];
  }

  #upMembers(group: GroupId): readonly ModelNode[] {
    const ids = this.#members(group);
    return this.#options.cluster.nodes.filter((node) => node.raft !== undefined && ids.includes(node.id));
  }

  #recover(group: GroupId): void {
    const cluster = this.#options.cluster;
    let proposed = { index: 0, term: 0 };
    const isRecovered = () => {
      const up = this.#upMembers(group);
      const agreed = cluster.leader(group, up.map((node) => node.id));
      const leader = up.find((node) => node === agreed && node.status(group).role === "leader");
      // What was proposed to a leader that is no longer one may be lost; the new one is asked again.
      if (leader !== undefined && leader.status(group).term !== proposed.term) {
        const result = leader.core.propose(group, textBytes("calm"));
        if (result.accepted) proposed = result;
        return false;
      }
      return leader !== undefined && this.#options.oracle.membership(group).votersOutgoing.length === 0 &&
        up.every((node) => node.status(group).applied >= proposed.index && isCaughtUp(node, group));
    };
    cluster.tickUntil(isRecovered, CALM_TICKS_MAX);
    const [first, ...others] = this.#upMembers(group).map((node) => node.applied.get(group)!);
    for (const other of others) {
      if (other.length !== first!.length) throw new Error(`replicas of group ${group} differ in the calm`);
    }
  }
}

function isCaughtUp(node: ModelNode, group: GroupId): boolean {
  const { applied, commit, lastIndex } = node.status(group);
  return applied === commit && commit === lastIndex;
}
