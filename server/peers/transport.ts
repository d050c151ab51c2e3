/**
 * Streams to all peers. What the peers send arrives through `peers/service.ts`; this file is the way out.
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";
import type { PeerStatus } from "../api/mod.ts";
import type { PeerBatch, PeerTransport } from "../ports/mod.ts";
import { type PeerAddress, PeerLink } from "./link.ts";

/** Highest version of the peers' protocol this node speaks. */
export const PEER_PROTOCOL_VERSION = 1;

/** How often links are looked at. */
const CHECK_INTERVAL_MS = 250;

const NOTHING: PeerBatch = { messages: [], calls: [], replies: [], leaderships: [] };

/** A former peer may be waiting for answers, and for the news that it is one. */
const FORMER_PEER_MS = 5_000;

/** The way to one peer. */
interface Link {
  readonly address: string;
  readonly way: PeerLink;
  /** When to close it, for the peer is one no more; `Infinity` while it is. */
  closesMs: number;
}

/** Something happened to a link. */
export type PeerEvent =
  | { readonly kind: "connected"; readonly peer: NodeId }
  | { readonly kind: "lost"; readonly peer: NodeId; readonly reason: string; readonly livedMs: number }
  | { readonly kind: "unreachable"; readonly peer: NodeId; readonly reason: string }
  /** The peer knows that this node was removed from the cluster. */
  | { readonly kind: "banned"; readonly peer: NodeId };

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
  /** A peer silent for this long is taken for gone and its stream opened anew, in milliseconds. */
  readonly silentMs: number;
  readonly onEvent: (event: PeerEvent) => void;
}

/** See the module comment. */
export class StreamTransport implements PeerTransport {
  readonly #options: StreamTransportOptions;
  readonly #links = new Map<NodeId, Link>();
  readonly #heardMs = new Map<NodeId, number>();
  readonly #sentMs = new Map<NodeId, number>();
  #checks: ReturnType<typeof setInterval> | undefined;

  constructor(options: StreamTransportOptions) {
    this.#options = options;
  }

  /** Starts connecting to every peer. */
  open(): void {
    for (const { way } of this.#links.values()) way.open();
    this.#checks = setInterval(() => this.#check(), CHECK_INTERVAL_MS);
  }

  setPeers(peers: ReadonlyMap<NodeId, string>): void {
    for (const [peer, address] of peers) {
      const link = this.#links.get(peer);
      if (link?.address === address) link.closesMs = Infinity;
      else this.#replace(peer, address);
    }
    const closesMs = performance.now() + FORMER_PEER_MS;
    for (const [peer, link] of this.#links) {
      if (!peers.has(peer) && link.closesMs === Infinity) link.closesMs = closesMs;
    }
  }

  send(to: NodeId, batch: PeerBatch): boolean {
    const isTaken = this.#links.get(to)?.way.send(batch) ?? false;
    if (isTaken) this.#sentMs.set(to, performance.now());
    return isTaken;
  }

  /** Takes note that something arrived from `peer`. */
  heardFrom(peer: NodeId): void {
    this.#heardMs.set(peer, performance.now());
  }

  statuses(): readonly PeerStatus[] {
    const current = [...this.#links.values()].filter(({ closesMs }) => closesMs === Infinity);
    return current.map(({ address, way }) => ({
      nodeId: way.peer,
      address,
      connected: way.isConnected,
      queuedBytes: way.queuedBytes,
      droppedMessages: way.droppedBatches,
    }));
  }

  close(): Promise<void> {
    clearInterval(this.#checks);
    for (const { way } of this.#links.values()) way.close();
    return Promise.resolve();
  }

  #replace(peer: NodeId, address: string): void {
    this.#links.get(peer)?.way.close();
    const way = this.#createLink(peer, address);
    this.#links.set(peer, { address, way, closesMs: Infinity });
    if (this.#checks !== undefined) way.open();
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
      onBanned: () => onEvent({ kind: "banned", peer }),
      onLost: (reason, livedMs) => onEvent({ kind: "lost", peer, reason, livedMs }),
      onUnreachable: (reason) => onEvent({ kind: "unreachable", peer, reason }),
    });
  }

  /** Keeps quiet streams alive, so that silence means loss, and gives up those that are silent. */
  #check(): void {
    const { silentMs } = this.#options;
    for (const [peer, { way, closesMs }] of this.#links) {
      if (performance.now() > closesMs) {
        way.close();
        this.#links.delete(peer);
        continue;
      }
      way.checkAlive(silentMs);
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
