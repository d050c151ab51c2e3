/**
 * Collects from a replica what its host must do, and decides what may leave before the disk. A message waits
 * when it promises something that is not durable: any message, if the term or the vote is new; the
 * acknowledgement of entries, if they are. Appends of a durable term do not wait, so followers write while
 * the leader does.
 *
 * @module
 */

import type { Contradiction } from "./contradiction.ts";
import type { Message } from "./message.ts";
import { notePromises } from "./promises.ts";
import { lastHeardOf } from "./quiet.ts";
import type {
  FollowerProgress,
  GroupCommitted,
  GroupMembership,
  GroupPersist,
  RaftStatus,
  ReadReady,
  SnapshotWanted,
  Transition,
} from "./ready.ts";
import { applyMemberships, isSealed } from "./reconfiguration.ts";
import type { ReplicaState } from "./state.ts";
import type { LogIndex, NodeId, Role, Term } from "./types.ts";

/** A `ReadyBatch` while it is being filled. */
export interface ReadyParts {
  readonly messages: Message[];
  readonly persist: GroupPersist[];
  readonly messagesAfterPersist: Message[];
  readonly committed: GroupCommitted[];
  readonly memberships: GroupMembership[];
  readonly reads: ReadReady[];
  readonly transitions: Transition[];
  readonly snapshotsWanted: SnapshotWanted[];
  readonly contradictions: Contradiction[];
}

/** What the host was last told of a replica's place. */
export interface Reported {
  role: Role;
  term: Term;
  leader: NodeId;
}

/** What collecting needs besides the state. */
export interface CollectOptions {
  readonly parts: ReadyParts;
  readonly reported: Reported;
  readonly isHintDue: boolean;
  /** False: the disk is busy. What would have to be written, and what would promise it, stays here. */
  readonly canWrite: boolean;
}

/** Moves all that is to be done from `state` to `options.parts`. */
export function collectReady(state: ReplicaState, options: CollectOptions): void {
  const { parts, canWrite, isHintDue } = options;
  const isVoteNew = state.term !== state.persisted.term || state.vote !== state.persisted.vote;
  collectTransition(state, options);
  collectMessages(state, { parts, isVoteNew, canWrite });
  if (canWrite) collectPersist(state, { parts, isVoteNew, isHintDue });
  collectSnapshot(state, parts);
  collectCommitted(state, parts);
  if (state.readsReady.length > 0) {
    for (const read of state.readsReady) parts.reads.push(read);
    state.readsReady = [];
  }
  if (state.contradictions.length > 0) parts.contradictions.push(...state.contradictions.splice(0));
}

/** How the replica stands. */
export function statusOf(state: ReplicaState): RaftStatus {
  const { group, role, term, vote, leader, log, electionsWon } = state;
  return {
    group,
    replicaId: state.replicaId,
    role,
    term,
    vote,
    leader,
    membership: state.membership,
    isSealed: isSealed(state),
    commit: log.committed,
    applied: log.applied,
    firstIndex: log.firstIndex,
    lastIndex: log.lastIndex,
    logBytes: log.bytes,
    electionsWon,
    isQuiet: state.isQuiet,
    followers: followerProgress(state),
  };
}

function collectTransition(state: ReplicaState, options: CollectOptions): void {
  const { reported, parts } = options;
  const { group, role, term, leader } = state;
  if (reported.role === role && reported.term === term && reported.leader === leader) return;
  parts.transitions.push({ group, role, term, leader });
  reported.role = role;
  reported.term = term;
  reported.leader = leader;
}

interface MessageOptions {
  readonly parts: ReadyParts;
  readonly isVoteNew: boolean;
  readonly canWrite: boolean;
}

function collectMessages(state: ReplicaState, options: MessageOptions): void {
  const { parts, isVoteNew, canWrite } = options;
  const { messages, log } = state;
  if (messages.length === 0) return;
  const isVoteDurable = !isVoteNew && !state.votesInWriting.includes(true);
  state.messages = [];
  for (let position = 0; position < messages.length; position++) {
    const message = messages[position]!;
    const mustWait = !isVoteDurable || promisesBeyond(message, log.durable);
    // Without a write in this batch, only what rests on earlier writes may wait for them.
    const mustStay = !canWrite && (isVoteNew || promisesBeyond(message, log.written));
    if (mustStay) state.messages.push(message);
    else (mustWait ? parts.messagesAfterPersist : parts.messages).push(message);
  }
}

function promisesBeyond(message: Message, durable: LogIndex): boolean {
  return message.kind === "appendResponse" && message.success && message.matchIndex > durable;
}

interface PersistOptions {
  readonly parts: ReadyParts;
  readonly isVoteNew: boolean;
  readonly isHintDue: boolean;
}

function collectPersist(state: ReplicaState, options: PersistOptions): void {
  const { log, term, vote, persisted } = state;
  const isHardStateDue = options.isVoteNew || options.isHintDue;
  if (log.written === log.lastIndex && !isHardStateDue && !state.isReplicaIdDue) return;
  const entries = log.beginWrite();
  state.votesInWriting.push(options.isVoteNew);
  const isChanged = isHardStateDue || log.committed !== persisted.commit;
  if (isChanged) {
    state.persisted = { term, vote, commit: log.committed };
    state.hintStart = state.now;
  }
  const hardState = isChanged ? { hardState: state.persisted } : {};
  const isPromiseDue = isHardStateDue ||
    (isChanged && state.now - state.promisesStart >= state.config.electionTimeoutTicks);
  const promises = isPromiseDue ? risenPromises(state) : NO_PROMISES;
  const name = state.isReplicaIdDue ? { replicaId: state.replicaId } : {};
  state.isReplicaIdDue = false;
  options.parts.persist.push({ group: state.group, ...name, ...hardState, ...promises, entries });
}

const NO_PROMISES = {};

/** What the others have promised lately, to be written with what is written anyway. */
function risenPromises(state: ReplicaState): Pick<GroupPersist, "promises"> {
  notePromises(state);
  state.promisesStart = state.now;
  const promises = state.promises.takeUnwritten();
  return promises.length === 0 ? NO_PROMISES : { promises };
}

/** What there is to say about snapshots: that one is wanted, and what the last one brought. */
function collectSnapshot(state: ReplicaState, parts: ReadyParts): void {
  const { group, snapshotWanted, membershipsDue } = state;
  if (membershipsDue.length > 0) parts.memberships.push(...membershipsDue.splice(0));
  if (snapshotWanted === undefined) return;
  parts.snapshotsWanted.push({ group, ...snapshotWanted });
  state.snapshotWanted = undefined;
}

function collectCommitted(state: ReplicaState, parts: ReadyParts): void {
  const { log, config, group } = state;
  const entries = log.slice({
    from: log.applied + 1,
    through: state.applicable,
    bytesMax: config.committedBytesMax,
  });
  const last = entries.at(-1);
  if (last === undefined) return;
  log.markApplied(last.index);
  parts.committed.push({ group, entries });
  if (log.lastMembershipThrough(last.index) < entries[0]!.index) return;
  for (const applied of applyMemberships(state, entries)) parts.memberships.push(applied);
}

function followerProgress(state: ReplicaState): readonly FollowerProgress[] {
  const { progress, now, config } = state;
  if (progress === undefined) return [];
  return progress.followers.map((follower) => ({
    node: follower.node,
    state: follower.state,
    matchIndex: follower.matchIndex,
    nextIndex: follower.nextIndex,
    inflightMessages: follower.window.messages,
    inflightBytes: follower.window.bytes,
    active: now - lastHeardOf(state, follower) < config.electionTimeoutTicks,
  }));
}
