/**
 * Figures that the node keeps itself, as Prometheus reads them: tables for the node, its replicas and its
 * peers, written as text whenever somebody asks, from what is there then. So a peer that was removed and a
 * partition that has moved away leave no series behind, and thousands of partitions cost no more than their
 * lines. To show one more figure, add a line to a table.
 *
 * @module
 */

import type { NodeStatus, PeerStatus, Readiness, ReplicaStatus, ServerMemoryLimits } from "../api/mod.ts";
import { RESOURCE_TROUBLE_KINDS, type ResourceTrouble, type StateFigures } from "../node/mod.ts";
import {
  ALL,
  describe,
  type PartitionDetail,
  showEach,
  type ShownFigure,
  type Together,
  togetherOf,
} from "./series.ts";
import { showStores, STATE_READINGS } from "./store_readings.ts";

/** Above so many partitions their figures are added up, unless it is said otherwise. */
const PARTITIONS_EACH_MAX = 256;

/** How much of a part of the memory budget is used. */
export interface MemoryFigures {
  readonly name: keyof ServerMemoryLimits;
  readonly limitBytes: number;
  readonly usedBytes: number;
}

/** The log's size. */
export interface WalSample {
  /** Bytes of the frames that were written since the start. */
  readonly frameBytes: number;
  /** Bytes of the files on disk. */
  readonly bytesTotal: number;
  readonly segmentCount: number;
  /** Number of the first of them; it grows as they are let go of. */
  readonly oldestSegment: number;
}

/** What became of the writes that were put before a replica here. */
export interface ProposalCounts {
  accepted: number;
  refused: number;
}

/** Where the figures come from. */
export interface MetricsSource {
  status(): NodeStatus;
  readiness(): Readiness;
  /** Partitions without a leader that the node knows. */
  leaderless(): readonly number[];
  /** Partitions with fewer replicas than the replication factor. */
  fewReplicas(): number;
  sampleWal(): WalSample;
  /** What the stores, the log's release and snapshots have done. */
  sampleState(): StateFigures;
  callsInFlight(): number;
  memory(): readonly MemoryFigures[];
  shortages(): readonly ResourceTrouble[];
}

/** One figure of each replica. */
interface ReplicaReading extends ShownFigure<ReplicaStatus> {
  /** `undefined`: nothing can stand for all of them. */
  readonly together: Together | undefined;
}

/** Roles as numbers, for dashboards. */
const ROLE_NUMBERS = { leader: 1, follower: 2, preCandidate: 3, candidate: 3 } as const;

const NODE_READINGS: readonly ShownFigure<MetricsSource>[] = [
  {
    name: "prkdb_ready",
    help: "1 while calls through this node can succeed",
    valueOf: (source) => source.readiness().isReady ? 1 : 0,
  },
  {
    name: "prkdb_partitions_without_leader",
    help: "Partitions without a leader that this node knows",
    valueOf: (source) => source.leaderless().length,
  },
  {
    name: "prkdb_partitions_with_few_replicas",
    help: "Partitions with fewer replicas than the replication factor",
    valueOf: (source) => source.fewReplicas(),
  },
  {
    name: "prkdb_wal_bytes_total",
    help: "Bytes written to the log since the start",
    valueOf: (source) => source.sampleWal().frameBytes,
  },
  {
    name: "prkdb_wal_file_bytes",
    help: "Bytes of the files of the log",
    valueOf: (source) => source.sampleWal().bytesTotal,
  },
  {
    name: "prkdb_wal_segments",
    help: "Files of the log",
    valueOf: (source) => source.sampleWal().segmentCount,
  },
  {
    name: "prkdb_wal_oldest_segment",
    help: "Number of the oldest file of the log; it grows as they are let go of",
    valueOf: (source) => source.sampleWal().oldestSegment,
  },
  {
    name: "prkdb_calls_in_flight",
    help: "Calls that wait for an answer",
    valueOf: (source) => source.callsInFlight(),
  },
];

const REPLICA_READINGS: readonly ReplicaReading[] = [
  {
    name: "prkdb_raft_state",
    help: "1 leader, 2 follower, 3 candidate",
    valueOf: ({ role }) => ROLE_NUMBERS[role],
    together: undefined,
  },
  { name: "prkdb_raft_term", help: "Current term", valueOf: ({ term }) => term, together: "max" },
  {
    name: "prkdb_raft_commit_index",
    help: "Last index known committed",
    valueOf: ({ commit }) => commit,
    together: "sum",
  },
  {
    name: "prkdb_raft_applied_index",
    help: "Last index applied",
    valueOf: ({ applied }) => applied,
    together: "sum",
  },
  {
    name: "prkdb_raft_leader_elections_total",
    help: "Elections won by this replica",
    valueOf: ({ electionsWon }) => electionsWon,
    together: "sum",
  },
  {
    name: "prkdb_raft_append_entries_total",
    help: "Append requests sent by this replica",
    valueOf: ({ appendsSent }) => appendsSent,
    together: "sum",
  },
  {
    name: "prkdb_raft_inflight_bytes",
    help: "Bytes sent and not acknowledged",
    valueOf: ({ followers }) => followers.reduce((total, { inflightBytes }) => total + inflightBytes, 0),
    together: "sum",
  },
  {
    name: "prkdb_raft_log_bytes",
    help: "Bytes of entries in memory",
    valueOf: ({ logBytes }) => logBytes,
    together: "sum",
  },
  {
    name: "prkdb_store_keys",
    help: "Keys of the partition",
    valueOf: ({ keyCount }) => keyCount,
    together: "sum",
  },
  {
    name: "prkdb_store_bytes",
    help: "Bytes of its keys and values",
    valueOf: ({ stateBytes }) => stateBytes,
    together: "sum",
  },
  {
    name: "prkdb_store_expired_keys_total",
    help: "Keys of the partition that were removed because they had expired",
    valueOf: ({ expiredKeys }) => expiredKeys,
    together: "sum",
  },
];

const PEER_READINGS: readonly ShownFigure<PeerStatus>[] = [
  {
    name: "prkdb_peer_connected",
    help: "1 while the stream to the peer is open",
    valueOf: ({ connected }) => connected ? 1 : 0,
  },
  {
    name: "prkdb_peer_reached",
    help: "1 while the peer answers what is sent to it",
    valueOf: ({ reached }) => reached ? 1 : 0,
  },
  {
    name: "prkdb_peer_queued_bytes",
    help: "Bytes that wait for the peer to read",
    valueOf: ({ queuedBytes }) => queuedBytes,
  },
  {
    name: "prkdb_peer_dropped_batches_total",
    help: "Batches that could not be sent",
    valueOf: ({ droppedMessages }) => droppedMessages,
  },
];

const MEMORY_READINGS: readonly ShownFigure<MemoryFigures>[] = [
  { name: "prkdb_memory_bytes", help: "Bytes of memory in use", valueOf: ({ usedBytes }) => usedBytes },
  {
    name: "prkdb_memory_limit_bytes",
    help: "Bytes of memory that may be used",
    valueOf: ({ limitBytes }) => limitBytes,
  },
];

const TROUBLE_READING = {
  name: "prkdb_trouble",
  help: "1 while something is wrong that may be right again by itself",
};

/** Whether partitions have their own series. */
export function detailOf(wanted: PartitionDetail | undefined, partitions: number): PartitionDetail {
  return wanted ?? (partitions > PARTITIONS_EACH_MAX ? "aggregate" : "each");
}

/** What is to be written. */
export interface ReadingsOptions {
  readonly source: MetricsSource;
  /** As the source has just told it. */
  readonly status: NodeStatus;
  readonly detail: PartitionDetail;
}

/** All figures, in Prometheus' text format. */
export function renderReadings({ source, status, detail }: ReadingsOptions): string {
  const { replicas, peers } = status;
  const lines: string[] = [];
  for (const reading of NODE_READINGS) {
    describe(lines, reading);
    lines.push(`${reading.name} ${reading.valueOf(source)}`);
  }
  const state = source.sampleState();
  for (const reading of STATE_READINGS) {
    describe(lines, reading);
    lines.push(`${reading.name} ${reading.valueOf(state)}`);
  }
  showMemory(lines, source.memory());
  showShortages(lines, source.shortages());
  for (const reading of REPLICA_READINGS) {
    if (detail === "each") showEach(lines, reading, { samples: replicas, labelOf: partitionLabel });
    else showTogether(lines, reading, replicas);
  }
  const here = new Set(replicas.map(({ partitionId }) => partitionId));
  showStores(lines, { stores: state.stores, here, detail });
  showRoles(lines, replicas);
  for (const reading of PEER_READINGS) showEach(lines, reading, { samples: peers, labelOf: peerLabel });
  return lines.join("\n") + "\n";
}

function showMemory(lines: string[], parts: readonly MemoryFigures[]): void {
  const labelOf = ({ name }: MemoryFigures) => `part="${name}"`;
  for (const reading of MEMORY_READINGS) showEach(lines, reading, { samples: parts, labelOf });
}

function showShortages(lines: string[], shortages: readonly ResourceTrouble[]): void {
  describe(lines, TROUBLE_READING);
  const present = new Set(shortages.map(({ kind }) => kind));
  for (const kind of RESOURCE_TROUBLE_KINDS) {
    lines.push(`${TROUBLE_READING.name}{kind="${kind}"} ${present.has(kind) ? 1 : 0}`);
  }
}

/** What became of writes put before the replicas that are here now, or before all that were. */
export function renderProposals(
  counts: ReadonlyMap<number, ProposalCounts>,
  detail: PartitionDetail,
): string {
  const name = "prkdb_raft_proposals_total";
  const lines: string[] = [];
  describe(lines, { name, help: "Writes put before the leader's replica" });
  const total = { accepted: 0, refused: 0 };
  for (const [partitionId, { accepted, refused }] of counts) {
    total.accepted += accepted;
    total.refused += refused;
    if (detail === "each") pushProposals(lines, `${partitionId}`, { accepted, refused });
  }
  if (detail === "aggregate") pushProposals(lines, ALL, total);
  return lines.join("\n") + "\n";

  function pushProposals(into: string[], partition: string, { accepted, refused }: ProposalCounts): void {
    into.push(`${name}{partition="${partition}",result="accepted"} ${accepted}`);
    into.push(`${name}{partition="${partition}",result="refused"} ${refused}`);
  }
}

function showTogether(lines: string[], reading: ReplicaReading, replicas: readonly ReplicaStatus[]): void {
  if (reading.together === undefined) return;
  describe(lines, reading);
  const value = togetherOf(reading.together, replicas.map(reading.valueOf));
  lines.push(`${reading.name}{partition="${ALL}"} ${value}`);
}

function showRoles(lines: string[], replicas: readonly ReplicaStatus[]): void {
  const name = "prkdb_raft_replicas";
  describe(lines, { name, help: "Replicas here by role" });
  for (const role of ["leader", "follower", "candidate"] as const) {
    const count = replicas.filter((replica) => ROLE_NUMBERS[replica.role] === ROLE_NUMBERS[role]).length;
    lines.push(`${name}{role="${role}"} ${count}`);
  }
}

function partitionLabel({ partitionId }: ReplicaStatus): string {
  return `partition="${partitionId}"`;
}

function peerLabel({ nodeId }: PeerStatus): string {
  return `peer="${nodeId}"`;
}
