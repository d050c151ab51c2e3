/**
 * Streams to all peers. What the peers send arrives through `peers/service.ts`; this file is the way out.
 * What happens to the streams goes to the node's inbox, as everything else that peers bring.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { type NodeId, unreachable } from "../../raft/mod.ts";
import type { PeerStatus } from "../api/mod.ts";
import type { ClusterId, Identity, PeerIdentities } from "../data/mod.ts";
import type {
  Answerer,
  PeerBatch,
  PeerHello,
  PeerInbox,
  PeerTransport,
  SnapshotAnswer,
  SnapshotRequest,
} from "../ports/mod.ts";
import { SnapshotCaller } from "../snapshot/mod.ts";
import { type LinkEvent, type LinkOwner, type PeerAddress, PeerLink } from "./link.ts";
import { whoIsAt } from "./who_is.ts";

/** Highest version of the peers' protocol this node speaks. */
export const PEER_PROTOCOL_VERSION = 1;

/** Links are looked at so many times within the limit for answers. */
const CHECKS_PER_LIMIT = 8;

/** A former peer may be waiting for answers, and for the news that it is one. */
const FORMER_PEER_MS = 5_000;

/** A stream that breaks sooner was an attempt to connect, and those are many while a peer is down. */
const STABLE_STREAM_MS = 1_000;

const logger = getLogger(["prkdb", "server"]);

/** The way to one peer. */
interface Way {
  /** Where the peer may be, `host:port`, the likeliest first; at least one. */
  addresses: readonly string[];
  /** Which of them is tried, or led to the peer; one that does not is followed by the next. */
  at: number;
  readonly link: PeerLink;
  /** The cluster's id in the hello of the stream that is open. */
  saidClusterId: string;
  /** When to close it, for the peer is one no more; `Infinity` while it is. */
  closesMs: number;
}

/** What the transport works with. */
export interface StreamTransportOptions {
  readonly identity: Identity;
  readonly clusterId: ClusterId;
  /** The data directories that the peers had when they were first met. */
  readonly identities: PeerIdentities;
  readonly inbox: PeerInbox;
  /** This node's own address, `host:port`. */
  readonly address: string;
  /** A stream whose batches are not answered for so long is given up and opened anew. */
  readonly answerLimitMs: number;
}

/** See the module comment. */
export class StreamTransport implements PeerTransport, LinkOwner {
  readonly #options: StreamTransportOptions;
  readonly #ways = new Map<NodeId, Way>();
  /** Why each peer did not let this node in, when that was said last, by the address where it did not. */
  readonly #refusals = new Map<NodeId, Map<string, string>>();
  /** At which addresses it was said of each peer that it cannot be reached. */
  readonly #unreachable = new Map<NodeId, Set<string>>();
  readonly #snapshots = new SnapshotCaller();
  #checks: ReturnType<typeof setInterval> | undefined;
  #checkedMs = 0;

  constructor(options: StreamTransportOptions) {
    this.#options = options;
  }

  /** Starts connecting to every peer. */
  open(): void {
    for (const { link } of this.#ways.values()) link.open();
    this.#checkedMs = performance.now();
    this.#checks = setInterval(() => this.#check(), this.#checkIntervalMs);
  }

  setPeers(peers: ReadonlyMap<NodeId, readonly string[]>): void {
    for (const [peer, addresses] of peers) {
      const way = this.#ways.get(peer);
      const at = way === undefined ? -1 : addresses.indexOf(addressOf(way));
      if (way === undefined || at < 0) this.#replace(peer, addresses);
      else Object.assign(way, { addresses, at, closesMs: Infinity });
    }
    const closesMs = performance.now() + FORMER_PEER_MS;
    for (const [peer, way] of this.#ways) {
      if (!peers.has(peer) && way.closesMs === Infinity) way.closesMs = closesMs;
    }
  }

  whoIsAt(address: string): Promise<Answerer> {
    return whoIsAt(address);
  }

  send(to: NodeId, batch: PeerBatch): boolean {
    const way = this.#ways.get(to);
    if (way === undefined) return false;
    // What this node says once it is bound to a cluster may only reach peers that have been told so first.
    if (way.link.isConnected && way.saidClusterId !== this.#options.clusterId.value) {
      this.#replace(to, way.addresses);
      return false;
    }
    return way.link.send(batch);
  }

  async askSnapshot(to: NodeId, request: SnapshotRequest): Promise<SnapshotAnswer> {
    const { address, clusterId, identity: { nodeId: from } } = this.#options;
    const way = this.#ways.get(to);
    if (way === undefined) throw new Error(`Cannot ask node ${to} for a snapshot: it is no peer`);
    const envelope = { clusterId: clusterId.value, from, to, address, request };
    return await this.#snapshots.ask(addressOf(way), envelope);
  }

  statuses(): readonly PeerStatus[] {
    const current = [...this.#ways.values()].filter(({ closesMs }) => closesMs === Infinity);
    return current.map(({ link, ...way }) => ({
      nodeId: link.peer,
      address: addressOf(way),
      connected: link.isConnected,
      reached: link.isReached,
      queuedBytes: link.queuedBytes,
      droppedMessages: link.droppedBatches,
    }));
  }

  close(): Promise<void> {
    clearInterval(this.#checks);
    this.#snapshots.close();
    for (const { link } of this.#ways.values()) link.close();
    return Promise.resolve();
  }

  addressOf(peer: NodeId): PeerAddress {
    return parseAddress(addressOf(this.#ways.get(peer)!));
  }

  helloTo(peer: NodeId): PeerHello {
    const { address, clusterId, identities, identity: { incarnation, nodeId } } = this.#options;
    const way = this.#ways.get(peer);
    if (way !== undefined) way.saidClusterId = clusterId.value;
    return {
      clusterId: clusterId.value,
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
        this.#refusals.delete(event.peer);
        this.#unreachable.delete(event.peer);
        logger.info("Stream to node {peer} is open", { peer: event.peer });
        return inbox.push({ kind: "peerConnected", peer: event.peer });
      case "lost": {
        const { openMs, peer, reason } = event;
        if (openMs <= STABLE_STREAM_MS) this.#tryNextAddress(peer);
        const level = openMs > STABLE_STREAM_MS ? "warn" : "debug";
        logger[level]("Stream to node {peer} is lost: {reason}", { peer, reason });
        return inbox.push({ kind: "peerLost", peer });
      }
      case "refused":
        this.#noteRefusal(event.peer, event.reason);
        return this.#tryNextAddress(event.peer);
      case "unreachable": {
        const { peer, reason } = event;
        this.#noteUnreachable(peer, reason);
        return this.#tryNextAddress(peer);
      }
      case "removed":
        return inbox.push(event);
      default:
        return unreachable(event);
    }
  }

  /** It goes on trying, and says so once for each address until the peer is reached again. */
  #noteUnreachable(peer: NodeId, reason: string): void {
    const address = this.#addressTried(peer);
    const told = this.#unreachable.get(peer) ?? new Set();
    this.#unreachable.set(peer, told);
    const level = told.has(address) ? "debug" : "warn";
    told.add(address);
    logger[level]("Node {peer} cannot be reached at {address}: {reason}", { peer, address, reason });
  }

  /** It goes on trying, and says so once for each address and reason. */
  #noteRefusal(peer: NodeId, reason: string): void {
    const address = this.#addressTried(peer);
    const told = this.#refusals.get(peer) ?? new Map();
    this.#refusals.set(peer, told);
    const level = told.get(address) === reason ? "debug" : "warn";
    told.set(address, reason);
    logger[level]("Node {peer} at {address} refuses the stream from here: {reason}", {
      peer,
      address,
      reason,
    });
  }

  #addressTried(peer: NodeId): string {
    const way = this.#ways.get(peer);
    return way === undefined ? "its last address" : addressOf(way);
  }

  /** A new stream; the old one is over, whatever was still to leave by it. */
  #replace(peer: NodeId, addresses: readonly string[]): void {
    const before = this.#ways.get(peer);
    const at = before === undefined ? 0 : Math.max(0, addresses.indexOf(addressOf(before)));
    before?.link.close();
    const { answerLimitMs } = this.#options;
    const link = new PeerLink({ peer, owner: this, answerLimitMs });
    this.#ways.set(peer, { addresses, at, link, saidClusterId: "", closesMs: Infinity });
    if (this.#checks !== undefined) link.open();
  }

  /** The peer may have moved, and what is known of it may be old: whoever knows it better says so. */
  #tryNextAddress(peer: NodeId): void {
    const way = this.#ways.get(peer);
    if (way !== undefined) way.at = (way.at + 1) % way.addresses.length;
  }

  get #checkIntervalMs(): number {
    return this.#options.answerLimitMs / CHECKS_PER_LIMIT;
  }

  #check(): void {
    const nowMs = performance.now();
    const stalledMs = Math.max(0, nowMs - this.#checkedMs - this.#checkIntervalMs);
    this.#checkedMs = nowMs;
    for (const [peer, { link, closesMs }] of this.#ways) {
      if (nowMs <= closesMs) link.check(stalledMs);
      else {
        link.close();
        this.#ways.delete(peer);
        this.#refusals.delete(peer);
        this.#unreachable.delete(peer);
      }
    }
  }
}

function addressOf({ addresses, at }: Pick<Way, "addresses" | "at">): string {
  return addresses[at]!;
}

/** `host:port` or `[v6]:port` apart. */
export function parseAddress(address: string): PeerAddress {
  const colon = address.lastIndexOf(":");
  const hostname = address.slice(0, colon).replace(/^\[|\]$/g, "");
  return { hostname, port: Number(address.slice(colon + 1)) };
}
