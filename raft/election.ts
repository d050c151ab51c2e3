/**
 * How a replica changes its role (figure 4 of the paper, with the pre-vote of §9.6 of the thesis), and how it
 * votes.
 *
 * ```
 *             timeout                 majority would                majority did
 *  follower ───────────▶ preCandidate ────────────▶ candidate ──────────────────▶ leader
 *     ▲                     │      timeout: again       │                            │
 *     └─────────────────────┴───────────────────────────┴────────────────────────────┘
 *                a leader or a later term was seen, or the quorum was lost
 * ```
 *
 * A pre-candidate changes nothing, neither here nor elsewhere: a node that cannot be reached, or whose log is
 * too old, never raises the term and so never disturbs a leader.
 *
 * @module
 */

import { isPromised, isVoteForbidden } from "./lease.ts";
import type { LogPosition } from "./log.ts";
import { isMeant, isOnlyVoter, members } from "./membership.ts";
import type { PreVoteRequest, PreVoteResponse, VoteRequest, VoteResponse } from "./message.ts";
import { ProgressTable } from "./progress_table.ts";
import { notePromises } from "./promises.ts";
import { voteOutcome } from "./quorum.ts";
import { failForwardedReads, failLeaderReads } from "./read_index.ts";
import { enterTerm, followLeader, giveVote, replicaAt, type ReplicaState } from "./state.ts";
import { EntryKind, NO_NODE, NO_REPLICA, type NodeId, type Term } from "./types.ts";

/** A preferred replica that has heard nothing since its start waits this fraction of the election timeout. */
const EARLY_FRACTION = 4;
const NO_BYTES = new Uint8Array(0);

/** What a follower follows: nobody (`NO_NODE`) when the leader of the term is not known. */
export interface Following {
  readonly term: Term;
  readonly leader: NodeId;
}

/** Gives up whatever this replica was doing and follows, in the current term or a later one. */
export function becomeFollower(state: ReplicaState, following: Following): void {
  const { term, leader } = following;
  const isSameLeader = term === state.term && leader === state.leader && state.role === "follower";
  if (!isSameLeader) leaveRole(state);
  if (term > state.term) enterTerm(state, term);
  state.role = "follower";
  if (leader !== NO_NODE) followLeader(state, leader);
  drawTimeout(state);
}

/** Stands for election: asks first whether it would be elected. */
export function startPreCandidacy(state: ReplicaState): void {
  leaveRole(state);
  state.role = "preCandidate";
  state.electionStart = state.now;
  drawTimeout(state);
  state.hasFailedCandidacy = true;
  askVoters(state, { kind: "preVoteRequest", term: state.term + 1 });
  countVote(state, { node: state.self, granted: true });
}

/** How a replica stands. */
export interface Candidacy {
  /** Whether the leader itself has asked for it. */
  readonly transfer: boolean;
}

/** Asks for votes in a new term. */
export function startCandidacy(state: ReplicaState, candidacy: Candidacy): void {
  leaveRole(state);
  enterTerm(state, state.term + 1);
  giveVote(state, state.self);
  state.role = "candidate";
  state.electionStart = state.now;
  state.hasFailedCandidacy = true;
  drawTimeout(state);
  askVoters(state, { kind: "voteRequest", term: state.term, transfer: candidacy.transfer });
  countVote(state, { node: state.self, granted: true });
}

/**
 * Stands as the leader has asked, whose lease does not count against it. Often the commit of a membership
 * arrives just before that request and has to be applied first; but not for longer than the leader waits.
 */
export function maybeStandAsAsked(state: ReplicaState): void {
  const { askedToStandAt, now, config, isPromotable } = state;
  if (askedToStandAt === undefined || !isPromotable) return;
  if (now - askedToStandAt < config.electionTimeoutTicks) startCandidacy(state, { transfer: true });
}

/** Would this replica vote so? Nothing changes by answering. */
export function onPreVoteRequest(state: ReplicaState, message: PreVoteRequest): void {
  const granted = message.term > state.term && !isVoteForbidden(state) && isLogComplete(state, message);
  state.messages.push({
    kind: "preVoteResponse",
    group: state.group,
    from: state.self,
    to: message.from,
    fromReplica: state.replicaId,
    toReplica: replicaAt(state, message.from),
    term: granted ? message.term : state.term,
    granted,
  });
}

/** A request for this replica's vote in its current term (§5.2, §5.4.1). */
export function onVoteRequest(state: ReplicaState, message: VoteRequest): void {
  const isFree = state.vote === NO_NODE && state.leader === NO_NODE;
  const mayVote = state.vote === message.from || (isFree && (message.transfer || !isPromised(state)));
  const granted = message.term === state.term && mayVote && isLogComplete(state, message);
  if (granted) {
    giveVote(state, message.from);
    state.electionStart = state.now;
  }
  state.messages.push({
    kind: "voteResponse",
    group: state.group,
    from: state.self,
    to: message.from,
    fromReplica: state.replicaId,
    toReplica: replicaAt(state, message.from),
    term: state.term,
    granted,
  });
}

/** An answer to the current candidacy or pre-candidacy. */
export function onBallot(state: ReplicaState, message: PreVoteResponse | VoteResponse): void {
  const { from: node, fromReplica: replica = NO_REPLICA, granted } = message;
  if (isMeant(state.membership, { node, replica })) countVote(state, { node, granted });
}

/** Draws how long the next silence may last. */
export function drawTimeout(state: ReplicaState): void {
  const timeout = state.config.electionTimeoutTicks;
  const rank = state.priority.indexOf(state.self);
  const window = timeoutWindow(state, { timeout, rank });
  state.electionTimeoutTicks = window.start + state.random.below(window.width);
}

interface Window {
  readonly start: number;
  readonly width: number;
}

/** A place in the order of priority, and the election timeout in ticks. */
interface RankedTimeout {
  readonly timeout: number;
  readonly rank: number;
}

interface RankCut extends RankedTimeout {
  readonly ranks: number;
}

/**
 * Replicas draw from the windows [T, 2T) cut among them by priority, so that two of them rarely stand at
 * once. A replica whose candidacy failed draws from all of it: a window that always comes first must not keep
 * a fit replica from being elected.
 */
function timeoutWindow(state: ReplicaState, { timeout, rank }: RankedTimeout): Window {
  if (isOnlyVoter(state.membership, state.self)) return { start: 1, width: 1 };
  if (rank === 0 && !state.hasHeard && !isPromised(state)) {
    const early = Math.max(1, Math.floor(timeout / EARLY_FRACTION));
    return { start: early, width: early };
  }
  const { length } = state.priority;
  if (length === 0 || state.hasFailedCandidacy) return { start: timeout, width: timeout };
  if (rank < 0) return cutOut({ timeout, rank: length, ranks: length + 1 });
  return cutOut({ timeout, rank, ranks: length });
}

/** The part of the windows for one of `ranks` ranks. */
function cutOut({ timeout, rank, ranks }: RankCut): Window {
  const share = timeout / ranks;
  // One tick above T: the others let go of the old leader at T, and their ticks need not fall together with
  // ours.
  const start = Math.max(timeout + 1, timeout + Math.floor(rank * share));
  const end = timeout + Math.floor((rank + 1) * share);
  return { start, width: Math.max(1, end - start) };
}

/** What every role leaves behind: nothing that belongs to it may be met in the next one. */
function leaveRole(state: ReplicaState): void {
  notePromises(state);
  state.leaderHolds = 0;
  // A leader hears of no leader; its own silence starts when it stops leading.
  if (state.role === "leader") state.electionStart = state.now;
  state.leader = NO_NODE;
  state.votes.clear();
  state.progress = undefined;
  state.transfer = undefined;
  state.askedToStandAt = undefined;
  state.uncommittedBytes = 0;
  state.isFlushDue = false;
  failLeaderReads(state);
  failForwardedReads(state);
}

/** The part of a request for votes that is the same for all voters and differs from ballot to ballot. */
type BallotRequest = Pick<PreVoteRequest, "kind" | "term"> | Pick<VoteRequest, "kind" | "term" | "transfer">;

function askVoters(state: ReplicaState, request: BallotRequest): void {
  const { voters, votersOutgoing } = state.membership;
  for (const node of members({ voters, votersOutgoing, learners: [], learnersNext: [] })) {
    if (node === state.self) continue;
    state.messages.push({
      ...request,
      group: state.group,
      from: state.self,
      to: node,
      fromReplica: state.replicaId,
      toReplica: replicaAt(state, node),
      lastLogIndex: state.log.lastIndex,
      lastLogTerm: state.log.lastTerm,
    });
  }
}

interface Vote {
  readonly node: NodeId;
  readonly granted: boolean;
}

/** Counts the first answer of each voter, and acts when the ballot is decided. */
function countVote(state: ReplicaState, vote: Vote): void {
  if (!state.votes.has(vote.node)) state.votes.set(vote.node, vote.granted);
  const outcome = voteOutcome(state.membership, state.votes);
  if (outcome === "pending") return;
  if (outcome === "lost") becomeFollower(state, { term: state.term, leader: NO_NODE });
  else if (state.role === "preCandidate") startCandidacy(state, { transfer: false });
  else becomeLeader(state);
}

/** Opens the term with an empty entry: what older terms left is committed with it (§8). */
function becomeLeader(state: ReplicaState): void {
  const { log, config, membership, self, now } = state;
  leaveRole(state);
  state.role = "leader";
  followLeader(state, self);
  state.electionsWon++;
  state.heartbeatStart = now;
  state.handover.fitSince = undefined;
  state.isLeaseOver = false;
  state.progress = new ProgressTable({ membership, self, nextIndex: log.lastIndex + 1, now, limits: config });
  log.append({ index: log.lastIndex + 1, term: state.term, kind: EntryKind.empty, data: NO_BYTES });
  state.uncommittedBytes = log.bytesBetween({ after: log.committed, through: log.lastIndex });
  state.sealIndex = log.lastIndex;
  if (state.progress.own !== undefined) state.progress.own.matchIndex = log.durable;
  state.isFlushDue = true;
}

/** Whether the candidate's log is as complete as this one (§5.4.1), or this one does not count. */
function isLogComplete(state: ReplicaState, message: PreVoteRequest | VoteRequest): boolean {
  const end = { index: message.lastLogIndex, term: message.lastLogTerm };
  if (state.hasNoMembership) return false;
  return state.log.isCompletedBy(end) || isRetiredFor(state, end);
}

/**
 * Whether this replica is no voter any more in any membership that a candidate whose log ends in `end` may go
 * by, and that candidate holds the entry which said so. That entry is committed, so the candidate needs the
 * votes of a majority of the voters it names anyway, and those hold everything that was committed since. A
 * replica that cannot stand must not, by its longer log, keep others from being elected that do not know yet
 * that they need its vote no more.
 */
function isRetiredFor(state: ReplicaState, end: LogPosition): boolean {
  const { isVoter, log, membership, membershipIndex } = state;
  if (membership.voters.length === 0 || isVoter) return false;
  // A later membership that the candidate holds, too, may have made this replica a voter again.
  const isLast = log.lastMembershipThrough(end.index) <= membershipIndex;
  return isLast && end.index >= membershipIndex && log.termAt(end.index) === end.term;
}
