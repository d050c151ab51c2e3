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

import type { FollowerView, Message, NodeId, ReadyBatch, Transition } from "../raft/mod.ts";
import type { Wal, WalRecord } from "../wal-wasm/mod.ts";
import { CallDesk, type CallDeskOptions, refuseCall } from "./call_desk.ts";
import type { Inbox, Input } from "./inbox.ts";
import { Outbox } from "./outbox.ts";
import type { Leadership, PeerBatch } from "./peer_batch.ts";
import type { PeerTransport } from "./ports.ts";
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
export interface NodeLoopOptions extends CallDeskOptions {
  readonly wal: Wal;
  readonly inbox: Inbox;
  /** Ascending. */
  readonly peers: readonly NodeId[];
  readonly transport: PeerTransport;
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
  readonly #desk: CallDesk;
  #isRunning = false;
  #ended: Promise<void> = Promise.resolve();
  #announcedMs = -Infinity;
  #tickTimer: { cancel(): void } | undefined;
  #handOver: { readonly untilMs: number; readonly done: () => void } | undefined;

  constructor(options: NodeLoopOptions) {
    this.#options = options;
    this.#outbox = new Outbox(options.transport, options.peers);
    this.#desk = new CallDesk(options, this.#outbox);
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
    this.#desk.openReadRounds();
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
        return this.#desk.start(input.call);
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
    const { clock, multiRaft, partitions, logBytesMax, meters, wal } = this.#options;
    multiRaft.tick();
    const nowMs = clock.monotonicMs();
    let logBytes = 0;
    for (const partition of partitions.values()) {
      logBytes += multiRaft.view(partition.group)?.logBytes ?? 0;
    }
    this.#desk.isLogFull = logBytes > logBytesMax;
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
    for (const call of batch.calls) this.#desk.startForwarded(from, call);
    for (const reply of batch.replies) this.#desk.takeReply(from, reply);
    if (batch.leaderships.length > 0) this.#desk.startParked();
  }

  /** Applies what is committed and answers whoever waited for it. */
  #act(ready: ReadyBatch): void {
    const { partitions } = this.#options;
    for (const { group, entries } of ready.committed) partitions.get(group)?.apply(entries);
    for (const read of ready.reads) {
      this.#desk.closeReadRound(read);
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
    for (const call of this.#desk.takeParked()) this.#options.inbox.push({ kind: "call", call });
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

/** Whoever needs the least to take over. */
function bestFollower(followers: readonly FollowerView[]): NodeId | undefined {
  const active = followers.filter((follower) => follower.active);
  return active.sort((a, b) => b.matchIndex - a.matchIndex || a.node - b.node)[0]?.node;
}
