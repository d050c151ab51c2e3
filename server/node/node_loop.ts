/**
 * The heart of a node. One turn: all that arrived since the last turn is thought through, what is committed
 * is acted on, and what is new is made durable together.
 *
 * ```
 * inbox ─▶ step ─▶ ready ─┬─▶ messages that may overtake the disk
 *                         ├─▶ committed entries applied, callers answered
 *                         └─▶ one frame, one sync ───────────────▶ messages that promise it
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

import { type Message, type MultiRaft, type NodeId, type ReadyBatch, unreachable } from "../../raft/mod.ts";
import type { SyncPolicy, Wal, WalRecord } from "../../wal-wasm/mod.ts";
import {
  type CallDispatcher,
  type Leaderships,
  type LeaderTable,
  type ProposalMeters,
  refuseCall,
  type WriteGate,
} from "../calls/mod.ts";
import { CLUSTER_GROUP, type ClusterState } from "../cluster/mod.ts";
import type { DirectoryWatch, Troubles } from "../data/mod.ts";
import type { ClockEntries, Removal } from "../expiry/mod.ts";
import type { Clock, Outbox, PeerBatch, Timer } from "../ports/mod.ts";
import type { Coordinator } from "./coordinator.ts";
import type { GroupZero } from "./group_zero.ts";
import type { Input, NodeInbox } from "./inbox.ts";
import type { PeerDirectory } from "./peer_directory.ts";
import type { Reconciler } from "./reconciler.ts";
import type { ReplicaSet } from "./replica_set.ts";
import type { StateKeeper } from "../state/mod.ts";
import { encodeRecords } from "./wal_codec.ts";

/** What the loop measures of itself. */
export interface LoopMeters extends ProposalMeters {
  /** Seconds a turn took, its sync included. */
  observeTurn(seconds: number): void;
  /** Bytes a turn added to the log. */
  observeFrame(bytes: number): void;
  /** Seconds a sync of the log took. */
  observeSync(seconds: number): void;
}

/** Why a node ends by itself. */
export type NodeEnd =
  /** It must not go on, and no turn runs any more: the log cannot be written, or what it knows is wrong. */
  | { readonly kind: "fatal"; readonly error: Error }
  /** The cluster has removed it. It holds nothing of the cluster any more and should be stopped. */
  | { readonly kind: "removed" };

/** All a loop is made of. */
export interface NodeLoopOptions {
  readonly nodeId: NodeId;
  readonly clock: Clock;
  readonly inbox: NodeInbox;
  readonly outbox: Outbox;
  readonly wal: Wal;
  readonly multiRaft: MultiRaft;
  readonly replicas: ReplicaSet;
  readonly leaders: LeaderTable;
  readonly leaderships: Leaderships;
  readonly dispatcher: CallDispatcher;
  readonly clockEntries: ClockEntries;
  readonly removal: Removal;
  readonly gate: WriteGate;
  readonly troubles: Troubles;
  readonly directory: DirectoryWatch;
  readonly peers: PeerDirectory;
  readonly cluster: GroupZero;
  readonly reconciler: Reconciler;
  readonly coordinator: Coordinator;
  readonly keeper: StateKeeper;
  readonly tickMs: number;
  readonly walSync: SyncPolicy;
  /** A write that takes longer than this counts as hanging. */
  readonly stuckDiskMs: number;
  readonly meters: LoopMeters;
}

/**
 * Frames on their way to the disk at a time. The first is being synced, the second written behind it; more
 * only cut frames smaller.
 */
const WRITES_MAX = 1;
/** How often a loop that is to stop looks whether what it waits for can still come. */
const STOP_LOOK_MS = 50;

/** What a turn came to. */
interface Turn {
  readonly ready: ReadyBatch;
  readonly startedMs: number;
}

/** A turn that waits for the disk. */
interface Write extends Turn {
  readonly durable: Promise<unknown>;
  /** Whether it has a frame of its own. */
  readonly isFrame: boolean;
  isDurable: boolean;
}

/** A clean stop that waits until other nodes lead what this one led. */
interface HandOver {
  readonly untilMs: number;
  readonly done: () => void;
}

/** See the module comment. */
export class NodeLoop {
  readonly #options: NodeLoopOptions;
  readonly #ended = Promise.withResolvers<NodeEnd>();
  #isRunning = false;
  #failure: Error | undefined;
  #isTurnDue = false;
  /** Turns whose records are on their way to the disk, oldest first. */
  readonly #writing: Write[] = [];
  #writesUnderWay = 0;
  /** The cluster's state that this node has become what it says of. */
  #followed: ClusterState | undefined;
  #tickTimer: Timer | undefined;
  #handOver: HandOver | undefined;
  #awaitsRoom = false;
  #isStopped = false;

  constructor(options: NodeLoopOptions) {
    this.#options = options;
  }

  /** Resolves when the node ends by itself; never when it is stopped. The first reason counts. */
  get ended(): Promise<NodeEnd> {
    return this.#ended.promise;
  }

  /** Why no turn runs any more, also if that came after another end. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Starts turning. */
  start(): void {
    this.#followCluster();
    this.#isRunning = true;
    this.#scheduleTick();
    this.#listen();
  }

  /** The node must not go on: no turn runs from now on. */
  fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#isRunning = false;
    this.#tickTimer?.cancel();
    this.#ended.resolve({ kind: "fatal", error });
    this.#handOver?.done();
  }

  /**
   * Ends when everything on its way to the disk is there; every waiting call is failed. What a turn has not
   * handed to the log yet was promised to nobody.
   */
  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#tickTimer?.cancel();
    // What waits for a segment that cannot be made was never acknowledged, and may wait for ever.
    while (this.#writing.length > 0 && this.#failure === undefined && !this.#options.gate.isStarved) {
      await Promise.race([this.#writing.at(-1)!.durable, this.#pause(STOP_LOOK_MS)]);
    }
    this.#isStopped = true;
    for (const input of this.#options.inbox.drain()) if (input.kind === "call") refuseCall(input.call);
    this.#options.dispatcher.close();
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

  /**
   * Whether one more frame would soon be synced; if not, what is to be written gathers for a larger one.
   * Nothing is handed to the log that would wait there for a segment: reads and messages would wait with it.
   */
  get #canWrite(): boolean {
    const { gate, replicas } = this.#options;
    return this.#writesUnderWay < WRITES_MAX && gate.canWriteAll(replicas.all.size);
  }

  /**
   * A node whose disk hangs falls silent, so that its leaderships pass to nodes that can answer clients.
   * Turns go on when the write has ended. A full disk does not hang: the node goes on reading.
   */
  get #isDiskStuck(): boolean {
    return this.diskStuckMs > 0;
  }

  /** For how long the disk has been hanging; 0 while it does not. */
  get diskStuckMs(): number {
    const oldest = this.#writing[0];
    const { clock, gate, stuckDiskMs } = this.#options;
    if (oldest === undefined || gate.isStarved) return 0;
    const ms = clock.monotonicMs() - oldest.startedMs;
    return ms > stuckDiskMs ? ms : 0;
  }

  /** Sees to it that a turn comes when there is something to do. */
  #listen(): void {
    if (!this.#isRunning || this.#isTurnDue) return;
    this.#awaitRoom();
    if (this.#options.multiRaft.hasReady(this.#canWrite)) this.#scheduleTurn();
    else this.#options.inbox.onceFilled(() => this.#scheduleTurn());
  }

  /** A segment that was waited for is no input: the turn for it has to be asked for. */
  #awaitRoom(): void {
    const { gate, replicas, wal } = this.#options;
    if (this.#awaitsRoom || gate.canWriteAll(replicas.all.size)) return;
    this.#awaitsRoom = true;
    void wal.whenSpareReady().then(() => {
      this.#awaitsRoom = false;
      if (this.#isRunning && this.#options.multiRaft.hasReady(this.#canWrite)) this.#scheduleTurn();
    });
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#options.clock.after(delayMs, resolve));
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
    const { clock, clockEntries, dispatcher, gate, inbox, multiRaft, outbox, removal, tickMs } =
      this.#options;
    const startedMs = clock.monotonicMs();
    // Before anything else: a process that was paused must see that its leases have run out.
    multiRaft.setClock(Math.floor(startedMs / tickMs));
    for (const input of inbox.drain()) this.#take(input);
    dispatcher.openReadRounds();
    clockEntries.prepareReads();
    removal.goOn();
    const canWrite = this.#canWrite;
    const ready = multiRaft.ready(canWrite);
    const takenBytes = canWrite ? gate.takenBytes : 0;
    const notices = ready.messages.filter(isNotice);
    outbox.addMessages(
      notices.length === 0 ? ready.messages : ready.messages.filter((each) => !isNotice(each)),
    );
    this.#countAppends(ready.messages);
    this.#flush();
    this.#act(ready);
    this.#flush();
    // The streams to peers write now that the turn is over, and first: others wait for that to sync, too.
    queueMicrotask(() => this.#orDie(() => this.#endTurn({ ready, startedMs }, takenBytes)));
    if (notices.length > 0) this.#sendLater(notices);
  }

  /** Behind the answers to the clients, who wait for the same commits. */
  #sendLater(notices: readonly Message[]): void {
    const { clock, outbox } = this.#options;
    clock.soon(() => {
      if (!this.#isRunning) return;
      outbox.addMessages(notices);
      this.#orDie(() => this.#flush());
    });
  }

  /** @param takenBytes of what the gate has let in, those that are written now */
  #endTurn(turn: Turn, takenBytes: number): void {
    if (this.#failure !== undefined || this.#isStopped) return;
    this.#write(turn);
    this.#options.gate.noteWritten(takenBytes);
    this.#listen();
  }

  /**
   * Puts the turn's records on their way to the disk; what must wait for them is done in {@linkcode #finish}.
   */
  #write({ ready, startedMs }: Turn): void {
    const records = encodeRecords(ready.persist);
    if (records.length === 0 && this.#writing.length === 0) return this.#finish({ ready, startedMs });
    // Nothing to write, but a promise made now may rest on what is still being written.
    const durable = records.length === 0 ? this.#writing.at(-1)!.durable : this.#append(ready, records);
    const write: Write = { ready, startedMs, durable, isFrame: records.length > 0, isDurable: false };
    this.#writing.push(write);
    if (write.isFrame) this.#writesUnderWay++;
    durable.then(() => this.#orDie(() => this.#finishDurable(write)), (error) => this.#die(error));
  }

  /** Writes are finished in their order, each when it and all before it are durable. */
  #finishDurable(write: Write): void {
    // A node that has ended for another reason promises nothing any more.
    if (this.#failure !== undefined) return;
    write.isDurable = true;
    if (write.isFrame) this.#writesUnderWay--;
    while (this.#writing[0]?.isDurable) this.#finish(this.#writing.shift()!);
    this.#listen();
  }

  #finish({ ready, startedMs }: Turn): void {
    const { clock, meters, multiRaft, outbox } = this.#options;
    outbox.addMessages(ready.messagesAfterPersist);
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
    if (this.#isStopped) return;
    this.fail(error instanceof Error ? error : new Error(String(error)));
  }

  #countAppends(messages: readonly Message[]): void {
    for (const { kind, group } of messages) {
      const replica = kind === "appendRequest" ? this.#options.replicas.all.get(group) : undefined;
      if (replica !== undefined) replica.appendsSent++;
    }
  }

  #append({ persist }: ReadyBatch, records: readonly WalRecord[]): Promise<unknown> {
    const { keeper, wal, meters } = this.#options;
    const before = wal.stats.frameBytes;
    keeper.noteWriting(persist);
    const durable = wal.append(records);
    meters.observeFrame(wal.stats.frameBytes - before);
    return durable;
  }

  #take(input: Input): void {
    const { cluster, dispatcher, leaderships, multiRaft, outbox } = this.#options;
    switch (input.kind) {
      case "tick":
        return this.#tick();
      case "call":
        return dispatcher.start(input.call);
      case "transfer":
        return void multiRaft.transferLeadership(input.group, input.to);
      case "peerBatch":
        return this.#takeBatch(input.from, input.batch);
      case "peerConnected":
        outbox.addReminders(input.peer, multiRaft.remindersFor(input.peer));
        return leaderships.announceTo(input.peer);
      case "peerLost":
        multiRaft.reportUnreachable(input.peer);
        return dispatcher.losePeer(input.peer);
      case "storeOpened":
        return this.#followReplicas(cluster.state);
      case "installed":
        return input.group === CLUSTER_GROUP ? this.#followCluster() : undefined;
      case "removed":
        return this.#ended.resolve({ kind: "removed" });
      default:
        return unreachable(input);
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
    const { clock, clockEntries, cluster, coordinator, directory, dispatcher, leaderships } = this.#options;
    const { keeper, meters, multiRaft, reconciler, removal, wal } = this.#options;
    const nowMs = clock.monotonicMs();
    const lost = directory.look(nowMs);
    if (lost !== undefined) throw lost;
    multiRaft.tick();
    cluster.keepClusterId();
    cluster.announce();
    reconciler.tick();
    coordinator.tick();
    dispatcher.countMemory();
    clockEntries.tick();
    removal.tick();
    dispatcher.applyWaiting();
    // What waited to be applied may have been the cluster's.
    this.#followCluster();
    keeper.tick()?.catch((error) => this.#die(error));
    this.#noteTroubles();
    for (const ms of wal.takeSyncDurations()) meters.observeSync(ms / 1000);
    this.#continueHandOver(nowMs);
    dispatcher.expire();
    dispatcher.startParked();
    leaderships.announceAgain(nowMs);
  }

  #noteTroubles(): void {
    const { gate, keeper, peers, replicas, troubles, wal } = this.#options;
    gate.forgetOthers((group) => replicas.holds(group) && !replicas.leads(group));
    troubles.note("next_segment", wal.spareFailure);
    troubles.note("log_full", gate.diskTrouble);
    troubles.note("memory_full", gate.memoryTrouble);
    troubles.note("entry_too_large", gate.entryTrouble);
    troubles.note("state_files", keeper.trouble);
    troubles.note("state_damaged", keeper.damage);
    troubles.note("peer_distrusted", peers.distrustTrouble);
  }

  #continueHandOver(nowMs: number): void {
    if (this.#handOver === undefined) return;
    if (this.#options.leaderships.handOver() && nowMs < this.#handOver.untilMs) return;
    this.#handOver.done();
    this.#handOver = undefined;
  }

  #takeBatch(from: NodeId, batch: PeerBatch): void {
    const { clock, dispatcher, gate, leaders, multiRaft, peers, replicas, walSync } = this.#options;
    peers.noteHeard();
    if (peers.distrustOf(from) !== undefined) return;
    // With another policy the disk may lag behind what was promised, as its operator has chosen.
    if (walSync.kind === "always") multiRaft.mustKeep(batch.reminders, from);
    for (const message of batch.messages) {
      multiRaft.step(gate.admit(message));
      if (!tellsCommit(message) || message.term < leaders.get(message.group).term) continue;
      replicas.all.get(message.group)?.noteCommit(message.commit, clock.monotonicMs());
    }
    for (const { group, term } of batch.leaderships) leaders.noteRemote(group, { leader: from, term });
    for (const call of batch.calls) dispatcher.startForwarded(from, call);
    for (const reply of batch.replies) dispatcher.takeReply(from, reply);
    if (batch.leaderships.length > 0) dispatcher.startParked();
  }

  /** Applies what is committed and answers the calls that waited for it. */
  #act(ready: ReadyBatch): void {
    const { dispatcher, keeper, leaderships, peers, replicas } = this.#options;
    for (const { group, entries } of ready.committed) {
      dispatcher.apply(group, entries);
      if (group === CLUSTER_GROUP) this.#followCluster();
    }
    for (const { group, ...place } of ready.memberships) replicas.all.get(group)?.noteMembership(place);
    for (const wanted of ready.snapshotsWanted) keeper.fetchSnapshot(wanted);
    for (const read of ready.reads) dispatcher.closeReadRound(read);
    for (const contradiction of ready.contradictions) peers.distrust(contradiction);
    for (const transition of ready.transitions) {
      leaderships.follow(transition);
      dispatcher.followLeader(transition.group);
    }
    if (ready.transitions.length > 0) dispatcher.startParked();
  }

  /** Becomes what the cluster's state, if it is another one now, says of this node. */
  #followCluster(): void {
    const { cluster, nodeId, peers } = this.#options;
    const { state } = cluster;
    if (state === this.#followed) return;
    this.#followed = state;
    cluster.keepClusterId();
    peers.connect();
    this.#followReplicas(state);
    if (state.retired.has(nodeId)) this.#ended.resolve({ kind: "removed" });
    cluster.announceChange();
  }

  #followReplicas(state: ClusterState): void {
    const { keeper, replicas } = this.#options;
    for (const group of replicas.follow(state)) keeper.drop(group);
  }

  #flush(): void {
    const { dispatcher, outbox } = this.#options;
    dispatcher.takeLost(outbox.flush());
  }
}

function isNotice({ kind }: Message): boolean {
  return kind === "commitNotice";
}

function tellsCommit(
  message: Message,
): message is Extract<Message, { kind: "appendRequest" | "commitNotice" }> {
  return message.kind === "appendRequest" || message.kind === "commitNotice";
}
