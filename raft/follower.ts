/**
 * How a follower reacts (§5.1, §5.3): it takes over what its leader sends, answers what it can promise, and
 * stands for election when it hears nothing.
 *
 * @module
 */

import { becomeFollower, maybeStandAsAsked, startPreCandidacy } from "./election.ts";
import { promiseLease } from "./lease.ts";
import type { AppendRequest, HeartbeatRequest, Message, TimeoutNowRequest } from "./message.ts";
import { onQuietRequest } from "./quiet.ts";
import { expireForwardedReads, onReadIndexResponse } from "./read_index.ts";
import { followLeader, type ReplicaState } from "./state.ts";
import { type LogIndex, NO_NODE } from "./types.ts";

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
    case "quietRequest":
      followLeader(state, message.from);
      return onQuietRequest(state, message);
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
  if (prevLogIndex < log.committed && prevLogIndex + entries.length <= log.committed) {
    // All of it is committed, so it is equal here, even where it is compacted.
    return answerAppend(state, { message, matchIndex: prevLogIndex + entries.length });
  }
  if (prevLogIndex >= log.firstIndex - 1 && log.termAt(prevLogIndex) !== prevLogTerm) {
    return refuseAppend(state, message);
  }
  log.merge(entries);
  const lastProven = prevLogIndex + entries.length;
  // Beyond what this message proves, this log may differ from the leader's (figure 2, step 5 of the
  // receiver).
  log.commitTo(Math.min(message.commit, lastProven));
  answerAppend(state, { message, matchIndex: lastProven });
}

function onHeartbeatRequest(state: ReplicaState, message: HeartbeatRequest): void {
  state.log.commitTo(message.commit);
  state.messages.push({
    kind: "heartbeatResponse",
    group: state.group,
    from: state.self,
    to: message.from,
    term: state.term,
    readRound: message.readRound,
    sentAt: promiseLease(state, message.sentAt),
  });
}

/** The leader wants this replica in its place (§3.10 of the thesis). */
function onTimeoutNow(state: ReplicaState, message: TimeoutNowRequest): void {
  if (message.from !== state.leader) return;
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
    term: state.term,
    success: false,
    matchIndex: message.prevLogIndex,
    conflictIndex,
    conflictTerm: log.termAt(conflictIndex) ?? 0,
  });
}
