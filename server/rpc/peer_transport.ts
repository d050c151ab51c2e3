/**
 * Streams to all peers. What the peers send arrives through `raft_service.ts`; this file is the way out.
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";
import type { PeerStatus } from "../node_api.ts";
import type { PeerBatch } from "../peer_batch.ts";
import type { PeerTransport } from "../ports.ts";
import { type PeerAddress, PeerLink } from "./peer_link.ts";

/** Highest version of the peers' protocol this node speaks. */
export const PEER_PROTOCOL_VERSION = 1;

/** How often links are looked at. */
const CHECK_INTERVAL_MS = 250;

const NOTHING: PeerBatch = { messages: [], calls: [], replies: [], leaderships: [] };

/** Something happened to a link. */
export type PeerEvent =
  | { readonly kind: "connected"; readonly peer: NodeId }
  | { readonly kind: "lost"; readonly peer: NodeId; readonly reason: string; readonly livedMs: number }
  | { readonly kind: "unreachable"; readonly peer: NodeId; readonly reason: string };

/** What the transport needs to know. */
export interface StreamTransportOptions {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** Of this node's data directory. */
  readonly incarnation: string;
  /** Of a peer's data directory as this node knows it; empty if they never met. */
  readonly expectedIncarnation: (peer: NodeId) => string;
  /** This node's own address, `host:port`. */
  readonly address: string;
  readonly peers: ReadonlyMap<NodeId, string>;
  /** A peer silent for this long is taken for gone and its stream opened anew, in milliseconds. */
  readonly silentMs: number;
  readonly onEvent: (event: PeerEvent) => void;
}

/** See the module comment. */
export class StreamTransport implements PeerTransport {
  readonly #options: StreamTransportOptions;
  readonly #links = new Map<NodeId, PeerLink>();
  readonly #heardMs = new Map<NodeId, number>();
  readonly #sentMs = new Map<NodeId, number>();
  #checks: ReturnType<typeof setInterval> | undefined;

  constructor(options: StreamTransportOptions) {
    this.#options = options;
    for (const [peer, address] of options.peers) this.#links.set(peer, this.#createLink(peer, address));
  }

  /** Starts connecting to every peer. */
  open(): void {
    for (const link of this.#links.values()) link.open();
    this.#checks = setInterval(() => this.#check(), CHECK_INTERVAL_MS);
  }

  send(to: NodeId, batch: PeerBatch): boolean {
    const isTaken = this.#links.get(to)?.send(batch) ?? false;
    if (isTaken) this.#sentMs.set(to, performance.now());
    return isTaken;
  }

  /** Takes note that something arrived from `peer`. */
  heardFrom(peer: NodeId): void {
    this.#heardMs.set(peer, performance.now());
  }

  statuses(): readonly PeerStatus[] {
    return [...this.#links.values()].map((link) => ({
      nodeId: link.peer,
      address: this.#options.peers.get(link.peer) ?? "",
      connected: link.isConnected,
      queuedBytes: link.queuedBytes,
      droppedMessages: link.droppedBatches,
    }));
  }

  close(): Promise<void> {
    clearInterval(this.#checks);
    for (const link of this.#links.values()) link.close();
    return Promise.resolve();
  }

  #createLink(peer: NodeId, address: string): PeerLink {
    const { clusterId, nodeId, incarnation, expectedIncarnation, onEvent, silentMs } = this.#options;
    return new PeerLink({
      peer,
      hello: () => ({
        ...{ clusterId, fromNode: nodeId, toNode: peer, protocolVersion: PEER_PROTOCOL_VERSION },
        address: this.#options.address,
        ...{ incarnation, expectedIncarnation: expectedIncarnation(peer) },
      }),
      address: parseAddress(address),
      isAlive: () => performance.now() - (this.#heardMs.get(peer) ?? -Infinity) < silentMs,
      onConnected: () => onEvent({ kind: "connected", peer }),
      onLost: (reason, livedMs) => onEvent({ kind: "lost", peer, reason, livedMs }),
      onUnreachable: (reason) => onEvent({ kind: "unreachable", peer, reason }),
    });
  }

  /** Keeps quiet streams alive, so that silence means loss, and gives up those that are silent. */
  #check(): void {
    const { silentMs } = this.#options;
    for (const [peer, link] of this.#links) {
      link.checkAlive(silentMs);
      if (performance.now() - (this.#sentMs.get(peer) ?? 0) > silentMs / 4) this.send(peer, NOTHING);
    }
  }
}

/** `host:port` or `[v6]:port` apart. */
export function parseAddress(address: string): PeerAddress {
  const colon = address.lastIndexOf(":");
  const hostname = address.slice(0, colon).replace(/^\[|\]$/g, "");
  return { hostname, port: Number(address.slice(colon + 1)) };
}
