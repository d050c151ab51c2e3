/**
 * The plain data of consensus. Every number is a safe integer; bytes are opaque.
 *
 * @module
 */

/** A node, 1 to 2^32−1. */
export type NodeId = number;

/** A Raft group, 0 to 2^32−1; group 0 holds the cluster's own data. */
export type GroupId = number;

/**
 * Names one replica of a group for ever: a node that gives up its replica and gets another one later has
 * another id, above all that were given before. From 1 to 2^32−1; 0 where it is not known.
 */
export type ReplicaId = number;

/** Stands where a `ReplicaId` is not known. */
export const NO_REPLICA: ReplicaId = 0;

/** Position of an entry in a group's log; the first entry has index 1, 0 means "before the log". */
export type LogIndex = number;

/** A Raft term; 0 before the first election. */
export type Term = number;

/** Stands where a `NodeId` is not known: no leader, no vote. */
export const NO_NODE: NodeId = 0;

/** What an entry is for. */
export const EntryKind = {
  /** Opens a leader's term (§8); carries nothing. */
  empty: 0,
  /** Bytes for the state machine. */
  command: 1,
  /** An encoded change of membership (§6). */
  membership: 2,
} as const;

/** One of the values of {@linkcode EntryKind}. */
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];

/** An entry kind from a number; throws `RangeError` for an unknown one. */
export function decodeEntryKind(value: number): EntryKind {
  if (value === 0 || value === 1 || value === 2) return value;
  throw new RangeError(`Cannot decode an entry of kind ${value}`);
}

/** One entry of a group's log. Its bytes are made once, by the leader, and never change. */
export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKind;
  readonly data: Uint8Array;
}

/** What must be durable before a replica speaks (figure 2, "persistent state"). */
export interface HardState {
  readonly term: Term;
  /** The node that got this replica's vote in `term`; `NO_NODE` when none did. */
  readonly vote: NodeId;
  /** A hint: everything up to here was committed when this was written. */
  readonly commit: LogIndex;
}

/** The members of a group. During joint consensus both voter lists must agree (§6). */
export interface Membership {
  /** Ascending, without duplicates. */
  readonly voters: readonly NodeId[];
  /** The outgoing voters of a joint configuration; empty otherwise. */
  readonly votersOutgoing: readonly NodeId[];
  /** Receive the log but neither vote nor count. */
  readonly learners: readonly NodeId[];
  /** Become learners when the joint configuration is left: outgoing voters that are demoted. */
  readonly learnersNext: readonly NodeId[];
  /**
   * Which replica of each of these nodes is meant, ascending by node: another one of the same node is no
   * member. A node that is not named has none with an id.
   */
  readonly replicaIds?: readonly (readonly [NodeId, ReplicaId])[];
}

/** Where a state that is not made of entries ends. `index` 0: the state is empty. */
export interface SnapshotMeta {
  readonly index: LogIndex;
  readonly term: Term;
  /** The one in force there; it may be joint. */
  readonly membership: Membership;
  /** Of the entry that made the membership; 0 for the one that the group began with. */
  readonly membershipIndex: LogIndex;
}

/** What another replica has promised to this one, the highest of each (`promises.ts`). */
export interface PeerPromise {
  readonly node: NodeId;
  /** Which of the replicas that the node had; absent, or 0, where it is not known. */
  readonly replica?: ReplicaId;
  /** It has voted, acknowledged or led in this term. */
  readonly term: Term;
  /** The last committed entry that it is known to hold durably; 0 for none. */
  readonly index: LogIndex;
  readonly indexTerm: Term;
}

/** What a replica is told that it has promised. It must be in `term` at least. */
export interface Reminder {
  readonly group: GroupId;
  /** Who promised it; absent, or 0, where that is not known. */
  readonly replica?: ReplicaId;
  readonly term: Term;
  /** It must hold this entry; 0 for none. */
  readonly index: LogIndex;
  readonly indexTerm: Term;
  /** Whether it must do so for ever; else only while it is in `term`. */
  readonly isCommitted: boolean;
}

/** All that a replica starts from: what its node found in the log. */
export interface Restored {
  readonly hardState: HardState;
  readonly snapshot: SnapshotMeta;
  /** Contiguous, the first one has index `snapshot.index + 1`. */
  readonly entries: readonly Entry[];
  /** What other replicas had promised, the last that was written of each; none unless given. */
  readonly promises?: readonly PeerPromise[];
  /** Its own id, if that was written. */
  readonly replicaId?: ReplicaId;
}

/** What a replica is at the moment. */
export type Role = "follower" | "preCandidate" | "candidate" | "leader";
