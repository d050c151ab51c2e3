/**
 * All replicas of one node behind one interface. Only replicas to which something happened are asked what
 * they want, so that the cost of a turn depends on what happens and not on the number of groups.
 *
 * @module
 */

import { type MultiRaftConfig, resolveConfig, type ResolvedConfig } from "./config.ts";
import { describeBrokenPromise } from "./contradiction.ts";
import { InvariantViolation } from "./error.ts";
import { invariant } from "./invariant.ts";
import type { LogPosition } from "./log.ts";
import type { MembershipTarget } from "./membership.ts";
import type { Message, NodeHeartbeat } from "./message.ts";
import { isWellFormed } from "./message_check.ts";
import { NodeState } from "./node_state.ts";
import type {
  GroupPersist,
  ProposeResult,
  RaftStatus,
  ReadReady,
  ReadyBatch,
  RequestResult,
  WaitingReads,
} from "./ready.ts";
import { Replica } from "./replica.ts";
import type { ReadyParts } from "./replica_ready.ts";
import type { GroupOptions } from "./state.ts";
import {
  type GroupId,
  type LogIndex,
  NO_NODE,
  NO_REPLICA,
  type NodeId,
  type Reminder,
  type ReplicaId,
  type SnapshotMeta,
} from "./types.ts";

interface BatchOut {
  readonly batch: ReadyBatch;
  /** The replicas that have something to write in it. */
  readonly writers: readonly Replica[];
}

const UNKNOWN_GROUP = { accepted: false, refusal: "unknownGroup", leader: NO_NODE } as const;

const NO_READS: WaitingReads = { own: [], hasPassedOn: false };

/** Of a group that is not here, though a promise was made in it. */
const NOTHING_HERE = { term: 0, lastIndex: 0, lastTerm: 0 };

/** See the module comment. */
export class MultiRaft {
  readonly #config: ResolvedConfig;
  readonly #node = new NodeState();
  readonly #byGroup: Map<GroupId, Replica> = new Map();
  /** Ascending by group. */
  readonly #replicas: Replica[] = [];
  /** Those that tick. */
  readonly #awake: Set<Replica> = new Set();
  #dirty: Replica[] = [];
  /** Heartbeats of this node, to send. */
  #nodeHeartbeats: Message[] = [];
  /** Whether the groups' members may have changed since the peers were listed. */
  #arePeersStale = false;
  #logBytes = 0;
  /** Have something to write, and were asked while the disk was busy. */
  #waiting: Replica[] = [];
  /** Not yet come back through `advance`, oldest first. */
  readonly #batchesOut: BatchOut[] = [];
  /** By group, the last replica that is gone. */
  readonly #gone: Map<GroupId, ReplicaId> = new Map();
  /** Reads that waited at replicas which are gone. */
  #orphanedReads: readonly ReadReady[] = [];

  /** @throws {RangeError} when a number of `config` makes no sense */
  constructor(config: MultiRaftConfig) {
    this.#config = resolveConfig(config);
  }

  /**
   * Starts the replica of a group.
   *
   * @throws {InvariantViolation} when what was restored contradicts itself, or the group is already here
   */
  addGroup(options: GroupOptions): void {
    invariant(!this.#byGroup.has(options.group), `group ${options.group} has one replica on a node`);
    const replica = new Replica({ config: this.#config, node: this.#node }, options);
    this.#byGroup.set(options.group, replica);
    this.#replicas.push(replica);
    this.#replicas.sort((a, b) => a.group - b.group);
    this.#arePeersStale = true;
    this.#note(replica);
  }

  /**
   * Tells the time: the host's monotonic clock, in ticks rounded down. A host that wants leases does so at
   * the start of every turn, before anything else; without it reads take a round.
   */
  setClock(ticks: number): void {
    this.#node.setClock(ticks);
  }

  /**
   * Ends the replica of `group` here, if there is one. Reads that wait in it are refused in the next batch,
   * batches that are out may still come back. Only for a replica whose node is no member any more, and not
   * before that is sealed (`isSealed`): until then its vote may be needed.
   */
  removeGroup(group: GroupId): void {
    const replica = this.#byGroup.get(group);
    if (replica === undefined) return;
    this.#orphanedReads = [...this.#orphanedReads, ...replica.end()];
    this.#byGroup.delete(group);
    this.#replicas.splice(this.#replicas.indexOf(replica), 1);
    this.#dirty = this.#dirty.filter((each) => each !== replica);
    this.#waiting = this.#waiting.filter((each) => each !== replica);
    this.#awake.delete(replica);
    this.#logBytes -= replica.logBytesNoted;
    this.#arePeersStale = true;
  }

  /** One tick passes for all groups. Ticks may come late, never early. */
  tick(): void {
    const { quietAfterTicks } = this.#config;
    this.#node.now++;
    if (quietAfterTicks > 0) this.#tickPeers();
    for (const replica of this.#awake) {
      replica.tick();
      this.#note(replica);
    }
  }

  /**
   * Takes a message from a peer. What is not for a replica of this node, or could not have been sent by a
   * sound peer, is ignored.
   *
   * @throws {InvariantViolation} when the message proves that consensus is broken, as two leaders in a term
   *   would
   */
  step(message: Message): void {
    if (message.to !== this.#config.nodeId || message.from === message.to || !isWellFormed(message)) return;
    if (this.#node.peers.hear(message.from, this.#node.now)) this.#reconsider(message.from);
    if (message.kind === "nodeHeartbeat") return this.#answerNodeHeartbeat(message);
    const replica = this.#byGroup.get(message.group);
    if (replica === undefined) return;
    replica.step(message);
    this.#note(replica);
  }

  /** Proposes `data`, whose bytes must not change afterwards. Proposals of a turn travel together. */
  propose(group: GroupId, data: Uint8Array): ProposeResult {
    const replica = this.#byGroup.get(group);
    if (replica === undefined) return UNKNOWN_GROUP;
    const result = replica.propose(data);
    this.#note(replica);
    return result;
  }

  /**
   * Asks from which index on a linearizable read may be answered here, on the leader or on a follower. When
   * accepted, the answer comes exactly once, as `ReadReady` with this `readId`. The host chooses ids; they
   * need not differ from those of answered reads.
   */
  readIndex(group: GroupId, readId: number): RequestResult {
    const replica = this.#byGroup.get(group);
    if (replica === undefined) return UNKNOWN_GROUP;
    const result = replica.readIndex(readId);
    this.#note(replica);
    return result;
  }

  /**
   * The groups led from here in which the next batch opens a round of reads, asked by this node or by
   * followers, ascending: the last moment to raise the floor for them.
   */
  groupsToRead(): readonly GroupId[] {
    const groups: GroupId[] = [];
    for (let position = 0; position < this.#dirty.length; position++) {
      const replica = this.#dirty[position]!;
      if (replica.isRoundDue) groups.push(replica.group);
    }
    for (let position = 0; position < this.#waiting.length; position++) {
      const replica = this.#waiting[position]!;
      if (!replica.isDirty && replica.isRoundDue) groups.push(replica.group);
    }
    return groups.length < 2 ? groups : groups.sort((a, b) => a - b);
  }

  /**
   * From now on, as long as this leadership of `group` lasts, no round of reads that is opened is answered
   * from a state below `index`, which the log here holds. Does nothing when this node does not lead. Reads
   * above what is committed may never be answered if the leadership ends: a host that sees it end asks them
   * again.
   *
   * @throws {InvariantViolation} when the log does not hold `index`
   */
  raiseReadFloor(group: GroupId, index: LogIndex): void {
    this.#byGroup.get(group)?.raiseReadFloor(index);
  }

  /** Of one of {@linkcode groupsToRead}: the reads that the round is to be opened for. */
  waitingReads(group: GroupId): WaitingReads {
    return this.#byGroup.get(group)?.waitingReads() ?? NO_READS;
  }

  /** Refuses those of {@linkcode waitingReads} that followers have passed on: they may ask again. */
  refusePassedOnReads(group: GroupId): void {
    const replica = this.#byGroup.get(group);
    if (replica === undefined) return;
    replica.refusePassedOnReads();
    this.#note(replica);
  }

  /**
   * Asks the leader here to hand over to `to`, a voter that was heard lately and lacks no more than one
   * append. Nothing can be proposed until that leads, or an election timeout is over; which it is, is seen in
   * `transitions`.
   */
  transferLeadership(group: GroupId, to: NodeId): RequestResult {
    const replica = this.#byGroup.get(group);
    if (replica === undefined) return UNKNOWN_GROUP;
    const result = replica.transferLeadership(to);
    this.#note(replica);
    return result;
  }

  /**
   * Changes the order in which replicas of `group` should lead, the preferred first, as of `GroupOptions`. It
   * counts for the next election timeout that is drawn, and a leader hands over to the new preferred replica
   * as soon as that is fit to lead. Does nothing when the group is not here.
   */
  setPriority(group: GroupId, nodes: readonly NodeId[]): void {
    const replica = this.#byGroup.get(group);
    if (replica === undefined) return;
    replica.setPriority(nodes);
    this.#note(replica);
  }

  /**
   * Asks the leader here to change the members of the group. Nodes that are to vote must have been learners
   * long enough to hold all but one append of the log. Which membership is in force is seen in `memberships`;
   * the change is over with the first one that is not joint.
   */
  changeMembership(group: GroupId, target: MembershipTarget): ProposeResult {
    const replica = this.#byGroup.get(group);
    if (replica === undefined) return UNKNOWN_GROUP;
    const result = replica.changeMembership(target);
    this.#note(replica);
    return result;
  }

  /**
   * Says which replica each node of the group has, or will have, as far as the host knows. It may be behind:
   * ids only grow, and what was said of another replica that came before on the same node counts no more.
   * Does nothing when the group is not here.
   */
  setReplicas(group: GroupId, ids: ReadonlyMap<NodeId, ReplicaId>): void {
    const replica = this.#byGroup.get(group);
    if (replica === undefined) return;
    replica.setReplicas(ids);
    this.#note(replica);
  }

  /**
   * Replicas of `group` with ids up to `replicaId` were here, and are gone for good: this node is not held to
   * what they have promised.
   */
  setGone(group: GroupId, replicaId: ReplicaId): void {
    this.#gone.set(group, Math.max(replicaId, this.goneThrough(group)));
  }

  /** The last replica of `group` that was here and is gone for good; 0 for none. */
  goneThrough(group: GroupId): ReplicaId {
    return this.#gone.get(group) ?? NO_REPLICA;
  }

  /** The id of the replica of `group` here; 0 when it has none, or is not here. */
  replicaId(group: GroupId): ReplicaId {
    return this.#byGroup.get(group)?.replicaId ?? NO_REPLICA;
  }

  /** What `peer` has promised to this node, in all groups: it is to be reminded of it whenever it is met. */
  remindersFor(peer: NodeId): readonly Reminder[] {
    return this.#replicas.flatMap((replica) => replica.remindersFor(peer));
  }

  /**
   * Holds this node to what it has promised to `witness`.
   *
   * @throws {InvariantViolation} when it has lost any of it; the text says what and what to do
   */
  mustKeep(reminders: readonly Reminder[], witness: NodeId): void {
    for (const reminder of reminders) {
      const { group, replica: owing = NO_REPLICA } = reminder;
      const replica = this.#byGroup.get(group);
      const gone = this.goneThrough(group);
      if (replica === undefined && gone > NO_REPLICA && owing <= gone) continue;
      const broken = replica === undefined
        ? { ...reminder, here: NOTHING_HERE }
        : replica.brokenPromise(reminder);
      if (broken === undefined) continue;
      const parties = { self: this.#config.nodeId, witness };
      throw new InvariantViolation(describeBrokenPromise(broken, parties));
    }
  }

  /**
   * Forgets the entries of `group` up to and including `index`, of which the host's state holds the effect.
   * Does nothing when they are gone already, or the group is not here.
   *
   * @throws {InvariantViolation} when `index` is above what is applied
   */
  compact(group: GroupId, index: LogIndex): void {
    const replica = this.#byGroup.get(group);
    if (replica === undefined) return;
    replica.compact(index);
    this.#note(replica);
  }

  /**
   * What must be written again, behind all that was handed out before, so that the older records of `group`
   * on disk can be let go: the hard state, the entries above `above`, which the
   * host's durable state covers, as far as they were handed out, and all promises. `undefined` when the group
   * is not here.
   *
   * @throws {InvariantViolation} when entries above `above` are compacted
   */
  persistAgain(group: GroupId, above: LogIndex): GroupPersist | undefined {
    return this.#byGroup.get(group)?.persistAgain(above);
  }

  /**
   * A snapshot is about to be installed in the replica of `group`: until {@linkcode resume} it takes in no
   * entries, commits nothing further, hands out no committed entries and does not stand for election; if it
   * leads it stops doing so. It votes, answers heartbeats, and has written what it had before. The host
   *
   * 1. suspends it, and applies all committed entries it was handed,
   * 2. waits until {@linkcode holdsEntry} knows whether the log on disk holds the snapshot's last entry,
   * 3. switches its state to the snapshot; if the entry is not held, no entry that is on disk counts any
   *    more,
   * 4. resumes it with the snapshot.
   */
  suspend(group: GroupId): void {
    const replica = this.#byGroup.get(group);
    if (replica === undefined) return;
    replica.suspend();
    this.#note(replica);
  }

  /**
   * Whether the host could not serve `group` as its leader. A replica that is unfit does not take over when a
   * leader asks it to (§3.10 of the thesis); it still stands when no leader is heard, for there may be nobody
   * else who holds all entries. Does nothing when the group is not here.
   */
  setUnfit(group: GroupId, isUnfit: boolean): void {
    this.#byGroup.get(group)?.setUnfit(isUnfit);
  }

  /**
   * Whether the log of `group` on disk holds the entry at `position`, so that what is above it counts behind
   * a snapshot that ends there. `undefined` while anything of the group is on its way to the disk, or still
   * to be written, or when the group is not here. The answer stays as long as the replica is suspended.
   */
  holdsEntry(group: GroupId, position: LogPosition): boolean | undefined {
    return this.#byGroup.get(group)?.holdsEntry(position);
  }

  /**
   * Ends {@linkcode suspend}. With a snapshot above what is applied the replica stands where that ends: its
   * log begins anew there, but what is above stays if it held the snapshot's last entry; a membership that is
   * new here comes with the next batch. One that is not above only ends the suspension: the host must not
   * have switched to it.
   *
   * @throws {InvariantViolation} when the snapshot contradicts what is committed here, or is to be installed
   *   though the replica was not suspended
   */
  resume(group: GroupId, snapshot?: SnapshotMeta): void {
    const replica = this.#byGroup.get(group);
    if (replica === undefined) return;
    replica.resume(snapshot);
    this.#note(replica);
  }

  /** The stream to `peer` broke: what was sent to it lately may be lost. */
  reportUnreachable(peer: NodeId): void {
    for (let position = 0; position < this.#replicas.length; position++) {
      const replica = this.#replicas[position]!;
      replica.reportUnreachable(peer);
      this.#note(replica);
    }
  }

  /** Whether `ready` has, or may have, something to do. */
  hasReady(canWrite = true): boolean {
    return this.#nodeHeartbeats.length > 0 || this.#orphanedReads.length > 0 || this.#dirty.length > 0 ||
      (canWrite && this.#waiting.length > 0);
  }

  /**
   * What the host must do now, for all groups. Batches that came before may still be under way.
   *
   * @param canWrite false while the disk is so busy that one more write would only wait: the batch asks for
   *   none, and what is to be written gathers for a later one
   */
  ready(canWrite = true): ReadyBatch {
    const parts: ReadyParts = {
      messages: this.#nodeHeartbeats,
      persist: [],
      messagesAfterPersist: [],
      committed: [],
      memberships: [],
      reads: [...this.#orphanedReads],
      transitions: [],
      snapshotsWanted: [],
      contradictions: [],
    };
    this.#nodeHeartbeats = [];
    this.#orphanedReads = [];
    const writers: Replica[] = [];
    const replicas = this.#takeDirty(canWrite);
    for (let position = 0; position < replicas.length; position++) {
      const replica = replicas[position]!;
      const { persist, memberships } = parts;
      const before = { persist: persist.length, memberships: memberships.length };
      replica.ready(parts, canWrite);
      if (persist.length > before.persist) writers.push(replica);
      const isChanged = memberships.length > before.memberships;
      if (isChanged) this.#arePeersStale = true;
      // Committed entries come in pages, and a new membership has consequences: there may be more at once.
      if (isChanged || replica.hasCommitted) this.#note(replica);
      else if (!canWrite) this.#noteWaiting(replica);
    }
    this.#node.isClockFresh = false;
    this.#batchesOut.push({ batch: parts, writers });
    return parts;
  }

  /**
   * The host has made `batch` and all batches before it durable.
   *
   * @throws {InvariantViolation} when `batch` is not the oldest that is out
   */
  advance(batch: ReadyBatch): void {
    const oldest = this.#batchesOut[0];
    invariant(oldest?.batch === batch, "batches come back in the order in which they went out");
    this.#batchesOut.shift();
    for (const replica of oldest.writers) {
      if (this.#byGroup.get(replica.group) !== replica) continue;
      replica.onPersisted();
      this.#note(replica);
    }
  }

  /** Bytes of entries that all replicas hold in memory. */
  get logBytes(): number {
    return this.#logBytes;
  }

  /** How the replica of `group` stands, `undefined` when it is not here. */
  status(group: GroupId): RaftStatus | undefined {
    return this.#byGroup.get(group)?.status();
  }

  /** All groups of this node, ascending. */
  groups(): readonly GroupId[] {
    return this.#replicas.map((replica) => replica.group);
  }

  /** The replicas to ask now, ascending by group. */
  #takeDirty(canWrite: boolean): Replica[] {
    const replicas = this.#dirty;
    this.#dirty = [];
    if (canWrite) {
      for (let position = 0; position < this.#waiting.length; position++) {
        const replica = this.#waiting[position]!;
        replica.isWaiting = false;
        if (!replica.isDirty) replicas.push(replica);
      }
      this.#waiting = [];
    }
    for (let position = 0; position < replicas.length; position++) replicas[position]!.isDirty = false;
    return replicas.sort((a, b) => a.group - b.group);
  }

  #noteWaiting(replica: Replica): void {
    if (replica.isWaiting || !replica.hasReady) return;
    replica.isWaiting = true;
    this.#waiting.push(replica);
  }

  /** Shows the peers that this node lives, and wakes the replicas that rest on one that does not any more. */
  #tickPeers(): void {
    const config = this.#config;
    const node = this.#node;
    if (this.#arePeersStale) this.#listPeers();
    if (node.now % config.heartbeatTicks === 0) {
      for (const to of node.peers.nodes) {
        this.#nodeHeartbeats.push(nodeHeartbeat({ from: config.nodeId, to, isAnswer: false }));
      }
    }
    const lost = node.peers.takeLost({ now: node.now, silenceMax: config.electionTimeoutTicks });
    for (const peer of lost) this.#reconsider(peer);
  }

  /**
   * A node counts on this one that is no peer as far as is known here: it may lead a group to which this node
   * has just been added, or added again, and rest until this node is heard.
   */
  #answerNodeHeartbeat({ from, isAnswer }: NodeHeartbeat): void {
    if (isAnswer || this.#node.peers.has(from) || this.#nodeHeartbeats.some(({ to }) => to === from)) return;
    this.#nodeHeartbeats.push(nodeHeartbeat({ from: this.#config.nodeId, to: from, isAnswer: true }));
  }

  #listPeers(): void {
    const nodes = new Set(this.#replicas.flatMap((replica) => replica.members));
    nodes.delete(this.#config.nodeId);
    this.#node.peers.setNodes([...nodes].sort((a, b) => a - b), this.#node.now);
    this.#arePeersStale = false;
  }

  #reconsider(peer: NodeId): void {
    for (let position = 0; position < this.#replicas.length; position++) {
      const replica = this.#replicas[position]!;
      if (!replica.isQuiet) continue;
      replica.reconsider(peer);
      this.#note(replica);
    }
  }

  /** Brings counters and lists up to date after anything was done to `replica`. */
  #note(replica: Replica): void {
    this.#logBytes += replica.logBytes - replica.logBytesNoted;
    replica.logBytesNoted = replica.logBytes;
    if (replica.isQuiet === replica.isTicking) this.#setTicking(replica);
    if (replica.isDirty || !replica.hasReady) return;
    replica.isDirty = true;
    this.#dirty.push(replica);
  }

  #setTicking(replica: Replica): void {
    replica.isTicking = !replica.isQuiet;
    if (replica.isTicking) this.#awake.add(replica);
    else this.#awake.delete(replica);
  }
}

function nodeHeartbeat(options: Pick<NodeHeartbeat, "from" | "to" | "isAnswer">): NodeHeartbeat {
  return { kind: "nodeHeartbeat", group: 0, term: 0, ...options };
}
