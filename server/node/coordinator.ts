/**
 * What the leader of group 0 does: it founds the cluster, plans the changes that operators have asked for one
 * step at a time, and sees to it that the members of group 0 are those of the cluster and that living ones
 * vote. Nothing is remembered but what the group holds, so that a new leader just goes on.
 *
 * @module
 */

import type { MultiRaft, NodeId } from "../../raft/mod.ts";
import type { LeaderTable } from "../calls/mod.ts";
import {
  areReplicasComplete,
  CLUSTER_GROUP,
  type ClusterCommand,
  type ClusterState,
  clusterVoters,
  groupOfPartition,
  planNext,
} from "../cluster/mod.ts";
import type { Clock } from "../ports/mod.ts";
import type { GroupZero } from "./group_zero.ts";
import type { Reconciler } from "./reconciler.ts";

/** Nothing is moved to a node that was not heard for so many election timeouts: a restart takes less. */
const DEAD_ELECTION_TIMEOUTS = 10;
/** One step of the plan is proposed at a time. */
const PLAN = "plan";

/** What it works with. */
export interface CoordinatorOptions {
  readonly nodeId: NodeId;
  readonly multiRaft: MultiRaft;
  readonly clock: Clock;
  readonly electionTimeoutMs: number;
  readonly cluster: GroupZero;
  readonly leaders: LeaderTable;
  readonly reconciler: Reconciler;
}

/** See the module comment. */
export class Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #detector: FailureDetector;
  /** The state that the unfinished changes were read from. */
  #state: ClusterState | undefined;
  /** When this node saw the state change for the last time. */
  #changedMs = 0;
  /** When this node first saw each unfinished change. */
  readonly #seenMs = new Map<string, number>();
  /** Whether partitions are to have another number of replicas, for a change or without one. */
  #isIncomplete = false;

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    this.#detector = new FailureDetector(options.electionTimeoutMs * DEAD_ELECTION_TIMEOUTS);
  }

  /** Does what is to be done now, if this node leads group 0; called at every tick. */
  tick(): void {
    const { cluster } = this.#options;
    this.#readState();
    if (cluster.replica.role !== "leader") return this.#detector.reset();
    const heard = this.#heard();
    this.#detector.look(cluster.state.nodes.keys(), { heard, nowMs: this.#nowMs });
    this.#plan(heard);
    if (cluster.state.isFounded) this.#driveMembers(heard);
  }

  get #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  #readState(): void {
    const { state } = this.#options.cluster;
    if (state === this.#state) return;
    this.#state = state;
    this.#changedMs = this.#nowMs;
    this.#isIncomplete = !areReplicasComplete(state);
    const open = new Set(
      state.changes.filter(({ isFinished }) => !isFinished).map(({ changeId }) => changeId),
    );
    for (const changeId of this.#seenMs.keys()) if (!open.has(changeId)) this.#seenMs.delete(changeId);
    for (const changeId of open) if (!this.#seenMs.has(changeId)) this.#seenMs.set(changeId, this.#nowMs);
  }

  #plan(heard: ReadonlySet<NodeId>): void {
    const { cluster, leaders } = this.#options;
    if (!cluster.state.isFounded) return cluster.proposeOnce(founding(cluster), PLAN);
    if ((this.#seenMs.size === 0 && !this.#isIncomplete) || cluster.isProposing(PLAN)) return;
    const { voters, votersOutgoing } = cluster.membership;
    const command = planNext(cluster.state, {
      votes: (nodeId) => voters.includes(nodeId) || votersOutgoing.includes(nodeId),
      leaderOf: (partitionId) => leaders.get(groupOfPartition(partitionId)).leader,
      isSilent: (nodeId) => this.#isSilent(nodeId),
      isAway: (nodeId) => !heard.has(nodeId),
      ageMs: (changeId) => this.#nowMs - (this.#seenMs.get(changeId) ?? this.#nowMs),
      restMs: this.#nowMs - this.#changedMs,
    });
    if (command !== undefined) cluster.proposeOnce(command, PLAN);
  }

  /** Every node is a member of group 0, some vote. */
  #driveMembers(heard: ReadonlySet<NodeId>): void {
    const { cluster, reconciler } = this.#options;
    const voters = this.#wantedVoters(heard);
    const learners = [...cluster.state.nodes.keys()].filter((node) => !voters.includes(node));
    reconciler.drive(CLUSTER_GROUP, { voters, learners });
  }

  /** A node that is away for a moment keeps its vote, but none is given to a node that is not there. */
  #wantedVoters(heard: ReadonlySet<NodeId>): readonly NodeId[] {
    const { membership: { voters, learners }, state } = this.#options.cluster;
    const heardLearners = learners.filter((node) => heard.has(node));
    const present = voters.filter((node) => !this.#isSilent(node));
    const wanted = clusterVoters(state, [...present, ...heardLearners, ...voters]);
    if (wanted.every((node) => voters.includes(node)) && wanted.length === voters.length) return wanted;
    const heardVoters = voters.filter((node) => heard.has(node));
    return clusterVoters(state, [...heardVoters, ...heardLearners, ...voters]);
  }

  /** The nodes that answer, and this one. Every node is a member of group 0, so its leader hears them all. */
  #heard(): ReadonlySet<NodeId> {
    const { multiRaft, nodeId } = this.#options;
    const { followers } = multiRaft.status(CLUSTER_GROUP)!;
    return new Set([nodeId, ...followers.filter(({ active }) => active).map(({ node }) => node)]);
  }

  #isSilent(nodeId: NodeId): boolean {
    return this.#detector.isSilent(nodeId, this.#nowMs);
  }
}

/** The command that makes what all founders were started with the cluster's state. */
function founding({ clusterIdToFound, state }: GroupZero): ClusterCommand {
  const { nodes, partitions, replicationFactor } = state;
  return {
    kind: "found",
    clusterId: clusterIdToFound,
    replicationFactor,
    nodes: [...nodes.values()].map(({ nodeId, address }) => ({ nodeId, address })),
    replicas: partitions.map(({ replicas }) => replicas),
  };
}

/** What is heard at one moment. */
interface Look {
  readonly heard: ReadonlySet<NodeId>;
  readonly nowMs: number;
}

/**
 * Which nodes have been silent for long, as the leader of the cluster's own group sees it. A leader that has
 * just begun to look has not missed any yet.
 */
export class FailureDetector {
  readonly #limitMs: number;
  readonly #heardMs = new Map<NodeId, number>();

  /** @param limitMs a node that was not heard for so long is silent, in milliseconds */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /**
   * Takes note of those of `nodes` that are heard; those that are new count as heard, those that are gone are
   * forgotten.
   */
  look(nodes: Iterable<NodeId>, { heard, nowMs }: Look): void {
    const current = new Set(nodes);
    for (const node of this.#heardMs.keys()) if (!current.has(node)) this.#heardMs.delete(node);
    for (const node of current) {
      if (!this.#heardMs.has(node) || heard.has(node)) this.#heardMs.set(node, nowMs);
    }
  }

  /** What was seen does not count any more. */
  reset(): void {
    this.#heardMs.clear();
  }

  isSilent(node: NodeId, nowMs: number): boolean {
    return nowMs - (this.#heardMs.get(node) ?? nowMs) >= this.#limitMs;
  }
}
