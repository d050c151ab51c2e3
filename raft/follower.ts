/**
 * How a follower reacts (§5.1, §5.3): it takes over what its leader sends, answers what it can promise, and
 * stands for election when it hears nothing.
 *
 * @module
 */

import {
  type Contradiction,
  describeBrokenPromise,
  describeContradiction,
  findContradiction,
} from "./contradiction.ts";
import { becomeFollower, maybeStandAsAsked, startPreCandidacy } from "./election.ts";
import { InvariantViolation } from "./error.ts";
import { promiseLease } from "./lease.ts";
import type { AppendRequest, CommitNotice, HeartbeatRequest, Message, TimeoutNowRequest } from "./message.ts";
import { onQuietRequest } from "./quiet.ts";
import { expireForwardedReads, onReadIndexResponse } from "./read_index.ts";
import { onSnapshotNotice } from "./snapshot.ts";
import { followLeader, replicaAt, type ReplicaState } from "./state.ts";
import { type LogIndex, NO_NODE, NO_REPLICA } from "./types.ts";

/** One tick of a follower. */
export function tickFollower(state: ReplicaState): void {
  expireForwardedReads(state);
  const silence = state.now - state.electionStart;
  if (silence < state.electionTimeoutTicks) return;
  if (state.isPromotable) startPreCandidacy(state);
  // A replica that may not stand has still noticed that the leader is gone.
  else if (state.leader !== NO_NODE) becomeFollower(state, { term: state.term, leader: NO_NODE });
}

/** A message of the current term; requests for votes and reads are everybody's and do not come here. */
export function stepFollower(state: ReplicaState, message: Message): void {
  switch (message.kind) {
    case "appendRequest":
      followLeader(state, message.from);
      return onAppendRequest(state, message);
    case "heartbeatRequest":
      followLeader(state, message.from);
      return onHeartbeatRequest(state, message);
    case "commitNotice":
      followLeader(state, message.from);
      return commitAsTold(state, message);
    case "quietRequest":
      followLeader(state, message.from);
      return onQuietRequest(state, message);
    case "snapshotNotice":
      followLeader(state, message.from);
      return onSnapshotNotice(state, message);
    case "timeoutNowRequest":
      return onTimeoutNow(state, message);
    case "readIndexResponse":
      return onReadIndexResponse(state, message);
    default:
      // Answers to a candidacy or leadership of this replica that is over.
      return;
  }
}

function onAppendRequest(state: ReplicaState, message: AppendRequest): void {
  const { log } = state;
  const { prevLogIndex, prevLogTerm, entries } = message;
  const contradiction = findContradiction(log, message);
  if (contradiction !== undefined) return onContradiction(state, contradiction);
  // As if it were lost: the leader asks again with the next heartbeat.
  if (state.isSuspended) return;
  if (prevLogIndex < log.committed && prevLogIndex + entries.length <= log.committed) {
    // What is still held is equal, and the rest was before it was compacted.
    return answerAppend(state, { message, matchIndex: prevLogIndex + entries.length });
  }
  if (prevLogIndex >= log.firstIndex - 1 && log.termAt(prevLogIndex) !== prevLogTerm) {
    return refuseAppend(state, message);
  }
  log.merge(entries);
  const lastProven = prevLogIndex + entries.length;
  // Beyond what this message proves, this log may differ from the leader's (figure 2, step 5 of the
  // receiver).
  const commit = Math.min(message.commit, lastProven);
  log.commitTo(commit);
  state.leaderHolds = Math.max(state.leaderHolds, commit);
  answerAppend(state, { message, matchIndex: lastProven });
}

function onHeartbeatRequest(state: ReplicaState, message: HeartbeatRequest): void {
  commitAsTold(state, message);
  state.messages.push({
    kind: "heartbeatResponse",
    group: state.group,
    from: state.self,
    to: message.from,
    fromReplica: state.replicaId,
    toReplica: replicaAt(state, message.from),
    term: state.term,
    readRound: message.readRound,
    sentAt: promiseLease(state, message.sentAt),
  });
}

/** Commits what this replica has acknowledged, and its leader says is committed. */
function commitAsTold(state: ReplicaState, message: HeartbeatRequest | CommitNotice): void {
  mustHold(state, message);
  if (!state.isSuspended) state.log.commitTo(message.commit);
  state.leaderHolds = Math.max(state.leaderHolds, message.commit);
}

/**
 * A leader that has itself promised to hold the entry has lost it: it is not listened to any more. One whose
 * term is over may never have had what a snapshot says. Otherwise nobody here can tell who has lost it.
 *
 * @throws {InvariantViolation} if this leader has never promised it
 */
function onContradiction(state: ReplicaState, contradiction: Contradiction): void {
  const { leader } = contradiction;
  const promise = state.promises.of(leader);
  const isItsOwn = (promise?.replica ?? NO_REPLICA) === replicaAt(state, leader);
  const promised = isItsOwn ? promise?.index ?? 0 : 0;
  if (promised < contradiction.here.index) {
    if (contradiction.here.index <= state.installedIndex) return;
    throw new InvariantViolation(describeContradiction(contradiction));
  }
  state.contradictions.push(contradiction);
}

/**
 * A leader tells no commit index without entries that this replica has not acknowledged to it.
 *
 * @throws {InvariantViolation} when the log ends before it
 */
function mustHold(
  { group, log, self, term }: ReplicaState,
  { commit, from }: HeartbeatRequest | CommitNotice,
): void {
  const { lastIndex, lastTerm } = log;
  if (commit <= lastIndex) return;
  const broken = { group, term, index: commit, indexTerm: 0, here: { term, lastIndex, lastTerm } };
  throw new InvariantViolation(describeBrokenPromise(broken, { self, witness: from }));
}

/** The leader wants this replica in its place (§3.10 of the thesis). */
function onTimeoutNow(state: ReplicaState, message: TimeoutNowRequest): void {
  // One that is unfit does as if the request were lost: the leader leads on when it has waited long enough.
  if (message.from !== state.leader || state.isUnfit) return;
  state.askedToStandAt = state.now;
  maybeStandAsAsked(state);
}

interface AppendAnswer {
  readonly message: AppendRequest;
  readonly matchIndex: LogIndex;
}

function answerAppend(state: ReplicaState, answer: AppendAnswer): void {
  state.messages.push({
    kind: "appendResponse",
    group: state.group,
    from: state.self,
    to: answer.message.from,
    fromReplica: state.replicaId,
    toReplica: replicaAt(state, answer.message.from),
    term: state.term,
    success: true,
    matchIndex: answer.matchIndex,
    conflictIndex: 0,
    conflictTerm: 0,
  });
}

/**
 * Tells the leader how far back it may skip: to the last entry here whose term is not above the one it
 * expects.
 */
function refuseAppend(state: ReplicaState, message: AppendRequest): void {
  const { log } = state;
  const conflictIndex = log.highestAgreeable({ index: message.prevLogIndex, term: message.prevLogTerm });
  state.messages.push({
    kind: "appendResponse",
    group: state.group,
    from: state.self,
    to: message.from,
    fromReplica: state.replicaId,
    toReplica: replicaAt(state, message.from),
    term: state.term,
    success: false,
    matchIndex: message.prevLogIndex,
    conflictIndex,
    conflictTerm: log.termAt(conflictIndex) ?? 0,
  });
}
