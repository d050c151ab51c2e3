/**
 * What must hold for a replica after every step, whatever arrived. Always on: a replica that breaks it would
 * go on to break its promises to clients.
 *
 * @module
 */

import { violated } from "./invariant.ts";
import type { ReplicaState } from "./state.ts";
import { NO_NODE } from "./types.ts";

/** What the last check saw, to notice what went backwards. */
export interface CheckMemory {
  term: number;
  committed: number;
  readRound: number;
}

/**
 * Checks `state`, and remembers in `memory` what must not fall before the next check.
 *
 * @throws {InvariantViolation} when anything does not hold
 */
export function checkInvariants(state: ReplicaState, memory: CheckMemory): void {
  const { log, term } = state;
  const { applied, committed, durable, lastIndex, snapshotIndex, written } = log;
  if (snapshotIndex > applied || applied > committed || committed > lastIndex) {
    violated("snapshot ≤ applied ≤ committed ≤ last", { snapshotIndex, applied, committed, lastIndex });
  }
  if (applied > durable || durable > written || written > lastIndex) {
    violated("applied ≤ durable ≤ written ≤ last", { applied, durable, written, lastIndex });
  }
  if (state.isQuiet && state.leader === NO_NODE) {
    violated("a quiet replica leads or has a leader", { role: state.role, leader: state.leader });
  }
  if (state.membershipIndex > committed) {
    violated("a membership in force is committed", { membershipIndex: state.membershipIndex, committed });
  }
  if (log.lastTerm > term) violated("no entry is of a later term", { term, lastTerm: log.lastTerm });
  if (term < memory.term) violated("terms only grow", { before: memory.term, term });
  if (committed < memory.committed) {
    violated("the commit index only grows", { before: memory.committed, committed });
  }
  checkLeader(state, memory);
  memory.term = term;
  memory.committed = committed;
  memory.readRound = state.reads.lastRound;
}

function checkLeader(state: ReplicaState, memory: CheckMemory): void {
  const leads = state.role === "leader";
  if (leads !== (state.progress !== undefined) || leads !== (state.leader === state.self)) {
    violated("exactly a leader follows itself and keeps progress", {
      role: state.role,
      leader: state.leader,
    });
  }
  if (state.reads.lastRound < memory.readRound) {
    violated("rounds of reads only grow", { before: memory.readRound, lastRound: state.reads.lastRound });
  }
  const { floor } = state.reads;
  if (floor > (leads ? state.log.lastIndex : 0)) {
    violated("reads of a leader wait for entries that it holds", { floor, lastIndex: state.log.lastIndex });
  }
  const { uncommittedBytes, log } = state;
  const isAllCommitted = !leads || log.committed === log.lastIndex;
  if (uncommittedBytes < 0 || isAllCommitted !== (uncommittedBytes === 0)) {
    violated("uncommitted bytes are those of uncommitted entries", {
      uncommittedBytes,
      committed: log.committed,
    });
  }
  const followers = state.progress?.followers ?? [];
  for (let position = 0; position < followers.length; position++) {
    const { node, matchIndex, nextIndex } = followers[position]!;
    if (matchIndex >= nextIndex || nextIndex > state.log.lastIndex + 1) {
      violated("match < next ≤ last + 1", { node, matchIndex, nextIndex, lastIndex: state.log.lastIndex });
    }
  }
}
