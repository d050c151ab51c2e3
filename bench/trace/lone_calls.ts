/**
 * Lone calls over gRPC, one at a time, each to the leader of its key or to another node.
 *
 * @module
 */

import { partitionOfKey } from "../../proto/mod.ts";
import type { ProcessCluster } from "../../tests/support/cluster/process_cluster.ts";
import { prepareSingle } from "../contenders.ts";
import { GrpcConnection } from "../grpc_connection.ts";
import { randomKey, VALUE } from "../workload.ts";
import type { TracedCall } from "./journey.ts";
import type { CallKind } from "./steps.ts";

const encoder = new TextEncoder();

/** Calls that were made. */
export interface LoneCalls {
  /** Those that were answered. */
  readonly calls: readonly TracedCall[];
  /** How many were not: nodes that get no processor lose their leaderships. */
  readonly failed: number;
}

/** See the module comment. */
export class LoneCaller {
  readonly #cluster: ProcessCluster;
  readonly #connections = new Map<number, GrpcConnection>();
  #turn = 0;

  constructor(cluster: ProcessCluster) {
    this.#cluster = cluster;
  }

  /** Asks who leads what, then makes `count` calls, one after the other, of random keys. */
  async run(kind: CallKind, count: number): Promise<LoneCalls> {
    const { partitions } = await this.#cluster.metadata();
    const leaders = partitions.map(({ leaderId }) => leaderId);
    const calls: TracedCall[] = [];
    for (let made = 0; made < count; made++) {
      const call = await this.#call(kind, leaders);
      if (call !== undefined) calls.push(call);
    }
    return { calls, failed: count - calls.length };
  }

  close(): void {
    for (const id of this.#connections.keys()) this.#drop(id);
  }

  /** `undefined` if it fails. */
  async #call({ kind, isForwarded }: CallKind, leaders: readonly number[]): Promise<TracedCall | undefined> {
    const key = randomKey();
    const partition = partitionOfKey(encoder.encode(key), leaders.length);
    const leader = leaders[partition]!;
    const others = this.#cluster.ids.filter((id) => id !== leader);
    const entry = isForwarded ? others[this.#turn++ % others.length]! : leader;
    const call = prepareSingle(kind, key, VALUE);
    try {
      const connection = await this.#connectionTo(entry);
      const begunMs = performance.timeOrigin + performance.now();
      await connection.call(call);
      const endedMs = performance.timeOrigin + performance.now();
      return { kind, isForwarded, group: partition + 1, entry, leader, begunMs, endedMs };
    } catch {
      this.#drop(entry);
      return undefined;
    }
  }

  /** Opened when it is used: a node does not wait long for the first call. */
  async #connectionTo(id: number): Promise<GrpcConnection> {
    const open = this.#connections.get(id);
    if (open !== undefined) return open;
    const connection = await GrpcConnection.open(this.#cluster.address(id).replace("http://", ""));
    this.#connections.set(id, connection);
    return connection;
  }

  #drop(id: number): void {
    try {
      this.#connections.get(id)?.close();
    } catch {
      // The node has closed it, and the runtime released it.
    }
    this.#connections.delete(id);
  }
}
