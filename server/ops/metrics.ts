/**
 * What a node measures, as Prometheus reads it. Counters and histograms are fed as things happen; gauges are read
 * from the node when they are asked for.
 *
 * @module
 */

import client from "prom-client";
import type { NodeStatus } from "../node_api.ts";
import type { LoopMeters } from "../node_loop.ts";

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
  readonly #replicaGauges = new Map<string, client.Gauge<"partition">>();
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
    this.#gauge("prkdb_wal_bytes_total", "Bytes written to the log since the start", wal.bytesTotal);
    this.#gauge("prkdb_wal_segments", "Files of the log", wal.segmentCount);
    this.#gauge("prkdb_calls_in_flight", "Calls that wait for an answer", source.callsInFlight());
    const status = source.status();
    for (const replica of status.replicas) {
      const set = (name: string, help: string, value: number) =>
        this.#replicaGauge(`prkdb_raft_${name}`, help).set({ partition: `${replica.partitionId}` }, value);
      set("state", "1 leader, 2 follower, 3 candidate", STATE_NUMBERS[replica.role]);
      set("term", "Current term", replica.term);
      set("commit_index", "Last index known committed", replica.commit);
      set("applied_index", "Last index applied", replica.applied);
      set("leader_elections_total", "Elections won by this replica", replica.electionsWon);
      set("append_entries_total", "Append requests sent by this replica", replica.appendsSent);
      set(
        "inflight_bytes",
        "Bytes sent and not acknowledged",
        sum(replica.followers.map((f) => f.inflightBytes)),
      );
      set("log_bytes", "Bytes of entries in memory", replica.logBytes);
    }
    for (const replica of status.replicas) {
      const labels = { partition: `${replica.partitionId}` };
      this.#replicaGauge("prkdb_store_keys", "Keys of the partition").set(labels, replica.keyCount);
      this.#replicaGauge("prkdb_store_bytes", "Bytes of its keys and values").set(labels, replica.stateBytes);
    }
    for (const peer of status.peers) {
      const set = (name: string, help: string, value: number) =>
        this.#peerGauge(`prkdb_peer_${name}`, help).set({ peer: `${peer.nodeId}` }, value);
      set("connected", "1 while the stream to the peer is open", peer.connected ? 1 : 0);
      set("queued_bytes", "Bytes that wait for the peer to read", peer.queuedBytes);
      set("dropped_batches_total", "Batches that could not be sent", peer.droppedMessages);
    }
  }

  readonly #peerGauges = new Map<string, client.Gauge<"peer">>();
  readonly #plainGauges = new Map<string, client.Gauge>();

  #gauge(name: string, help: string, value: number): void {
    let gauge = this.#plainGauges.get(name);
    if (gauge === undefined) {
      this.#plainGauges.set(name, gauge = new client.Gauge({ name, help, registers: [this.#registry] }));
    }
    gauge.set(value);
  }

  #replicaGauge(name: string, help: string): client.Gauge<"partition"> {
    let gauge = this.#replicaGauges.get(name);
    if (gauge === undefined) {
      gauge = new client.Gauge({ name, help, labelNames: ["partition"], registers: [this.#registry] });
      this.#replicaGauges.set(name, gauge);
    }
    return gauge;
  }

  #peerGauge(name: string, help: string): client.Gauge<"peer"> {
    let gauge = this.#peerGauges.get(name);
    if (gauge === undefined) {
      gauge = new client.Gauge({ name, help, labelNames: ["peer"], registers: [this.#registry] });
      this.#peerGauges.set(name, gauge);
    }
    return gauge;
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

const STATE_NUMBERS = { leader: 1, follower: 2, preCandidate: 3, candidate: 3 } as const;

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
