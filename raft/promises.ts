/**
 * What other replicas of the group have promised to this one, remembered so that they can be reminded of it:
 * a replica that was put back to an earlier state has forgotten its votes and what it acknowledged, and
 * cannot know that by itself.
 *
 * ```
 *   votes for this replica in term t             it has been in term t
 *   acknowledges entry i to this leader          … and holds the log up to i durably
 *   leads term t and calls i committed           … and holds the log up to i durably (`replication.ts`)
 * ```
 *
 * Only what is committed is kept for long: whoever held a committed entry durably must hold it for ever, or
 * have compacted it. Entries that are not committed may be replaced by a later leader, so they are promised
 * only for the term in which they were acknowledged, and the leader of that term has them in its progress
 * anyway. Nothing is written for a promise alone: it goes to disk with the next commit hint.
 *
 * A promise is one replica's, not its node's: another one that comes later on the same node has never made it
 * (`replica_ids.ts`).
 *
 * @module
 */

import type { BrokenPromise } from "./contradiction.ts";
import { replicaAt, type ReplicaState } from "./state.ts";
import { NO_NODE, NO_REPLICA, type NodeId, type Reminder } from "./types.ts";

/** Takes note of what the current term has brought; nothing is lost if that is done late, but in the role. */
export function notePromises(state: ReplicaState): void {
  const { leader, leaderHolds, log, progress, promises, role, self, term, votes } = state;
  for (const { node, replica, matchIndex } of progress?.followers ?? []) {
    if (node !== self && matchIndex > 0) promises.raise(node, { replica, term, through: matchIndex }, log);
  }
  if (leader !== NO_NODE && leader !== self) {
    promises.raise(leader, { replica: replicaAt(state, leader), term, through: leaderHolds }, log);
  }
  if (role !== "candidate") return;
  for (const [node, granted] of votes) {
    if (granted && node !== self) {
      promises.raise(node, { replica: replicaAt(state, node), term, through: 0 }, log);
    }
  }
}

/** All that `node` has promised to this replica. */
export function remindersFor(state: ReplicaState, node: NodeId): readonly Reminder[] {
  notePromises(state);
  const { group, log, progress, promises, term } = state;
  const reminders: Reminder[] = [];
  const promise = promises.of(node);
  if (promise !== undefined) {
    const { index, indexTerm, replica = NO_REPLICA } = promise;
    reminders.push({ group, replica, term: promise.term, index, indexTerm, isCommitted: true });
  }
  const follower = progress?.follower(node);
  const index = follower?.matchIndex ?? 0;
  const indexTerm = index > log.committed ? log.termAt(index) : undefined;
  if (indexTerm !== undefined) {
    const replica = follower?.replica ?? NO_REPLICA;
    reminders.push({ group, replica, term, index, indexTerm, isCommitted: false });
  }
  return reminders;
}

/**
 * What this replica has forgotten of what it is reminded of, `undefined` if nothing. It is not held to what
 * another replica has promised that was on this node before it. If one has that comes after it, this one
 * should not be here any more.
 */
export function findBrokenPromise(state: ReplicaState, reminder: Reminder): BrokenPromise | undefined {
  const { log, replicaId, term } = state;
  const { index, indexTerm, isCommitted, replica = NO_REPLICA } = reminder;
  if (replica < replicaId) return undefined;
  const isOwed = isCommitted || term === reminder.term;
  const isHeld = index <= log.snapshotIndex || log.termAt(index) === indexTerm;
  const isSame = replica === replicaId || replicaId === NO_REPLICA;
  if (isSame && term >= reminder.term && (!isOwed || isHeld)) return undefined;
  return { ...reminder, here: { term, lastIndex: log.lastIndex, lastTerm: log.lastTerm } };
}
