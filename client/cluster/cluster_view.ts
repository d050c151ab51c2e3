/**
 * What nodes say about the cluster and about themselves, as plain data without protobuf's types.
 *
 * @module
 */

import { type GetMetadataResponse, type GetStatusResponse, ReplicaRole } from "../../proto/mod.ts";

/** The cluster as one node knows it. */
export interface ClusterView {
  readonly clusterId: string;
  readonly epoch: number;
  /** Replicas a partition should have as soon as there are nodes for them. */
  readonly replicationFactor: number;
  readonly nodes: readonly { readonly nodeId: number; readonly address: string }[];
  readonly partitions: readonly PartitionView[];
}

/** One partition. */
export interface PartitionView {
  readonly partitionId: number;
  /** First hash of its range, 0 to 2^32−1. */
  readonly hashStart: number;
  /** Exclusive, up to 2^32. */
  readonly hashEnd: number;
  /** 0 when unknown. */
  readonly leaderId: number;
  readonly term: number;
  /** The preferred leader first. */
  readonly replicas: readonly number[];
}

/** One node, as it describes itself. */
export interface NodeView {
  readonly nodeId: number;
  readonly clusterId: string;
  readonly version: string;
  /** `starting`, `serving` or `stopping`. */
  readonly state: string;
  readonly uptimeMs: number;
  readonly walBytes: number;
  readonly replicas: readonly ReplicaView[];
  readonly peers: readonly PeerView[];
  /** Why it is not `serving`, and what an operator must see to; a node of an older version tells none. */
  readonly troubles: readonly TroubleView[];
}

/** What calls through a node suffer from, as it says itself. */
export interface TroubleView {
  /** Stable, for programs, such as `diskFull`. */
  readonly kind: string;
  /** For people: one line. */
  readonly reason: string;
}

/** One replica of a node. */
export interface ReplicaView {
  readonly partitionId: number;
  readonly role: "leader" | "follower" | "candidate" | "unknown";
  readonly term: number;
  /** 0 when unknown. */
  readonly leaderId: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  readonly keyCount: number;
  /** Bytes of keys and values. */
  readonly stateBytes: number;
  /** The other replicas as a leader sees them; empty on others. */
  readonly followers: readonly FollowerView[];
}

/** One replica as its leader sees it. */
export interface FollowerView {
  readonly nodeId: number;
  /** Entries the leader has that the follower is not known to have. */
  readonly lag: number;
  /** Heard from within the last election timeout. */
  readonly isActive: boolean;
}

/** One peer of a node. */
export interface PeerView {
  readonly nodeId: number;
  readonly address: string;
  /** A stream to it is open. */
  readonly connected: boolean;
  /** The peer answers what is sent to it. */
  readonly reached: boolean;
  readonly queuedBytes: number;
}

/** The view in a `GetMetadataResponse`. */
export function clusterViewOf(response: GetMetadataResponse): ClusterView {
  return {
    clusterId: response.clusterId,
    epoch: Number(response.epoch),
    replicationFactor: response.replicationFactor,
    nodes: response.nodes.map(({ nodeId, address }) => ({ nodeId, address })),
    partitions: response.partitions.map((partition) => ({
      partitionId: partition.partitionId,
      hashStart: partition.hashStart,
      hashEnd: Number(partition.hashEnd),
      leaderId: partition.leaderId,
      term: Number(partition.term),
      replicas: partition.replicas,
    })),
  };
}

/** The view in a `GetStatusResponse`. */
export function nodeViewOf(response: GetStatusResponse): NodeView {
  return {
    nodeId: response.nodeId,
    clusterId: response.clusterId,
    version: response.version,
    state: response.state,
    uptimeMs: Number(response.uptimeMs),
    walBytes: Number(response.walBytes),
    troubles: response.troubles.map(({ kind, reason }) => ({ kind, reason })),
    replicas: response.replicas.map((replica) => ({
      partitionId: replica.partitionId,
      role: roleOf(replica.role),
      term: Number(replica.term),
      leaderId: replica.leaderId,
      commitIndex: Number(replica.commitIndex),
      appliedIndex: Number(replica.appliedIndex),
      lastIndex: Number(replica.lastIndex),
      keyCount: Number(replica.keyCount),
      stateBytes: Number(replica.stateBytes),
      followers: replica.followers.map(({ nodeId, lag, active }) => ({
        nodeId,
        lag: Number(lag),
        isActive: active,
      })),
    })),
    peers: response.peers.map(({ nodeId, address, connected, reached, queuedBytes }) => ({
      nodeId,
      address,
      connected,
      reached,
      queuedBytes: Number(queuedBytes),
    })),
  };
}

function roleOf(role: ReplicaRole): ReplicaView["role"] {
  switch (role) {
    case ReplicaRole.LEADER:
      return "leader";
    case ReplicaRole.FOLLOWER:
      return "follower";
    case ReplicaRole.CANDIDATE:
      return "candidate";
    default:
      // A newer node may know roles that this client does not.
      return "unknown";
  }
}
