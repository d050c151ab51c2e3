/**
 * How a replica comes to stand on a state that it was given as a whole, because the entries that lead there
 * are gone at its leader. The state itself travels elsewhere; what happens here is
 *
 * ```
 *   leader                                   follower
 *   snapshotNotice (with each probe) ───────▶ `snapshotsWanted` of the next batch
 *                                             … the host fetches a snapshot …
 *                                             suspend: the log stands still
 *                                             … the host switches its state machine to the snapshot …
 *   probe at the first entry held ──────────▶ resume: the log goes on behind the snapshot
 *   appends ◀──────────────────────────────── success
 * ```
 *
 * While a replica is suspended nothing changes what its host has decided upon: it takes in no entries,
 * commits and hands out nothing and does not stand for election. It votes by the log that it has, which is no
 * more than it holds.
 *
 * What is in the log above a snapshot counts only if the log agrees with the snapshot, and on disk only if it
 * agrees *there*: old entries of another leader would be glued behind the snapshot otherwise. A log that does
 * not hold the snapshot's last entry is of no use: it differs from what is committed at or before that entry,
 * so nothing in it from there on is committed, or will ever be in the term in which it was acknowledged.
 *
 * A snapshot may be of somebody who is in a later term. Then the leader that this replica still follows need
 * not hold what is committed here.
 *
 * @module
 */

import { becomeFollower } from "./election.ts";
import { invariant, violated } from "./invariant.ts";
import type { LogPosition } from "./log.ts";
import type { SnapshotNotice } from "./message.ts";
import { notePromises } from "./promises.ts";
import { wake } from "./quiet.ts";
import type { GroupPersist } from "./ready.ts";
import { adoptMembership } from "./reconfiguration.ts";
import type { ReplicaState } from "./state.ts";
import { type LogIndex, NO_NODE, NO_REPLICA, type SnapshotMeta, type Term } from "./types.ts";

/** Gives up the entries through `index`, which the host holds in its state. */
export function compactLog(state: ReplicaState, index: LogIndex): void {
  // Of what is compacted nobody can say any more which term it is of.
  if (index >= state.log.firstIndex) notePromises(state);
  state.log.compactTo(index);
}

/**
 * All of a group that its disk must hold, for the case that its older records are let go. Entries may have
 * been replaced here that are not on disk yet: without the term in which that happened, what this replica
 * once acknowledged would be missing (`promises.ts`).
 */
export function persistAgain(state: ReplicaState, above: LogIndex): GroupPersist {
  const { group, log, promises, replicaId, term, vote } = state;
  if (above < log.snapshotIndex) {
    violated("what is written again follows the host's state", { above, snapshotIndex: log.snapshotIndex });
  }
  notePromises(state);
  const entries = log.slice({ from: above + 1, through: log.written, bytesMax: Infinity });
  const hardState = { term, vote, commit: state.persisted.commit };
  const name = replicaId === NO_REPLICA ? {} : { replicaId };
  return { group, ...name, hardState, entries, promises: promises.all() };
}

/**
 * The log stands still from now on; see the module comment. A leader cannot lead so, and a candidate not win.
 */
export function suspend(state: ReplicaState): void {
  wake(state);
  if (state.role !== "follower") becomeFollower(state, { term: state.term, leader: NO_NODE });
  state.isSuspended = true;
}

/** Whether the disk holds the entry at `position`; `undefined` while that may still change. */
export function holdsEntry(state: ReplicaState, position: LogPosition): boolean | undefined {
  const { isReplicaIdDue, log } = state;
  if (isReplicaIdDue || log.isWriting || log.durable < log.lastIndex) return undefined;
  return position.index <= log.snapshotIndex || log.termAt(position.index) === position.term;
}

/** The log goes on: behind `snapshot`, if that leads further than what was applied here. */
export function resume(state: ReplicaState, snapshot: SnapshotMeta | undefined): void {
  const wasSuspended = state.isSuspended;
  state.isSuspended = false;
  if (snapshot === undefined || snapshot.index <= state.log.applied) return;
  invariant(wasSuspended, "a snapshot is installed in a replica that is suspended");
  install(state, snapshot);
}

function install(state: ReplicaState, snapshot: SnapshotMeta): void {
  const { log, term } = state;
  const { index, membershipIndex } = snapshot;
  if (membershipIndex > index) {
    violated("a snapshot does not end before its membership", { index, membershipIndex });
  }
  // A leader of this term has filled the log with something else: the snapshot was committed in a later one.
  const isTermOver = log.lastIndex >= index && log.lastTerm === term && log.termAt(index) !== snapshot.term;
  notePromises(state);
  if (snapshot.term > term) followNobody(state, snapshot.term);
  else if (isTermOver && index > log.committed) followNobody(state, term + 1);
  log.install(snapshot);
  state.installedIndex = index;
  // Of entries that are gone with what differed.
  state.messages = state.messages.filter((message) =>
    message.kind !== "appendResponse" || !message.success || message.matchIndex <= log.lastIndex
  );
  state.snapshotWanted = undefined;
  // What is committed should be on disk soon.
  state.hintStart = state.now - state.config.electionTimeoutTicks;
  if (membershipIndex <= state.membershipIndex) return;
  state.membershipsDue.push(adoptMembership(state, snapshot));
}

/** In a term that has come without a word to this replica. */
function followNobody(state: ReplicaState, term: Term): void {
  becomeFollower(state, { term, leader: NO_NODE });
}

/** The leader lacks entries that it thinks this replica needs. An old notice says nothing new. */
export function onSnapshotNotice(state: ReplicaState, { from, index }: SnapshotNotice): void {
  if (state.isSuspended || index <= state.log.committed) return;
  state.snapshotWanted = { leader: from, index };
}
