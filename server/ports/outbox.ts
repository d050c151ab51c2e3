/**
 * The node's side of the transport: what this turn has for each peer, gathered so that each gets one batch.
 *
 * @module
 */

import type { Message, NodeId, Reminder } from "../../raft/mod.ts";
import type { ForwardedCall, ForwardedReply, Leadership, PeerBatch } from "./peer_batch.ts";
import type { PeerTransport } from "./ports.ts";

interface OpenBatch {
  readonly messages: Message[];
  readonly calls: ForwardedCall[];
  readonly replies: ForwardedReply[];
  readonly leaderships: Leadership[];
  readonly reminders: Reminder[];
}

/** See the module comment. */
export class Outbox {
  readonly #transport: PeerTransport;
  #peers: readonly NodeId[] = [];
  #batches = new Map<NodeId, OpenBatch>();

  constructor(transport: PeerTransport) {
    this.#transport = transport;
  }

  /**
   * From now on these are the peers, ascending, with the addresses at which they may be; no other node is
   * told anything unasked.
   */
  setPeers(peers: ReadonlyMap<NodeId, readonly string[]>): void {
    this.#peers = [...peers.keys()];
    this.#transport.setPeers(peers);
  }

  addMessages(messages: readonly Message[]): void {
    for (const message of messages) this.#batch(message.to).messages.push(message);
  }

  addCall(to: NodeId, call: ForwardedCall): void {
    this.#batch(to).calls.push(call);
  }

  addReply(to: NodeId, reply: ForwardedReply): void {
    this.#batch(to).replies.push(reply);
  }

  /** Tells `to`, or every peer, what this node leads. */
  addLeaderships(leaderships: readonly Leadership[], to?: NodeId): void {
    if (leaderships.length === 0) return;
    const peers = to === undefined ? this.#peers : [to];
    for (const peer of peers) this.#batch(peer).leaderships.push(...leaderships);
  }

  /** Reminds a peer of what it has promised. */
  addReminders(to: NodeId, reminders: readonly Reminder[]): void {
    if (reminders.length > 0) this.#batch(to).reminders.push(...reminders);
  }

  /** Sends everything; returns the calls that certainly did not leave. */
  flush(): readonly ForwardedCall[] {
    if (this.#batches.size === 0) return NO_CALLS;
    const batches = this.#batches;
    this.#batches = new Map();
    const lost: ForwardedCall[] = [];
    for (const peer of [...batches.keys()].sort((a, b) => a - b)) {
      const batch: PeerBatch = batches.get(peer)!;
      if (!this.#transport.send(peer, batch)) lost.push(...batch.calls);
    }
    return lost;
  }

  #batch(to: NodeId): OpenBatch {
    let batch = this.#batches.get(to);
    if (batch === undefined) {
      batch = { messages: [], calls: [], replies: [], leaderships: [], reminders: [] };
      this.#batches.set(to, batch);
    }
    return batch;
  }
}

const NO_CALLS: readonly ForwardedCall[] = [];
