/**
 * The replicas on this node: those of partitions, and the one of the cluster's own group. Partitions come
 * when the cluster's state says so; one that has moved away stays, asleep, until the node stops
 * (`docs/decisions/0012-…`).
 *
 * @module
 */

import type { GroupId, MultiRaft, NodeId, Restored } from "../../raft/mod.ts";
import { createKvReplica, type HostedReplica, type KvReplica } from "../calls/mod.ts";
import {
  CLUSTER_GROUP,
  type ClusterState,
  groupOfPartition,
  NO_MEMBERS,
  partitionOfGroup,
} from "../cluster/mod.ts";
import type { Clock } from "../ports/mod.ts";

/** What a replica begins with that its leader is to feed. */
const EMPTY: Restored = {
  hardState: { term: 0, vote: 0, commit: 0 },
  snapshot: { index: 0, term: 0, membership: NO_MEMBERS, membershipIndex: 0 },
  entries: [],
};

/** What the set is made from. */
export interface ReplicaSetOptions {
  readonly nodeId: NodeId;
  readonly multiRaft: MultiRaft;
  readonly clock: Clock;
  /** The replica of the cluster's own group. */
  readonly cluster: HostedReplica;
}

/** See the module comment. */
export class ReplicaSet {
  readonly #nodeId: NodeId;
  readonly #multiRaft: MultiRaft;
  readonly #clock: Clock;
  readonly #ofPartitions = new Map<GroupId, KvReplica>();
  readonly #all = new Map<GroupId, HostedReplica>();
  /** By group, those that have moved away too. */
  readonly all: ReadonlyMap<GroupId, HostedReplica> = this.#all;

  constructor({ nodeId, multiRaft, clock, cluster }: ReplicaSetOptions) {
    this.#nodeId = nodeId;
    this.#clock = clock;
    this.#multiRaft = multiRaft;
    this.#all.set(CLUSTER_GROUP, cluster);
  }

  /** Whether this node leads the group, as far as it knows. */
  leads(group: GroupId): boolean {
    return this.#all.get(group)?.role === "leader";
  }

  /** Whether this node is to hold a replica of the group. */
  holds(group: GroupId): boolean {
    return group === CLUSTER_GROUP || this.#ofPartitions.get(group)?.isAssigned === true;
  }

  /** Of the partitions this node is to hold, ascending. */
  assigned(): readonly KvReplica[] {
    return this.held().filter((replica) => replica.isAssigned);
  }

  /** Of all partitions of which there is one here, those that have moved away too, ascending. */
  held(): readonly KvReplica[] {
    return [...this.#ofPartitions.values()].sort((a, b) => a.partitionId - b.partitionId);
  }

  /** Takes in a partition's replica that the core already has. */
  add(group: GroupId): KvReplica {
    const replica = createKvReplica({ partitionId: partitionOfGroup(group), group }, this.#clock);
    this.#ofPartitions.set(group, replica);
    this.#all.set(group, replica);
    return replica;
  }

  /** Becomes what the cluster's state says of this node. */
  follow(state: ClusterState): void {
    for (const { partitionId, replicas, target } of state.partitions) {
      const group = groupOfPartition(partitionId);
      const isAssigned = replicas.includes(this.#nodeId) || target.includes(this.#nodeId);
      const replica = this.#ofPartitions.get(group) ?? (isAssigned ? this.#receive(group) : undefined);
      if (replica === undefined) continue;
      replica.isAssigned = isAssigned;
      this.#multiRaft.setPriority(group, target);
    }
  }

  /** A partition is moved here: an empty replica waits for its leader to feed it. */
  #receive(group: GroupId): KvReplica {
    this.#multiRaft.addGroup({ group, restored: EMPTY, priority: [] });
    return this.add(group);
  }
}
