/**
 * Says in the log when partitions have fewer replicas than the replication factor, and when they all have as
 * many again; and once, that the factor a node was started with is not the cluster's.
 *
 * It looks every second and speaks of what it has seen twice: a node that has just started goes through all
 * that the cluster ever was, and a partition that grows does so within moments.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import type { ReplicaReport } from "../node/mod.ts";

const LOOK_MS = 1_000;

const logger = getLogger(["prkdb", "replicas"]);

/** What is looked at. */
export interface ReplicaSource {
  /** `undefined` until the cluster is founded. */
  replicaReport(): ReplicaReport | undefined;
}

/** What is said of a report. */
type SeenReport = Pick<ReplicaReport, "replicationFactor" | "shortage">;

/** What there is to say. */
export interface ReplicaNews {
  /** In place of what was said last; empty when nothing is missing any more. */
  readonly shortage?: string;
  /** The factor of the cluster, where the node was started with another one. */
  readonly otherFactor?: number;
}

/** See the module comment. */
export class ReplicaWatch {
  readonly #askedFactor: number | undefined;
  #seen: SeenReport | undefined;
  #told = "";
  #hasComparedFactors = false;
  #looks: ReturnType<typeof setInterval> | undefined;

  /** @param askedFactor that of `--replication-factor`, if it was given */
  constructor(askedFactor: number | undefined) {
    this.#askedFactor = askedFactor;
  }

  /** Starts looking, and saying what it sees. */
  open(source: ReplicaSource): void {
    this.#looks = setInterval(() => {
      const report = source.replicaReport();
      if (report !== undefined) this.#tell(this.look(report));
    }, LOOK_MS);
  }

  close(): void {
    clearInterval(this.#looks);
  }

  /** Takes note of what there is. */
  look(report: SeenReport): ReplicaNews {
    const { replicationFactor, shortage } = report;
    const before = this.#seen;
    this.#seen = report;
    if (before?.replicationFactor !== replicationFactor || before.shortage !== shortage) return {};
    const isOther = !this.#hasComparedFactors && this.#askedFactor !== undefined &&
      this.#askedFactor !== replicationFactor;
    this.#hasComparedFactors = true;
    const hasNews = shortage !== this.#told;
    this.#told = shortage;
    return { ...(hasNews ? { shortage } : {}), ...(isOther ? { otherFactor: replicationFactor } : {}) };
  }

  #tell({ shortage, otherFactor }: ReplicaNews): void {
    if (otherFactor !== undefined) {
      logger.warn(
        "--replication-factor {asked} has no effect: that of the cluster is {factor}. To change it: " +
          "prkdb cluster set-replication-factor {asked}",
        { asked: this.#askedFactor, factor: otherFactor },
      );
    }
    if (shortage === "") logger.info("All partitions have as many replicas as they should");
    else if (shortage !== undefined) logger.warn("Replicas are missing: {shortage}", { shortage });
  }
}
