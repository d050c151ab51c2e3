/**
 * What a node says of itself and of its cluster: to clients where partitions are, to operators how it is, and
 * whether it can serve.
 *
 * @module
 */

import { hashRangeStart } from "../../proto/mod.ts";
import type { MultiRaft } from "../../raft/mod.ts";
import type { Wal } from "../../wal-wasm/mod.ts";
import {
  type ClusterMetadata,
  type NodeStatus,
  type NodeTrouble,
  readinessOf,
  type ReplicaStatus,
  VERSION,
} from "../api/mod.ts";
import type { KvReplica, LeaderTable } from "../calls/mod.ts";
import { type ClusterPartition, groupOfPartition, wantedReplicas } from "../cluster/mod.ts";
import type { ClusterId, Identity, Troubles } from "../data/mod.ts";
import type { Clock, PeerTransport } from "../ports/mod.ts";
import type { GroupZero } from "./group_zero.ts";
import type { PeerDirectory } from "./peer_directory.ts";
import type { ReplicaSet } from "./replica_set.ts";

type PartitionMetadata = ClusterMetadata["partitions"][number];

/** A replica that does not get on for so many election timeouts, though more is committed, is stuck. */
const STUCK_ELECTION_TIMEOUTS = 3;
/** Partitions that a reason names; of more it says how many. */
const NAMED_MAX = 3;

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
  readonly electionTimeoutMs: number;
  readonly troubles: Troubles;
}

/** How many replicas partitions should have, and whether they have. */
export interface ReplicaReport {
  readonly replicationFactor: number;
  /** Partitions with fewer. */
  readonly fewCount: number;
  /** Why they have fewer, for people: one line; empty when none has. */
  readonly shortage: string;
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
    const { troubles } = readinessOf(this.troubles());
    return {
      nodeId: identity.nodeId,
      clusterId: clusterId.settledValue,
      version: VERSION,
      state: isStopping ? "stopping" : this.#workingState(),
      uptimeMs: Math.floor(clock.monotonicMs() - this.#startedMs),
      replicas: replicas.assigned().map((replica) => this.#replica(replica)),
      peers: transport.statuses(),
      walBytes: wal.stats.bytesTotal,
      troubles,
    };
  }

  #workingState(): NodeStatus["state"] {
    if (this.#startingTrouble() !== undefined) return "starting";
    if (readinessOf(this.troubles()).isReady) return "serving";
    return this.#hasQuorums() ? "degraded" : "no quorum";
  }

  /** Whether this node reaches a majority of each partition of which it has a replica. */
  #hasQuorums(): boolean {
    const { cluster, identity: { nodeId }, transport } = this.#options;
    const reached = transport.statuses().filter((peer) => peer.reached).map((peer) => peer.nodeId);
    const present = new Set([nodeId, ...reached]);
    return cluster.state.partitions.every(({ replicas }) =>
      !replicas.includes(nodeId) || replicas.filter((id) => present.has(id)).length * 2 > replicas.length
    );
  }

  /** `undefined` until the cluster is founded. */
  replicaReport(): ReplicaReport | undefined {
    const { state } = this.#options.cluster;
    const { isFounded, partitions, replicationFactor } = state;
    if (!isFounded) return undefined;
    const few = partitions.map(({ replicas }) => replicas.length).filter((each) => each < replicationFactor);
    if (few.length === 0) return { replicationFactor, fewCount: 0, shortage: "" };
    const possible = wantedReplicas(state);
    const why = few.some((count) => count < possible)
      ? "more are to come"
      : `more come by themselves when there are ${Math.min(possible + 2, replicationFactor)} nodes`;
    const counts = [...new Set(few)].sort((left, right) => left - right).join(" or ");
    const shortage = `partitions have fewer replicas (${counts}) than the replication factor, ` +
      `${replicationFactor}; ${why}`;
    return { replicationFactor, fewCount: few.length, shortage };
  }

  /** What calls through this node suffer from, as far as it knows. */
  troubles(): readonly NodeTrouble[] {
    return [...this.#servingTroubles(), ...this.#shortage()];
  }

  #servingTroubles(): readonly NodeTrouble[] {
    const starting = this.#startingTrouble();
    if (starting !== undefined) return [starting];
    return [...this.#leaderTroubles(), ...this.#stuckReplicas(), ...this.#fewReplicas()];
  }

  /** Why the node has not become a part of its cluster since its start, if it has not. */
  #startingTrouble(): NodeTrouble | undefined {
    const { cluster: { state }, clusterId, identity, troubles } = this.#options;
    if (!state.nodes.has(identity.nodeId)) {
      return { kind: "notMember", reason: `the node is not a member yet${this.#unreached}` };
    }
    if (!state.isFounded) {
      return { kind: "noLeader", reason: `the cluster's own group has no leader${this.#unreached}` };
    }
    if (clusterId.isSettled) return undefined;
    const reason = troubles.reasonOf("cluster_id_file") ?? "the cluster's id is not kept yet";
    return { kind: "idNotKept", reason };
  }

  /** Added to a reason that may come of it. */
  get #unreached(): string {
    const { peers, transport } = this.#options;
    const address = peers.unreachedAt;
    if (address === undefined) return "";
    const others = transport.statuses();
    const places = others.slice(0, NAMED_MAX).map((peer) => `${peer.nodeId} at ${peer.address}`).join(", ");
    const why = others.length === 0 || others.some(({ reached }) => reached)
      ? "is that where they find it (--advertise)?"
      : `none of them answers it either (node ${places}): are they up?` +
        " If they are, is this node where they find it (--advertise)?";
    return `, and no other node has reached it at ${address} so far: ${why}`;
  }

  /** The partitions without a leader that this node knows, ascending. */
  leaderless(): readonly number[] {
    const { cluster, leaders } = this.#options;
    return cluster.state.partitions.map(({ partitionId }) => partitionId)
      .filter((partitionId) => leaders.get(groupOfPartition(partitionId)).leader === 0);
  }

  *#leaderTroubles(): Generator<NodeTrouble> {
    const leaderless = this.leaderless();
    if (leaderless.length > 0) {
      const verb = leaderless.length === 1 ? "has" : "have";
      yield { kind: "noLeader", reason: `${partitionsNamed(leaderless)} ${verb} no leader` };
    }
    const { cluster, leaders, transport } = this.#options;
    for (const { nodeId, reached } of transport.statuses()) {
      if (reached) continue;
      const led = cluster.state.partitions.map(({ partitionId }) => partitionId)
        .filter((partitionId) => leaders.get(groupOfPartition(partitionId)).leader === nodeId);
      if (led.length === 0) continue;
      const reason = `node ${nodeId}, which leads ${
        partitionsNamed(led)
      }, does not answer what is sent to it`;
      yield { kind: "leaderUnreached", reason };
    }
  }

  *#stuckReplicas(): Generator<NodeTrouble> {
    const { clock, electionTimeoutMs, replicas } = this.#options;
    const sinceMs = clock.monotonicMs() - electionTimeoutMs * STUCK_ELECTION_TIMEOUTS;
    const stuck = replicas.assigned().filter((replica) => replica.isBehindSince(sinceMs));
    if (stuck.length === 0) return;
    const named = partitionsNamed(stuck.map(({ partitionId }) => partitionId));
    yield { kind: "replicaStuck", reason: `what is committed of ${named} does not get into the state here` };
  }

  *#fewReplicas(): Generator<NodeTrouble> {
    const { fewCount, shortage } = this.replicaReport()!;
    const { length } = this.#options.cluster.state.partitions;
    if (fewCount > 0) yield { kind: "fewReplicas", reason: `${fewCount} of ${length} ${shortage}` };
  }

  *#shortage(): Generator<NodeTrouble> {
    const { troubles } = this.#options;
    const disk = troubles.reasonOf("log_full");
    if (disk !== undefined) yield { kind: "diskFull", reason: disk };
    const memory = troubles.reasonOf("memory_full");
    if (memory !== undefined) yield { kind: "memoryFull", reason: memory };
    const state = troubles.reasonOf("state_files") ?? troubles.reasonOf("state_opening");
    if (state !== undefined) yield { kind: "stateFiles", reason: state };
    const damage = troubles.reasonOf("state_damaged");
    if (damage !== undefined) yield { kind: "stateDamaged", reason: damage };
    const entry = troubles.reasonOf("entry_too_large");
    if (entry !== undefined) yield { kind: "entryTooLarge", reason: entry };
    const peer = troubles.reasonOf("peer_distrusted");
    if (peer !== undefined) yield { kind: "peerDistrusted", reason: peer };
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
      expiredKeys: machine.expired,
      stateBytes: machine.stateBytes,
    };
  }
}

function partitionsNamed(partitionIds: readonly number[]): string {
  if (partitionIds.length === 1) return `partition ${partitionIds[0]}`;
  const named = partitionIds.slice(0, NAMED_MAX).join(", ");
  const more = partitionIds.length - NAMED_MAX;
  return more > 0 ? `partitions ${named} and ${more} more` : `partitions ${named}`;
}
