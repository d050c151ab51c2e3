/**
 * The heart of a node. One turn: all that arrived since the last turn is thought through, made durable
 * together, then acted on.
 *
 * ```
 * inbox ─▶ step ─▶ ready ─┬─▶ messages that may overtake the disk
 *                         ├─▶ one frame, one sync ───────────────▶ messages that promise it
 *                         └─▶ committed entries applied, callers answered (while the sync runs)
 * ```
 *
 * What is to be written while the disk is busy gathers and becomes the next frame: group commit over all
 * partitions. All else goes on meanwhile: messages, reads, and committed entries, which are already durable
 * here when they are handed out.
 *
 * Invariants: turns write and finish in their order; nothing is promised before it is durable; after a failed
 * append no turn runs.
 *
 * @module
 */

import type { Message, NodeId, RaftStatus, ReadyBatch, Transition } from "../../raft/mod.ts";
import type { Wal, WalRecord } from "../../wal-wasm/mod.ts";
import { CallDispatcher, type CallDispatcherOptions, refuseCall } from "../calls/mod.ts";
import { type Leadership, Outbox, type PeerBatch, type PeerTransport } from "../ports/mod.ts";
import type { Inbox, Input } from "./inbox.ts";
import { encodeRecords } from "./wal_codec.ts";

/** What the loop tells whoever measures it. */
export interface LoopMeters {
  /** Seconds a turn took, its sync included. */
  observeTurn(seconds: number): void;
  /** Bytes a turn added to the log. */
  observeFrame(bytes: number): void;
  /** Seconds a sync of the log took. */
  observeSync(seconds: number): void;
  observeProposal(partitionId: number, result: "accepted" | "refused"): void;
}

/** All a loop is made of. */
export interface NodeLoopOptions extends CallDispatcherOptions {
  readonly wal: Wal;
  readonly inbox: Inbox;
  readonly transport: PeerTransport;
  readonly tickMs: number;
  /** Called at every tick, after the core's. */
  readonly onTick: () => void;
  /** A write that takes longer than this counts as hanging. */
  readonly stuckDiskMs: number;
  /** Bytes of entries all replicas may hold in memory before writes are refused. */
  readonly logBytesMax: number;
  readonly meters: LoopMeters;
  /** The log can no longer be written. The node must end. */
  readonly onFatal: (error: Error) => void;
}

/** Peers are told again at this interval what this node leads, should a batch have been lost. */
const ANNOUNCE_MS = 1_000;

/**
 * Frames on their way to the disk at a time. The first is being synced, the second written behind it; more
 * only cut frames smaller.
 */
const WRITES_MAX = 1;

/** A turn that waits for the disk. */
interface Write {
  readonly ready: ReadyBatch;
  readonly startedMs: number;
  readonly durable: Promise<unknown>;
  /** Whether it has a frame of its own. */
  readonly isFrame: boolean;
  isDurable: boolean;
}

/** See the module comment. */
export class NodeLoop {
  readonly #options: NodeLoopOptions;
  readonly #outbox: Outbox;
  readonly #desk: CallDispatcher;
  #isRunning = false;
  #isBroken = false;
  #isTurnDue = false;
  /** Turns whose records are on their way to the disk, oldest first. */
  readonly #writing: Write[] = [];
  #writesUnderWay = 0;
  #announcedMs = -Infinity;
  #tickTimer: { cancel(): void } | undefined;
  #handOver: { readonly untilMs: number; readonly done: () => void } | undefined;

  constructor(options: NodeLoopOptions) {
    this.#options = options;
    this.#outbox = new Outbox(options.transport);
    this.#desk = new CallDispatcher(options, this.#outbox);
  }

  /** Starts turning. */
  start(): void {
    this.#isRunning = true;
    this.#scheduleTick();
    this.#listen();
  }

  /** From now on these are the peers, ascending. */
  setPeers(peers: readonly NodeId[]): void {
    this.#outbox.setPeers(peers);
  }

  /** Ends when everything on its way to the disk is there; every waiting call is failed. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#tickTimer?.cancel();
    while (this.#writing.length > 0 && !this.#isBroken) await this.#writing.at(-1)!.durable;
    for (const input of this.#options.inbox.drain()) if (input.kind === "call") refuseCall(input.call);
    this.#desk.close();
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

  /** Whether one more frame would soon be synced; if not, what is to be written gathers for a larger one. */
  get #canWrite(): boolean {
    return this.#writesUnderWay < WRITES_MAX;
  }

  /**
   * A node whose disk hangs falls silent, so that its leaderships pass to nodes that can answer clients.
   * Turns go on when the write has ended.
   */
  get #isDiskStuck(): boolean {
    const oldest = this.#writing[0];
    const { clock, stuckDiskMs } = this.#options;
    return oldest !== undefined && clock.monotonicMs() - oldest.startedMs > stuckDiskMs;
  }

  /** Sees to it that a turn comes when there is something to do. */
  #listen(): void {
    if (!this.#isRunning || this.#isTurnDue) return;
    if (this.#options.multiRaft.hasReady(this.#canWrite)) this.#scheduleTurn();
    else this.#options.inbox.onceFilled(() => this.#scheduleTurn());
  }

  /** The turn begins when whatever has arrived meanwhile was taken in, too. */
  #scheduleTurn(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    this.#options.clock.soon(() => {
      this.#isTurnDue = false;
      if (this.#isRunning && !this.#isDiskStuck) this.#orDie(() => this.turn());
    });
  }

  /** See the drawing in the module comment. */
  turn(): void {
    const { clock, inbox, multiRaft, tickMs } = this.#options;
    const startedMs = clock.monotonicMs();
    // Before anything else: a process that was paused must see that its leases have run out.
    multiRaft.setClock(Math.floor(startedMs / tickMs));
    for (const input of inbox.drain()) this.#take(input);
    this.#desk.openReadRounds();
    const ready = multiRaft.ready(this.#canWrite);
    this.#outbox.addMessages(ready.messages);
    this.#countAppends(ready.messages);
    this.#flush();
    this.#write({ ready, startedMs });
    this.#act(ready);
    this.#flush();
    this.#listen();
  }

  /**
   * Puts the turn's records on their way to the disk; what must wait for them is done in {@linkcode #finish}.
   */
  #write({ ready, startedMs }: Pick<Write, "ready" | "startedMs">): void {
    const records = encodeRecords(ready.persist);
    if (records.length === 0 && this.#writing.length === 0) return this.#finish({ ready, startedMs });
    // Nothing to write, but a promise made now may rest on what is still being written.
    const durable = records.length === 0 ? this.#writing.at(-1)!.durable : this.#append(records);
    const write: Write = { ready, startedMs, durable, isFrame: records.length > 0, isDurable: false };
    this.#writing.push(write);
    if (write.isFrame) this.#writesUnderWay++;
    durable.then(() => this.#orDie(() => this.#finishDurable(write)), (error) => this.#die(error));
  }

  /** Writes are finished in their order, each when it and all before it are durable. */
  #finishDurable(write: Write): void {
    write.isDurable = true;
    if (write.isFrame) this.#writesUnderWay--;
    while (this.#writing[0]?.isDurable) this.#finish(this.#writing.shift()!);
    this.#listen();
  }

  #finish({ ready, startedMs }: Pick<Write, "ready" | "startedMs">): void {
    const { clock, meters, multiRaft } = this.#options;
    this.#outbox.addMessages(ready.messagesAfterPersist);
    multiRaft.advance(ready);
    this.#flush();
    meters.observeTurn((clock.monotonicMs() - startedMs) / 1000);
  }

  #orDie(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#die(error);
    }
  }

  /**
   * After a failed append nothing is known of the disk any more, after a broken invariant nothing of the
   * state.
   */
  #die(error: unknown): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#isRunning = false;
    this.#tickTimer?.cancel();
    this.#handOver?.done();
    this.#options.onFatal(error instanceof Error ? error : new Error(String(error)));
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
        return this.#desk.start(input.call);
      case "transfer":
        this.#options.multiRaft.transferLeadership(input.group, input.to);
        return;
      case "peerBatch":
        return this.#takeBatch(input.from, input.batch);
      case "peerConnected":
        return this.#outbox.addLeaderships(this.#ownLeaderships(), input.peer);
      case "peerLost":
        this.#options.multiRaft.reportUnreachable(input.peer);
        return this.#desk.losePeer(input.peer);
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
    const { clock, multiRaft, logBytesMax, meters, onTick, wal } = this.#options;
    multiRaft.tick();
    onTick();
    const nowMs = clock.monotonicMs();
    this.#desk.isLogFull = multiRaft.logBytes > logBytesMax;
    for (const ms of wal.takeSyncDurations()) meters.observeSync(ms / 1000);
    this.#continueHandOver(nowMs);
    this.#desk.expire();
    this.#desk.startParked();
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
      const to = bestFollower(multiRaft.status(group));
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
    for (const call of batch.calls) this.#desk.startForwarded(from, call);
    for (const reply of batch.replies) this.#desk.takeReply(from, reply);
    if (batch.leaderships.length > 0) this.#desk.startParked();
  }

  /** Applies what is committed and answers whoever waited for it. */
  #act(ready: ReadyBatch): void {
    const { partitions } = this.#options;
    for (const { group, entries } of ready.committed) partitions.get(group)?.apply(entries);
    for (const read of ready.reads) this.#desk.closeReadRound(read);
    for (const transition of ready.transitions) this.#follow(transition);
    if (ready.transitions.length > 0) this.#desk.startParked();
  }

  #follow(transition: Transition): void {
    const { leaders, nodeId, partitions } = this.#options;
    const { group, leader, term, role } = transition;
    const partition = partitions.get(group);
    // A replica that has moved away hears nothing any more; the leader tells all nodes itself.
    if (partition?.isAssigned || role === "leader") leaders.noteLocal(group, { leader, term });
    partition?.follow(transition);
    if (role === "leader" && leader === nodeId) this.#outbox.addLeaderships([{ group, term }]);
  }

  #flush(): void {
    this.#desk.takeLost(this.#outbox.flush());
  }

  #ownLeaderships(): Leadership[] {
    const { leaders, nodeId, partitions } = this.#options;
    return [...partitions.keys()]
      .map((group) => ({ group, ...leaders.get(group) }))
      .filter(({ leader }) => leader === nodeId)
      .map(({ group, term }) => ({ group, term }));
  }
}

/** The voter that needs the least to take over. */
function bestFollower(status: RaftStatus | undefined): NodeId | undefined {
  const voters = status?.membership.voters ?? [];
  const active = (status?.followers ?? []).filter(({ active, node }) => active && voters.includes(node));
  return active.sort((a, b) => b.matchIndex - a.matchIndex || a.node - b.node)[0]?.node;
}
