/**
 * What is wrong with a node at the moment and may be right again later: a full disk, no descriptor left, a
 * small file that cannot be saved, a peer that must be replaced. What can be tried again is, by whoever has
 * it. Here each stands with its reason as long as it lasts, for `/readyz`, for a metric, and in one log line
 * when it begins and one when it is over.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";

/** Every kind of trouble. The names are labels of a metric. */
export const RESOURCE_TROUBLE_KINDS = [
  /** The log's next file cannot be made. */
  "next_segment",
  /** … and what is left is kept for more important things than puts. */
  "log_full",
  "memory_full",
  /** Stores cannot be flushed, or their tables not merged: memory fills, or reads become slower. */
  "state_files",
  /** The state of a replica is damaged, and comes anew from another node if there is one. */
  "state_damaged",
  /** The store of a replica that was moved here cannot be made. */
  "state_opening",
  /** A leader sends an entry that no file of the log can hold here: its replica stays behind. */
  "entry_too_large",
  "descriptors",
  /** `peers.json` cannot be saved: peers that were never met are refused. */
  "peers_file",
  /** A peer has lost what it promised to this node: nothing that it says is believed. */
  "peer_distrusted",
  /** `cluster_id.json` cannot be saved: calls wait, for nothing is acknowledged before. */
  "cluster_id_file",
] as const;

/** One of the names of {@linkcode RESOURCE_TROUBLE_KINDS}. */
export type ResourceTroubleKind = (typeof RESOURCE_TROUBLE_KINDS)[number];

/** One of them, present. */
export interface ResourceTrouble {
  readonly kind: ResourceTroubleKind;
  readonly reason: string;
}

const logger = getLogger(["prkdb", "server"]);

/** See the module comment. */
export class Troubles {
  readonly #reasons = new Map<ResourceTroubleKind, string>();

  /** The trouble of this kind as of now; `undefined` when there is none. */
  note(kind: ResourceTroubleKind, reason: string | undefined): void {
    const before = this.#reasons.get(kind);
    if (reason === before) return;
    if (reason === undefined) {
      this.#reasons.delete(kind);
      logger.warn("Trouble is over: {kind}", { kind });
      return;
    }
    this.#reasons.set(kind, reason);
    // Figures in a reason change all the time: only the first one is news.
    if (before === undefined) logger.error("Trouble, {kind}: {reason}", { kind, reason });
  }

  /** Why, if there is such trouble. */
  reasonOf(kind: ResourceTroubleKind): string | undefined {
    return this.#reasons.get(kind);
  }

  /** All that are present, in no order. */
  list(): readonly ResourceTrouble[] {
    return [...this.#reasons].map(([kind, reason]) => ({ kind, reason }));
  }
}
