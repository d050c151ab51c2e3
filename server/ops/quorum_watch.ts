/**
 * Says in the log when partitions have lost their majority and when they have it again: a partition without a
 * leader for longer than an election takes. However many partitions that concerns, it is one line each time.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";

/** A node that has just started knows no leaders, and has elections to wait for. */
const START_LIMITS = 5;
/** Looked at so many times within the limit. */
const LOOKS_PER_LIMIT = 4;
/** Partitions that a line names; of more it says how many. */
const NAMED_MAX = 10;

const logger = getLogger(["prkdb", "quorum"]);

/** What is looked at. */
export interface LeaderSource {
  /** Partitions without a leader that the node knows, ascending. */
  leaderless(): readonly number[];
}

/** What has changed since the last look. */
export interface QuorumNews {
  readonly lost: readonly number[];
  readonly regained: readonly number[];
}

/** See the module comment. */
export class QuorumWatch {
  readonly #limitMs: number;
  /** Since when each partition has no leader. */
  readonly #sinceMs = new Map<number, number>();
  readonly #told = new Set<number>();
  #firstMs: number | undefined;
  #looks: ReturnType<typeof setInterval> | undefined;

  /** @param limitMs how long an election may take */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Starts looking, and saying what it sees. */
  open(source: LeaderSource): void {
    this.#looks = setInterval(() => {
      tell(this.look(source.leaderless(), performance.now()));
    }, this.#limitMs / LOOKS_PER_LIMIT);
  }

  close(): void {
    clearInterval(this.#looks);
  }

  /** Takes note of which partitions have no leader at `nowMs`. */
  look(leaderless: readonly number[], nowMs: number): QuorumNews {
    this.#firstMs ??= nowMs;
    const missing = new Set(leaderless);
    const regained = [...this.#told].filter((partitionId) => !missing.has(partitionId));
    for (const partitionId of this.#sinceMs.keys()) {
      if (!missing.has(partitionId)) this.#sinceMs.delete(partitionId);
    }
    for (const partitionId of leaderless) {
      if (!this.#sinceMs.has(partitionId)) this.#sinceMs.set(partitionId, nowMs);
    }
    const isStarting = nowMs - this.#firstMs < this.#limitMs * START_LIMITS;
    const lost = isStarting
      ? []
      : leaderless.filter((partitionId) =>
        !this.#told.has(partitionId) && nowMs - this.#sinceMs.get(partitionId)! >= this.#limitMs
      );
    for (const partitionId of regained) this.#told.delete(partitionId);
    for (const partitionId of lost) this.#told.add(partitionId);
    return { lost, regained };
  }
}

function tell({ lost, regained }: QuorumNews): void {
  if (lost.length > 0) logger.warn("No leader is known for {partitions}: calls to them wait", named(lost));
  if (regained.length > 0) logger.warn("A leader is known again for {partitions}", named(regained));
}

function named(partitionIds: readonly number[]): Record<string, unknown> {
  const some = partitionIds.slice(0, NAMED_MAX).join(", ");
  const count = partitionIds.length;
  if (count === 1) return { partitions: `partition ${some}` };
  return { partitions: `partitions ${some}${count > NAMED_MAX ? `, … (${count} in all)` : ""}` };
}
