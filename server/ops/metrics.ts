/**
 * What a node measures, as Prometheus reads it. Counters and histograms are fed as things happen; gauges are
 * read from the node when they are asked for.
 *
 * @module
 */

import client from "prom-client";
import type { NodeStatus, PeerStatus, ReplicaStatus } from "../api/mod.ts";
import type { LoopMeters } from "../node/mod.ts";

/** From a quarter of a millisecond to ten seconds. */
const REQUEST_BUCKETS = [
  0.00025,
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
];
const SYNC_BUCKETS = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];
const FRAME_BUCKETS = [256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304];
const LAG_INTERVAL_MS = 100;

/** The log's size. */
export interface WalSample {
  /** Bytes written since the start. */
  readonly bytesTotal: number;
  readonly segmentCount: number;
}

/** Where gauges are read from. */
export interface MetricsSource {
  status(): NodeStatus;
  sampleWal(): WalSample;
  callsInFlight(): number;
}

/** See the module comment. */
export class Metrics implements LoopMeters {
  readonly #registry = new client.Registry();
  readonly #requests = this.#counter("prkdb_requests_total", "Calls answered", ["method", "code"]);
  readonly #duration = this.#histogram("prkdb_request_duration_seconds", "Time to answer a call", {
    labelNames: ["method"],
    buckets: REQUEST_BUCKETS,
  });
  readonly #proposals = this.#counter(
    "prkdb_raft_proposals_total",
    "Writes put before the leader's replica",
    [
      "partition",
      "result",
    ],
  );
  readonly #turns = this.#histogram("prkdb_turn_duration_seconds", "Time of one turn, sync included", {
    labelNames: [],
    buckets: REQUEST_BUCKETS,
  });
  readonly #lag = this.#histogram("prkdb_event_loop_lag_seconds", "How late a timer fires", {
    labelNames: [],
    buckets: REQUEST_BUCKETS,
  });
  readonly #syncs = this.#histogram("prkdb_wal_sync_duration_seconds", "Time of one sync of the log", {
    labelNames: [],
    buckets: SYNC_BUCKETS,
  });
  readonly #frames = this.#histogram("prkdb_wal_frame_bytes", "Size of one frame of the log", {
    labelNames: [],
    buckets: FRAME_BUCKETS,
  });
  readonly #readings = new Map<string, client.Gauge | client.Counter>();
  readonly #requestChildren = new Map<string, client.Counter.Internal>();
  readonly #durationChildren = new Map<string, client.Histogram.Internal<string>>();
  readonly #proposalChildren = new Map<string, client.Counter.Internal>();
  #source: MetricsSource | undefined;
  #lagTimer: ReturnType<typeof setInterval> | undefined;

  /** Starts measuring and reading gauges from `source`. */
  open(source: MetricsSource): void {
    this.#source = source;
    for (const { partitionId } of source.status().replicas) {
      for (const result of ["accepted", "refused"]) {
        this.#proposals.inc({ partition: `${partitionId}`, result }, 0);
      }
    }
    let expectedMs = performance.now() + LAG_INTERVAL_MS;
    this.#lagTimer = setInterval(() => {
      const nowMs = performance.now();
      this.#lag.observe(Math.max(0, nowMs - expectedMs) / 1000);
      expectedMs = nowMs + LAG_INTERVAL_MS;
    }, LAG_INTERVAL_MS);
  }

  close(): void {
    clearInterval(this.#lagTimer);
  }

  /** One call to `method` was answered with `code` after `seconds`. */
  observe(method: string, code: string, seconds: number): void {
    const key = `${method} ${code}`;
    let counter = this.#requestChildren.get(key);
    if (counter === undefined) {
      this.#requestChildren.set(key, counter = this.#requests.labels({ method, code }));
    }
    counter.inc();
    let histogram = this.#durationChildren.get(method);
    if (histogram === undefined) {
      this.#durationChildren.set(method, histogram = this.#duration.labels({ method }));
    }
    histogram.observe(seconds);
  }

  observeTurn(seconds: number): void {
    this.#turns.observe(seconds);
  }

  observeFrame(bytes: number): void {
    this.#frames.observe(bytes);
  }

  observeSync(seconds: number): void {
    this.#syncs.observe(seconds);
  }

  observeProposal(partitionId: number, result: "accepted" | "refused"): void {
    const key = `${partitionId} ${result}`;
    let counter = this.#proposalChildren.get(key);
    if (counter === undefined) {
      this.#proposalChildren.set(
        key,
        counter = this.#proposals.labels({ partition: `${partitionId}`, result }),
      );
    }
    counter.inc();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Everything in Prometheus' text format. */
  async render(): Promise<string> {
    if (this.#source !== undefined) this.#readGauges(this.#source);
    return await this.#registry.metrics();
  }

  #readGauges(source: MetricsSource): void {
    const wal = source.sampleWal();
    this.#show("prkdb_wal_bytes_total", "Bytes written to the log since the start", {
      value: wal.bytesTotal,
    });
    this.#show("prkdb_wal_segments", "Files of the log", { value: wal.segmentCount });
    this.#show("prkdb_calls_in_flight", "Calls that wait for an answer", { value: source.callsInFlight() });
    const { replicas, peers } = source.status();
    for (const replica of replicas) this.#showReplica(replica);
    for (const peer of peers) this.#showPeer(peer);
  }

  #showReplica(replica: ReplicaStatus): void {
    const labels = { partition: `${replica.partitionId}` };
    const show = (name: string, help: string, value: number) =>
      this.#show(`prkdb_${name}`, help, { value, labels });
    show("raft_state", "1 leader, 2 follower, 3 candidate", STATE_NUMBERS[replica.role]);
    show("raft_term", "Current term", replica.term);
    show("raft_commit_index", "Last index known committed", replica.commit);
    show("raft_applied_index", "Last index applied", replica.applied);
    show("raft_leader_elections_total", "Elections won by this replica", replica.electionsWon);
    show("raft_append_entries_total", "Append requests sent by this replica", replica.appendsSent);
    const inflightBytes = sum(replica.followers.map((follower) => follower.inflightBytes));
    show("raft_inflight_bytes", "Bytes sent and not acknowledged", inflightBytes);
    show("raft_log_bytes", "Bytes of entries in memory", replica.logBytes);
    show("store_keys", "Keys of the partition", replica.keyCount);
    show("store_bytes", "Bytes of its keys and values", replica.stateBytes);
  }

  #showPeer(peer: PeerStatus): void {
    const labels = { peer: `${peer.nodeId}` };
    const show = (name: string, help: string, value: number) =>
      this.#show(`prkdb_peer_${name}`, help, { value, labels });
    show("connected", "1 while the stream to the peer is open", peer.connected ? 1 : 0);
    show("queued_bytes", "Bytes that wait for the peer to read", peer.queuedBytes);
    show("dropped_batches_total", "Batches that could not be sent", peer.droppedMessages);
  }

  /** Shows a figure that the node keeps itself: as a counter if its name says so, else as a gauge. */
  #show(name: string, help: string, reading: { readonly value: number; readonly labels?: Labels }): void {
    const { value, labels = {} } = reading;
    let metric = this.#readings.get(name);
    if (metric === undefined) {
      const shape = { name, help, labelNames: Object.keys(labels), registers: [this.#registry] };
      metric = name.endsWith("_total") ? new client.Counter(shape) : new client.Gauge(shape);
      this.#readings.set(name, metric);
    }
    if (metric instanceof client.Gauge) return metric.set(labels, value);
    metric.remove(labels);
    metric.inc(labels, value);
  }

  #counter(name: string, help: string, labelNames: string[]): client.Counter {
    return new client.Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  #histogram(
    name: string,
    help: string,
    shape: { readonly labelNames: string[]; readonly buckets: number[] },
  ): client.Histogram {
    return new client.Histogram({ name, help, ...shape, registers: [this.#registry] });
  }
}

type Labels = Readonly<Record<string, string>>;

const STATE_NUMBERS = { leader: 1, follower: 2, preCandidate: 3, candidate: 3 } as const;

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
