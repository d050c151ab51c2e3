/**
 * Streams to all peers. What the peers send arrives through `peers/service.ts`; this file is the way out.
 * What happens to the streams goes to the node's inbox, as everything else that peers bring.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { type NodeId, unreachable } from "../../raft/mod.ts";
import type { PeerStatus } from "../api/mod.ts";
import type { Identity, PeerIdentities } from "../data/mod.ts";
import type { PeerBatch, PeerHello, PeerInbox, PeerTransport } from "../ports/mod.ts";
import { type LinkEvent, type LinkOwner, type PeerAddress, PeerLink } from "./link.ts";

/** Highest version of the peers' protocol this node speaks. */
export const PEER_PROTOCOL_VERSION = 1;

/** How often links are looked at. */
const CHECK_INTERVAL_MS = 250;

const NOTHING: PeerBatch = { messages: [], calls: [], replies: [], leaderships: [], reminders: [] };

/** A former peer may be waiting for answers, and for the news that it is one. */
const FORMER_PEER_MS = 5_000;

/** A stream that breaks sooner was an attempt to connect, and those are many while a peer is down. */
const STABLE_STREAM_MS = 1_000;

const logger = getLogger(["prkdb", "server"]);

/** The way to one peer. */
interface Way {
  readonly address: string;
  readonly link: PeerLink;
  /** When to close it, for the peer is one no more; `Infinity` while it is. */
  closesMs: number;
}

/** What the transport works with. */
export interface StreamTransportOptions {
  readonly identity: Identity;
  /** The data directories that the peers had when they were first met. */
  readonly identities: PeerIdentities;
  readonly inbox: PeerInbox;
  /** This node's own address, `host:port`. */
  readonly address: string;
  /** A peer silent for this long is taken for gone and its stream opened anew, in milliseconds. */
  readonly silentMs: number;
}

/** See the module comment. */
export class StreamTransport implements PeerTransport, LinkOwner {
  readonly #options: StreamTransportOptions;
  readonly #ways = new Map<NodeId, Way>();
  readonly #heardMs = new Map<NodeId, number>();
  readonly #sentMs = new Map<NodeId, number>();
  #checks: ReturnType<typeof setInterval> | undefined;

  constructor(options: StreamTransportOptions) {
    this.#options = options;
  }

  /** Starts connecting to every peer. */
  open(): void {
    for (const { link } of this.#ways.values()) link.open();
    this.#checks = setInterval(() => this.#check(), CHECK_INTERVAL_MS);
  }

  setPeers(peers: ReadonlyMap<NodeId, string>): void {
    for (const [peer, address] of peers) {
      const way = this.#ways.get(peer);
      if (way?.address === address) way.closesMs = Infinity;
      else this.#replace(peer, address);
    }
    const closesMs = performance.now() + FORMER_PEER_MS;
    for (const [peer, way] of this.#ways) {
      if (!peers.has(peer) && way.closesMs === Infinity) way.closesMs = closesMs;
    }
  }

  send(to: NodeId, batch: PeerBatch): boolean {
    const isTaken = this.#ways.get(to)?.link.send(batch) ?? false;
    if (isTaken) this.#sentMs.set(to, performance.now());
    return isTaken;
  }

  /** Takes note that something arrived from `peer`. */
  heardFrom(peer: NodeId): void {
    this.#heardMs.set(peer, performance.now());
  }

  statuses(): readonly PeerStatus[] {
    const current = [...this.#ways.values()].filter(({ closesMs }) => closesMs === Infinity);
    return current.map(({ address, link }) => ({
      nodeId: link.peer,
      address,
      connected: link.isConnected,
      queuedBytes: link.queuedBytes,
      droppedMessages: link.droppedBatches,
    }));
  }

  close(): Promise<void> {
    clearInterval(this.#checks);
    for (const { link } of this.#ways.values()) link.close();
    return Promise.resolve();
  }

  helloTo(peer: NodeId): PeerHello {
    const { address, identities, identity: { clusterId, incarnation, nodeId } } = this.#options;
    return {
      clusterId,
      fromNode: nodeId,
      toNode: peer,
      protocolVersion: PEER_PROTOCOL_VERSION,
      address,
      incarnation,
      expectedIncarnation: identities.expected(peer),
    };
  }

  take(event: LinkEvent): void {
    const { inbox } = this.#options;
    switch (event.kind) {
      case "connected":
        logger.info("Stream to node {peer} is open", { peer: event.peer });
        return inbox.push({ kind: "peerConnected", peer: event.peer });
      case "lost": {
        const { openMs, peer, reason } = event;
        const level = openMs > STABLE_STREAM_MS ? "warn" : "debug";
        logger[level]("Stream to node {peer} is lost: {reason}", { peer, reason });
        return inbox.push({ kind: "peerLost", peer });
      }
      case "unreachable": {
        const { peer, reason } = event;
        return logger.debug("Node {peer} cannot be reached: {reason}", { peer, reason });
      }
      case "removed":
        return inbox.push(event);
      default:
        return unreachable(event);
    }
  }

  #replace(peer: NodeId, address: string): void {
    this.#ways.get(peer)?.link.close();
    const link = new PeerLink({ peer, address: parseAddress(address), owner: this });
    this.#ways.set(peer, { address, link, closesMs: Infinity });
    if (this.#checks !== undefined) link.open();
  }

  /** Keeps quiet streams alive, so that silence means loss, and gives up those that are silent. */
  #check(): void {
    const { silentMs } = this.#options;
    for (const [peer, { link, closesMs }] of this.#ways) {
      if (performance.now() > closesMs) {
        link.close();
        this.#ways.delete(peer);
        continue;
      }
      link.checkSilence({ heardMs: this.#heardMs.get(peer) ?? -Infinity, silentMs });
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
