/**
 * What a leader knows of one replica, and how fast it may send to it.
 *
 * ```
 *            refused or lost                      needs entries that are compacted
 *   ┌──────────────────────────────┐   ┌───────────────────────────────────────────┐
 *   ▼                              │   │                                           ▼
 * probe ── an append succeeded ─▶ replicate                                    snapshot
 *   │                                  ▲                                           │
 *   └── one append at a time           └──── an append at the first index took ────┘
 * ```
 *
 * In `probe` one append at a time finds out where the logs agree; a heartbeat's answer allows the next, so
 * that a lost one is no dead end. In `replicate` appends leave without waiting, `nextIndex` being raised when
 * they are sent. In `snapshot` the replica lacks entries this log no longer holds; it is probed at the first
 * index that is left, once per heartbeat, until it has got there by a snapshot.
 *
 * Invariant: matchIndex < nextIndex.
 *
 * @module
 */

import { type InflightLimits, InflightWindow, type SentAppend } from "./inflight.ts";
import { type LogIndex, NO_REPLICA, type NodeId, type ReplicaId } from "./types.ts";

/** One of the states of the module comment. */
export type ProgressState = "probe" | "replicate" | "snapshot";

/** Before any moment of any clock. */
const NEVER = Number.MIN_SAFE_INTEGER;

/** What a new leader starts from. */
export interface ProgressStart {
  readonly node: NodeId;
  /** Which of the replicas that the node had; none has an id unless given. */
  readonly replica?: ReplicaId;
  readonly nextIndex: LogIndex;
  /** The tick of the election. */
  readonly now: number;
  readonly limits: InflightLimits;
}

/** Why an append was refused. */
export interface AppendRefusal {
  /** The entry after which the append would have begun. */
  readonly refusedIndex: LogIndex;
  /** Up to here the logs may agree. */
  readonly agreeableIndex: LogIndex;
}

/** When a heartbeat was answered, and where the leader's log ended then. */
export interface HeartbeatAnswer {
  readonly now: number;
  readonly lastIndex: LogIndex;
}

/** See the module comment. */
export class Progress {
  readonly node: NodeId;
  /** Which of the replicas that the node had is meant; 0 if none is named. */
  readonly replica: ReplicaId;
  readonly window: InflightWindow;
  /** Up to here the replica's durable log is known to be equal, learned in this term only. */
  matchIndex: LogIndex = 0;
  nextIndex: LogIndex;
  state: ProgressState = "probe";
  /** A probe is on its way; nothing is sent until it is answered or a heartbeat is. */
  isWaiting = false;
  /** Something may have been lost: send an append even if it is empty, its refusal will tell. */
  isSuspect = false;
  /** Tick at which it was last heard. */
  lastHeard: number;
  /** The highest commit index that was sent to it. */
  commitSent: LogIndex = 0;
  /** The newest round of reads it has confirmed. */
  readRound = 0;
  /** The clock of this leader when it sent what this replica last gave its promise for. */
  leaseStart = NEVER;

  constructor(start: ProgressStart) {
    this.node = start.node;
    this.replica = start.replica ?? NO_REPLICA;
    this.nextIndex = start.nextIndex;
    this.lastHeard = start.now;
    this.window = new InflightWindow(start.limits);
  }

  /** Its promise counts no more. */
  endLease(): void {
    this.leaseStart = NEVER;
  }

  /** Whether an append that carries entries may leave now. */
  get maySend(): boolean {
    return this.state === "replicate" ? !this.window.isFull : !this.isWaiting;
  }

  /** An append up to `lastIndex` is on its way; what follows may be sent next. */
  noteSent(append: SentAppend): void {
    this.isSuspect = false;
    if (this.state !== "replicate") {
      this.isWaiting = true;
      return;
    }
    if (append.bytes === 0) return;
    this.window.add(append);
    this.nextIndex = append.lastIndex + 1;
  }

  /** The replica holds everything up to `index`. Returns false when that was known. */
  noteAcknowledged(index: LogIndex): boolean {
    if (index < this.matchIndex) return false;
    const isNew = index > this.matchIndex || this.state !== "replicate";
    this.matchIndex = index;
    if (this.state !== "replicate") this.#becomeReplicate();
    this.nextIndex = Math.max(this.nextIndex, index + 1);
    this.window.freeTo(index);
    return isNew;
  }

  /**
   * The replica refused an append. Returns false for the refusal of something that is no longer being asked.
   */
  noteRefused({ refusedIndex, agreeableIndex }: AppendRefusal): boolean {
    const isOld = this.state === "replicate"
      ? refusedIndex <= this.matchIndex
      : refusedIndex !== this.nextIndex - 1;
    if (isOld) return false;
    const nextIndex = Math.min(refusedIndex, agreeableIndex + 1);
    this.becomeProbe();
    this.nextIndex = Math.max(nextIndex, this.matchIndex + 1);
    return true;
  }

  /** What was on its way may be lost: find out from the last known match. */
  becomeProbe(): void {
    this.state = "probe";
    this.nextIndex = this.matchIndex + 1;
    this.isWaiting = false;
    this.isSuspect = false;
    this.window.clear();
  }

  /** It lacks entries before `firstIndex`, the first that is left here; whatever it was, it is asked anew. */
  becomeSnapshot(firstIndex: LogIndex): void {
    // What is compacted meanwhile must not put off the probe that is due, again and again.
    if (this.state !== "snapshot") this.isWaiting = true;
    this.state = "snapshot";
    this.nextIndex = firstIndex;
    this.window.clear();
  }

  /** A heartbeat was answered, so the replica is alive; what it still lacks may be sent again. */
  noteHeard({ now, lastIndex }: HeartbeatAnswer): boolean {
    this.lastHeard = now;
    if (this.state === "replicate" && this.matchIndex >= lastIndex) return false;
    this.isWaiting = false;
    this.isSuspect = true;
    return true;
  }

  #becomeReplicate(): void {
    this.state = "replicate";
    this.nextIndex = this.matchIndex + 1;
    this.isWaiting = false;
    this.window.clear();
  }
}
