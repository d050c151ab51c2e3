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

const NOTHING: Restored = {
  hardState: { term: 0, vote: 0, commit: 0 },
  snapshot: { index: 0, term: 0, membership: NO_MEMBERS },
  entries: [],
};

/** See the module comment. */
export class ReplicaSet {
  readonly #nodeId: NodeId;
  readonly #multiRaft: MultiRaft;
  readonly #partitions = new Map<GroupId, KvReplica>();
  readonly #all = new Map<GroupId, HostedReplica>();

  /** @param cluster the replica of the cluster's own group */
  constructor(
    parts: { readonly nodeId: NodeId; readonly multiRaft: MultiRaft; readonly cluster: HostedReplica },
  ) {
    this.#nodeId = parts.nodeId;
    this.#multiRaft = parts.multiRaft;
    this.#all.set(CLUSTER_GROUP, parts.cluster);
  }

  /** By group, those that have moved away too. */
  get all(): ReadonlyMap<GroupId, HostedReplica> {
    return this.#all;
  }

  /** The partitions this node is to hold, ascending. */
  assigned(): readonly KvReplica[] {
    return this.held().filter((partition) => partition.isAssigned);
  }

  /** Those that have moved away too, ascending. */
  held(): readonly KvReplica[] {
    return [...this.#partitions.values()].sort((a, b) => a.partitionId - b.partitionId);
  }

  /** Takes in a partition whose replica the core already has. */
  add(group: GroupId): KvReplica {
    const partition = createKvReplica({ partitionId: partitionOfGroup(group), group });
    this.#partitions.set(group, partition);
    this.#all.set(group, partition);
    return partition;
  }

  /** Becomes what the cluster's state says of this node. */
  follow(state: ClusterState): void {
    for (const { partitionId, replicas, target } of state.partitions) {
      const group = groupOfPartition(partitionId);
      const isAssigned = replicas.includes(this.#nodeId) || target.includes(this.#nodeId);
      const partition = this.#partitions.get(group) ?? (isAssigned ? this.#receive(group) : undefined);
      if (partition === undefined) continue;
      partition.isAssigned = isAssigned;
      this.#multiRaft.setPriority(group, target);
    }
  }

  /** A partition is moved here: an empty replica waits for its leader to feed it. */
  #receive(group: GroupId): KvReplica {
    this.#multiRaft.addGroup({ group, restored: NOTHING, priority: [] });
    return this.add(group);
  }
}
