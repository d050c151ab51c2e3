/**
 * The leader's lease (§6.4.1 of Ongaro's thesis): for a while after a round of heartbeats nobody else can
 * have been elected, so reads need no round of their own.
 *
 * ```
 *              sent (leader's clock)                      lease over      first possible vote
 *  leader   ─────┼───────── may answer reads alone ───────────┤                  │
 *                └────▶ promise                                                  │
 *  follower ────────────────┼───── votes for nobody else for a whole T ──────────┤
 * ```
 *
 * A follower that answers a heartbeat promises to vote for nobody, itself included, for an election timeout T
 * of its own ticks. The promise is not tied to a term, and a replica that may have forgotten one because its
 * process ended keeps it again from its start. The leader counts its lease from when it *sent* what a
 * majority has answered, by the host's clock, and ends it early for clocks that differ. Once it has asked
 * somebody to stand, that request may arrive at any time and overrides all promises: from then on this
 * leadership has no lease.
 *
 * @module
 */

import type { ResolvedConfig } from "./config.ts";
import type { ProgressTable } from "./progress_table.ts";
import type { ReplicaState } from "./state.ts";
import { NO_NODE } from "./types.ts";

/**
 * The share of the election timeout for which a lease holds: two clocks may differ by a fifth in that time.
 */
const LEASE_FRACTION = 0.8;
/** Both clocks are read in whole ticks, rounded down. */
const ROUNDING_TICKS = 1;

/** How long a lease holds, in ticks of the clock. */
export function leaseTicks(config: ResolvedConfig): number {
  return Math.floor(config.electionTimeoutTicks * LEASE_FRACTION) - ROUNDING_TICKS;
}

/** Whether nobody else can lead at the moment the host's clock was read for this turn. */
export function isLeaseValid(state: ReplicaState, progress: ProgressTable): boolean {
  const { config, node, transfer, isLeaseOver } = state;
  if (!config.leaseReads || !node.isClockFresh || transfer !== undefined || isLeaseOver) return false;
  if (progress.own !== undefined) progress.own.leaseStart = node.clock;
  return node.clock - progress.leaseByMajority() < leaseTicks(config);
}

/** What a heartbeat carries for its answer to repeat; 0 when this node keeps no leases. */
export function leaseStamp(state: ReplicaState): number {
  return state.config.leaseReads ? state.node.clock : 0;
}

/** Gives a leader this replica's promise; returns what to answer, 0 if none was given. */
export function promiseLease(state: ReplicaState, sentAt: number): number {
  if (!state.config.leaseReads) return 0;
  state.promisedAt = state.now;
  return sentAt;
}

/**
 * Whether nobody else should be elected now: a leader was heard so recently (§4.2.3 of the thesis), or a
 * promise holds. A leader itself holds on to this until it has lost its quorum and steps down.
 */
export function isVoteForbidden(state: ReplicaState): boolean {
  const { role, leader, now, electionStart, config } = state;
  if (role === "leader" || isPromised(state)) return true;
  return leader !== NO_NODE && now - electionStart < config.electionTimeoutTicks;
}

/** Whether a promise, made or perhaps forgotten, forbids to vote. */
export function isPromised(state: ReplicaState): boolean {
  const { promisedAt, now, config } = state;
  return promisedAt !== undefined && now - promisedAt < config.electionTimeoutTicks;
}
