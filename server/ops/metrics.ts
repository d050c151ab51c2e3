/**
 * What a node measures, as Prometheus reads it. Counters and histograms are fed as things happen; figures
 * that the node keeps itself are read when somebody asks (`readings.ts`).
 *
 * @module
 */

import client from "prom-client";
import type { LoopMeters } from "../node/mod.ts";
import { type MetricsSource, Readings } from "./readings.ts";

/** Seconds, from a quarter of a millisecond to ten seconds. */
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
/** Bytes. */
const FRAME_BUCKETS = [256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304];
const LAG_INTERVAL_MS = 100;

type ProposalResult = "accepted" | "refused";

/** See the module comment. */
export class Metrics implements LoopMeters {
  readonly #registry = new client.Registry();
  readonly #requests = new client.Counter({
    name: "prkdb_requests_total",
    help: "Calls answered",
    labelNames: ["method", "code"],
    registers: [this.#registry],
  });
  readonly #duration = new client.Histogram({
    name: "prkdb_request_duration_seconds",
    help: "Time to answer a call",
    labelNames: ["method"],
    buckets: REQUEST_BUCKETS,
    registers: [this.#registry],
  });
  readonly #proposals = new client.Counter({
    name: "prkdb_raft_proposals_total",
    help: "Writes put before the leader's replica",
    labelNames: ["partition", "result"],
    registers: [this.#registry],
  });
  readonly #turns = new client.Histogram({
    name: "prkdb_turn_duration_seconds",
    help: "Time of one turn, sync included",
    buckets: REQUEST_BUCKETS,
    registers: [this.#registry],
  });
  readonly #lag = new client.Histogram({
    name: "prkdb_event_loop_lag_seconds",
    help: "How late a timer fires",
    buckets: REQUEST_BUCKETS,
    registers: [this.#registry],
  });
  readonly #syncs = new client.Histogram({
    name: "prkdb_wal_sync_duration_seconds",
    help: "Time of one sync of the log",
    buckets: SYNC_BUCKETS,
    registers: [this.#registry],
  });
  readonly #frames = new client.Histogram({
    name: "prkdb_wal_frame_bytes",
    help: "Size of one frame of the log",
    buckets: FRAME_BUCKETS,
    registers: [this.#registry],
  });
  readonly #readings = new Readings(this.#registry);
  // Looking a child up by its labels costs more than feeding it.
  readonly #requestChildren = new Map<string, client.Counter.Internal>();
  readonly #durationChildren = new Map<string, client.Histogram.Internal<string>>();
  readonly #proposalChildren = new Map<string, client.Counter.Internal>();
  #source: MetricsSource | undefined;
  #lagTimer: ReturnType<typeof setInterval> | undefined;

  /** Starts measuring the event loop's lag, and reading figures from `source`. */
  open(source: MetricsSource): void {
    this.#source = source;
    for (const { partitionId } of source.status().replicas) {
      for (const result of ["accepted", "refused"] as const) this.#proposal(partitionId, result).inc(0);
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
    childOf(this.#requestChildren, `${method} ${code}`, () => this.#requests.labels({ method, code })).inc();
    childOf(this.#durationChildren, method, () => this.#duration.labels({ method })).observe(seconds);
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

  observeProposal(partitionId: number, result: ProposalResult): void {
    this.#proposal(partitionId, result).inc();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Everything in Prometheus' text format. */
  async render(): Promise<string> {
    if (this.#source !== undefined) this.#readings.read(this.#source);
    return await this.#registry.metrics();
  }

  #proposal(partitionId: number, result: ProposalResult): client.Counter.Internal {
    return childOf(
      this.#proposalChildren,
      `${partitionId} ${result}`,
      () => this.#proposals.labels({ partition: `${partitionId}`, result }),
    );
  }
}

function childOf<T>(children: Map<string, T>, key: string, create: () => T): T {
  let child = children.get(key);
  if (child === undefined) children.set(key, child = create());
  return child;
}
