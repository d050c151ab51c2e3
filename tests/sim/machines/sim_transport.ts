/**
 * The way out of a process: the port that its node is given, with the simulated network behind it.
 *
 * @module
 */

import type { NodeId } from "../../../raft/mod.ts";
import type { PeerStatus } from "../../../server/api/node_api.ts";
import type { PeerBatch } from "../../../server/ports/peer_batch.ts";
import type { Answerer, PeerTransport } from "../../../server/ports/ports.ts";
import type { Network } from "./network.ts";
import type { SimProcess } from "./process.ts";

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
  /** Also former ones: what is meant for them may still leave. */
  readonly #peers = new Set<NodeId>();

  constructor(parts: SimulatedTransportOptions) {
    this.#nodeId = parts.nodeId;
    this.#network = parts.network;
    this.#process = parts.process;
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

  statuses(): readonly PeerStatus[] {
    return [];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
