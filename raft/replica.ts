/**
 * One replica of one group: turns every input into a change of its state, and the state into what the host
 * must do. The rules that hold for all roles stand here: a later term wins (§5.1), a message of an earlier
 * one is answered with the current term, and the leader of the current term is followed.
 *
 * @module
 */

import { stepCandidate, tickCandidate } from "./candidate.ts";
import type { BrokenPromise } from "./contradiction.ts";
import { becomeFollower, drawTimeout, onPreVoteRequest, onVoteRequest } from "./election.ts";
import { stepFollower, tickFollower } from "./follower.ts";
import { flushLeader, onOwnDurable, startTransfer, stepLeader, tickLeader } from "./leader.ts";
import { isVoteForbidden } from "./lease.ts";
import { isMember, members, type MembershipTarget } from "./membership.ts";
import type { LogPosition } from "./log.ts";
import type { Message } from "./message.ts";
import { setPriority } from "./priority.ts";
import { findBrokenPromise, remindersFor } from "./promises.ts";
import { propose } from "./proposal.ts";
import { noteLeaderContact, wake } from "./quiet.ts";
import {
  addForwardedRead,
  addLeaderRead,
  askLeader,
  failForwardedReads,
  failLeaderReads,
  isRoundDue,
  onReadIndexRequest,
  raiseReadFloor,
  refusePassedOnReads,
  waitingReads,
} from "./read_index.ts";
import type {
  GroupPersist,
  ProposeResult,
  RaftStatus,
  ReadReady,
  RequestResult,
  WaitingReads,
} from "./ready.ts";
import { changeMembership } from "./reconfiguration.ts";
import { collectReady, type ReadyParts, type Reported, statusOf } from "./replica_ready.ts";
import { isBetweenReplicas, noteReplica } from "./replica_ids.ts";
import { compactLog, holdsEntry, persistAgain, resume, suspend } from "./snapshot.ts";
import { type GroupOptions, type NodeContext, replicaAt, ReplicaState } from "./state.ts";
import { checkInvariants, type CheckMemory } from "./state_check.ts";
import {
  type GroupId,
  type LogIndex,
  NO_NODE,
  type NodeId,
  type Reminder,
  type ReplicaId,
  type SnapshotMeta,
} from "./types.ts";

/** See the module comment. */
export class Replica {
  /** Whether this replica is in the dirty set of its `MultiRaft`. */
  isDirty = false;
  /**
   * Whether it is among those that tick, and the bytes it was last counted with; both belong to the
   * `MultiRaft`.
   */
  isTicking = false;
  logBytesNoted = 0;
  /** Whether this replica is among those that wait for the disk. */
  isWaiting = false;
  readonly #state: ReplicaState;
  readonly #checked: CheckMemory;
  readonly #reported: Reported;

  /** @throws {InvariantViolation} when what was restored contradicts itself */
  constructor(surroundings: NodeContext, options: GroupOptions) {
    this.#state = new ReplicaState(surroundings, options);
    drawTimeout(this.#state);
    const { role, term, leader, log } = this.#state;
    this.#checked = { term, committed: log.committed, readRound: 0 };
    this.#reported = { role, term, leader };
    this.#check();
  }

  /** Whether it rests: no tick changes anything. */
  get isQuiet(): boolean {
    return this.#state.isQuiet;
  }

  /** Everybody the log is sent to, this replica included. */
  get members(): readonly NodeId[] {
    return members(this.#state.membership);
  }

  /** Bytes of entries held. */
  get logBytes(): number {
    return this.#state.log.bytes;
  }

  get group(): GroupId {
    return this.#state.group;
  }

  /** Whether `ready` may have something to say. */
  get hasReady(): boolean {
    const { log, term, vote, persisted, messages, readsReady, isFlushDue, role, leader } = this.#state;
    const reported = this.#reported;
    return messages.length > 0 || isFlushDue || this.#state.contradictions.length > 0 ||
      readsReady.length > 0 || log.lastIndex > log.written ||
      log.applied < this.#state.applicable || term !== persisted.term ||
      this.#state.snapshotWanted !== undefined || this.#state.membershipsDue.length > 0 ||
      vote !== persisted.vote || this.#state.isReplicaIdDue ||
      role !== reported.role || leader !== reported.leader || this.#isHintDue;
  }

  /** A tick has passed for the node. */
  tick(): void {
    const state = this.#state;
    if (state.progress !== undefined) tickLeader(state, state.progress);
    else if (state.role === "follower") tickFollower(state);
    else tickCandidate(state);
    this.#check();
  }

  /** A message to this replica arrived. */
  step(message: Message): void {
    if (!isBetweenReplicas(this.#state, message)) return;
    this.#noteFirstMessage();
    if (!this.#isBackgroundMessage(message)) wake(this.#state);
    if (message.kind === "preVoteRequest") onPreVoteRequest(this.#state, message);
    else if (this.#isOfThisTerm(message)) this.#stepCurrent(message);
    this.#check();
  }

  propose(data: Uint8Array): ProposeResult {
    if (this.#state.role === "leader") wake(this.#state);
    const result = propose(this.#state, data);
    this.#check();
    return result;
  }

  /** Asks from which index on a read may be answered; the answer comes with a later batch. */
  readIndex(readId: number): RequestResult {
    const state = this.#state;
    const { role, leader, self } = state;
    if (leader === NO_NODE) return { accepted: false, refusal: "notLeader", leader };
    wake(state);
    const isTaken = role === "leader"
      ? addLeaderRead(state, { node: self, readId })
      : addForwardedRead(state, readId);
    return isTaken ? { accepted: true } : { accepted: false, refusal: "overloaded", leader };
  }

  /** Whether the next `ready` opens a round of reads. */
  get isRoundDue(): boolean {
    return isRoundDue(this.#state);
  }

  raiseReadFloor(index: LogIndex): void {
    raiseReadFloor(this.#state, index);
    this.#check();
  }

  waitingReads(): WaitingReads {
    return waitingReads(this.#state);
  }

  refusePassedOnReads(): void {
    refusePassedOnReads(this.#state);
  }

  transferLeadership(to: NodeId): RequestResult {
    const result = startTransfer(this.#state, to);
    if (result.accepted) wake(this.#state);
    this.#check();
    return result;
  }

  /** Its own id; 0 if it has none. */
  get replicaId(): ReplicaId {
    return this.#state.replicaId;
  }

  setReplicas(ids: ReadonlyMap<NodeId, ReplicaId>): void {
    for (const [node, replica] of ids) noteReplica(this.#state, { node, replica });
    this.#check();
  }

  setPriority(nodes: readonly NodeId[]): void {
    setPriority(this.#state, nodes);
    this.#check();
  }

  changeMembership(target: MembershipTarget): ProposeResult {
    const result = changeMembership(this.#state, target);
    // A host that asks again and again, until a node that is down has caught up, must not keep the group
    // awake.
    if (result.accepted) wake(this.#state);
    this.#check();
    return result;
  }

  /** What `node` has promised to this replica. */
  remindersFor(node: NodeId): readonly Reminder[] {
    return remindersFor(this.#state, node);
  }

  /** What this replica does not keep of what it is reminded of. */
  brokenPromise(reminder: Reminder): BrokenPromise | undefined {
    return findBrokenPromise(this.#state, reminder);
  }

  /** See `MultiRaft`, as for the four that follow. */
  compact(index: LogIndex): void {
    compactLog(this.#state, index);
    this.#check();
  }

  persistAgain(above: LogIndex): GroupPersist {
    return persistAgain(this.#state, above);
  }

  suspend(): void {
    suspend(this.#state);
    this.#check();
  }

  setUnfit(isUnfit: boolean): void {
    this.#state.isUnfit = isUnfit;
  }

  holdsEntry(position: LogPosition): boolean | undefined {
    return holdsEntry(this.#state, position);
  }

  resume(snapshot: SnapshotMeta | undefined): void {
    resume(this.#state, snapshot);
    this.#check();
  }

  /** Ends this replica; none of the reads that wait here can be answered. Returns them. */
  end(): readonly ReadReady[] {
    const state = this.#state;
    failLeaderReads(state);
    failForwardedReads(state);
    return state.readsReady;
  }

  /** What was sent to `peer` lately may be lost. */
  reportUnreachable(peer: NodeId): void {
    const state = this.#state;
    this.reconsider(peer);
    const progress = state.progress?.follower(peer);
    if (progress?.state === "replicate") {
      progress.becomeProbe();
      state.isFlushDue = true;
    }
    if (state.role === "follower" && state.leader === peer) failForwardedReads(state);
    this.#check();
  }

  /** Whether there are committed entries that fit into no batch yet. */
  get hasCommitted(): boolean {
    return this.#state.log.applied < this.#state.applicable;
  }

  /** The node of `peer` fell silent or is heard again: a quiet replica that rests on it wakes. */
  reconsider(peer: NodeId): void {
    const state = this.#state;
    const isConcerned = state.role === "leader"
      ? state.progress?.follower(peer) !== undefined
      : state.leader === peer;
    if (state.isQuiet && isConcerned) wake(state);
  }

  /** Adds to `parts` what the host must do for this group; only if it `canWrite`, something to write. */
  ready(parts: ReadyParts, canWrite: boolean): void {
    const state = this.#state;
    if (state.progress !== undefined) flushLeader(state, state.progress);
    else if (state.leader !== NO_NODE) askLeader(state);
    state.isFlushDue = false;
    collectReady(state, { parts, reported: this.#reported, isHintDue: this.#isHintDue, canWrite });
    this.#check();
  }

  /** The host has made the oldest write under way durable. */
  onPersisted(): void {
    const state = this.#state;
    state.log.finishWrite();
    state.votesInWriting.shift();
    if (state.progress !== undefined) onOwnDurable(state, state.progress);
    this.#check();
  }

  status(): RaftStatus {
    return statusOf(this.#state);
  }

  /** Whether the commit hint on disk is so old that it is worth a write of its own. */
  get #isHintDue(): boolean {
    const { log, persisted, now, hintStart, config, membershipIndex } = this.#state;
    if (log.committed === persisted.commit) return false;
    // The members of the group should be known after a restart, too.
    return membershipIndex > persisted.commit || now - hintStart >= config.electionTimeoutTicks;
  }

  #noteFirstMessage(): void {
    if (this.#state.hasHeard) return;
    this.#state.hasHeard = true;
    // The early timeout of a preferred replica is for a cluster in which nobody speaks.
    drawTimeout(this.#state);
  }

  /**
   * Whether a message does not count as something happening: heartbeats of a group that is awake, and the
   * pre-vote request of a node that is no member, perhaps removed long ago, which a replica that hears its
   * leader would refuse anyway.
   */
  #isBackgroundMessage(message: Message): boolean {
    const state = this.#state;
    if (message.kind === "heartbeatRequest" || message.kind === "heartbeatResponse") return !state.isQuiet;
    if (message.kind !== "preVoteRequest" || isMember(state.membership, message.from)) return false;
    noteLeaderContact(state);
    return isVoteForbidden(state);
  }

  /** Settles the terms; false when the message has nothing more to say. */
  #isOfThisTerm(message: Message): boolean {
    const state = this.#state;
    if (message.term < state.term) {
      this.#answerStale(message);
      return false;
    }
    if (message.term === state.term) {
      return message.kind !== "preVoteResponse" || !message.granted;
    }
    if (message.kind === "preVoteResponse" && message.granted) return message.term === state.term + 1;
    const isUnwanted = message.kind === "voteRequest" &&
      (state.hasNoMembership || (!message.transfer && isVoteForbidden(state)));
    if (isUnwanted) return false;
    becomeFollower(state, { term: message.term, leader: isFromLeader(message) ? message.from : NO_NODE });
    return true;
  }

  #stepCurrent(message: Message): void {
    const state = this.#state;
    if (message.kind === "voteRequest") return onVoteRequest(state, message);
    if (message.kind === "readIndexRequest") return onReadIndexRequest(state, message);
    if (state.role === "leader") return stepLeader(state, message);
    const isFound = isFromLeader(message) && (state.role !== "follower" || state.leader === NO_NODE);
    if (isFound) becomeFollower(state, { term: state.term, leader: message.from });
    if (state.role === "follower") stepFollower(state, message);
    else stepCandidate(state, message);
  }

  /**
   * A message of an earlier term never changes anything here, timers least of all. Its sender is told the
   * term: a leader that was cut off steps down, and so does one whose follower has reached a later term, so
   * that there can be an election.
   */
  #answerStale(message: Message): void {
    const { group, self, term, messages } = this.#state;
    const { replicaId: fromReplica } = this.#state;
    const toReplica = replicaAt(this.#state, message.from);
    const envelope = { group, from: self, to: message.from, fromReplica, toReplica, term };
    switch (message.kind) {
      case "appendRequest": {
        const { prevLogIndex } = message;
        const position = { matchIndex: prevLogIndex, conflictIndex: 0, conflictTerm: 0 };
        messages.push({ ...envelope, ...position, kind: "appendResponse", success: false });
        break;
      }
      case "heartbeatRequest":
      case "commitNotice":
      case "quietRequest":
      case "snapshotNotice":
        messages.push({ ...envelope, kind: "heartbeatResponse", readRound: 0, sentAt: 0 });
        break;
      case "voteRequest":
        messages.push({ ...envelope, kind: "voteResponse", granted: false });
        break;
      case "readIndexRequest":
        onReadIndexRequest(this.#state, message);
        break;
      default:
        break;
    }
  }

  #check(): void {
    checkInvariants(this.#state, this.#checked);
  }
}

/** Whether only a leader sends such a message to its followers, so that its sender leads in its term. */
function isFromLeader(message: Message): boolean {
  return message.kind === "appendRequest" || message.kind === "heartbeatRequest" ||
    message.kind === "commitNotice" || message.kind === "quietRequest" ||
    message.kind === "snapshotNotice";
}
