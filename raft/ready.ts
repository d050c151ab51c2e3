/**
 * What the core asks of its host after a turn, and what the host may ask of the core. The host
 *
 * 1. sends `messages` at once,
 * 2. begins to make `persist` durable, all groups in one write,
 * 3. applies `committed` in order, before it asks for the next batch,
 * 4. once this batch and all before it are durable: sends `messagesAfterPersist`, which promise what has just
 *   become so, and calls `advance` with the batch.
 *
 * Further batches may be asked for while some are on their way to the disk; they are written, and come back,
 * in the order in which they went out.
 *
 * @module
 */

import type { Message } from "./message.ts";
import type { Contradiction } from "./contradiction.ts";
import type {
  Entry,
  GroupId,
  HardState,
  LogIndex,
  Membership,
  NodeId,
  PeerPromise,
  ReplicaId,
  Role,
  Term,
} from "./types.ts";

/** What one group wants durable. */
export interface GroupPersist {
  readonly group: GroupId;
  /** The replica's own id, when it is new: written before all else. */
  readonly replicaId?: ReplicaId;
  /** Present when any part of it changed. */
  readonly hardState?: HardState;
  /**
   * Contiguous and new. If the first index is not above the last durable one, all durable entries from that
   * index on are replaced.
   */
  readonly entries: readonly Entry[];
  /** Of other replicas, what has risen since it was last in a batch; only with a hard state. */
  readonly promises?: readonly PeerPromise[];
}

/**
 * Entries of one group that may be applied: committed, durable here, contiguous with those handed out before.
 */
export interface GroupCommitted {
  readonly group: GroupId;
  readonly entries: readonly Entry[];
}

/** The answer to one `readIndex` call. */
export interface ReadReady {
  readonly group: GroupId;
  readonly readId: number;
  /** False: leadership was lost or no leader answered; nothing may be read. */
  readonly granted: boolean;
  /** The read may be answered from a state that has applied at least this index. */
  readonly readIndex: LogIndex;
}

/** Reads that wait for the round that the end of the turn opens. */
export interface WaitingReads {
  /** Asked at the leader itself. */
  readonly own: readonly number[];
  /** Whether there are any that followers have passed on. */
  readonly hasPassedOn: boolean;
}

/**
 * A membership of one group that has taken effect here. They come in the order of their entries; after a
 * restart those come again whose entries do.
 */
export interface GroupMembership {
  readonly group: GroupId;
  /**
   * Of its entry, which is among the committed ones of the same batch, unless the membership came with a
   * snapshot.
   */
  readonly index: LogIndex;
  readonly membership: Membership;
}

/**
 * The leader cannot feed the replica here with entries: the host is to fetch a snapshot, from the leader or
 * anybody else (`MultiRaft.suspend`). It is said again about once a heartbeat until that is done.
 */
export interface SnapshotWanted {
  readonly group: GroupId;
  readonly leader: NodeId;
  /** The last entry that is gone at the leader. A snapshot that ends before it does not help. */
  readonly index: LogIndex;
}

/** A change of role, term or leader. Waiters for entries of an older term must be failed. */
export interface Transition {
  readonly group: GroupId;
  readonly role: Role;
  readonly term: Term;
  readonly leader: NodeId;
}

/** Everything that must happen after a turn, groups in ascending order. */
export interface ReadyBatch {
  readonly messages: readonly Message[];
  readonly persist: readonly GroupPersist[];
  readonly messagesAfterPersist: readonly Message[];
  readonly committed: readonly GroupCommitted[];
  readonly memberships: readonly GroupMembership[];
  readonly reads: readonly ReadReady[];
  readonly transitions: readonly Transition[];
  /** At most one of a group. */
  readonly snapshotsWanted: readonly SnapshotWanted[];
  /** Leaders that have lost what they had promised to this node: nothing they say may be believed. */
  readonly contradictions: readonly Contradiction[];
}

/**
 * Why the core would not take a proposal, a read or a transfer. All are expected and safe to repeat
 * elsewhere.
 */
export type Refusal =
  /** This replica does not lead; `leader` names the node that does, `NO_NODE` when unknown. */
  | "notLeader"
  /** Too many uncommitted bytes, or reads, are waiting. */
  | "overloaded"
  /** Leadership is being handed over. */
  | "transferring"
  /** This node has no replica of the group. */
  | "unknownGroup"
  /** A change of membership is still under way. */
  | "changePending"
  /**
   * A node is to vote or to lead that is silent, no learner yet, or lacks too much of the log: it must catch
   * up first.
   */
  | "learnerBehind"
  /** The change, or the target of a transfer, makes no sense for this group. */
  | "invalid";

/** Answer to a proposal. */
export type ProposeResult =
  | { readonly accepted: true; readonly index: LogIndex; readonly term: Term }
  | { readonly accepted: false; readonly refusal: Refusal; readonly leader: NodeId };

/** Answer to `readIndex` and `transferLeadership`; the outcome itself comes with a later batch. */
export type RequestResult =
  | { readonly accepted: true }
  | { readonly accepted: false; readonly refusal: Refusal; readonly leader: NodeId };

/** What a leader knows of another replica. */
export interface FollowerProgress {
  readonly node: NodeId;
  readonly state: "probe" | "replicate" | "snapshot";
  readonly matchIndex: LogIndex;
  readonly nextIndex: LogIndex;
  readonly inflightMessages: number;
  readonly inflightBytes: number;
  readonly active: boolean;
}

/** How a replica stands. */
export interface RaftStatus {
  readonly group: GroupId;
  /** The replica's own id; 0 if it has none. */
  readonly replicaId: ReplicaId;
  readonly role: Role;
  readonly term: Term;
  readonly vote: NodeId;
  readonly leader: NodeId;
  /** As of the last change that was applied here. */
  readonly membership: Membership;
  /**
   * Of a leader: no change is under way, and the voters replaced by the last one are needed no more
   * (`reconfiguration.ts`).
   */
  readonly isSealed: boolean;
  readonly commit: LogIndex;
  readonly applied: LogIndex;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** Bytes of entries held in memory. */
  readonly logBytes: number;
  /** Whether it rests, for nothing happens in its group. */
  readonly isQuiet: boolean;
  /** Elections this replica has won since it was added. */
  readonly electionsWon: number;
  /** Empty unless this replica leads. */
  readonly followers: readonly FollowerProgress[];
}
