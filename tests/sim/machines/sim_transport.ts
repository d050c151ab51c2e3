/**
 * The way out of a process: the port that its node is given, with the simulated network behind it.
 *
 * @module
 */

import type { NodeId } from "../../../raft/mod.ts";
import type { PeerStatus } from "../../../server/api/node_api.ts";
import type { PeerBatch } from "../../../server/ports/peer_batch.ts";
import type { Answerer, PeerTransport } from "../../../server/ports/ports.ts";
import type { SnapshotAnswer, SnapshotRequest } from "../../../server/ports/snapshot_exchange.ts";
import type { Network } from "./network.ts";
import type { SimProcess } from "./process.ts";
import { SnapshotExchange } from "./snapshot_exchange.ts";

/** What it is made from. */
export interface SimulatedTransportOptions {
  readonly nodeId: NodeId;
  readonly network: Network;
  readonly process: SimProcess;
}

/** See the module comment. */
export class SimulatedTransport implements PeerTransport {
  readonly #nodeId: NodeId;
  readonly #network: Network;
  readonly #process: SimProcess;
  readonly #exchange: SnapshotExchange;
  /** Also former ones: what is meant for them may still leave. */
  readonly #peers = new Set<NodeId>();

  constructor(parts: SimulatedTransportOptions) {
    this.#nodeId = parts.nodeId;
    this.#network = parts.network;
    this.#process = parts.process;
    this.#exchange = new SnapshotExchange(parts);
  }

  setPeers(peers: ReadonlyMap<NodeId, readonly string[]>): void {
    for (const peer of peers.keys()) this.#peers.add(peer);
    this.#network.endRemoved(this.#nodeId);
  }

  whoIsAt(address: string): Promise<Answerer> {
    return Promise.resolve(this.#network.whoIsAt(address));
  }

  send(to: NodeId, batch: PeerBatch): boolean {
    const isPossible = this.#process.isAlive && this.#peers.has(to);
    return isPossible && this.#network.send({ from: this.#nodeId, to }, batch);
  }

  async askSnapshot(to: NodeId, request: SnapshotRequest): Promise<SnapshotAnswer> {
    if (!this.#peers.has(to)) throw new Error(`Cannot ask node ${to} for a snapshot: it is no peer`);
    return await this.#exchange.ask({ from: this.#nodeId, to }, request);
  }

  statuses(): readonly PeerStatus[] {
    return [];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
