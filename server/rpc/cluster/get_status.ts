/**
 * `GetStatus`: what this node knows of itself, for operators.
 *
 * @module
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  ClusterService,
  type GetStatusResponseSchema,
  ReplicaRole,
  type ReplicaStatusSchema,
} from "../../../proto/mod.ts";
import type { Role } from "../../../raft/mod.ts";
import type { NodeStatus, ReplicaStatus } from "../../api/mod.ts";
import { defineUnary } from "../method/mod.ts";

const ROLES: { readonly [K in Role]: ReplicaRole } = {
  leader: ReplicaRole.LEADER,
  follower: ReplicaRole.FOLLOWER,
  preCandidate: ReplicaRole.CANDIDATE,
  candidate: ReplicaRole.CANDIDATE,
};

/** See the module comment. */
export const getStatusMethod = defineUnary({
  desc: ClusterService.method.getStatus,
  answer: (node) => () => Promise.resolve(node.status()),
  reply: toGetStatusResponse,
});

function toGetStatusResponse(status: NodeStatus): MessageInitShape<typeof GetStatusResponseSchema> {
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
      reached: peer.reached,
    })),
    walBytes: toBigint(status.walBytes),
    troubles: status.troubles.map(({ kind, reason }) => ({ kind, reason })),
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
