/**
 * `prkdb.v1.ClusterService` on top of a node: what it knows of the cluster and of itself. The methods that
 * change the cluster stand in `rpc/cluster/changes.ts`, the stream that shows changes in
 * `rpc/cluster/watch_changes.ts`.
 *
 * @module
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  ClusterService,
  type GetMetadataResponseSchema,
  type GetStatusResponseSchema,
  ReplicaRole,
  type ReplicaStatusSchema,
} from "../../../proto/mod.ts";
import type { Role } from "../../../raft/mod.ts";
import type { ClusterMetadata, NodeApi, NodeStatus, ReplicaStatus } from "../../api/mod.ts";
import { type UnaryMethod, unaryMethod } from "../method/mod.ts";
import { changeMethods } from "./changes.ts";

const ROLES: { readonly [K in Role]: ReplicaRole } = {
  leader: ReplicaRole.LEADER,
  follower: ReplicaRole.FOLLOWER,
  preCandidate: ReplicaRole.CANDIDATE,
  candidate: ReplicaRole.CANDIDATE,
};

/** The unary methods of `ClusterService`, served by `node`. */
export function clusterMethods(node: NodeApi): readonly UnaryMethod[] {
  const { getMetadata, getStatus } = ClusterService.method;
  return [
    unaryMethod({
      desc: getMetadata,
      call: () => Promise.resolve(node.metadata()),
      reply: toGetMetadataResponse,
    }),
    unaryMethod({ desc: getStatus, call: () => Promise.resolve(node.status()), reply: toGetStatusResponse }),
    ...changeMethods(node),
  ];
}

/** Answer of `GetMetadata`. */
export function toGetMetadataResponse(
  metadata: ClusterMetadata,
): MessageInitShape<typeof GetMetadataResponseSchema> {
  return {
    clusterId: metadata.clusterId,
    epoch: BigInt(metadata.epoch),
    replicationFactor: metadata.replicationFactor,
    nodes: metadata.nodes.map(({ nodeId, address }) => ({ nodeId, address })),
    partitions: metadata.partitions.map((partition) => ({
      partitionId: partition.partitionId,
      hashStart: partition.hashStart,
      hashEnd: BigInt(partition.hashEnd),
      leaderId: partition.leaderId,
      term: BigInt(partition.term),
      replicas: [...partition.replicas],
    })),
  };
}

/** Answer of `GetStatus`. */
export function toGetStatusResponse(status: NodeStatus): MessageInitShape<typeof GetStatusResponseSchema> {
  return {
    nodeId: status.nodeId,
    clusterId: status.clusterId,
    version: status.version,
    state: status.state,
    uptimeMs: toBigint(status.uptimeMs),
    replicas: status.replicas.map(toReplica),
    peers: status.peers.map((peer) => ({
      nodeId: peer.nodeId,
      address: peer.address,
      connected: peer.connected,
      queuedBytes: toBigint(peer.queuedBytes),
      droppedMessages: toBigint(peer.droppedMessages),
    })),
    walBytes: toBigint(status.walBytes),
  };
}

function toReplica(replica: ReplicaStatus): MessageInitShape<typeof ReplicaStatusSchema> {
  return {
    partitionId: replica.partitionId,
    role: ROLES[replica.role],
    term: BigInt(replica.term),
    leaderId: replica.leader,
    commitIndex: BigInt(replica.commit),
    appliedIndex: BigInt(replica.applied),
    lastIndex: BigInt(replica.lastIndex),
    keyCount: BigInt(replica.keyCount),
    stateBytes: BigInt(replica.stateBytes),
    logBytes: BigInt(replica.logBytes),
    followers: replica.followers.map((follower) => ({
      nodeId: follower.node,
      matchIndex: BigInt(follower.matchIndex),
      lag: BigInt(Math.max(0, replica.lastIndex - follower.matchIndex)),
      inflightBytes: BigInt(follower.inflightBytes),
      state: follower.state,
      active: follower.active,
    })),
  };
}

/** Clocks and counters of the runtime may have a fraction. */
function toBigint(value: number): bigint {
  return BigInt(Math.trunc(value));
}
