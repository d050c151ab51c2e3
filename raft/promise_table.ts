/**
 * The promises of all other replicas of a group, the highest of each (`promises.ts`).
 *
 * @module
 */

import type { RaftLog } from "./log.ts";
import type { LogIndex, NodeId, PeerPromise, Term } from "./types.ts";

/** Promised up to an entry, in a term. */
interface Held {
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
  raise(node: NodeId, { term, through }: Held, log: RaftLog): void {
    const before = this.#byNode.get(node) ?? { node, term: 0, index: 0, indexTerm: 0 };
    const index = Math.min(through, log.committed);
    const indexTerm = index > before.index ? log.termAt(index) : undefined;
    if (term <= before.term && indexTerm === undefined) return;
    const held = indexTerm === undefined ? before : { index, indexTerm };
    const { index: heldIndex, indexTerm: heldTerm } = held;
    const raised = { node, term: Math.max(term, before.term), index: heldIndex, indexTerm: heldTerm };
    this.#byNode.set(node, raised);
    this.#unwritten.add(node);
  }

  /** What has risen since the last call, to be written. */
  takeUnwritten(): readonly PeerPromise[] {
    const promises = [...this.#unwritten].map((node) => this.#byNode.get(node)!);
    this.#unwritten.clear();
    return promises;
  }
}
