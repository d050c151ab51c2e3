/**
 * Peers in one process: batches go through the real codec from one inbox to the other, and links can be cut.
 *
 * @module
 */

import { WireWriter } from "../../../proto/mod.ts";
import type { NodeId } from "../../../raft/mod.ts";
import type { PeerStatus } from "../../../server/api/node_api.ts";
import { Inbox } from "../../../server/node/inbox.ts";
import type { PeerHost } from "../../../server/peers/service.ts";
import { decodePeerBatch, encodePeerBatch } from "../../../server/peers/codec.ts";
import type { PeerBatch } from "../../../server/ports/peer_batch.ts";
import type { Answerer, PeerTransport } from "../../../server/ports/ports.ts";
import type { SnapshotAnswer, SnapshotRequest } from "../../../server/ports/snapshot_exchange.ts";

/** What a node on the network is opened with. */
export interface MemoryStation {
  readonly inbox: Inbox;
  readonly transport: PeerTransport;
}

/** Who has snapshots. */
type SnapshotHost = Required<Pick<PeerHost, "answerSnapshot">>;

/** From one node to another. */
interface Route {
  readonly from: NodeId;
  readonly to: NodeId;
}

/** A network of inboxes. */
export class MemoryNetwork {
  readonly #inboxes = new Map<NodeId, Inbox>();
  readonly #hosts = new Map<NodeId, SnapshotHost>();

  /** What arrives at a node. */
  inboxOf(nodeId: NodeId): Inbox {
    return this.#inboxes.get(nodeId)!;
  }

  readonly #cut = new Set<string>();

  /** Puts a node on the network, in place of an earlier one of the same id. */
  attach(nodeId: NodeId): MemoryStation {
    const inbox = new Inbox();
    this.#inboxes.set(nodeId, inbox);
    return { inbox, transport: new MemoryTransport(nodeId, this) };
  }

  /** Asks the node for snapshots from now on. */
  serve(nodeId: NodeId, host: SnapshotHost): void {
    this.#hosts.set(nodeId, host);
  }

  /** Takes a node off the network. */
  detach(nodeId: NodeId): void {
    this.#inboxes.delete(nodeId);
    this.#hosts.delete(nodeId);
    for (const inbox of this.#inboxes.values()) inbox.push({ kind: "peerLost", peer: nodeId });
  }

  /** Loses everything between the two nodes from now on, silently. */
  cut(one: NodeId, other: NodeId): void {
    this.#cut.add(linkName(one, other));
  }

  heal(): void {
    this.#cut.clear();
  }

  /** @throws when no answer came */
  async ask(route: Route, request: SnapshotRequest): Promise<SnapshotAnswer> {
    const host = this.#hosts.get(route.to);
    if (host === undefined || this.#cut.has(linkName(route.from, route.to))) {
      throw new Error("nobody answers");
    }
    return await host.answerSnapshot(route.from, request);
  }

  /** Whether the batch arrived. */
  deliver(route: Route, batch: PeerBatch): boolean {
    const inbox = this.#inboxes.get(route.to);
    if (inbox === undefined) return false;
    if (this.#cut.has(linkName(route.from, route.to))) return true;
    const writer = new WireWriter();
    encodePeerBatch(writer, batch);
    inbox.push({ kind: "peerBatch", from: route.from, batch: decodePeerBatch(writer.finish(), route).batch });
    return true;
  }
}

class MemoryTransport implements PeerTransport {
  readonly #from: NodeId;
  readonly #network: MemoryNetwork;

  constructor(from: NodeId, network: MemoryNetwork) {
    this.#from = from;
    this.#network = network;
  }

  /** Everybody on the network can be reached. */
  setPeers(): void {}

  whoIsAt(): Promise<Answerer> {
    return Promise.resolve({ kind: "nobody", reason: "there are no addresses" });
  }

  send(to: NodeId, batch: PeerBatch): boolean {
    return this.#network.deliver({ from: this.#from, to }, batch);
  }

  askSnapshot(to: NodeId, request: SnapshotRequest): Promise<SnapshotAnswer> {
    return this.#network.ask({ from: this.#from, to }, request);
  }

  statuses(): readonly PeerStatus[] {
    return [];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function linkName(one: NodeId, other: NodeId): string {
  return `${Math.min(one, other)}-${Math.max(one, other)}`;
}
