/**
 * Which node leads which group, as far as this one knows: from its own replicas, and from what leaders tell
 * all their peers, so that nodes without a replica know too. A higher term always wins.
 *
 * @module
 */

import { type GroupId, NO_NODE, type NodeId, type Term } from "../../raft/mod.ts";

/** The leader of a term; `NO_NODE` while there is none. */
export interface KnownLeader {
  readonly leader: NodeId;
  readonly term: Term;
}

const UNKNOWN: KnownLeader = { leader: NO_NODE, term: 0 };

/** See the module comment. */
export class LeaderTable {
  readonly #leaders = new Map<GroupId, KnownLeader>();

  get(group: GroupId): KnownLeader {
    return this.#leaders.get(group) ?? UNKNOWN;
  }

  /** What a replica of this node believes; it may also know that there is no leader any more. */
  noteLocal(group: GroupId, known: KnownLeader): void {
    if (known.term >= this.get(group).term) this.#set(group, known);
  }

  /** What another node said. A term has one leader, so a known one is never replaced within it. */
  noteRemote(group: GroupId, known: KnownLeader): void {
    const current = this.get(group);
    const isNews = known.term > current.term || (known.term === current.term && current.leader === NO_NODE);
    if (isNews) this.#set(group, known);
  }

  #set(group: GroupId, known: KnownLeader): void {
    const current = this.get(group);
    if (current.leader === known.leader && current.term === known.term) return;
    this.#leaders.set(group, known);
  }
}
