/**
 * What a node measures, as Prometheus reads it. Counters and histograms are fed as things happen; figures
 * that the node keeps itself are read when somebody asks (`readings.ts`).
 *
 * @module
 */

import client from "prom-client";
import { type DomainError, refusalReason } from "../api/mod.ts";
import type { HttpLimit, HttpMeters } from "../http/mod.ts";
import type { LoopMeters } from "../node/mod.ts";
import { BucketCounts, CallCounts } from "./call_counts.ts";
import {
  detailOf,
  type MetricsSource,
  type ProposalCounts,
  renderProposals,
  renderReadings,
} from "./readings.ts";
import type { PartitionDetail } from "./series.ts";

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
export class Metrics implements HttpMeters, LoopMeters {
  readonly #registry = new client.Registry();
  readonly #calls = new CallCounts(REQUEST_BUCKETS);
  readonly #refusals = new client.Counter({
    name: "prkdb_refusals_total",
    help: "Calls that were refused, by what refused them",
    labelNames: ["reason"],
    registers: [this.#registry],
  });
  readonly #turns = new BucketCounts(REQUEST_BUCKETS);
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
  readonly #frames = new BucketCounts(FRAME_BUCKETS);
  readonly #connections = new client.Gauge({
    name: "prkdb_http_connections",
    help: "Connections that are open, of clients, peers and operators",
    registers: [this.#registry],
  });
  readonly #limits = new client.Counter({
    name: "prkdb_http_limits_total",
    help: "Requests and connections that a limit of the ports has ended, by the limit",
    labelNames: ["limit"],
    registers: [this.#registry],
  });
  /** By partition, of this node's replicas past and present. */
  readonly #proposals = new Map<number, ProposalCounts>();
  /** A failure passes several places that count. */
  readonly #counted = new WeakSet<DomainError>();
  readonly #detail: PartitionDetail | undefined;
  #source: MetricsSource | undefined;
  #lagTimer: ReturnType<typeof setInterval> | undefined;

  /** @param detail whether each partition has its own series; by their number unless given */
  constructor(detail?: PartitionDetail) {
    this.#detail = detail;
  }

  /** Starts measuring the event loop's lag, and reading figures from `source`. */
  open(source: MetricsSource): void {
    this.#source = source;
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
    this.#calls.observe(method, code, seconds);
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
    this.#proposalsOf(partitionId)[result]++;
  }

  observeRefusal(error: DomainError): void {
    const reason = refusalReason(error);
    if (reason === undefined || this.#counted.has(error)) return;
    this.#counted.add(error);
    this.#refusals.inc({ reason });
  }

  observeConnections(change: 1 | -1): void {
    this.#connections.inc(change);
  }

  observeLimit(limit: HttpLimit): void {
    this.#limits.inc({ limit });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Everything in Prometheus' text format. */
  async render(): Promise<string> {
    const counted = `${await this.#registry.metrics()}\n${this.#renderHot()}`;
    const source = this.#source;
    if (source === undefined) return counted;
    const status = source.status();
    const replicas = status.replicas.map(({ partitionId }) => partitionId);
    const detail = detailOf(this.#detail, replicas.length);
    const here = new Map(replicas.map((partitionId) => [partitionId, this.#proposalsOf(partitionId)]));
    // A total over all partitions must not fall when one moves away.
    const proposals = renderProposals(detail === "each" ? here : this.#proposals, detail);
    return `${counted}${renderReadings({ source, status, detail })}${proposals}`;
  }

  /** What every call and every turn feeds. */
  #renderHot(): string {
    return this.#calls.render() +
      this.#turns.render("prkdb_turn_duration_seconds", "Time of one turn, sync included") +
      this.#frames.render("prkdb_wal_frame_bytes", "Size of one frame of the log");
  }

  #proposalsOf(partitionId: number): ProposalCounts {
    return childOf(this.#proposals, partitionId, () => ({ accepted: 0, refused: 0 }));
  }
}

function childOf<K, T>(children: Map<K, T>, key: K, create: () => T): T {
  let child = children.get(key);
  if (child === undefined) children.set(key, child = create());
  return child;
}
