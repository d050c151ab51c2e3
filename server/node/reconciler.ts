/**
 * What the leader of a group does about the cluster's state: it brings the group to the members that the
 * state wants, says so when that is done, and hands its leadership to the node that an operator named. A node
 * does this for every group that it leads; nothing is remembered but what group 0 holds, so that a new leader
 * just goes on.
 *
 * @module
 */

import type { GroupId, MembershipTarget, MultiRaft, NodeId, Term } from "../../raft/mod.ts";
import {
  type ChangeRequest,
  type ClusterPartition,
  type ClusterState,
  groupOfPartition,
  isMoving,
  MembershipDriver,
} from "../cluster/mod.ts";
import type { Clock } from "../ports/mod.ts";
import type { GroupZero } from "./group_zero.ts";
import type { ReplicaSet } from "./replica_set.ts";

type TransferRequest = Extract<ChangeRequest, { readonly kind: "transferLeadership" }>;

/** In so many ticks every partition has been looked at. */
const TICKS_PER_ROUND = 400;

/** What it works with. */
export interface ReconcilerOptions {
  readonly nodeId: NodeId;
  readonly multiRaft: MultiRaft;
  readonly clock: Clock;
  readonly cluster: GroupZero;
  readonly replicas: ReplicaSet;
}

/** A leadership of this node, and since when it is held at the latest. */
interface HeldLeadership {
  readonly term: Term;
  readonly sinceMs: number;
}

/** See the module comment. */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #driver: MembershipDriver;
  /** The state that the two lists below were read from. */
  #state: ClusterState | undefined;
  #moving: readonly ClusterPartition[] = [];
  #transfers: readonly TransferRequest[] = [];
  /** By group, for those with which this node had something to do. */
  readonly #leading = new Map<GroupId, HeldLeadership>();
  /** Up to here partitions have been looked at in this round. */
  #checked = 0;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#driver = new MembershipDriver(options.multiRaft, options.nodeId);
  }

  /** Does what is to be done now for the partitions whose groups this node leads; called at every tick. */
  tick(): void {
    this.#readState();
    for (const partition of this.#moving) this.#drivePartition(partition);
    for (const partition of this.#nextToCheck()) this.#drivePartition(partition);
    for (const { partitionId, to } of this.#transfers) this.#handOver(groupOfPartition(partitionId), to);
  }

  /** Takes a step with a group that this node leads, if it is not made of `target` yet. */
  drive(group: GroupId, target: MembershipTarget): void {
    if (this.#driver.isReached(group, target) || !this.#isStateFresh(group)) return;
    this.#driver.step(group, target);
  }

  #readState(): void {
    const { state } = this.#options.cluster;
    if (state === this.#state) return;
    this.#state = state;
    this.#moving = state.partitions.filter(isMoving);
    this.#transfers = state.changes.flatMap(({ isFinished, request }) =>
      request.kind === "transferLeadership" && !isFinished ? [request] : []
    );
  }

  /**
   * All partitions in turn. One that does not move needs nothing, unless something has gone wrong with it.
   */
  #nextToCheck(): readonly ClusterPartition[] {
    const { partitions } = this.#options.cluster.state;
    const count = Math.ceil(partitions.length / TICKS_PER_ROUND);
    const start = this.#checked >= partitions.length ? 0 : this.#checked;
    this.#checked = start + count;
    return partitions.slice(start, start + count).filter((partition) => !isMoving(partition));
  }

  #drivePartition(partition: ClusterPartition): void {
    const { cluster, replicas } = this.#options;
    const { partitionId, target, changeId, replicaIds } = partition;
    const group = groupOfPartition(partitionId);
    if (!replicas.leads(group)) return;
    const goal = { voters: target, learners: [], replicaIds };
    const isReached = this.#driver.isReached(group, goal);
    if ((isReached && !isMoving(partition)) || !this.#isStateFresh(group)) return;
    if (!isReached) return this.#driver.step(group, goal);
    cluster.proposeOnce({ kind: "settle", partitionId, target, changeId }, `settle ${partitionId}`);
  }

  /**
   * Whether the state here is at least as new as this node's leadership of the group. An older one might send
   * the group to a node that was removed since. What comes later does no harm: while this node leads, no
   * other can have brought the group anywhere and settled it.
   */
  #isStateFresh(group: GroupId): boolean {
    const { clock, cluster, multiRaft } = this.#options;
    const nowMs = clock.monotonicMs();
    const { term } = multiRaft.status(group)!;
    let lead = this.#leading.get(group);
    if (lead?.term !== term) this.#leading.set(group, lead = { term, sinceMs: nowMs });
    if (cluster.replica.isFresh(nowMs, nowMs - lead.sinceMs)) return true;
    cluster.refresh();
    return false;
  }

  #handOver(group: GroupId, to: NodeId): void {
    const { multiRaft, nodeId, replicas } = this.#options;
    if (to !== nodeId && replicas.leads(group)) multiRaft.transferLeadership(group, to);
  }
}
