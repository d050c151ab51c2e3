/**
 * Who holds what: partitions, their groups and their replicas, as a function of the node list alone. Partition i is
 * replicated on the nodes that follow number i mod n in ascending order; the first of them is the one that should
 * lead it, so replicas and leaders are even.
 *
 * @module
 */

import { hashRangeStart } from "../proto/mod.ts";
import type { GroupId, Membership, NodeId } from "../raft/mod.ts";

/** What a cluster is made of; the same on all nodes. */
export interface ClusterShape {
  /** Ascending ids with their addresses, `host:port`. */
  readonly nodes: ReadonlyMap<NodeId, string>;
  readonly partitionCount: number;
  readonly replicationFactor: number;
}

/** One partition's place. */
export interface PartitionPlace {
  readonly partitionId: number;
  readonly group: GroupId;
  readonly hashStart: number;
  /** Exclusive. */
  readonly hashEnd: number;
  /** The preferred leader first. */
  readonly replicas: readonly NodeId[];
}

/** Group 0 is the cluster's own; partitions follow. */
export function groupOfPartition(partitionId: number): GroupId {
  return partitionId + 1;
}

/** The partition that `group` replicates; -1 for the cluster's own. */
export function partitionOfGroup(group: GroupId): number {
  return group - 1;
}

/** All partitions, ascending. */
export function placePartitions(shape: ClusterShape): readonly PartitionPlace[] {
  const nodes = [...shape.nodes.keys()].sort((a, b) => a - b);
  return Array.from({ length: shape.partitionCount }, (_, partitionId) => ({
    partitionId,
    group: groupOfPartition(partitionId),
    hashStart: hashRangeStart(partitionId, shape.partitionCount),
    hashEnd: hashRangeStart(partitionId + 1, shape.partitionCount),
    replicas: Array.from(
      { length: shape.replicationFactor },
      (_, rank) => nodes[(partitionId + rank) % nodes.length]!,
    ),
  }));
}

/** The members of a partition's group before any change. */
export function initialMembership(place: PartitionPlace): Membership {
  const voters = [...place.replicas].sort((a, b) => a - b);
  return { voters, votersOutgoing: [], learners: [], learnersNext: [] };
}
