/**
 * One replica on this node: its state machine and the calls that wait for it. Writes wait for their entry,
 * named by index and term; reads wait for their round to be confirmed, then for the state to reach the
 * round's index.
 *
 * Whether a key is there, the state alone decides, whose time is what was applied. What it has left, an
 * answer says by the time that goes on.
 *
 * @module
 */

import {
  type Entry,
  EntryKind,
  type GroupId,
  type LogIndex,
  type Membership,
  type ReadReady,
  type Role,
  type SnapshotMeta,
  type Term,
  type Transition,
} from "../../raft/mod.ts";
import { DomainError, type ReadResult } from "../api/mod.ts";
import { KvStateMachine, ReplicatedClock, StateReadError, type StateStore } from "../kv/mod.ts";
import type { Clock } from "../ports/mod.ts";
import { type Call, failCall, isOver, type ReadCall, type WriteCall } from "./call.ts";
import { outcomeUnknown } from "./refusal.ts";
import type { StateMachine } from "./state_machine.ts";

interface PendingWrite {
  readonly term: Term;
  readonly call: WriteCall;
}

const NO_ENTRIES: readonly Entry[] = [];

/** A membership, and the entry that made it. */
export interface MembershipPlace {
  readonly index: LogIndex;
  readonly membership: Membership;
}

const NO_MEMBERSHIP: MembershipPlace = {
  index: 0,
  membership: { voters: [], votersOutgoing: [], learners: [], learnersNext: [] },
};

/** Reads that share one confirmation of leadership. */
interface ReadRound {
  readonly calls: readonly ReadCall[];
  /** When it was asked for: what is read is at least as fresh as this. */
  readonly askedMs: number;
}

/** Which replica it is. */
export interface ReplicaPlace {
  readonly partitionId: number;
  readonly group: GroupId;
}

/** This machine's clock. */
type HostClock = Pick<Clock, "monotonicMs" | "soon">;

/** What a replica works with. */
export interface ReplicaParts<M extends StateMachine> {
  readonly machine: M;
  readonly clock: HostClock;
}

/** Where an entry that was proposed stands. */
export interface EntryPlace {
  readonly index: LogIndex;
  readonly term: Term;
}

/** An entry of this leadership, and the replicated time that it raises the state to. */
interface StampedEntry {
  readonly index: LogIndex;
  readonly timeMs: number;
}

/** A round that is confirmed and waits for the state to reach its index. */
interface ConfirmedRound extends ReadRound {
  readonly readIndex: LogIndex;
}

/** See the module comment. */
export class HostedReplica<M extends StateMachine = StateMachine> {
  readonly partitionId: number;
  readonly group: GroupId;
  readonly machine: M;
  role: Role = "follower";
  /** Whether this node is to have the replica; one that has moved away stays as it was and is silent. */
  isAssigned = true;
  /** Append requests this replica has sent. */
  appendsSent = 0;
  /** Of the last entry applied. */
  #appliedTerm: Term = 0;
  #membership: MembershipPlace = NO_MEMBERSHIP;
  /** Handed out, and not applied yet because the state could not be read. */
  #unapplied: readonly Entry[] = NO_ENTRIES;
  #stallReason: string | undefined;
  #takenIndex: LogIndex = 0;
  /** Of values that were read since the last pause. */
  #readBytes = 0;
  #isAnsweringLater = false;
  /** Whether the state has to come from elsewhere before anything can be applied or read. */
  #isLost = false;
  /** Whether entries wait for another state. */
  #isHeld = false;
  /** By index, in the order of indexes. */
  readonly #writes = new Map<LogIndex, PendingWrite>();
  #asked: ReadCall[] = [];
  readonly #rounds = new Map<number, ReadRound>();
  #confirmed: ConfirmedRound[] = [];
  /** The state is known to hold everything acknowledged before this moment; monotonic. */
  #freshMs = -Infinity;
  /** Of the leadership of term `#ledTerm`. */
  #clock: ReplicatedClock | undefined;
  #ledTerm: Term = 0;
  /** The last that this leadership has proposed. */
  #stamped: StampedEntry | undefined;
  readonly #hostClock: HostClock;
  /** The store holds another state than the machine. */
  #isReplaced = false;
  /** When the state's time was last raised; monotonic. */
  #raisedMs: number;
  /** When a command was last applied; monotonic. */
  #appliedMs: number;
  /** The highest index that a leader has said to be committed. */
  #knownCommit: LogIndex = 0;
  /** Since when the state does not get on though it is behind; `undefined` while it is not. */
  #behindSinceMs: number | undefined;

  constructor(place: ReplicaPlace, { machine, clock }: ReplicaParts<M>) {
    this.partitionId = place.partitionId;
    this.group = place.group;
    this.machine = machine;
    this.#hostClock = clock;
    this.#raisedMs = clock.monotonicMs();
    this.#appliedMs = this.#raisedMs;
  }

  /** Term of the last entry applied. */
  get appliedTerm(): Term {
    return this.#appliedTerm;
  }

  /** The membership as of the last entry applied. */
  get membership(): MembershipPlace {
    return this.#membership;
  }

  /** A membership has taken effect, whose entry is among those handed out last. */
  noteMembership({ index, membership }: MembershipPlace): void {
    this.#membership = { index, membership };
  }

  /**
   * The state is now what its store holds, up to an entry that is above what was applied: after a restart, or
   * because a snapshot has taken its place. Reads that waited for an entry up to there are answered.
   */
  restore(meta: SnapshotMeta): void {
    const pieces = this.restoring(meta);
    while (pieces.next().done !== true);
  }

  /** Does the same in pieces, so that others have their turn; all of it takes effect with the last one. */
  *restoring({ index, term, membership, membershipIndex }: SnapshotMeta): Generator<void> {
    // Before the first entry there is nothing in it.
    if (index > 0) yield* this.machine.restoring(index);
    // Of entries that wait there may be a later one.
    if (membershipIndex >= this.#membership.index) this.#membership = { index: membershipIndex, membership };
    if (index === 0) return;
    this.#isReplaced = false;
    this.#isLost = false;
    this.#appliedTerm = term;
    // How long ago its last command was applied elsewhere, nobody here knows: what is not counted ends later.
    this.#raisedMs = this.#hostClock.monotonicMs();
    this.#appliedMs = this.#raisedMs;
    this.#takenIndex = Math.max(this.#takenIndex, index);
    this.#unapplied = this.#unapplied.filter((entry) => entry.index > index);
    this.#isHeld = false;
    this.apply(NO_ENTRIES);
    this.#behindSinceMs = undefined;
    if (this.#confirmed.length > 0) this.#answerConfirmed();
  }

  /**
   * The store has just been given another state: nothing is applied, and reads wait, until it is restored.
   */
  noteReplaced(): void {
    this.#isReplaced = true;
  }

  /** Whether the store holds another state than this replica, which is still to be restored. */
  get isReplaced(): boolean {
    return this.#isReplaced;
  }

  /** Calls waiting here. */
  get waitingCalls(): number {
    return this.#writes.size + this.#asked.length + this.#rounds.size + this.#confirmed.length;
  }

  /** Settles `call` when the entry at `index` of `term` has been applied. */
  awaitWrite(call: WriteCall, at: EntryPlace): void {
    this.#writes.set(at.index, { term: at.term, call });
  }

  /**
   * Applies committed entries and answers the writes and reads that waited for them. What cannot be applied
   * because the state cannot be read waits, and is tried again with the next call.
   */
  apply(entries: readonly Entry[]): void {
    this.#takenIndex = entries.at(-1)?.index ?? this.#takenIndex;
    const waiting = this.#unapplied.length === 0 ? entries : [...this.#unapplied, ...entries];
    if (this.#isHeld || this.#isReplaced) {
      this.#unapplied = waiting;
      return;
    }
    const { timeMs } = this.machine;
    const applied = this.#applyEach(waiting);
    this.#unapplied = applied === waiting.length ? NO_ENTRIES : waiting.slice(applied);
    if (this.machine.timeMs > timeMs) this.#raisedMs = this.#hostClock.monotonicMs();
    if (applied > 0) this.#behindSinceMs = undefined;
    if (this.#confirmed.length > 0) this.#answerConfirmed();
  }

  /** Why entries that were handed out are not applied; `undefined` if all are. */
  get stallReason(): string | undefined {
    if (this.#isHeld) return "another state is to take the place of this one";
    return this.#unapplied.length === 0 ? undefined : this.#stallReason;
  }

  /** The last entry that was handed out to be applied. */
  get takenIndex(): LogIndex {
    return this.#takenIndex;
  }

  /** The entry at which another state must stand at least, so that what waits here follows it. */
  get baseIndex(): LogIndex {
    return (this.#unapplied[0]?.index ?? this.#takenIndex + 1) - 1;
  }

  /** Bytes of entries that wait to be applied. */
  get unappliedBytes(): number {
    return this.#unapplied.reduce((sum, { data }) => sum + data.length, 0);
  }

  /** From now on entries wait, until another state takes the place of this one, or {@linkcode goOn}. */
  hold(): void {
    this.#isHeld = true;
  }

  /** No other state comes: what waits is applied. */
  goOn(): void {
    this.#isHeld = false;
    this.apply(NO_ENTRIES);
  }

  /**
   * The store does not hold what the log was let go of for, up to `snapshot`: until another state takes its
   * place nothing can be applied.
   */
  lose({ index, membership, membershipIndex }: SnapshotMeta): void {
    this.#membership = { index: membershipIndex, membership };
    this.#takenIndex = Math.max(this.#takenIndex, index);
    this.#isHeld = true;
    this.#isReplaced = true;
    this.#isLost = true;
  }

  /** Whether nobody else has what this replica has. */
  get #isAlone(): boolean {
    return this.#membership.membership.voters.length <= 1;
  }

  /** A leader says that all up to `commit` is committed. */
  noteCommit(commit: LogIndex, nowMs: number): void {
    this.#knownCommit = Math.max(this.#knownCommit, commit);
    if (this.machine.appliedIndex < this.#knownCommit) this.#behindSinceMs ??= nowMs;
  }

  /** Whether more is committed than the state has, and it has not got on since `sinceMs`. */
  isBehindSince(sinceMs: number): boolean {
    return this.#behindSinceMs !== undefined && this.#behindSinceMs < sinceMs &&
      this.machine.appliedIndex < this.#knownCommit;
  }

  /** A read that wants a fresh confirmation; it joins the turn's round. */
  ask(call: ReadCall): void {
    this.#asked.push(call);
  }

  /** The reads asked for since the last round was opened. */
  takeAsked(): readonly ReadCall[] {
    const calls = this.#asked;
    this.#asked = [];
    return calls;
  }

  openRound(readId: number, round: ReadRound): void {
    this.#rounds.set(readId, round);
  }

  /** Takes the core's answer to a round; returns the reads that must be asked again elsewhere. */
  closeRound(ready: ReadReady): readonly ReadCall[] {
    const round = this.#rounds.get(ready.readId);
    if (round === undefined) return [];
    this.#rounds.delete(ready.readId);
    if (!ready.granted) return round.calls;
    const isHopeless = this.#isLost && this.#isAlone;
    if (isHopeless || this.machine.appliedIndex >= ready.readIndex) this.#answerRound(round);
    else this.#confirmed.push({ ...round, readIndex: ready.readIndex });
    return [];
  }

  /** Whether the state is at most `ageMs` old for certain, and so is what it says of expired keys. */
  isFresh(nowMs: number, ageMs: number): boolean {
    return nowMs - this.#freshMs <= ageMs && !this.#hidesExpiryFor(ageMs);
  }

  /** Reads of other keys confirm that nothing was written, and do not raise the time by which keys expire. */
  #hidesExpiryFor(ageMs: number): boolean {
    const { earliestExpiryMs, timeMs } = this.machine;
    if (earliestExpiryMs === undefined) return false;
    const sinceMs = this.#timeNowMs() - ageMs;
    return timeMs < sinceMs && this.machine.latestDueMs(sinceMs) !== undefined;
  }

  /** Answers from the state as it is. */
  answer(call: ReadCall): void {
    if (this.#isLost && this.#isAlone) return call.settle({ ok: false, error: stateLost(this.partitionId) });
    if (this.#isReplaced || this.#readBytes > READ_BYTES_AT_ONCE) return this.#answerLater([call]);
    try {
      const value = this.#read(call.keys);
      for (let position = 0; position < value.length; position++) {
        this.#readBytes += value[position]?.value.length ?? 0;
      }
      call.settle({ ok: true, value });
    } catch (error) {
      if (!(error instanceof StateReadError)) throw error;
      call.settle({ ok: false, error: unreadable(error) });
    }
  }

  /**
   * The latest replicated time up to `nowMs` at which any key of these rounds expires that the state still
   * has.
   */
  dueTimeMs(readIds: readonly number[], nowMs: number): number | undefined {
    let dueMs: number | undefined;
    for (const key of readIds.flatMap((readId) => this.#keysOf(readId))) {
      const expiresAtMs = this.machine.expiresAtMs(key);
      if (expiresAtMs !== undefined && expiresAtMs <= nowMs) dueMs = Math.max(dueMs ?? 0, expiresAtMs);
    }
    return dueMs;
  }

  /** Takes those reads out of these rounds that ask for a key which {@linkcode dueTimeMs} counts. */
  takeDue(readIds: readonly number[], nowMs: number): readonly ReadCall[] {
    const due: ReadCall[] = [];
    const isDue = (key: Uint8Array) => (this.machine.expiresAtMs(key) ?? Infinity) <= nowMs;
    for (const readId of readIds) {
      const round = this.#rounds.get(readId);
      if (round === undefined) continue;
      const calls = round.calls.filter((call) => !call.keys.some(isDue) || (due.push(call), false));
      this.#rounds.set(readId, { ...round, calls });
    }
    return due;
  }

  /** Notes an entry that was stamped and proposed here. */
  noteStamped(entry: StampedEntry): void {
    this.#stamped = entry;
  }

  /** The last entry that this leadership has proposed, applied or not, if it raises the time to `timeMs`. */
  entryStampedFrom(timeMs: number): LogIndex | undefined {
    const stamped = this.#stamped;
    return stamped !== undefined && stamped.timeMs >= timeMs ? stamped.index : undefined;
  }

  /** Whether the entry, which was proposed here, may still be applied and is not yet. */
  isUnderWay({ index, term }: EntryPlace): boolean {
    return this.role === "leader" && this.#ledTerm === term && this.machine.appliedIndex < index;
  }

  /** Replicated time now, for what is proposed here: this replica leads. */
  stampMs(monotonicMs: number): number {
    const reading = { appliedMs: this.machine.timeMs, monotonicMs };
    this.#clock ??= new ReplicatedClock(reading);
    return this.#clock.read(reading);
  }

  /**
   * Follows the replica's role. The outcome of writes proposed in an earlier leadership is not known any
   * more.
   *
   * @param hasAllApplied whether the state has all of the log up to the leadership that begins, if one does
   */
  follow(transition: Transition, hasAllApplied: boolean): void {
    const monotonicMs = this.#hostClock.monotonicMs();
    this.role = transition.role;
    if (transition.role !== "leader" || transition.term !== this.#ledTerm) this.#stamped = undefined;
    if (transition.role === "leader" && transition.term !== this.#ledTerm) {
      this.#ledTerm = transition.term;
      // See the module comment of the clock: with more to come, the time since then may be another key's.
      const countedMs = hasAllApplied ? Math.floor(monotonicMs - this.#appliedMs) : 0;
      this.#clock = new ReplicatedClock({ appliedMs: this.machine.timeMs + countedMs, monotonicMs });
    }
    for (const [index, { term, call }] of this.#writes) {
      if (transition.role === "leader" && term === transition.term) continue;
      this.#writes.delete(index);
      failCall(call, leadershipLost(this.partitionId));
    }
  }

  /** Whether reads that a leader has confirmed wait for the state. */
  get hasConfirmedReads(): boolean {
    return this.#confirmed.length > 0;
  }

  /**
   * Takes out the reads that a leader has confirmed for an index above `commit`. Once it leads no more, it
   * may be that nothing ever comes at that index.
   */
  takeConfirmedAbove(commit: LogIndex): readonly ReadCall[] {
    const above = this.#confirmed.filter(({ readIndex }) => readIndex > commit);
    if (above.length > 0) this.#confirmed = this.#confirmed.filter(({ readIndex }) => readIndex <= commit);
    return above.flatMap(({ calls }) => calls);
  }

  /** Takes out all calls that nobody waits for any more. */
  takeExpired(nowMs: number): readonly Call[] {
    const expired: Call[] = [];
    for (const [index, { call }] of this.#writes) {
      if (!isOver(call, nowMs)) continue;
      this.#writes.delete(index);
      expired.push(call);
    }
    const keep = (call: ReadCall) => !isOver(call, nowMs) || (expired.push(call), false);
    for (const [readId, round] of this.#rounds) {
      const calls = round.calls.filter(keep);
      if (calls.length > 0) this.#rounds.set(readId, { ...round, calls });
      else this.#rounds.delete(readId);
    }
    this.#asked = this.#asked.filter(keep);
    this.#confirmed = this.#confirmed
      .map((round) => ({ ...round, calls: round.calls.filter(keep) }))
      .filter((round) => round.calls.length > 0);
    return expired;
  }

  /** Takes out every call that waits; for the end of the node. */
  takeAll(): readonly Call[] {
    return this.takeExpired(Infinity);
  }

  #read(keys: readonly Uint8Array[]): readonly ReadResult[] {
    const { machine } = this;
    return machine.earliestExpiryMs === undefined
      ? keys.map((key) => machine.get(key))
      : this.#readTimed(keys);
  }

  /** Returns how many were applied. */
  #applyEach(entries: readonly Entry[]): number {
    for (let position = 0; position < entries.length; position++) {
      try {
        this.#applyEntry(entries[position]!);
      } catch (error) {
        if (!(error instanceof StateReadError)) throw error;
        this.#stallReason = error.message;
        return position;
      }
    }
    return entries.length;
  }

  #applyEntry(entry: Entry): void {
    if (entry.kind !== EntryKind.command) {
      this.machine.skip(entry.index);
      this.#appliedTerm = entry.term;
      return;
    }
    const outcome = this.machine.apply(entry.index, entry.data);
    this.#appliedTerm = entry.term;
    this.#appliedMs = this.#hostClock.monotonicMs();
    const pending = this.#writes.get(entry.index);
    if (pending === undefined) return;
    this.#writes.delete(entry.index);
    // Another leader's entry at this index: ours was replaced.
    if (pending.term !== entry.term) failCall(pending.call, leadershipLost(this.partitionId));
    else pending.call.settle({ ok: true, value: outcome });
  }

  #keysOf(readId: number): readonly Uint8Array[] {
    return this.#rounds.get(readId)?.calls.flatMap(({ keys }) => keys) ?? [];
  }

  #readTimed(keys: readonly Uint8Array[]): readonly ReadResult[] {
    const { machine } = this;
    const nowMs = this.#timeNowMs();
    return keys.map((key) => {
      const item = machine.get(key);
      const expiresAtMs = item === undefined ? undefined : machine.expiresAtMs(key);
      if (item === undefined || expiresAtMs === undefined) return item;
      const { value, version } = item;
      return { value, version, expiresInMs: Math.max(1, expiresAtMs - nowMs) };
    });
  }

  /**
   * Replicated time as this node knows it. One that does not lead counts on from when the state's time was
   * raised: in a quiet group that may be long ago, and keys would seem to have more left than they have.
   */
  #timeNowMs(): number {
    const monotonicMs = this.#hostClock.monotonicMs();
    if (this.role === "leader") return this.stampMs(monotonicMs);
    return this.machine.timeMs + Math.floor(monotonicMs - this.#raisedMs);
  }

  #answerConfirmed(): void {
    if (this.#isReplaced) return;
    const applied = this.machine.appliedIndex;
    const waiting = this.#confirmed;
    this.#confirmed = waiting.filter((round) => round.readIndex > applied);
    for (const round of waiting) if (round.readIndex <= applied) this.#answerRound(round);
  }

  #answerRound({ askedMs, calls }: ReadRound): void {
    this.#freshMs = Math.max(this.#freshMs, askedMs);
    for (let position = 0; position < calls.length; position++) {
      if (this.#readBytes > READ_BYTES_AT_ONCE) return this.#answerLater(calls.slice(position));
      this.answer(calls[position]!);
    }
  }

  /** When the values that were read have become answers, of which there is a limited number of bytes. */
  #answerLater(calls: readonly ReadCall[]): void {
    this.#confirmed.push({ calls, askedMs: -Infinity, readIndex: READ_LATER });
    // One whose state is being replaced answers when that has been done.
    if (this.#isAnsweringLater || this.#isReplaced) return;
    this.#isAnsweringLater = true;
    this.#hostClock.soon(() => {
      this.#isAnsweringLater = false;
      this.#readBytes = 0;
      this.#answerConfirmed();
    });
  }
}

/**
 * Values are copies: reads that bring more than this let those who wait for them encode their answers, or
 * refuse them, before others read.
 */
const READ_BYTES_AT_ONCE = 4 * 1024 * 1024;
/** Reads that wait for nothing but that. */
const READ_LATER: LogIndex = 0;

/** A replica of a partition of keys and values. */
export type KvReplica = HostedReplica<KvStateMachine>;

/** What a replica of a partition is made on. */
interface KvReplicaParts {
  readonly store: StateStore;
  readonly clock: HostClock;
}

/** A replica of a partition of keys and values; what its store holds is still to be restored. */
export function createKvReplica(place: ReplicaPlace, { store, clock }: KvReplicaParts): KvReplica {
  return new HostedReplica(place, { machine: new KvStateMachine(store), clock });
}

function stateLost(partitionId: number): DomainError {
  const message = `What partition ${partitionId} held is damaged here, and no other node has it: ` +
    "restore it from a backup";
  return new DomainError({ kind: "dataLoss" }, message);
}

/** Another replica may have what cannot be read here. */
function unreadable({ isDamaged, message }: StateReadError): DomainError {
  return new DomainError({ kind: isDamaged ? "dataLoss" : "unavailable" }, message);
}

function leadershipLost(partitionId: number): DomainError {
  return outcomeUnknown(partitionId, "this node lost the leadership meanwhile");
}
