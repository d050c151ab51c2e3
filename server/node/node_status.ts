/**
 * What a node says of itself and of its cluster: to clients where partitions are, to operators how it is, and
 * whether it can serve.
 *
 * @module
 */

import { hashRangeStart } from "../../proto/mod.ts";
import type { MultiRaft } from "../../raft/mod.ts";
import type { Wal } from "../../wal-wasm/mod.ts";
import { type ClusterMetadata, type NodeStatus, type ReplicaStatus, VERSION } from "../api/mod.ts";
import type { KvReplica, LeaderTable } from "../calls/mod.ts";
import { type ClusterPartition, groupOfPartition } from "../cluster/mod.ts";
import type { ClusterId, Identity } from "../data/mod.ts";
import type { Clock, PeerTransport } from "../ports/mod.ts";
import type { GroupZero } from "./group_zero.ts";
import type { PeerDirectory } from "./peer_directory.ts";
import type { ReplicaSet } from "./replica_set.ts";

type PartitionMetadata = ClusterMetadata["partitions"][number];

/** Whether a node can serve all its partitions. */
export type Readiness = { readonly isReady: true } | { readonly isReady: false; readonly reason: string };

/** Where it is read from. */
export interface NodeReporterOptions {
  readonly identity: Identity;
  readonly clusterId: ClusterId;
  readonly clock: Clock;
  readonly wal: Wal;
  readonly transport: PeerTransport;
  readonly multiRaft: MultiRaft;
  readonly cluster: GroupZero;
  readonly leaders: LeaderTable;
  readonly peers: PeerDirectory;
  readonly replicas: ReplicaSet;
}

/** See the module comment. */
export class NodeReporter {
  readonly #options: NodeReporterOptions;
  readonly #startedMs: number;

  constructor(options: NodeReporterOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monotonicMs();
  }

  metadata(): ClusterMetadata {
    const { cluster, clusterId, peers } = this.#options;
    const { epoch, nodes, partitions, replicationFactor } = cluster.state;
    return {
      clusterId: clusterId.settledValue,
      epoch,
      replicationFactor,
      nodes: [...nodes.keys()].map((nodeId) => ({
        nodeId,
        address: peers.addressOf(nodeId),
        clientUrl: peers.clientUrlOf(nodeId),
      })),
      partitions: partitions.map((partition) => this.#partition(partition, partitions.length)),
    };
  }

  status(isStopping: boolean): NodeStatus {
    const { clock, clusterId, identity, replicas, transport, wal } = this.#options;
    const isReady = !isStopping && this.readiness().isReady;
    return {
      nodeId: identity.nodeId,
      clusterId: clusterId.settledValue,
      version: VERSION,
      state: isStopping ? "stopping" : isReady ? "serving" : "starting",
      uptimeMs: Math.floor(clock.monotonicMs() - this.#startedMs),
      replicas: replicas.assigned().map((replica) => this.#replica(replica)),
      peers: transport.statuses(),
      walBytes: wal.stats.bytesTotal,
    };
  }

  /** Ready when every group has a leader, as far as this node knows, and this node is a member. */
  readiness(): Readiness {
    const { cluster, clusterId, identity, leaders } = this.#options;
    const { isFounded, nodes, partitions } = cluster.state;
    if (!nodes.has(identity.nodeId)) return { isReady: false, reason: "the node is not a member yet" };
    if (!isFounded) return { isReady: false, reason: "the cluster's own group has no leader" };
    if (!clusterId.isSettled) return { isReady: false, reason: "the cluster's id is not kept yet" };
    const orphan = partitions.find((place) => leaders.get(groupOfPartition(place.partitionId)).leader === 0);
    if (orphan === undefined) return { isReady: true };
    return { isReady: false, reason: `partition ${orphan.partitionId} has no leader` };
  }

  #partition({ partitionId, replicas }: ClusterPartition, count: number): PartitionMetadata {
    const { leader, term } = this.#options.leaders.get(groupOfPartition(partitionId));
    const hashStart = hashRangeStart(partitionId, count);
    const hashEnd = hashRangeStart(partitionId + 1, count);
    return { partitionId, hashStart, hashEnd, leaderId: leader, term, replicas };
  }

  #replica({ appendsSent, group, machine, partitionId }: KvReplica): ReplicaStatus {
    return {
      ...this.#options.multiRaft.status(group)!,
      partitionId,
      appendsSent,
      keyCount: machine.keyCount,
      stateBytes: machine.stateBytes,
    };
  }
}
