/**
 * What replicas of a group say to each other. `term` is the sender's term, but in pre-vote requests the term
 * the sender would stand for, and in granted pre-vote responses that same term.
 *
 * @module
 */

import type { Entry, GroupId, LogIndex, NodeId, ReplicaId, Term } from "./types.ts";

interface Envelope {
  readonly group: GroupId;
  readonly from: NodeId;
  readonly to: NodeId;
  /** The replicas at both ends (`replica_ids.ts`); absent, or 0, where the sender does not know them. */
  readonly fromReplica?: ReplicaId;
  readonly toReplica?: ReplicaId;
  readonly term: Term;
}

/** Would you vote for me? Changes nothing at the receiver (§9.6 of Ongaro's thesis). */
export interface PreVoteRequest extends Envelope {
  readonly kind: "preVoteRequest";
  readonly lastLogIndex: LogIndex;
  readonly lastLogTerm: Term;
}

/** Answer to a {@linkcode PreVoteRequest}. */
export interface PreVoteResponse extends Envelope {
  readonly kind: "preVoteResponse";
  readonly granted: boolean;
}

/** RequestVote of §5.2. */
export interface VoteRequest extends Envelope {
  readonly kind: "voteRequest";
  readonly lastLogIndex: LogIndex;
  readonly lastLogTerm: Term;
  /** The leader itself asked for this election, so its lease does not count against it. */
  readonly transfer: boolean;
}

/** Answer to a {@linkcode VoteRequest}. */
export interface VoteResponse extends Envelope {
  readonly kind: "voteResponse";
  readonly granted: boolean;
}

/** AppendEntries of §5.3. */
export interface AppendRequest extends Envelope {
  readonly kind: "appendRequest";
  readonly prevLogIndex: LogIndex;
  readonly prevLogTerm: Term;
  /** May be empty: a probe, or a new commit index. */
  readonly entries: readonly Entry[];
  readonly commit: LogIndex;
}

/** Answer to an {@linkcode AppendRequest}; sent only when what it promises is durable. */
export interface AppendResponse extends Envelope {
  readonly kind: "appendResponse";
  readonly success: boolean;
  /**
   * On success: the last index that this request proved equal. On refusal: `prevLogIndex` of the refused
   * request.
   */
  readonly matchIndex: LogIndex;
  /** On refusal: the highest index at which the logs may still agree. */
  readonly conflictIndex: LogIndex;
  /** On refusal: the follower's term at `conflictIndex`, 0 if it has none. */
  readonly conflictTerm: Term;
}

/**
 * Shows that the leader lives; carries no entries. `commit` never exceeds what the receiver is known to hold.
 */
export interface HeartbeatRequest extends Envelope {
  readonly kind: "heartbeatRequest";
  readonly commit: LogIndex;
  /** The newest round of reads this heartbeat confirms leadership for (§6.4 of the thesis); 0 for none. */
  readonly readRound: number;
  /** The sender's clock when it was sent, for its lease; 0 when it keeps none. */
  readonly sentAt: number;
}

/** Answer to a {@linkcode HeartbeatRequest}, repeating its round. */
export interface HeartbeatResponse extends Envelope {
  readonly kind: "heartbeatResponse";
  readonly readRound: number;
  /**
   * Repeats that of the request as a promise to vote for nobody for an election timeout; 0 promises nothing.
   */
  readonly sentAt: number;
}

/**
 * Nothing is going on: the sender, which leads, falls silent, and the receiver may stop its timer
 * (`quiet.ts`).
 */
export interface QuietRequest extends Envelope {
  readonly kind: "quietRequest";
  /** The sender's last entry, which is committed and of its own term. */
  readonly commit: LogIndex;
}

/**
 * What the sender, which leads, knows to be committed, where no append or heartbeat tells it soon. Carries no
 * entries and has no answer. `commit` never exceeds what the receiver is known to hold.
 */
export interface CommitNotice extends Envelope {
  readonly kind: "commitNotice";
  readonly commit: LogIndex;
}

/**
 * The sender, which leads, believes that the receiver needs entries which are gone, and sends it nothing but
 * probes: a snapshot is needed (`snapshot.ts`). Has no answer.
 */
export interface SnapshotNotice extends Envelope {
  readonly kind: "snapshotNotice";
  /** The last entry that is gone. */
  readonly index: LogIndex;
}

/** A follower asks its leader from which index on it may answer a read. */
export interface ReadIndexRequest extends Envelope {
  readonly kind: "readIndexRequest";
  /** Chosen by the follower, unique while it runs. */
  readonly readId: number;
}

/** Answer to a {@linkcode ReadIndexRequest}. */
export interface ReadIndexResponse extends Envelope {
  readonly kind: "readIndexResponse";
  readonly readId: number;
  readonly readIndex: LogIndex;
  /** False: the receiver of the request does not lead or lost leadership; ask again. */
  readonly granted: boolean;
}

/** The leader asks the receiver to stand for election at once (§3.10 of the thesis). */
export interface TimeoutNowRequest extends Envelope {
  readonly kind: "timeoutNowRequest";
}

/**
 * Shows that a node lives, for all its groups that are quiet. It belongs to no group: group and term are 0.
 */
export interface NodeHeartbeat extends Envelope {
  readonly kind: "nodeHeartbeat";
  /**
   * Sent only because the receiver shows that it counts on the sender, which would not have sent one by
   * itself.
   */
  readonly isAnswer: boolean;
}

/** Any message between two replicas of a group, or two nodes. */
export type Message =
  | PreVoteRequest
  | PreVoteResponse
  | VoteRequest
  | VoteResponse
  | AppendRequest
  | AppendResponse
  | HeartbeatRequest
  | HeartbeatResponse
  | QuietRequest
  | CommitNotice
  | SnapshotNotice
  | ReadIndexRequest
  | ReadIndexResponse
  | TimeoutNowRequest
  | NodeHeartbeat;
