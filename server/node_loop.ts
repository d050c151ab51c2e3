/**
 * The heart of a node. One turn: all that arrived since the last turn is thought through, made durable together, then
 * acted on.
 *
 * ```
 * inbox ─▶ step ─▶ ready ─┬─▶ messages that may overtake the disk
 *                         ├─▶ one frame, one sync ───────────────▶ messages that promise it
 *                         └─▶ committed entries applied, callers answered (while the sync runs)
 * ```
 *
 * What arrives during the sync waits in the inbox and becomes the next frame: group commit over all partitions.
 * Entries handed out as committed are already durable here, so applying them need not wait for this turn's sync.
 *
 * Invariants: one turn at a time; nothing is promised before it is durable; after a failed append no turn runs.
 *
 * @module
 */

import type {
  FollowerView,
  GroupId,
  Message,
  MultiRaft,
  NodeId,
  ReadyBatch,
  Transition,
} from "../raft/mod.ts";
import type { Wal, WalRecord } from "../wal-wasm/mod.ts";
import { type Call, failCall, type ReadCall, type WriteCall } from "./call.ts";
import { CallRouter, noLeader, replyOf, stopping } from "./call_router.ts";
import { groupOfPartition } from "./cluster_layout.ts";
import { DomainError } from "./error.ts";
import type { Inbox, Input } from "./inbox.ts";
import { decodeCommand, stampCommand } from "./kv/mod.ts";
import type { LeaderTable } from "./leader_table.ts";
import { Outbox } from "./outbox.ts";
import type { Partition } from "./partition.ts";
import type { ForwardedCall, Leadership, PeerBatch } from "./peer_batch.ts";
import type { Clock, PeerTransport } from "./ports.ts";
import { encodeRecords } from "./wal_codec.ts";

/** What the loop tells whoever measures it. */
export interface LoopMeters {
  /** Seconds a turn took, its sync included. */
  observeTurn(seconds: number): void;
  /** Bytes a turn added to the log. */
  observeFrame(bytes: number): void;
  observeProposal(partitionId: number, result: "accepted" | "refused"): void;
}

/** All a loop is made of. */
export interface NodeLoopOptions {
  readonly nodeId: NodeId;
  readonly multiRaft: MultiRaft;
  readonly wal: Wal;
  readonly inbox: Inbox;
  /** Of this node's replicas, by group. */
  readonly partitions: ReadonlyMap<GroupId, Partition>;
  readonly leaders: LeaderTable;
  /** Ascending. */
  readonly peers: readonly NodeId[];
  readonly addressOf: (node: NodeId) => string;
  readonly transport: PeerTransport;
  readonly clock: Clock;
  readonly tickMs: number;
  /** Bytes of entries all replicas may hold in memory before writes are refused. */
  readonly logBytesMax: number;
  readonly meters: LoopMeters;
  /** The log can no longer be written. The node must end. */
  readonly onFatal: (error: Error) => void;
}

/** Peers are told again at this interval what this node leads, should a batch have been lost. */
const ANNOUNCE_MS = 1_000;

/** See the module comment. */
export class NodeLoop {
  readonly #options: NodeLoopOptions;
  readonly #outbox: Outbox;
  readonly #router = new CallRouter();
  #isRunning = false;
  #ended: Promise<void> = Promise.resolve();
  #lastReadId = 0;
  #isLogFull = false;
  #announcedMs = -Infinity;
  #tickTimer: { cancel(): void } | undefined;
  #handOver: { readonly untilMs: number; readonly done: () => void } | undefined;

  constructor(options: NodeLoopOptions) {
    this.#options = options;
    this.#outbox = new Outbox(options.transport, options.peers);
  }

  /** Starts turning. */
  start(): void {
    this.#isRunning = true;
    this.#scheduleTick();
    this.#ended = this.#run();
  }

  /** Ends after the turn under way; every waiting call is failed. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#tickTimer?.cancel();
    this.#options.inbox.push({ kind: "tick" });
    await this.#ended;
    for (const input of this.#options.inbox.drain()) {
      if (input.kind === "call") failCall(input.call, stopping());
    }
    for (const partition of this.#options.partitions.values()) {
      for (const call of partition.takeAll()) failCall(call, interrupted(call));
    }
    this.#router.close();
  }

  /** Gives all leaderships to other nodes; resolves when they are taken over, or after `limitMs`. */
  handOver(limitMs: number): Promise<void> {
    const { clock, inbox } = this.#options;
    if (!this.#isRunning) return Promise.resolve();
    return new Promise((resolve) => {
      this.#handOver = { untilMs: clock.monotonicMs() + limitMs, done: resolve };
      inbox.push({ kind: "tick" });
    });
  }

  async #run(): Promise<void> {
    try {
      while (this.#isRunning) {
        await this.#nextWork();
        await this.turn();
      }
    } catch (error) {
      this.#isRunning = false;
      this.#tickTimer?.cancel();
      this.#handOver?.done();
      this.#options.onFatal(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Waits for work, then until everything that has arrived with it was taken in. */
  #nextWork(): Promise<void> {
    const { clock, inbox, multiRaft } = this.#options;
    return new Promise((resolve) => {
      if (multiRaft.hasReady()) clock.soon(resolve);
      else inbox.onceFilled(() => clock.soon(resolve));
    });
  }

  /** See the drawing in the module comment. */
  async turn(): Promise<void> {
    const { clock, inbox, multiRaft, meters } = this.#options;
    const startedMs = clock.monotonicMs();
    for (const input of inbox.drain()) this.#take(input);
    this.#openReadRounds();
    const ready = multiRaft.ready();
    this.#outbox.addMessages(ready.messages);
    this.#countAppends(ready.messages);
    this.#flush();
    const records = encodeRecords(ready.persist);
    const durable = records.length > 0 ? this.#append(records) : undefined;
    this.#act(ready);
    if (durable !== undefined) await durable;
    this.#outbox.addMessages(ready.messagesAfterPersist);
    multiRaft.advance(ready);
    this.#flush();
    meters.observeTurn((clock.monotonicMs() - startedMs) / 1000);
  }

  #countAppends(messages: readonly Message[]): void {
    for (const { kind, group } of messages) {
      const partition = kind === "appendRequest" ? this.#options.partitions.get(group) : undefined;
      if (partition !== undefined) partition.appendsSent++;
    }
  }

  #append(records: readonly WalRecord[]): Promise<unknown> {
    const { wal, meters } = this.#options;
    const before = wal.stats.frameBytes;
    const durable = wal.append(records);
    meters.observeFrame(wal.stats.frameBytes - before);
    return durable;
  }

  #take(input: Input): void {
    switch (input.kind) {
      case "tick":
        return this.#tick();
      case "call":
        return this.#startCall(input.call);
      case "peerBatch":
        return this.#takeBatch(input.from, input.batch);
      case "peerConnected":
        return this.#outbox.addLeaderships(this.#ownLeaderships(), input.peer);
      case "peerLost":
        this.#options.multiRaft.reportUnreachable(input.peer);
        return this.#startCalls(this.#router.losePeer(input.peer));
    }
  }

  #scheduleTick(): void {
    const { clock, inbox, tickMs } = this.#options;
    this.#tickTimer = clock.after(tickMs, () => {
      if (!this.#isRunning) return;
      inbox.push({ kind: "tick" });
      this.#scheduleTick();
    });
  }

  #tick(): void {
    const { clock, multiRaft, partitions, logBytesMax } = this.#options;
    multiRaft.tick();
    const nowMs = clock.monotonicMs();
    let logBytes = 0;
    for (const partition of partitions.values()) {
      logBytes += multiRaft.view(partition.group)?.logBytes ?? 0;
      for (const call of partition.takeExpired(nowMs)) failCall(call, late(call));
    }
    this.#isLogFull = logBytes > logBytesMax;
    this.#continueHandOver(nowMs);
    this.#router.expire(nowMs);
    this.#startCalls(this.#router.takeParked());
    if (nowMs - this.#announcedMs >= ANNOUNCE_MS) {
      this.#announcedMs = nowMs;
      this.#outbox.addLeaderships(this.#ownLeaderships());
    }
  }

  /** Every tick anew: a transfer may be refused while its target lags. */
  #continueHandOver(nowMs: number): void {
    if (this.#handOver === undefined) return;
    const { multiRaft, partitions } = this.#options;
    const led = [...partitions.values()].filter(({ role }) => role === "leader");
    const targets = led.flatMap(({ group }) => {
      const to = bestFollower(multiRaft.view(group)?.followers ?? []);
      return to === undefined ? [] : [{ group, to }];
    });
    for (const { group, to } of targets) multiRaft.transferLeadership(group, to);
    if (targets.length > 0 && nowMs < this.#handOver.untilMs) return;
    this.#handOver.done();
    this.#handOver = undefined;
  }

  #takeBatch(from: NodeId, batch: PeerBatch): void {
    const { multiRaft, leaders } = this.#options;
    for (const message of batch.messages) multiRaft.step(message);
    for (const { group, term } of batch.leaderships) leaders.noteRemote(group, { leader: from, term });
    for (const call of batch.calls) this.#takeForwarded(from, call);
    for (const reply of batch.replies) {
      if (reply.kind === "failed" && reply.failure.kind === "notLeader") {
        this.#learnLeader(reply.callId, reply.failure);
      }
      const again = this.#router.takeReply(from, reply);
      // Asking the same node in the same turn would only get the same answer.
      if (again !== undefined) this.#router.park(again);
    }
    if (batch.leaderships.length > 0) this.#startCalls(this.#router.takeParked());
  }

  #startCalls(calls: readonly Call[]): void {
    for (const call of calls) this.#startCall(call);
  }

  #startCall(call: Call): void {
    if (call.kind === "write") this.#startWrite(call);
    else this.#startRead(call);
  }

  #startWrite(call: WriteCall): void {
    const { clock, meters, multiRaft, partitions } = this.#options;
    const partition = partitions.get(groupOfPartition(call.partitionId));
    if (partition === undefined || partition.role !== "leader") return this.#route(call);
    if (this.#isLogFull) return failCall(call, logFull());
    stampCommand(call.command, clock.wallMs());
    const result = multiRaft.propose(partition.group, call.command);
    meters.observeProposal(call.partitionId, result.accepted ? "accepted" : "refused");
    if (result.accepted) partition.awaitWrite(call, result);
    else if (result.refusal === "overloaded") failCall(call, overloaded(call.partitionId));
    else this.#route(call);
  }

  #startRead(call: ReadCall): void {
    const partition = this.#options.partitions.get(groupOfPartition(call.partitionId));
    if (partition === undefined) return this.#route(call);
    if (call.consistency === "stale" && this.#isFreshEnough(partition, call)) return partition.answer(call);
    if (partition.role === "leader" || call.consistency !== "linearizable") return partition.ask(call);
    this.#route(call);
  }

  #isFreshEnough(partition: Partition, call: ReadCall): boolean {
    return call.maxStalenessMs === 0 ||
      partition.isFresh(this.#options.clock.monotonicMs(), call.maxStalenessMs);
  }

  /** To the leader if there is one, else into the waiting room; callers who route themselves are told at once. */
  #route(call: Call): void {
    const { clock, leaders, nodeId } = this.#options;
    const known = leaders.get(groupOfPartition(call.partitionId));
    const isElsewhere = known.leader !== 0 && known.leader !== nodeId;
    if (!call.mayForward) {
      return failCall(call, isElsewhere ? this.#notLeader(call) : noLeader(call.partitionId));
    }
    if (!isElsewhere) return this.#router.park(call);
    const forwarded = this.#router.passOn(call, { to: known.leader, nowMs: clock.monotonicMs() });
    this.#outbox.addCall(known.leader, forwarded);
  }

  #takeForwarded(from: NodeId, forwarded: ForwardedCall): void {
    const { clock, partitions } = this.#options;
    const settle = (result: Parameters<typeof replyOf>[1]) =>
      this.#outbox.addReply(from, replyOf(forwarded.callId, result));
    const partition = partitions.get(forwarded.group);
    if (partition === undefined) return settle({ ok: false, error: this.#notHere(forwarded.group) });
    const base = {
      partitionId: partition.partitionId,
      deadlineMs: clock.monotonicMs() + forwarded.timeoutMs,
      mayForward: false,
      settle,
    };
    if (forwarded.kind === "read") {
      const { keys } = forwarded;
      return this.#startRead({ ...base, kind: "read", keys, consistency: "linearizable", maxStalenessMs: 0 });
    }
    const problem = problemWith(forwarded.command);
    if (problem !== undefined) return settle({ ok: false, error: problem });
    this.#startWrite({ ...base, kind: "write", command: forwarded.command });
  }

  /** One round a partition and turn: all its reads are confirmed together. */
  #openReadRounds(): void {
    const { clock, multiRaft, partitions } = this.#options;
    for (const partition of partitions.values()) {
      if (!partition.hasAsked) continue;
      const calls = partition.takeAsked();
      const readId = ++this.#lastReadId;
      const result = multiRaft.readIndex(partition.group, readId);
      if (result.accepted) partition.openRound(readId, { calls, askedMs: clock.monotonicMs() });
      else if (result.refusal === "overloaded") {
        for (const call of calls) failCall(call, overloaded(call.partitionId));
      } else for (const call of calls) this.#route(call);
    }
  }

  /** Applies what is committed and answers whoever waited for it. */
  #act(ready: ReadyBatch): void {
    const { partitions } = this.#options;
    for (const { group, entries } of ready.committed) partitions.get(group)?.apply(entries);
    for (const read of ready.reads) {
      for (const call of partitions.get(read.group)?.closeRound(read) ?? []) this.#route(call);
    }
    for (const transition of ready.transitions) this.#follow(transition);
    if (ready.transitions.length > 0) this.#startParkedSoon();
  }

  #follow(transition: Transition): void {
    const { leaders, nodeId, partitions } = this.#options;
    const { group, leader, term, role } = transition;
    leaders.noteLocal(group, { leader, term });
    partitions.get(group)?.follow(transition);
    if (role === "leader" && leader === nodeId) this.#outbox.addLeaderships([{ group, term }]);
  }

  /** Proposals may not be made between `ready` and `advance`, so parked calls come back as inputs. */
  #startParkedSoon(): void {
    for (const call of this.#router.takeParked()) this.#options.inbox.push({ kind: "call", call });
  }

  #flush(): void {
    for (const call of this.#router.takeLost(this.#outbox.flush())) this.#router.park(call);
  }

  #ownLeaderships(): Leadership[] {
    const { leaders, nodeId, partitions } = this.#options;
    return [...partitions.keys()]
      .map((group) => ({ group, ...leaders.get(group) }))
      .filter(({ leader }) => leader === nodeId)
      .map(({ group, term }) => ({ group, term }));
  }

  #learnLeader(callId: number, failure: { readonly leaderId: NodeId; readonly term: number }): void {
    const group = this.#router.groupOf(callId);
    if (group === undefined || failure.leaderId === 0) return;
    this.#options.leaders.noteRemote(group, { leader: failure.leaderId, term: failure.term });
  }

  #notLeader(call: Call): DomainError {
    const { addressOf, leaders } = this.#options;
    const { leader, term } = leaders.get(groupOfPartition(call.partitionId));
    return new DomainError(
      { kind: "notLeader", leaderId: leader, leaderAddress: addressOf(leader), term, epoch: leaders.epoch },
      `Not the leader of partition ${call.partitionId}: node ${leader} leads it`,
    );
  }

  #notHere(group: GroupId): DomainError {
    return new DomainError(
      { kind: "notLeader", leaderId: 0, leaderAddress: "", term: 0, epoch: this.#options.leaders.epoch },
      `This node has no replica of group ${group}`,
    );
  }
}

/** Whoever needs the least to take over. */
function bestFollower(followers: readonly FollowerView[]): NodeId | undefined {
  const active = followers.filter((follower) => follower.active);
  return active.sort((a, b) => b.matchIndex - a.matchIndex || a.node - b.node)[0]?.node;
}

function problemWith(command: Uint8Array): DomainError | undefined {
  try {
    decodeCommand(command);
    return undefined;
  } catch (error) {
    return new DomainError(
      { kind: "invalidArgument" },
      error instanceof Error ? error.message : String(error),
    );
  }
}

function late(call: Call): DomainError {
  return new DomainError(
    { kind: "deadline" },
    `Partition ${call.partitionId} did not get a majority's answer within the call's deadline`,
  );
}

function interrupted(call: Call): DomainError {
  if (call.kind === "read") return stopping();
  return new DomainError(
    { kind: "outcomeUnknown" },
    "This node is stopping; the write may or may not take effect",
  );
}

function overloaded(partitionId: number): DomainError {
  return new DomainError(
    { kind: "overloaded" },
    `Partition ${partitionId} has as much waiting as it may: try again later`,
  );
}

function logFull(): DomainError {
  return new DomainError(
    { kind: "overloaded" },
    "This node holds as many log bytes in memory as it may (--log-memory-bytes)",
  );
}
