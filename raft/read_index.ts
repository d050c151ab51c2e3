/**
 * Linearizable reads without writing to the log (§6.4 of Ongaro's thesis). The leader notes its commit index,
 * asks a majority whether it still leads, and only then lets a state that has reached the index answer. All
 * reads of a turn share one round of heartbeats. A follower passes the reads of a turn on as one question.
 *
 * What makes it right: no round is opened before an entry of the leader's own term is committed, since until
 * then its commit index may lag behind writes of the leader before; a read waits for a round that is opened
 * after it was asked; a round's number is never used again, so no late answer confirms anything newer than it
 * was asked for. A leader with a lease (`lease.ts`) needs no round.
 *
 * A host that has proposed something which the next reads must see raises the floor of their index to it.
 * That only makes them wait longer: the index is above what is committed, so a leadership that ends before it
 * is reached leaves reads behind that are granted and that nobody may ever be able to answer. It is for the
 * host to ask those again.
 *
 * @module
 */

import { violated } from "./invariant.ts";
import { isLeaseValid } from "./lease.ts";
import type { ReadIndexRequest, ReadIndexResponse } from "./message.ts";
import type { ProgressTable } from "./progress_table.ts";
import type { ReadOrigin, ReadRound } from "./read_state.ts";
import type { WaitingReads } from "./ready.ts";
import { broadcastHeartbeats } from "./replication.ts";
import { replicaAt, type ReplicaState } from "./state.ts";
import type { LogIndex } from "./types.ts";

/** Takes a read at the leader; false when too many wait. */
export function addLeaderRead(state: ReplicaState, origin: ReadOrigin): boolean {
  const { reads, config } = state;
  if (reads.count >= config.readsWaitingMax) return false;
  reads.waiting.push(origin);
  reads.count++;
  state.isFlushDue = true;
  return true;
}

/** A follower's reads arrived; a replica that does not lead refuses them at once. */
export function onReadIndexRequest(state: ReplicaState, message: ReadIndexRequest): void {
  const origin = { node: message.from, readId: message.readId };
  const isTaken = state.role === "leader" && addLeaderRead(state, origin);
  if (!isTaken) answer(state, { origin, granted: false, readIndex: 0 });
}

/** Whether the end of this turn opens a round: reads wait at a leader that may answer them. */
export function isRoundDue({ reads, log, term }: ReplicaState): boolean {
  return reads.waiting.length > 0 && log.termAt(log.committed) === term;
}

/** Opens a round for all reads that wait, once the leader may; called at the end of a turn. */
export function maybeOpenRound(state: ReplicaState, progress: ProgressTable): void {
  const { reads } = state;
  if (!isRoundDue(state)) return;
  if (isLeaseValid(state, progress)) return answerByLease(state);
  reads.lastRound++;
  reads.rounds.push({ round: reads.lastRound, readIndex: newestIndex(state), origins: reads.waiting });
  reads.waiting = [];
  if (progress.own !== undefined) progress.own.readRound = reads.lastRound;
  broadcastHeartbeats(state, progress);
  confirmRounds(state, progress);
}

/** Nobody else leads: the commit index of this turn is the newest there is. */
function answerByLease(state: ReplicaState): void {
  const { reads } = state;
  const origins = reads.waiting;
  reads.waiting = [];
  finishRound(state, { round: reads.lastRound, readIndex: newestIndex(state), origins });
}

/** What a read that is asked now must see. */
function newestIndex({ reads, log }: ReplicaState): LogIndex {
  return Math.max(log.committed, reads.floor);
}

/**
 * From now on, as long as this leadership lasts, no round is answered from a state below `index`. A replica
 * that does not lead answers none.
 *
 * @throws {InvariantViolation} when the log does not hold `index`
 */
export function raiseReadFloor(state: ReplicaState, index: LogIndex): void {
  const { reads, log, role } = state;
  if (role !== "leader") return;
  if (index > log.lastIndex) {
    violated("reads wait for entries that are held", { index, last: log.lastIndex });
  }
  reads.floor = Math.max(reads.floor, index);
}

/** The reads that are in no round yet. */
export function waitingReads({ reads, self }: ReplicaState): WaitingReads {
  const own = reads.waiting.filter(({ node }) => node === self).map(({ readId }) => readId);
  return { own, hasPassedOn: own.length < reads.waiting.length };
}

/** Refuses those reads of followers that are in no round yet. */
export function refusePassedOnReads(state: ReplicaState): void {
  const { reads, self } = state;
  const refused = reads.waiting.filter(({ node }) => node !== self);
  reads.waiting = reads.waiting.filter(({ node }) => node === self);
  reads.count -= refused.length;
  failOrigins(state, refused);
}

/** Answers the reads of all rounds that a majority has confirmed. */
export function confirmRounds(state: ReplicaState, progress: ProgressTable): void {
  const { reads } = state;
  const confirmed = progress.roundByMajority();
  while (reads.rounds.length > 0 && reads.rounds[0]!.round <= confirmed) {
    finishRound(state, reads.rounds.shift()!);
  }
}

/** Leadership is lost: none of the waiting reads may be answered from here. */
export function failLeaderReads(state: ReplicaState): void {
  const { reads } = state;
  for (const round of reads.rounds) failOrigins(state, round.origins);
  failOrigins(state, reads.waiting);
  reads.rounds = [];
  reads.waiting = [];
  reads.count = 0;
  reads.floor = 0;
}

/** Takes a read at a follower; false when too many wait. */
export function addForwardedRead(state: ReplicaState, readId: number): boolean {
  const { forwarded, config } = state;
  if (forwarded.count >= config.readsWaitingMax) return false;
  forwarded.gathering.push(readId);
  forwarded.count++;
  state.isFlushDue = true;
  return true;
}

/** Passes the reads of this turn on to the leader. */
export function askLeader(state: ReplicaState): void {
  const { forwarded } = state;
  if (forwarded.gathering.length === 0) return;
  const questionId = forwarded.nextQuestionId();
  forwarded.asked.push({ questionId, readIds: forwarded.gathering, askedAt: state.now });
  forwarded.gathering = [];
  state.messages.push({
    kind: "readIndexRequest",
    group: state.group,
    from: state.self,
    to: state.leader,
    fromReplica: state.replicaId,
    toReplica: replicaAt(state, state.leader),
    term: state.term,
    readId: questionId,
  });
}

/** The leader's answer to one question; an answer to none that is open is late, and void. */
export function onReadIndexResponse(state: ReplicaState, message: ReadIndexResponse): void {
  const { asked } = state.forwarded;
  const position = asked.findIndex((question) => question.questionId === message.readId);
  if (position < 0) return;
  const [question] = asked.splice(position, 1);
  finishForwarded(state, { ...message, readIds: question!.readIds });
}

/** The leader these reads were sent to is gone, or was never found. */
export function failForwardedReads(state: ReplicaState): void {
  const { forwarded } = state;
  const readIds = [...forwarded.asked.flatMap((question) => question.readIds), ...forwarded.gathering];
  forwarded.asked = [];
  forwarded.gathering = [];
  finishForwarded(state, { readIds, granted: false, readIndex: 0 });
}

/** Gives up questions that an election timeout has not seen answered. */
export function expireForwardedReads(state: ReplicaState): void {
  const { asked } = state.forwarded;
  while (asked.length > 0 && state.now - asked[0]!.askedAt >= state.config.electionTimeoutTicks) {
    finishForwarded(state, { readIds: asked.shift()!.readIds, granted: false, readIndex: 0 });
  }
}

/** What came of some reads. */
interface ReadAnswer {
  readonly granted: boolean;
  readonly readIndex: LogIndex;
}

interface OriginAnswer extends ReadAnswer {
  readonly origin: ReadOrigin;
}

interface ForwardedAnswer extends ReadAnswer {
  readonly readIds: readonly number[];
}

function finishRound(state: ReplicaState, round: ReadRound): void {
  const { readIndex, origins } = round;
  state.reads.count -= origins.length;
  for (const origin of origins) answer(state, { origin, granted: true, readIndex });
}

function failOrigins(state: ReplicaState, origins: readonly ReadOrigin[]): void {
  for (const origin of origins) answer(state, { origin, granted: false, readIndex: 0 });
}

function answer(state: ReplicaState, read: OriginAnswer): void {
  const { origin, granted, readIndex } = read;
  if (origin.node === state.self) {
    state.readsReady.push({ group: state.group, readId: origin.readId, granted, readIndex });
    return;
  }
  state.messages.push({
    kind: "readIndexResponse",
    group: state.group,
    from: state.self,
    to: origin.node,
    fromReplica: state.replicaId,
    toReplica: replicaAt(state, origin.node),
    term: state.term,
    readId: origin.readId,
    readIndex,
    granted,
  });
}

function finishForwarded(state: ReplicaState, reads: ForwardedAnswer): void {
  const { readIds, granted, readIndex } = reads;
  state.forwarded.count -= readIds.length;
  for (const readId of readIds) state.readsReady.push({ group: state.group, readId, granted, readIndex });
}
