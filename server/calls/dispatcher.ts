/**
 * What becomes of each call: proposed or read here if this node leads its partition, passed on to the leader
 * if another does, kept waiting while there is none, or refused with the reason.
 *
 * Runs inside the node loop's turns only; it calls the core and never waits.
 *
 * @module
 */

import {
  type Entry,
  type GroupId,
  type LogIndex,
  type MultiRaft,
  NO_NODE,
  type NodeId,
  type ReadReady,
  type Term,
} from "../../raft/mod.ts";
import { DomainError, type Failure, invalidArgument, type RefusalMeters } from "../api/mod.ts";
import {
  CLUSTER_GROUP,
  decodeClusterCommand,
  describePartition,
  groupOfPartition,
  partitionOfGroup,
} from "../cluster/mod.ts";
import { hasExpire, stampCommand } from "../kv/mod.ts";
import type { Clock, ForwardedCall, ForwardedReply, Outbox } from "../ports/mod.ts";
import { type Call, failCall, failOver, type ReadCall, type WriteCall } from "./call.ts";
import { Forwarding, replyOf } from "./forwarding.ts";
import type { HostedReplica } from "./hosted_replica.ts";
import type { LeaderTable } from "./leader_table.ts";
import type { MemoryBudget } from "./memory_budget.ts";
import { late, noLeader, outcomeUnknown, overloaded, stopping } from "./refusal.ts";
import type { WriteGate } from "./write_gate.ts";

/** Bytes that the leader of one group holds without knowing them committed. */
export const UNCOMMITTED_BYTES_MAX = 32 * 1024 * 1024;
/** Reads of one group that wait for their confirmation. */
export const READS_WAITING_MAX = 65_536;

type ForwardedWrite = Extract<ForwardedCall, { readonly kind: "write" }>;
/** What came of a proposal; without an error, this node does not lead any more or is handing over. */
export type Proposed =
  | { readonly accepted: true; readonly index: LogIndex; readonly term: Term }
  | { readonly accepted: false; readonly error: DomainError | undefined };

type NotLeaderFailure = Extract<Failure, { readonly kind: "notLeader" }>;

/** Counts what becomes of proposals. */
export interface ProposalMeters extends RefusalMeters {
  observeProposal(partitionId: number, result: "accepted" | "refused"): void;
}

/** What callers are told so that they find the leader themselves. */
export interface NodeAddresses {
  /** Of the cluster's state as this node knows it. */
  readonly epoch: number;
  /** `host:port`, empty if unknown. */
  addressOf(node: NodeId): string;
}

/** What the dispatcher works with. */
export interface CallDispatcherOptions {
  readonly nodeId: NodeId;
  /** Another one for each start of the process. */
  readonly seed: number;
  readonly multiRaft: MultiRaft;
  /** On this node, by group. */
  readonly replicas: ReadonlyMap<GroupId, HostedReplica>;
  /** What the replicas share of the state. */
  readonly stores: { readonly cachedBytes: number };
  readonly leaders: LeaderTable;
  readonly addresses: NodeAddresses;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly memory: MemoryBudget;
  readonly gate: WriteGate;
  readonly meters: ProposalMeters;
}

/** See the module comment. */
export class CallDispatcher {
  readonly #options: CallDispatcherOptions;
  readonly #forwarding: Forwarding;
  /** Replicas with reads that were asked since the last rounds were opened. */
  readonly #asking = new Set<HostedReplica>();
  #lastReadId = 0;

  constructor(options: CallDispatcherOptions) {
    this.#options = options;
    this.#forwarding = new Forwarding(options.seed);
  }

  start(call: Call): void {
    if (call.kind === "write") this.#startWrite(call);
    else this.#startRead(call);
  }

  /** A call that another node passed on; it is not passed on again. */
  startForwarded(from: NodeId, forwarded: ForwardedCall): void {
    const { clock, outbox } = this.#options;
    const settle = (result: Parameters<typeof replyOf>[1]) =>
      outbox.addReply(from, replyOf(forwarded.callId, result));
    const replica = this.#assigned(forwarded.group);
    if (replica === undefined) return settle({ ok: false, error: this.#notHere(forwarded.group) });
    const base = {
      partitionId: replica.partitionId,
      deadlineMs: clock.monotonicMs() + forwarded.timeoutMs,
      mayForward: false,
      settle,
    };
    if (forwarded.kind === "read") {
      const { keys } = forwarded;
      return this.#startRead({ ...base, kind: "read", keys, consistency: "linearizable", maxStalenessMs: 0 });
    }
    const problem = problemWith(forwarded);
    if (problem !== undefined) return settle({ ok: false, error: problem });
    this.#startWrite({ ...base, kind: "write", command: forwarded.command });
  }

  /** The answer to a call that this node passed on. */
  takeReply(from: NodeId, reply: ForwardedReply): void {
    if (reply.kind === "failed" && reply.failure.kind === "notLeader") {
      this.#learnLeader(reply.callId, reply.failure);
    }
    const again = this.#forwarding.takeReply(from, reply);
    // Asking the same node in the same turn would only get the same answer.
    if (again !== undefined) this.#forwarding.park(again);
  }

  /** Calls that wait for a leader try again. */
  startParked(): void {
    for (const call of this.#forwarding.takeParked()) this.start(call);
  }

  /** The stream to `peer` broke. */
  losePeer(peer: NodeId): void {
    for (const call of this.#forwarding.losePeer(peer)) this.start(call);
  }

  /** These calls certainly did not leave. */
  takeLost(calls: readonly ForwardedCall[]): void {
    if (calls.length === 0) return;
    for (const call of this.#forwarding.takeLost(calls)) this.#forwarding.park(call);
  }

  /** Applies committed entries. What they cost counts at once: many come between two ticks of a busy node. */
  apply(group: GroupId, entries: readonly Entry[]): void {
    const { memory, multiRaft, replicas } = this.#options;
    const replica = replicas.get(group);
    if (replica === undefined) return;
    const bytesBefore = replica.machine.memoryBytes;
    replica.apply(entries);
    memory.state.usedBytes += replica.machine.memoryBytes - bytesBefore;
    memory.log.usedBytes = multiRaft.logBytes;
  }

  /** Tries again to apply what could not be applied. */
  applyWaiting(): void {
    for (const [group, { stallReason }] of this.#options.replicas) {
      if (stallReason !== undefined) this.apply(group, []);
    }
  }

  /** Looks how much memory log and state take, whatever became of replicas. */
  countMemory(): void {
    const { memory, multiRaft, replicas, stores } = this.#options;
    memory.log.usedBytes = multiRaft.logBytes;
    let stateBytes = stores.cachedBytes;
    for (const { machine } of replicas.values()) stateBytes += machine.memoryBytes;
    memory.state.usedBytes = stateBytes;
  }

  /** Fails whatever is past its deadline, or whose caller has left. */
  expire(): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#forwarding.expire(nowMs);
    for (const replica of this.#options.replicas.values()) {
      if (replica.waitingCalls === 0) continue;
      for (const call of replica.takeExpired(nowMs)) failOver(call, late(call, "a majority"));
    }
  }

  /** One round per partition and turn: all its reads are confirmed together. */
  openReadRounds(): void {
    const { clock, multiRaft } = this.#options;
    if (this.#asking.size === 0) return;
    const asking = [...this.#asking];
    this.#asking.clear();
    for (const replica of asking) {
      const calls = replica.takeAsked();
      if (calls.length === 0) continue;
      const readId = ++this.#lastReadId;
      const result = multiRaft.readIndex(replica.group, readId);
      if (result.accepted) replica.openRound(readId, { calls, askedMs: clock.monotonicMs() });
      else if (result.refusal === "overloaded") {
        for (const call of calls) failCall(call, tooManyReads(call.partitionId));
      } else for (const call of calls) this.#route(call);
    }
  }

  /** The core's answer to a round. */
  closeReadRound(read: ReadReady): void {
    for (const call of this.#options.replicas.get(read.group)?.closeRound(read) ?? []) this.#route(call);
  }

  /** The replica leaves the node: what waits at it is asked elsewhere, or its outcome is not known. */
  dropReplica(replica: HostedReplica | undefined): void {
    if (replica === undefined) return;
    const { leaders, multiRaft, nodeId } = this.#options;
    const { group } = replica;
    const term = multiRaft.status(group)?.term ?? 0;
    this.#asking.delete(replica);
    replica.follow({ group, role: "follower", term, leader: NO_NODE }, false);
    if (leaders.get(group).leader === nodeId) leaders.noteLocal(group, { leader: NO_NODE, term });
    for (const call of replica.takeAll()) this.start(call);
  }

  /** Fails everything; for the end of the node. */
  close(): void {
    for (const replica of this.#options.replicas.values()) {
      for (const call of replica.takeAll()) failCall(call, interrupted(call));
    }
    this.#forwarding.close();
  }

  /**
   * Proposes `command` in a group that this node leads, with its time: a caller's, or the node's own, which
   * nobody waits for. Not larger than the gate's limit.
   */
  propose(replica: HostedReplica, command: Uint8Array): Proposed {
    const { clock, gate, multiRaft } = this.#options;
    const { group, partitionId } = replica;
    const reason = gate.refusalOf(group, command);
    if (reason !== undefined) {
      return { accepted: false, error: new DomainError({ kind: "overloaded" }, reason, "log_full") };
    }
    const timeMs = group === CLUSTER_GROUP ? 0 : replica.stampMs(clock.monotonicMs());
    if (group !== CLUSTER_GROUP) stampCommand(command, timeMs);
    const result = multiRaft.propose(group, command);
    if (result.accepted) {
      gate.noteTaken(command.length);
      replica.noteStamped({ index: result.index, timeMs });
      return result;
    }
    return {
      accepted: false,
      error: result.refusal === "overloaded" ? tooManyWrites(partitionId) : undefined,
    };
  }

  /** Fails the reads for which what they would have to see first cannot be proposed. */
  refuseReads(calls: readonly ReadCall[], error: DomainError | undefined): void {
    for (const call of calls) {
      if (error === undefined) this.#route(call);
      else failCall(call, error);
    }
  }

  /**
   * The group's leader, or its term, is another one: reads that were confirmed for what is not committed are
   * asked again, for it may never be.
   */
  followLeader(group: GroupId): void {
    const { multiRaft, replicas } = this.#options;
    const replica = replicas.get(group);
    if (!replica?.hasConfirmedReads) return;
    const commit = multiRaft.status(group)?.commit ?? 0;
    for (const call of replica.takeConfirmedAbove(commit)) this.start(call);
  }

  #startWrite(call: WriteCall): void {
    const { gate, meters, replicas } = this.#options;
    const replica = replicas.get(groupOfPartition(call.partitionId));
    if (replica === undefined || replica.role !== "leader") return this.#route(call);
    if (call.command.length > gate.commandBytesMax) {
      return failCall(call, tooLarge(call, gate.commandBytesMax));
    }
    const result = this.propose(replica, call.command);
    if (replica.group !== CLUSTER_GROUP) {
      meters.observeProposal(call.partitionId, result.accepted ? "accepted" : "refused");
    }
    if (result.accepted) replica.awaitWrite(call, result);
    else if (result.error !== undefined) failCall(call, result.error);
    else this.#route(call);
  }

  #startRead(call: ReadCall): void {
    const replica = this.#assigned(groupOfPartition(call.partitionId));
    if (replica === undefined) return this.#route(call);
    if (call.consistency === "stale" && this.#isFreshEnough(replica, call)) return replica.answer(call);
    // A replica that is not asked after all has nothing to take.
    this.#asking.add(replica);
    if (replica.role === "leader" || call.consistency !== "linearizable") return replica.ask(call);
    this.#route(call);
  }

  /**
   * The replica of `group` here, unless it has moved away; it may still lead until the others have taken
   * over.
   */
  #assigned(group: GroupId): HostedReplica | undefined {
    const replica = this.#options.replicas.get(group);
    return replica !== undefined && (replica.isAssigned || replica.role === "leader") ? replica : undefined;
  }

  #isFreshEnough(replica: HostedReplica, call: ReadCall): boolean {
    return call.maxStalenessMs === 0 ||
      replica.isFresh(this.#options.clock.monotonicMs(), call.maxStalenessMs);
  }

  /**
   * To the leader if there is one, else the call waits; callers that route themselves are told at once.
   */
  #route(call: Call): void {
    const { clock, leaders, nodeId, outbox } = this.#options;
    const known = leaders.get(groupOfPartition(call.partitionId));
    const isElsewhere = known.leader !== 0 && known.leader !== nodeId;
    if (!call.mayForward) {
      return failCall(call, isElsewhere ? this.#notLeader(call) : noLeader(call.partitionId));
    }
    if (!isElsewhere) return this.#forwarding.park(call);
    const forwarded = this.#forwarding.passOn(call, { to: known.leader, nowMs: clock.monotonicMs() });
    outbox.addCall(known.leader, forwarded);
  }

  #learnLeader(callId: number, failure: NotLeaderFailure): void {
    const group = this.#forwarding.groupOf(callId);
    if (group === undefined || failure.leaderId === 0) return;
    this.#options.leaders.noteRemote(group, { leader: failure.leaderId, term: failure.term });
  }

  #notLeader(call: Call): DomainError {
    const { addresses, leaders } = this.#options;
    const { leader, term } = leaders.get(groupOfPartition(call.partitionId));
    const leaderAddress = addresses.addressOf(leader);
    return new DomainError(
      { kind: "notLeader", leaderId: leader, leaderAddress, term, epoch: addresses.epoch },
      `This node does not lead ${describePartition(call.partitionId)}: ask node ${leader}, which does`,
    );
  }

  #notHere(group: GroupId): DomainError {
    return new DomainError(
      { kind: "notLeader", leaderId: 0, leaderAddress: "", term: 0, epoch: this.#options.addresses.epoch },
      `This node has no replica of ${describePartition(partitionOfGroup(group))}: ask another node`,
    );
  }
}

/** Fails a call that was never started. */
export function refuseCall(call: Call): void {
  failCall(call, stopping());
}

/** What is proposed is applied everywhere: nothing may get there that cannot be read. */
function problemWith({ group, command }: ForwardedWrite): DomainError | undefined {
  try {
    if (group === CLUSTER_GROUP) decodeClusterCommand(command);
    else if (hasExpire(command)) return expireRefused();
    return undefined;
  } catch (error) {
    return new DomainError(
      { kind: "invalidArgument" },
      error instanceof Error ? error.message : String(error),
    );
  }
}

/** Leaders remove what has expired by their own hand; what was passed on came from a client. */
function expireRefused(): DomainError {
  return invalidArgument(
    "Cannot accept a write with the removal of expired keys: only the leader of their partition proposes it",
  );
}

function interrupted({ kind, partitionId }: Call): DomainError {
  return kind === "read" ? stopping() : outcomeUnknown(partitionId, "this node is stopping");
}

function tooManyReads(partitionId: number): DomainError {
  return overloaded(
    `Too many reads wait for ${describePartition(partitionId)}`,
    READS_WAITING_MAX,
    "queue_full",
  );
}

function tooLarge({ command }: WriteCall, bytesMax: number): DomainError {
  return invalidArgument(
    `This write takes ${command.length} bytes of the log, and one of its files takes at most ${bytesMax}: write ` +
      "less at a time, or start the node with a larger --wal-segment-bytes",
  );
}

function tooManyWrites(partitionId: number): DomainError {
  return overloaded(
    `Too many bytes of writes wait for a majority of ${describePartition(partitionId)}`,
    UNCOMMITTED_BYTES_MAX,
    "queue_full",
  );
}
