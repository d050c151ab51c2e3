/**
 * The promises of all other replicas of a group, of the last one of each node the highest (`promises.ts`).
 *
 * @module
 */

import type { RaftLog } from "./log.ts";
import {
  type LogIndex,
  NO_REPLICA,
  type NodeId,
  type PeerPromise,
  type ReplicaId,
  type Term,
} from "./types.ts";

/** Promised up to an entry, in a term. */
interface Held {
  /** By which replica of the node; 0 if that is not known. */
  readonly replica: ReplicaId;
  readonly term: Term;
  readonly through: LogIndex;
}

/** See the module comment. */
export class PromiseTable {
  readonly #byNode = new Map<NodeId, PeerPromise>();
  /** Nodes whose promise has risen since it was written. */
  readonly #unwritten = new Set<NodeId>();

  constructor(written: readonly PeerPromise[]) {
    for (const promise of written) this.#byNode.set(promise.node, promise);
  }

  of(node: NodeId): PeerPromise | undefined {
    return this.#byNode.get(node);
  }

  /** Of every node that has promised anything. */
  all(): readonly PeerPromise[] {
    return [...this.#byNode.values()];
  }

  /** `node` has been in the term, and holds what is committed of `log` as far as it has said. */
  raise(node: NodeId, { replica, term, through }: Held, log: RaftLog): void {
    const known = this.#byNode.get(node);
    // One that came later on the node is not held to what its predecessor has promised.
    const last = known?.replica ?? NO_REPLICA;
    if (replica < last) return;
    const isSame = known !== undefined && last === replica;
    const name = replica === NO_REPLICA ? {} : { replica };
    const before = isSame ? known : { node, ...name, term: 0, index: 0, indexTerm: 0 };
    const index = Math.min(through, log.committed);
    const indexTerm = index > before.index ? log.termAt(index) : undefined;
    if (term <= before.term && indexTerm === undefined) return;
    const held = indexTerm === undefined ? before : { index, indexTerm };
    const { index: heldIndex, indexTerm: heldTerm } = held;
    const raised = { term: Math.max(term, before.term), index: heldIndex, indexTerm: heldTerm };
    this.#byNode.set(node, { ...before, ...raised });
    this.#unwritten.add(node);
  }

  /** What has risen since the last call, to be written. */
  takeUnwritten(): readonly PeerPromise[] {
    const promises = [...this.#unwritten].map((node) => this.#byNode.get(node)!);
    this.#unwritten.clear();
    return promises;
  }
}
