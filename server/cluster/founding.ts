/**
 * Where everything lies when a cluster is founded, as a function of the node list alone. Partition i is
 * replicated on the nodes that follow number i mod n in ascending order; the first of them is the one that
 * should lead it, so replicas and leaders are even. From then on the cluster's own group says where things
 * are.
 *
 * @module
 */

import { hashRangeStart } from "../../proto/mod.ts";
import type { GroupId, Membership, NodeId } from "../../raft/mod.ts";
import { clusterVoters, firstReplicaIds, foundingState, replicasFor } from "./cluster_state.ts";
import type { ClusterState } from "./types.ts";

/** What a cluster is made of; the same on all nodes. */
export interface ClusterShape {
  /** Its founders: ascending ids with their addresses, `host:port`. */
  readonly nodes: ReadonlyMap<NodeId, string>;
  readonly partitionCount: number;
  /** May be more than there are nodes; until there are enough, partitions have as many as they allow. */
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

/** The cluster's own group; those of the partitions follow. */
export const CLUSTER_GROUP: GroupId = 0;

/** Stands where a partition is named, for the cluster's own group. */
export const CLUSTER_PARTITION = -1;

/** How messages name a partition. */
export function describePartition(partitionId: number): string {
  return partitionId === CLUSTER_PARTITION ? "the cluster's own group" : `partition ${partitionId}`;
}

/** The group that replicates a partition. */
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
  const replicaCount = replicasFor(shape.replicationFactor, nodes.length);
  return Array.from({ length: shape.partitionCount }, (_, partitionId) => ({
    partitionId,
    group: groupOfPartition(partitionId),
    hashStart: hashRangeStart(partitionId, shape.partitionCount),
    hashEnd: hashRangeStart(partitionId + 1, shape.partitionCount),
    replicas: Array.from(
      { length: replicaCount },
      (_, rank) => nodes[(partitionId + rank) % nodes.length]!,
    ),
  }));
}

/** A replica that begins with it only listens until its log names its members. */
export const NO_MEMBERS: Membership = { voters: [], votersOutgoing: [], learners: [], learnersNext: [] };

/** The members of a partition's group before any change. */
export function initialMembership({ replicas }: PartitionPlace): Membership {
  const voters = [...replicas].sort((a, b) => a - b);
  return { ...NO_MEMBERS, voters, replicaIds: [...firstReplicaIds(replicas)] };
}

/** The members of the cluster's own group before any change: everybody, and some of them vote. */
export function initialClusterMembership(shape: ClusterShape): Membership {
  const voters = clusterVoters(foundingStateOf(shape), []);
  return {
    ...NO_MEMBERS,
    voters,
    learners: [...shape.nodes.keys()].filter((node) => !voters.includes(node)),
  };
}

/** What a cluster is before its own group has said anything. */
export function foundingStateOf(shape: ClusterShape): ClusterState {
  const { nodes, replicationFactor } = shape;
  return foundingState({
    nodes,
    replicationFactor,
    replicas: placePartitions(shape).map(({ replicas }) => replicas),
  });
}
