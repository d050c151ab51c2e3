/**
 * Which nodes have been silent for long, as the leader of the cluster's own group sees it. A leader that has
 * just begun to look has not missed any yet.
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";

/** What is heard at one moment. */
export interface Look {
  readonly heard: ReadonlySet<NodeId>;
  readonly nowMs: number;
}

/** See the module comment. */
export class FailureDetector {
  readonly #limitMs: number;
  readonly #heardMs = new Map<NodeId, number>();

  /** @param limitMs a node that was not heard for so long is silent, in milliseconds */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /**
   * Takes note of those of `nodes` that are heard; those that are new count as heard, those that are gone are
   * forgotten.
   */
  look(nodes: Iterable<NodeId>, { heard, nowMs }: Look): void {
    const current = new Set(nodes);
    for (const node of this.#heardMs.keys()) if (!current.has(node)) this.#heardMs.delete(node);
    for (const node of current) {
      if (!this.#heardMs.has(node) || heard.has(node)) this.#heardMs.set(node, nowMs);
    }
  }

  /** What was seen does not count any more. */
  reset(): void {
    this.#heardMs.clear();
  }

  isSilent(node: NodeId, nowMs: number): boolean {
    return nowMs - (this.#heardMs.get(node) ?? nowMs) >= this.#limitMs;
  }
}
