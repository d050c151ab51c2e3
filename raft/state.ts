/**
 * Everything one replica knows (figure 2 of the paper, "state"), and the few changes that all roles share.
 * The files that import it hold the rules; this one holds what they are about.
 *
 * @module
 */

import type { ResolvedConfig } from "./config.ts";
import { violated } from "./invariant.ts";
import { membershipIndexes, RaftLog } from "./log.ts";
import { isMeant, isVoter } from "./membership.ts";
import { decodeMembership } from "./membership_codec.ts";
import type { Message } from "./message.ts";
import type { NodeState } from "./node_state.ts";
import type { Contradiction } from "./contradiction.ts";
import type { ProgressTable } from "./progress_table.ts";
import { PromiseTable } from "./promise_table.ts";
import { Random, replicaSeed } from "./random.ts";
import { ForwardedReads, LeaderReads } from "./read_state.ts";
import type { GroupMembership, ReadReady, SnapshotWanted } from "./ready.ts";
import {
  type GroupId,
  type HardState,
  type LogIndex,
  type Membership,
  NO_NODE,
  NO_REPLICA,
  type NodeId,
  type ReplicaId,
  type Restored,
  type Role,
  type Term,
} from "./types.ts";

/** What one replica is made from. */
export interface GroupOptions {
  readonly group: GroupId;
  readonly restored: Restored;
  /**
   * The replicas in order of preference to lead, the preferred first; empty when it does not matter. It may
   * name nodes that are not members; members it does not name come last.
   */
  readonly priority: readonly NodeId[];
  /** Its own id, where what was restored does not have it. */
  readonly replicaId?: ReplicaId;
}

/** What a replica shares with the others of its node. */
export interface NodeContext {
  readonly config: ResolvedConfig;
  readonly node: NodeState;
}

/**
 * How the preferred replica gets its leadership back (`leader.ts`). Ticks are those of `ReplicaState.now`.
 */
export interface HandoverState {
  /** Since when the preferred replica has been fit to lead; `undefined` while it is not. */
  fitSince: number | undefined;
  /** The commit index at the last look: a replica that has reached it is close behind. */
  commitSeen: number;
  /** No handover before this tick. */
  notBefore: number;
  /** What `notBefore` will be raised by next time. */
  cooldownTicks: number;
}

/** A leadership that is being handed over (§3.10 of the thesis). */
export interface Transfer {
  readonly to: NodeId;
  readonly since: number;
  /** Whether the target has been asked to stand. */
  isAsked: boolean;
}

/** See the module comment. */
export class ReplicaState {
  readonly group: GroupId;
  readonly self: NodeId;
  /** Of this replica; 0 if it has none. */
  readonly replicaId: ReplicaId;
  /** Whether that is still to be written. */
  isReplicaIdDue: boolean;
  /** The highest that is known of the replica on each other node (`replica_ids.ts`). */
  readonly replicaIds: Map<NodeId, ReplicaId> = new Map();
  readonly config: ResolvedConfig;
  /** See `GroupOptions`; the host may change it at any time. */
  priority: readonly NodeId[];
  readonly random: Random;
  readonly log: RaftLog;
  readonly reads = new LeaderReads();
  readonly forwarded: ForwardedReads;
  handover: HandoverState;
  /** Invariant: that of the last membership entry applied, or known to be committed when it was restored. */
  membership: Membership;
  /** Of that entry; 0 for the membership that the group began with. Invariant: never falls. */
  membershipIndex: LogIndex;

  /** Invariant: never falls. */
  term: Term;
  /** Invariant: within a term it changes once, from `NO_NODE`. */
  vote: NodeId;
  leader: NodeId = NO_NODE;
  role: Role = "follower";

  /** Time. */
  readonly node: NodeState;
  /** Tick of the last sign of the leader, or of the last vote given. */
  electionStart: number;
  /** Ticks after `electionStart` at which this replica stands for election. */
  electionTimeoutTicks = 0;
  heartbeatStart = 0;
  /** Tick at which anything happened here but heartbeats. */
  activeAt: number;
  /** Whether this replica rests until something happens (`quiet.ts`). */
  isQuiet = false;
  /** Tick of the last promise to vote for nobody, or of a start that may have forgotten one (`lease.ts`). */
  promisedAt: number | undefined;
  /** Whether any message has arrived since the start. */
  hasHeard = false;
  /** Whether a candidacy failed since a leader was last heard. */
  hasFailedCandidacy = false;
  electionsWon = 0;
  /** What the voters answered to the current candidacy. */
  readonly votes: Map<NodeId, boolean> = new Map();

  /** Invariant: present if and only if this replica leads. */
  progress: ProgressTable | undefined;
  /**
   * The entry with which the last change is sealed (`reconfiguration.ts`); `undefined` while this leader
   * still has to append it.
   */
  sealIndex: LogIndex | undefined;
  transfer: Transfer | undefined;
  /** Tick at which the leader asked this replica to stand, which it has not done yet. */
  askedToStandAt: number | undefined;
  /** Whether this leadership has asked somebody to stand, and so can rely on no promise any more. */
  isLeaseOver = false;
  /** Bytes of entries above the commit index; kept by leaders only. */
  uncommittedBytes = 0;
  /** Whether followers may have to be sent something at the end of the turn. */
  isFlushDue = false;

  /** What the others have promised to this replica, but for what the current term brought (`promises.ts`). */
  readonly promises: PromiseTable;
  /** The current leader has said that it holds the log up to here durably. */
  leaderHolds: LogIndex = 0;
  /** Tick at which promises were last persisted. */
  promisesStart: number;
  /** Leaders that have lost what they had promised to this replica. */
  contradictions: Contradiction[] = [];

  /** Whether the log stands still because a snapshot is being installed (`snapshot.ts`). */
  isSuspended = false;
  /** Whether the host could not serve as leader, so that no leader can make it one by asking. */
  isUnfit = false;
  /** Up to here it was a snapshot that said what is committed, and perhaps not the leader of this term. */
  installedIndex: LogIndex = 0;
  /** What the leader said last that it cannot give as entries, and the host was not told. */
  snapshotWanted: Pick<SnapshotWanted, "leader" | "index"> | undefined;
  /** Came into force with a snapshot, and the host was not told. */
  membershipsDue: GroupMembership[] = [];

  /** To send, in order. */
  messages: Message[] = [];
  /** Answers to reads, in order. */
  readsReady: ReadReady[] = [];
  /** What the host has been told to persist. */
  persisted: HardState;
  /** Of each write under way, oldest first: whether it carries a new term or vote. */
  votesInWriting: boolean[] = [];
  /** Tick at which the commit hint was last persisted. */
  hintStart: number;

  constructor({ config, node }: NodeContext, options: GroupOptions) {
    const { group, restored, priority } = options;
    this.node = node;
    this.electionStart = node.now;
    this.hintStart = node.now;
    this.promisesStart = node.now;
    this.promises = new PromiseTable(options.restored.promises ?? []);
    this.activeAt = node.now;
    this.group = group;
    this.self = config.nodeId;
    this.replicaId = options.replicaId ?? restored.replicaId ?? NO_REPLICA;
    this.isReplicaIdDue = this.replicaId !== (restored.replicaId ?? NO_REPLICA);
    for (const { node: peer, replica } of this.promises.all()) {
      if (replica !== undefined) this.replicaIds.set(peer, replica);
    }
    this.config = config;
    this.priority = priority;
    this.random = new Random(replicaSeed({ seed: config.seed, group }));
    const known = knownMembership(restored);
    const { hardState } = restored;
    this.log = new RaftLog({
      ...restored,
      hardState: { ...hardState, commit: Math.max(hardState.commit, known.commit) },
    });
    this.forwarded = new ForwardedReads(this.random);
    this.membership = known.membership;
    this.membershipIndex = known.index;
    for (const [peer, replica] of known.membership.replicaIds ?? []) {
      if (replica > replicaAt(this, peer)) this.replicaIds.set(peer, replica);
    }
    // It may have died when it had a snapshot, and not yet the term that it ends in.
    const isTermNew = restored.snapshot.term > hardState.term;
    this.term = isTermNew ? restored.snapshot.term : hardState.term;
    this.vote = isTermNew ? NO_NODE : hardState.vote;
    this.persisted = hardState;
    // A replica that was never in a term has promised nothing.
    if (config.leaseReads && this.term > 0) this.promisedAt = node.now;
    this.handover = newHandover(config);
    const { snapshot } = restored;
    if (snapshot.membershipIndex > snapshot.index) {
      violated("a snapshot does not end before its membership", {
        index: snapshot.index,
        membershipIndex: snapshot.membershipIndex,
      });
    }
    if (this.term < this.log.lastTerm) {
      violated("a restored term is not below that of the log", {
        term: this.term,
        lastTerm: this.log.lastTerm,
      });
    }
  }

  /** Ticks of the node. */
  get now(): number {
    return this.node.now;
  }

  /** Up to here entries may be handed out to be applied. */
  get applicable(): LogIndex {
    const { committed, durable, applied } = this.log;
    return this.isSuspended ? applied : Math.min(committed, durable);
  }

  /**
   * Whether this replica may stand for election: as a voter, and not while it has to apply a membership that
   * is known to be committed, for it would count by one that may be two behind.
   */
  get isPromotable(): boolean {
    const { log, membershipIndex } = this;
    return !this.isSuspended && this.isVoter &&
      log.lastMembershipThrough(log.committed) <= membershipIndex;
  }

  /**
   * Whether this replica votes by the membership in force. Another one of its node may have voted by an older
   * one, whose entry this one has been given with the log.
   */
  get isVoter(): boolean {
    const { membership, replicaId: replica, self: node } = this;
    return isVoter(membership, node) && isMeant(membership, { node, replica });
  }

  /** Whether this replica has never heard of any membership: it follows, but has no vote to give. */
  get hasNoMembership(): boolean {
    const { log, membership } = this;
    return membership.voters.length === 0 && log.lastMembershipThrough(log.lastIndex) === 0;
  }
}

/** The id of the replica on `node` as far as it is known, else 0. */
export function replicaAt({ replicaIds }: ReplicaState, node: NodeId): ReplicaId {
  return replicaIds.get(node) ?? NO_REPLICA;
}

/**
 * The membership to begin with. Of the membership entries in a log all but the last are committed, or the
 * last would not have been appended (`reconfiguration.ts`); of the last one the commit hint decides.
 */
function knownMembership(
  { snapshot, entries, hardState }: Restored,
): { readonly membership: Membership; readonly index: LogIndex; readonly commit: LogIndex } {
  const indexes = membershipIndexes(entries);
  const commit = Math.max(snapshot.index, hardState.commit, indexes.at(-2) ?? 0);
  const index = indexes.findLast((each) => each <= commit);
  if (index === undefined) {
    return { membership: snapshot.membership, index: snapshot.membershipIndex, commit };
  }
  return { membership: decodeMembership(entries[index - snapshot.index - 1]!.data), index, commit };
}

/**
 * The first cool-down between two handovers, in election timeouts; it doubles with each that follows closely.
 */
export const COOLDOWN_TIMEOUTS_MIN = 8;

/** Of a preferred replica that was never handed anything. */
export function newHandover(config: ResolvedConfig): HandoverState {
  return {
    fitSince: undefined,
    commitSeen: 0,
    notBefore: 0,
    cooldownTicks: COOLDOWN_TIMEOUTS_MIN * config.electionTimeoutTicks,
  };
}

/**
 * Enters `term`, which is above the current one, without a vote.
 *
 * @throws {InvariantViolation} when it is not above it
 */
export function enterTerm(state: ReplicaState, term: Term): void {
  if (term <= state.term) violated("terms only grow", { current: state.term, entered: term });
  state.term = term;
  state.vote = NO_NODE;
}

/**
 * Gives this replica's vote of the current term to `node`.
 *
 * @throws {InvariantViolation} when somebody else has it
 */
export function giveVote(state: ReplicaState, node: NodeId): void {
  if (state.vote !== NO_NODE && state.vote !== node) {
    violated("a replica votes once in a term", { term: state.term, vote: state.vote, asked: node });
  }
  state.vote = node;
}

/** Takes `node` for the leader of the current term. */
export function followLeader(state: ReplicaState, node: NodeId): void {
  if (state.leader !== NO_NODE && state.leader !== node) {
    violated("a term has one leader", { term: state.term, leader: state.leader, other: node });
  }
  state.leader = node;
  state.electionStart = state.now;
  state.hasFailedCandidacy = false;
}
