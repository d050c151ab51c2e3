/**
 * Which other nodes are alive, as far as this one has heard. Quiet groups rest on it: they exchange nothing
 * of their own, so a node that is heard stands for all its quiet replicas, and its silence wakes theirs here.
 *
 * @module
 */

import type { NodeId } from "./types.ts";

interface Peer {
  readonly node: NodeId;
  /** Tick of the last message. */
  heardAt: number;
  /** Whether that was an election timeout ago. */
  isLost: boolean;
}

/** From when on a peer counts as lost, in ticks. */
export interface SilenceLimit {
  readonly now: number;
  readonly silenceMax: number;
}

/** See the module comment. */
export class PeerTable {
  #peers: Peer[] = [];

  /** All peers, ascending. */
  get nodes(): readonly NodeId[] {
    return this.#peers.map((peer) => peer.node);
  }

  /** Replaces the list of peers; a new one counts as heard at `now`. */
  setNodes(nodes: readonly NodeId[], now: number): void {
    this.#peers = nodes.map((node) => this.#find(node) ?? { node, heardAt: now, isLost: false });
  }

  /** Whether `node` is one of the peers. */
  has(node: NodeId): boolean {
    return this.#find(node) !== undefined;
  }

  /** Takes note of a message from `node`. Returns whether that had been lost. */
  hear(node: NodeId, now: number): boolean {
    const peer = this.#find(node);
    if (peer === undefined) return false;
    peer.heardAt = now;
    const { isLost } = peer;
    peer.isLost = false;
    return isLost;
  }

  /** Peers that were last heard `silenceMax` ticks before `now`, and were not lost before. */
  takeLost({ now, silenceMax }: SilenceLimit): readonly NodeId[] {
    const lost = this.#peers.filter((peer) => !peer.isLost && now - peer.heardAt >= silenceMax);
    for (const peer of lost) peer.isLost = true;
    return lost.map((peer) => peer.node);
  }

  /** Tick at which `node` was last heard; 0 when it is no peer. */
  heardAt(node: NodeId): number {
    return this.#find(node)?.heardAt ?? 0;
  }

  /** Whether `node` has been silent for an election timeout, or is no peer. */
  isLost(node: NodeId): boolean {
    return this.#find(node)?.isLost ?? true;
  }

  #find(node: NodeId): Peer | undefined {
    for (let position = 0; position < this.#peers.length; position++) {
      const peer = this.#peers[position]!;
      if (peer.node === node) return peer;
    }
    return undefined;
  }
}
