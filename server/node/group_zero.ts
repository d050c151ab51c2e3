/**
 * This node's part in the cluster's own group: its copy of the cluster's state, the requests to change it,
 * and what has to be done about it here. Whoever leads a partition's group brings it to its members, whoever
 * leads group 0 coordinates; nothing is remembered but what the group holds, so that a new leader just goes
 * on.
 *
 * @module
 */

import type { GroupId, MultiRaft, NodeId, Term } from "../../raft/mod.ts";
import { DomainError, invalidArgument } from "../api/mod.ts";
import { type Call, type CallResult, HostedReplica } from "../calls/mod.ts";
import {
  type ChangeRequest,
  checkClusterCommand,
  CLUSTER_GROUP,
  CLUSTER_PARTITION,
  type ClusterChange,
  type ClusterCommand,
  type ClusterPartition,
  type ClusterState,
  clusterVoters,
  encodeClusterCommand,
  FailureDetector,
  groupOfPartition,
  MembershipDriver,
  planNext,
} from "../cluster/mod.ts";
import type { Outcome } from "../kv/mod.ts";
import type { Clock } from "../ports/mod.ts";
import { ClusterStateMachine } from "./cluster_state_machine.ts";

/** A proposal of this node's own that has not been answered for so long is made again. */
const PROPOSAL_LIMIT_MS = 2_000;

/** Nothing is moved to a node that was not heard for so many election timeouts: a restart takes less. */
const DEAD_ELECTION_TIMEOUTS = 10;

type TransferRequest = Extract<ChangeRequest, { readonly kind: "transferLeadership" }>;

/** In so many ticks every partition has been looked at. */
const TICKS_PER_ROUND = 400;

/** What the group works with. */
export interface GroupZeroOptions {
  readonly nodeId: NodeId;
  /** Another one for each start of the process. */
  readonly seed: number;
  /** What this node was started with. */
  readonly initial: ClusterState;
  readonly multiRaft: MultiRaft;
  readonly clock: Clock;
  readonly electionTimeoutMs: number;
  readonly leaderOf: (group: GroupId) => NodeId;
  /** Whether this node does. */
  readonly leads: (group: GroupId) => boolean;
  /** Puts a call before the node's loop. */
  readonly submit: (call: Call) => void;
  /** The view is another one now. */
  readonly onChange: (state: ClusterState) => void;
}

/** See the module comment. */
export class GroupZero {
  readonly replica: HostedReplica<ClusterStateMachine>;
  readonly #options: GroupZeroOptions;
  readonly #driver: MembershipDriver;
  readonly #silence: FailureDetector;
  readonly #listeners = new Set<() => void>();
  /** What this node proposes by itself and has no answer to, by what it is about. */
  readonly #proposing = new Set<string>();
  /** When this node first saw each unfinished change. */
  readonly #seenMs = new Map<string, number>();
  #moving: readonly ClusterPartition[] = [];
  #transfers: readonly TransferRequest[] = [];
  /** In which terms this node leads groups it had something to do with, and since when at the latest. */
  readonly #leading = new Map<GroupId, { readonly term: Term; readonly sinceMs: number }>();
  #isRefreshing = false;
  /** Up to here partitions have been looked at in this round. */
  #checked = 0;
  #changeCount = 0;

  constructor(options: GroupZeroOptions) {
    this.#options = options;
    this.#driver = new MembershipDriver(options.multiRaft, options.nodeId);
    this.#silence = new FailureDetector(options.electionTimeoutMs * DEAD_ELECTION_TIMEOUTS);
    const machine = new ClusterStateMachine(options.initial, () => this.#changed());
    this.replica = new HostedReplica({ partitionId: CLUSTER_PARTITION, group: CLUSTER_GROUP }, machine);
  }

  get state(): ClusterState {
    return this.replica.machine.state;
  }

  /** See `NodeApi.changeCluster`. */
  async change(request: ChangeRequest, { timeoutMs }: { readonly timeoutMs: number }): Promise<string> {
    const { nodeId, seed, clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    const changeId = `${nodeId}-${seed.toString(16)}-${++this.#changeCount}`;
    const command: ClusterCommand = { kind: "change", changeId, request };
    mustBeWithinBounds(command);
    await this.#propose(command, deadlineMs);
    const change = await this.#appearance(changeId, deadlineMs);
    if (change.error !== "") throw invalidArgument(change.error);
    return changeId;
  }

  /** See `NodeApi.onClusterChange`. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Does what is to be done now; called at every tick. */
  tick(): void {
    for (const partition of this.#moving) this.#drivePartition(partition);
    for (const partition of this.#nextToCheck()) this.#drivePartition(partition);
    for (const { partitionId, to } of this.#transfers) this.#handOver(groupOfPartition(partitionId), to);
    if (this.replica.role !== "leader") return this.#silence.reset();
    this.#listen();
    this.#coordinate();
    if (this.state.isFounded) this.#driveCluster();
  }

  /**
   * All partitions in turn. One that does not move needs nothing, unless something has gone wrong with it.
   */
  #nextToCheck(): readonly ClusterPartition[] {
    const { partitions } = this.state;
    const count = Math.ceil(partitions.length / TICKS_PER_ROUND);
    const start = this.#checked >= partitions.length ? 0 : this.#checked;
    this.#checked = start + count;
    return partitions.slice(start, start + count).filter(({ changeId }) => changeId === "");
  }

  #drivePartition({ partitionId, target, changeId }: ClusterPartition): void {
    const group = groupOfPartition(partitionId);
    if (!this.#options.leads(group)) return;
    const goal = { voters: target, learners: [] };
    const isReached = this.#driver.isReached(group, goal);
    if ((isReached && changeId === "") || !this.#isViewFresh(group)) return;
    if (!isReached) return this.#driver.step(group, goal);
    this.#proposeOnce({ kind: "settle", partitionId, target, changeId }, `settle ${partitionId}`);
  }

  /**
   * Whether the view is at least as new as this node's leadership of the group. An older one might send the
   * group to a node that was removed since. What comes later does no harm: while this node leads, nobody else
   * can have brought the group anywhere and settled it.
   */
  #isViewFresh(group: GroupId): boolean {
    const { clock, multiRaft } = this.#options;
    const nowMs = clock.monotonicMs();
    const { term } = multiRaft.status(group)!;
    let lead = this.#leading.get(group);
    if (lead?.term !== term) this.#leading.set(group, lead = { term, sinceMs: nowMs });
    if (this.replica.isFresh(nowMs, nowMs - lead.sinceMs)) return true;
    this.#refresh();
    return false;
  }

  /** Asks group 0 how far the view has to come to be of today. */
  #refresh(): void {
    if (this.#isRefreshing) return;
    this.#isRefreshing = true;
    const deadlineMs = this.#options.clock.monotonicMs() + PROPOSAL_LIMIT_MS;
    this.#options.submit({
      ...{ kind: "read", partitionId: CLUSTER_PARTITION, keys: [], deadlineMs, mayForward: false },
      ...{ consistency: "follower", maxStalenessMs: 0 },
      settle: () => this.#isRefreshing = false,
    });
  }

  /** Everybody is a member of group 0, some vote. */
  #driveCluster(): void {
    const voters = this.#wantedVoters();
    const learners = [...this.state.nodes.keys()].filter((node) => !voters.includes(node));
    const goal = { voters, learners };
    if (this.#driver.isReached(CLUSTER_GROUP, goal) || !this.#isViewFresh(CLUSTER_GROUP)) return;
    this.#driver.step(CLUSTER_GROUP, goal);
  }

  /** Who is away for a moment keeps its vote, but none is given to anybody who is not there. */
  #wantedVoters(): readonly NodeId[] {
    const { voters, learners } = this.#driver.membershipOf(CLUSTER_GROUP);
    const living = this.#living();
    const livingLearners = learners.filter((node) => living.has(node));
    const present = voters.filter((node) => !this.#isSilent(node));
    const wanted = clusterVoters(this.state, [...present, ...livingLearners, ...voters]);
    if (wanted.every((node) => voters.includes(node)) && wanted.length === voters.length) return wanted;
    const livingVoters = voters.filter((node) => living.has(node));
    return clusterVoters(this.state, [...livingVoters, ...livingLearners, ...voters]);
  }

  /** Whoever is heard, and this node. Every node is a member of group 0, so its leader hears them all. */
  #living(): ReadonlySet<NodeId> {
    const { followers } = this.#options.multiRaft.status(CLUSTER_GROUP)!;
    const heard = followers.filter(({ active }) => active).map(({ node }) => node);
    return new Set([this.#options.nodeId, ...heard]);
  }

  #isSilent(nodeId: NodeId): boolean {
    return this.#silence.isSilent(nodeId, this.#options.clock.monotonicMs());
  }

  #listen(): void {
    const living = this.#living();
    const nowMs = this.#options.clock.monotonicMs();
    this.#silence.look(this.state.nodes.keys(), { isHeard: (node) => living.has(node), nowMs });
  }

  #coordinate(): void {
    const { clock, leaderOf } = this.#options;
    if (!this.state.isFounded) return this.#proposeOnce(founding(this.state), "plan");
    if (this.#seenMs.size === 0 || this.#proposing.has("plan")) return;
    const { voters, votersOutgoing } = this.#driver.membershipOf(CLUSTER_GROUP);
    const command = planNext(this.state, {
      votes: (nodeId) => voters.includes(nodeId) || votersOutgoing.includes(nodeId),
      leaderOf: (partitionId) => leaderOf(groupOfPartition(partitionId)),
      isSilent: (nodeId) => this.#isSilent(nodeId),
      ageMs: (changeId) => clock.monotonicMs() - (this.#seenMs.get(changeId) ?? clock.monotonicMs()),
    });
    if (command !== undefined) this.#proposeOnce(command, "plan");
  }

  #changed(): void {
    const { clock, onChange } = this.#options;
    const { changes, partitions } = this.state;
    this.#transfers = changes.flatMap(({ isFinished, request }) =>
      request.kind === "transferLeadership" && !isFinished ? [request] : []
    );
    this.#moving = partitions.filter(({ changeId }) => changeId !== "");
    const open = new Set(changes.filter(({ isFinished }) => !isFinished).map(({ changeId }) => changeId));
    for (const changeId of this.#seenMs.keys()) if (!open.has(changeId)) this.#seenMs.delete(changeId);
    for (const changeId of open) {
      if (!this.#seenMs.has(changeId)) this.#seenMs.set(changeId, clock.monotonicMs());
    }
    onChange(this.state);
    for (const listener of [...this.#listeners]) listener();
  }

  #handOver(group: GroupId, to: NodeId): void {
    if (to !== this.#options.nodeId && this.#options.leads(group)) {
      this.#options.multiRaft.transferLeadership(group, to);
    }
  }

  /** Proposes what this node itself wants; what is refused or lost is wanted again at a later tick. */
  #proposeOnce(command: ClusterCommand, about: string): void {
    if (this.#proposing.has(about)) return;
    this.#proposing.add(about);
    const end = () => void this.#proposing.delete(about);
    this.#propose(command, this.#options.clock.monotonicMs() + PROPOSAL_LIMIT_MS).then(end, end);
  }

  /** Resolves when the command has been applied by group 0's leader; rejects with `DomainError`. */
  #propose(command: ClusterCommand, deadlineMs: number): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#options.submit({
        ...{ kind: "write", partitionId: CLUSTER_PARTITION, command: encodeClusterCommand(command) },
        ...{ deadlineMs, mayForward: true },
        settle: (result: CallResult<Outcome>) => result.ok ? resolve() : reject(result.error),
      })
    );
  }

  /**
   * The change as soon as it stands in this node's own view, which may come after group 0's leader has it.
   */
  #appearance(changeId: string, deadlineMs: number): Promise<ClusterChange> {
    const find = () => this.state.changes.find((change) => change.changeId === changeId);
    return new Promise((resolve, reject) => {
      const found = find();
      if (found !== undefined) return resolve(found);
      const end = () => {
        stopListening();
        timer.cancel();
      };
      const stopListening = this.onChange(() => {
        const change = find();
        if (change === undefined) return;
        end();
        resolve(change);
      });
      const { clock } = this.#options;
      const timer = clock.after(Math.max(0, deadlineMs - clock.monotonicMs()), () => {
        end();
        reject(
          new DomainError({ kind: "deadline" }, "The change was taken but has not reached this node in time"),
        );
      });
    });
  }
}

/** @throws {DomainError} `invalidArgument` */
function mustBeWithinBounds(command: ClusterCommand): void {
  try {
    checkClusterCommand(command);
  } catch (error) {
    throw invalidArgument(error instanceof Error ? error.message : String(error));
  }
}

/** The command that makes what all founders were started with the cluster's state. */
function founding({ nodes, partitions, replicationFactor }: ClusterState): ClusterCommand {
  return {
    kind: "found",
    replicationFactor,
    nodes: [...nodes.values()].map(({ nodeId, address }) => ({ nodeId, address })),
    replicas: partitions.map(({ replicas }) => replicas),
  };
}
