/**
 * Figures that the node keeps itself, as Prometheus reads them: three tables, for the node, each of its
 * replicas and each of its peers, which are read when somebody asks. To show one more figure, add a line to a
 * table.
 *
 * @module
 */

import client from "prom-client";
import type { NodeStatus, PeerStatus, ReplicaStatus } from "../api/mod.ts";
import { type MemoryPart, type Trouble, TROUBLE_KINDS } from "../node/mod.ts";

/** The log's size. */
export interface WalSample {
  /** Bytes written since the start. */
  readonly bytesTotal: number;
  readonly segmentCount: number;
}

/** Where the figures come from. */
export interface MetricsSource {
  status(): NodeStatus;
  sampleWal(): WalSample;
  callsInFlight(): number;
  memory(): readonly MemoryPart[];
  troubles(): readonly Trouble[];
}

/** One figure: a counter if its name ends in `_total`, else a gauge. */
interface Reading<T> {
  readonly name: string;
  readonly help: string;
  readonly valueOf: (sample: T) => number;
}

type Labels = Readonly<Record<string, string>>;

/** Roles as numbers, for dashboards. */
const ROLE_NUMBERS = { leader: 1, follower: 2, preCandidate: 3, candidate: 3 } as const;

const NODE_READINGS: readonly Reading<MetricsSource>[] = [
  {
    name: "prkdb_wal_bytes_total",
    help: "Bytes written to the log since the start",
    valueOf: (source) => source.sampleWal().bytesTotal,
  },
  {
    name: "prkdb_wal_segments",
    help: "Files of the log",
    valueOf: (source) => source.sampleWal().segmentCount,
  },
  {
    name: "prkdb_calls_in_flight",
    help: "Calls that wait for an answer",
    valueOf: (source) => source.callsInFlight(),
  },
];

const REPLICA_READINGS: readonly Reading<ReplicaStatus>[] = [
  {
    name: "prkdb_raft_state",
    help: "1 leader, 2 follower, 3 candidate",
    valueOf: ({ role }) => ROLE_NUMBERS[role],
  },
  { name: "prkdb_raft_term", help: "Current term", valueOf: ({ term }) => term },
  {
    name: "prkdb_raft_commit_index",
    help: "Last index known committed",
    valueOf: ({ commit }) => commit,
  },
  { name: "prkdb_raft_applied_index", help: "Last index applied", valueOf: ({ applied }) => applied },
  {
    name: "prkdb_raft_leader_elections_total",
    help: "Elections won by this replica",
    valueOf: ({ electionsWon }) => electionsWon,
  },
  {
    name: "prkdb_raft_append_entries_total",
    help: "Append requests sent by this replica",
    valueOf: ({ appendsSent }) => appendsSent,
  },
  {
    name: "prkdb_raft_inflight_bytes",
    help: "Bytes sent and not acknowledged",
    valueOf: ({ followers }) => followers.reduce((total, { inflightBytes }) => total + inflightBytes, 0),
  },
  { name: "prkdb_raft_log_bytes", help: "Bytes of entries in memory", valueOf: ({ logBytes }) => logBytes },
  { name: "prkdb_store_keys", help: "Keys of the partition", valueOf: ({ keyCount }) => keyCount },
  {
    name: "prkdb_store_bytes",
    help: "Bytes of its keys and values",
    valueOf: ({ stateBytes }) => stateBytes,
  },
];

const PEER_READINGS: readonly Reading<PeerStatus>[] = [
  {
    name: "prkdb_peer_connected",
    help: "1 while the stream to the peer is open",
    valueOf: ({ connected }) => connected ? 1 : 0,
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

const MEMORY_READINGS: readonly Reading<MemoryPart>[] = [
  { name: "prkdb_memory_bytes", help: "Bytes of memory in use", valueOf: ({ usedBytes }) => usedBytes },
  {
    name: "prkdb_memory_limit_bytes",
    help: "Bytes of memory that may be used",
    valueOf: ({ limitBytes }) => limitBytes,
  },
];

const TROUBLE_READING: Reading<boolean> = {
  name: "prkdb_trouble",
  help: "1 while something is wrong that may be right again by itself",
  valueOf: (isPresent) => isPresent ? 1 : 0,
};

/** Shows the figures of the tables in `registry`. */
export class Readings {
  readonly #registry: client.Registry;
  readonly #metrics = new Map<string, client.Gauge | client.Counter>();

  constructor(registry: client.Registry) {
    this.#registry = registry;
  }

  /** Reads everything anew. */
  read(source: MetricsSource): void {
    for (const reading of NODE_READINGS) this.#show(reading, source, {});
    for (const part of source.memory()) {
      for (const reading of MEMORY_READINGS) this.#show(reading, part, { part: part.name });
    }
    const present = new Set(source.troubles().map(({ kind }) => kind));
    for (const kind of TROUBLE_KINDS) this.#show(TROUBLE_READING, present.has(kind), { kind });
    const { replicas, peers } = source.status();
    for (const replica of replicas) {
      const labels = { partition: `${replica.partitionId}` };
      for (const reading of REPLICA_READINGS) this.#show(reading, replica, labels);
    }
    for (const peer of peers) {
      const labels = { peer: `${peer.nodeId}` };
      for (const reading of PEER_READINGS) this.#show(reading, peer, labels);
    }
  }

  #show<T>(reading: Reading<T>, sample: T, labels: Labels): void {
    const value = reading.valueOf(sample);
    const metric = this.#metricOf(reading, Object.keys(labels));
    if (metric instanceof client.Gauge) return metric.set(labels, value);
    metric.remove(labels);
    metric.inc(labels, value);
  }

  #metricOf({ name, help }: Reading<never>, labelNames: string[]): client.Gauge | client.Counter {
    let metric = this.#metrics.get(name);
    if (metric === undefined) {
      const shape = { name, help, labelNames, registers: [this.#registry] };
      metric = name.endsWith("_total") ? new client.Counter(shape) : new client.Gauge(shape);
      this.#metrics.set(name, metric);
    }
    return metric;
  }
}
