/**
 * Nodes of one partition without log, peers and loop: cores, their calls and what keeps their keys' times,
 * turned by hand, with one clock that a test moves on and batches that it may hold back.
 *
 * @module
 */

import { MemoryStore } from "../memory_store.ts";
import { type MembershipTarget, MultiRaft, type NodeId, type Restored } from "../../../raft/mod.ts";
import type { DomainError, ReadConsistency, ReadResult } from "../../../server/api/mod.ts";
import type { CallResult } from "../../../server/calls/call.ts";
import {
  CallDispatcher,
  createKvReplica,
  createMemoryBudget,
  type KvReplica,
  Leaderships,
  LeaderTable,
  WriteGate,
} from "../../../server/calls/mod.ts";
import { groupOfPartition } from "../../../server/cluster/mod.ts";
import { ClockEntries, Removal } from "../../../server/expiry/mod.ts";
import { encodeCommand, type Mutation, type Outcome } from "../../../server/kv/mod.ts";
import { type Clock, Outbox, type PeerBatch } from "../../../server/ports/mod.ts";

/** The one partition, and its group. */
const PARTITION = 0;
export const GROUP = groupOfPartition(PARTITION);
/** In the files of a node's log, until a test says otherwise. */
export const LOG_ROOM_BYTES = 1 << 20;
const TICK_MS = 10;
const ELECTION_TICKS = 10;
/** Calls of these tests wait for ever. */
const NO_DEADLINE = Infinity;

/** Moved on by {@linkcode TurningNodes.pass}. */
class HandClock implements Clock {
  nowMs = 1_000;

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return -1;
  }

  after(): { cancel(): void } {
    return { cancel() {} };
  }

  soon(): void {}
}

/** The room that a test leaves to a node's log. */
export class LogRoom {
  segmentRoomBytes = LOG_ROOM_BYTES;
  restBytes = LOG_ROOM_BYTES;
  spareFailure: string | undefined;

  hasRoomFor(bytes: number): boolean {
    return bytes <= this.restBytes;
  }
}

/** A batch on its way. */
export interface SentBatch {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly batch: PeerBatch;
}

/** Whether a message, or the calls of a batch, get lost. */
export type Losses = (
  sent: { readonly kind: string; readonly from: NodeId; readonly to: NodeId },
) => boolean;

/** What became of a call; `undefined` while it waits. */
export interface Asked<T> {
  result: CallResult<T> | undefined;
}

/** How the nodes are set up. */
export interface TurningOptions {
  readonly leaseReads?: boolean;
  readonly quietAfterTicks?: number;
}

/** One of them. */
export class TurningNode {
  readonly id: NodeId;
  readonly core: MultiRaft;
  readonly replica: KvReplica;
  readonly room = new LogRoom();
  readonly gate: WriteGate;
  readonly dispatcher: CallDispatcher;
  readonly removal: Removal;
  /** Entries this node has handed to its state machine. */
  applied = 0;
  readonly #clock: HandClock;
  readonly clockEntries: ClockEntries;
  readonly #leaderships: Leaderships;
  readonly #leaders = new LeaderTable();
  readonly #outbox: Outbox;

  constructor(
    id: NodeId,
    cluster: TurningNodes,
    { leaseReads = false, quietAfterTicks = 0 }: TurningOptions,
  ) {
    const { clock } = cluster;
    const config = { electionTimeoutTicks: ELECTION_TICKS, heartbeatTicks: 2, leaseReads, quietAfterTicks };
    this.id = id;
    this.#clock = clock;
    this.core = new MultiRaft({ nodeId: id, seed: id, ...config });
    this.core.addGroup({ group: GROUP, restored: restored(cluster.ids), priority: [] });
    this.replica = createKvReplica({ partitionId: PARTITION, group: GROUP }, {
      store: new MemoryStore(),
      clock,
    });
    this.#outbox = new Outbox(cluster.transportOf(id));
    this.#outbox.setPeers(new Map(cluster.ids.filter((each) => each !== id).map((each) => [each, []])));
    const memory = createMemoryBudget({ log: 1e9, state: 1e9, calls: 1e9 });
    this.gate = new WriteGate({ space: this.room, memory });
    const parts = {
      nodeId: id,
      seed: id,
      clock,
      memory,
      multiRaft: this.core,
      replicas: new Map([[GROUP, this.replica]]),
      stores: { cachedBytes: 0 },
      leaders: this.#leaders,
      addresses: { epoch: 0, addressOf: () => "" },
      outbox: this.#outbox,
      gate: this.gate,
      meters: { observeProposal() {}, observeRefusal() {} },
    };
    this.dispatcher = new CallDispatcher(parts);
    this.#leaderships = new Leaderships(parts);
    this.clockEntries = new ClockEntries({ ...parts, dispatcher: this.dispatcher });
    this.removal = new Removal({ ...parts, dispatcher: this.dispatcher });
  }

  /** As `NodeLoop.turn`, with a disk that takes no time. */
  turn(): void {
    const { core, dispatcher } = this;
    core.setClock(Math.floor(this.#clock.nowMs / TICK_MS));
    dispatcher.openReadRounds();
    this.clockEntries.prepareReads();
    this.removal.goOn();
    const ready = core.ready();
    this.#outbox.addMessages(ready.messages);
    for (const { group, entries } of ready.committed) {
      dispatcher.apply(group, entries);
      this.applied += entries.length;
    }
    for (const read of ready.reads) dispatcher.closeReadRound(read);
    for (const transition of ready.transitions) {
      this.#leaderships.follow(transition);
      dispatcher.followLeader(transition.group);
    }
    if (ready.transitions.length > 0) dispatcher.startParked();
    this.#outbox.addMessages(ready.messagesAfterPersist);
    core.advance(ready);
    dispatcher.takeLost(this.#outbox.flush());
  }

  /** As `NodeLoop`'s tick, but for what keeps keys' times. */
  tick(): void {
    this.core.tick();
    this.dispatcher.startParked();
  }

  take({ from, batch }: SentBatch): void {
    for (const message of batch.messages) this.core.step(this.gate.admit(message));
    for (const { group, term } of batch.leaderships) this.#leaders.noteRemote(group, { leader: from, term });
    for (const call of batch.calls) this.dispatcher.startForwarded(from, call);
    for (const reply of batch.replies) this.dispatcher.takeReply(from, reply);
  }

  /** Writes; what came of it is known after some turns. */
  write(...mutations: readonly Mutation[]): Asked<Outcome> {
    const asked: Asked<Outcome> = { result: undefined };
    this.dispatcher.start({
      kind: "write",
      partitionId: PARTITION,
      command: encodeCommand(mutations, undefined),
      deadlineMs: NO_DEADLINE,
      mayForward: true,
      settle: (result) => asked.result = result,
    });
    return asked;
  }

  read(
    keys: readonly string[],
    consistency: ReadConsistency = "linearizable",
  ): Asked<readonly ReadResult[]> {
    const asked: Asked<readonly ReadResult[]> = { result: undefined };
    this.dispatcher.start({
      kind: "read",
      partitionId: PARTITION,
      keys: keys.map((key) => new TextEncoder().encode(key)),
      consistency,
      maxStalenessMs: 0,
      deadlineMs: NO_DEADLINE,
      mayForward: true,
      settle: (result) => asked.result = result,
    });
    return asked;
  }

  /** Where the log ends. */
  get lastIndex(): number {
    return this.core.status(GROUP)!.lastIndex;
  }
}

/** See the module comment. */
export class TurningNodes {
  readonly clock = new HandClock();
  readonly ids: readonly NodeId[];
  readonly nodes: readonly TurningNode[];
  /** On their way, in the order in which they were sent. */
  readonly sent: SentBatch[] = [];

  constructor(size: number, options: TurningOptions = {}) {
    this.ids = Array.from({ length: size }, (_, at) => at + 1);
    this.nodes = this.ids.map((id) => new TurningNode(id, this, options));
  }

  node(id: NodeId): TurningNode {
    return this.nodes[id - 1]!;
  }

  /** The way out of a node. */
  transportOf(from: NodeId) {
    return {
      setPeers() {},
      whoIsAt: () => Promise.reject(new Error("nobody is asked")),
      askSnapshot: () => Promise.reject(new Error("there is no network")),
      send: (to: NodeId, batch: PeerBatch) => (this.sent.push({ from, to, batch }), true),
      statuses: () => [],
      close: () => Promise.resolve(),
    };
  }

  /** Turns and deliveries until nothing is left to do. */
  settle(losses?: Losses): void {
    do {
      for (const sent of this.sent.splice(0)) this.#carry(sent, losses);
      for (const node of this.nodes) node.turn();
    } while (this.sent.length > 0 || this.nodes.some(({ core }) => core.hasReady()));
  }

  /** Time passes for everybody, in ticks, and what it brings is done. */
  pass(ms: number, losses?: Losses): void {
    for (let passed = 0; passed < ms; passed += TICK_MS) {
      this.clock.nowMs += TICK_MS;
      for (const node of this.nodes) node.tick();
      this.settle(losses);
    }
  }

  /** Calls that get lost are known to be. */
  #carry(sent: SentBatch, losses: Losses = () => false): void {
    const { batch, from, to } = sent;
    const messages = batch.messages.filter((message) => !losses(message));
    const isCallLost = batch.calls.length > 0 && losses({ kind: "call", from, to });
    if (isCallLost) this.node(from).dispatcher.takeLost(batch.calls);
    this.node(to).take({ from, to, batch: { ...batch, messages, calls: isCallLost ? [] : batch.calls } });
  }

  /** Has `id` lead, by letting time pass for it alone. Nobody leads before. */
  elect(id: NodeId): TurningNode {
    const node = this.node(id);
    for (let ticks = 0; node.replica.role !== "leader"; ticks++) {
      if (ticks > 10 * ELECTION_TICKS) throw new Error(`node ${id} is not elected`);
      this.clock.nowMs += TICK_MS;
      node.tick();
      this.settle();
    }
    return node;
  }
}

/** The values, as texts; an error's kind. */
export function valuesOf({ result }: Asked<readonly ReadResult[]>): readonly (string | undefined)[] | string {
  if (result === undefined) return "waiting";
  if (!result.ok) return kindOf(result.error);
  return result.value.map((item) => item === undefined ? undefined : new TextDecoder().decode(item.value));
}

/** What was put can be read for `ttlMs`, by the time of the partition. */
export function timedPut(key: string, ttlMs: number): Mutation {
  const bytes = new TextEncoder().encode(key);
  return { kind: "put", key: bytes, value: bytes, ttlMs, precondition: undefined };
}

function kindOf(error: DomainError): string {
  return error.failure.kind;
}

function restored(voters: MembershipTarget["voters"]): Restored {
  const membership = { voters, votersOutgoing: [], learners: [], learnersNext: [] };
  return {
    hardState: { term: 0, vote: 0, commit: 0 },
    snapshot: { index: 0, term: 0, membership, membershipIndex: 0 },
    entries: [],
  };
}
