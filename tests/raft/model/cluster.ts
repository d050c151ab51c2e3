/**
 * Nodes of the bare core with a network and disks in memory, for tests. Nothing happens by itself: the test
 * decides which node ticks, which message arrives, where a node is between `ready` and `advance`, and when it
 * dies.
 *
 * @module
 */

import {
  type Entry,
  type GroupId,
  type GroupOptions,
  type Message,
  MultiRaft,
  type MultiRaftConfig,
  NO_NODE,
  type NodeId,
  type RaftStatus,
  type ReadReady,
  type ReadyBatch,
  type Restored,
  type SnapshotMeta,
  type Transition,
} from "../../../raft/mod.ts";
import { Disk } from "./disk.ts";
import { votersOnly } from "../../support/memberships.ts";

/** What a test cluster is made of. */
export interface ClusterOptions {
  readonly nodes: readonly NodeId[];
  /**
   * The nodes that belong to the groups at first, all nodes unless given; the others have replicas without a
   * membership.
   */
  readonly voters?: readonly NodeId[];
  readonly groups?: readonly GroupId[];
  readonly seed?: number;
  readonly config?: Partial<MultiRaftConfig>;
  /** Preference of each group; none by default, which also switches handing over off. */
  readonly priority?: (group: GroupId) => readonly NodeId[];
  /** Whether the first replicas have ids, those of their nodes; they have none unless given. */
  readonly hasReplicaIds?: boolean;
  /** What each replica starts from; an empty log by default. */
  readonly restored?: (node: NodeId, group: GroupId) => Restored | undefined;
}

/** Entries of one group. */
export interface GroupEntries {
  readonly group: GroupId;
  readonly entries: readonly Entry[];
}

/** Told about everything that becomes visible outside a node. */
export interface Watcher {
  beforePersist?(node: ModelNode, batch: ReadyBatch): void;
  onCommitted?(
    node: ModelNode,
    committed: GroupEntries,
  ): void;
  onRead?(node: ModelNode, read: ReadReady): void;
  onTransition?(node: ModelNode, transition: Transition): void;
}

const ELECTION_TIMEOUT_TICKS = 10;
const HEARTBEAT_TICKS = 2;

/** A batch that has not come back to the core. */
export interface BatchOut {
  readonly batch: ReadyBatch;
  isPersisted: boolean;
}

/** One node; `raft` is absent while it is down. */
export class ModelNode {
  readonly id: NodeId;
  readonly disk = new Disk();
  raft: MultiRaft | undefined;
  /** Batches on their way to the disk, oldest first. */
  readonly batches: BatchOut[] = [];
  /** Its state machine, by group: all it has applied, now or before it was kept or sent as a whole. */
  readonly applied = new Map<GroupId, Entry[]>();
  readonly reads: ReadReady[] = [];
  /** What came into force last with the entries it applied, by group. */
  readonly memberships = new Map<GroupId, Pick<SnapshotMeta, "membership" | "membershipIndex">>();
  /** Of whom each group wants a snapshot. */
  readonly wanted = new Map<GroupId, NodeId>();
  starts = 0;
  /** Its monotonic clock, in ticks; goes on while the node stands still or is down. */
  clock = 0;

  constructor(id: NodeId) {
    this.id = id;
  }

  /** The core, of a node that is up. */
  get core(): MultiRaft {
    if (this.raft === undefined) throw new Error(`The test uses node ${this.id}, which is down`);
    return this.raft;
  }

  /** A tick of time, noticed by the core if it is up. */
  tick(): void {
    this.clock++;
    this.raft?.setClock(this.clock);
    this.raft?.tick();
  }

  status(group: GroupId): RaftStatus {
    const status = this.core.status(group);
    if (status === undefined) throw new Error(`The test has no group ${group} on node ${this.id}`);
    return status;
  }
}

/** See the module comment. */
export class Cluster {
  readonly nodes: readonly ModelNode[];
  readonly groups: readonly GroupId[];
  /** On their way, the oldest first. */
  readonly inTransit: Message[] = [];
  /** Links that lose everything, as `from>to`. */
  readonly cuts = new Set<string>();
  watcher: Watcher = {};
  /** What else happens whenever time has passed. */
  afterTick: () => void = () => {};
  readonly #options: ClusterOptions;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.groups = options.groups ?? [1];
    this.nodes = options.nodes.map((id) => new ModelNode(id));
    for (const node of this.nodes) {
      for (const group of this.groups) node.disk.format(group, this.#firstState(node.id, group));
      this.start(node);
    }
  }

  node(id: NodeId): ModelNode {
    const node = this.nodes.find((each) => each.id === id);
    if (node === undefined) throw new Error(`The test has no node ${id}`);
    return node;
  }

  /** Starts a node from its disk. */
  start(node: ModelNode): void {
    const { seed = 1, config, priority = () => [] } = this.#options;
    node.starts++;
    node.raft = new MultiRaft({
      nodeId: node.id,
      seed: seed * 1_000_003 + node.id * 1_009 + node.starts,
      electionTimeoutTicks: ELECTION_TIMEOUT_TICKS,
      heartbeatTicks: HEARTBEAT_TICKS,
      ...config,
    });
    for (const group of this.groups) {
      const options: GroupOptions = { group, restored: node.disk.restored(group), priority: priority(group) };
      const { snapshot, state } = node.disk.group(group);
      node.applied.set(group, [...state]);
      node.memberships.set(group, snapshot);
      node.raft.addGroup(options);
    }
  }

  /** What is on the disk of a node, which is down, from now on. */
  format({ disk, id }: ModelNode, group: GroupId, state: Restored): void {
    disk.format(group, this.#named(id, state));
  }

  /** Another replica, with nothing in it, takes the place of one that has left for good. */
  replace(node: ModelNode, { group, replicaId }: Pick<RaftStatus, "group" | "replicaId">): void {
    const { priority = () => [] } = this.#options;
    this.finishAll(node);
    node.core.removeGroup(group);
    const restored = emptyState([]);
    node.disk.format(group, restored);
    node.applied.set(group, []);
    node.memberships.set(group, restored.snapshot);
    node.wanted.delete(group);
    node.core.addGroup({ group, restored, priority: priority(group), replicaId });
  }

  /** Ends a node; what it had not persisted is gone. */
  crash(node: ModelNode): void {
    node.raft = undefined;
    node.batches.length = 0;
    node.reads.length = 0;
    node.wanted.clear();
  }

  /** First half of a turn: what may leave before the disk leaves, and what is committed is applied. */
  begin(node: ModelNode, canWrite = true): ReadyBatch {
    node.core.setClock(node.clock);
    const batch = node.core.ready(canWrite);
    node.batches.push({ batch, isPersisted: false });
    for (const transition of batch.transitions) this.watcher.onTransition?.(node, transition);
    this.#send(batch.messages);
    for (const committed of batch.committed) {
      node.applied.get(committed.group)?.push(...committed.entries);
      this.watcher.onCommitted?.(node, committed);
    }
    for (const { group, membership, index } of batch.memberships) {
      node.memberships.set(group, { membership, membershipIndex: index });
    }
    for (const { group, leader } of batch.snapshotsWanted) node.wanted.set(group, leader);
    for (const read of batch.reads) {
      node.reads.push(read);
      this.watcher.onRead?.(node, read);
    }
    return batch;
  }

  /** The disk takes the oldest batch it does not have. */
  persist(node: ModelNode): void {
    const next = node.batches.find(({ isPersisted }) => !isPersisted);
    if (next === undefined) return;
    this.watcher.beforePersist?.(node, next.batch);
    for (const persist of next.batch.persist) node.disk.persist(persist);
    next.isPersisted = true;
  }

  /** Second half of the oldest turn, if the disk has its batch. */
  finish(node: ModelNode): void {
    if (!node.batches[0]?.isPersisted) return;
    const { batch } = node.batches.shift()!;
    this.#send(batch.messagesAfterPersist);
    node.core.advance(batch);
  }

  /** The disk takes everything, and all turns end. */
  finishAll(node: ModelNode): void {
    while (node.batches.length > 0) {
      this.persist(node);
      this.finish(node);
    }
  }

  /** A whole turn of one node. */
  turn(node: ModelNode): ReadyBatch {
    const batch = this.begin(node);
    this.finishAll(node);
    return batch;
  }

  /** Brings one message to its receiver, unless that is down or nobody. */
  deliver(message: Message): void {
    this.nodes.find((node) => node.id === message.to)?.raft?.step(message);
  }

  /** Turns and deliveries in a fixed order until nothing is left to do. */
  settle(): void {
    for (let round = 0; round < SETTLE_ROUNDS_MAX; round++) {
      for (const node of this.#up()) while (node.core.hasReady()) this.turn(node);
      if (this.inTransit.length === 0) return;
      for (const message of this.inTransit.splice(0)) this.deliver(message);
    }
    throw new Error("The cluster does not come to rest");
  }

  /** Like `settle`, with the nodes of `ids` holding still: what is sent to them stays on its way. */
  settleExcept(ids: readonly NodeId[]): void {
    for (let round = 0; round < SETTLE_ROUNDS_MAX; round++) {
      const moving = this.#up().filter((node) => !ids.includes(node.id));
      for (const node of moving) while (node.core.hasReady()) this.turn(node);
      const position = this.inTransit.findIndex((message) => !ids.includes(message.to));
      if (position < 0) return;
      for (const message of this.inTransit.splice(position, 1)) this.deliver(message);
    }
    throw new Error("The cluster does not come to rest");
  }

  /** Time passes for all nodes that are up, which settle after each tick. */
  tick(count = 1): void {
    for (let passed = 0; passed < count; passed++) {
      for (const node of this.nodes) node.tick();
      this.settle();
      this.afterTick();
    }
  }

  /** Ticks until `isDone`, at most `ticksMax` times. */
  tickUntil(isDone: () => boolean, ticksMax = 200): void {
    for (let passed = 0; passed < ticksMax && !isDone(); passed++) this.tick();
    if (!isDone()) throw new Error(`Not so after ${ticksMax} ticks: ${isDone}`);
  }

  /** Ticks until some node leads `group` and everybody up knows it; returns that node. */
  elect(group: GroupId = this.groups[0]!): ModelNode {
    this.tickUntil(() => this.leader(group) !== undefined);
    return this.leader(group)!;
  }

  /** The leader of `group` if all nodes of `ids` that are up agree on it. */
  leader(group: GroupId = this.groups[0]!, ids = this.nodes.map((node) => node.id)): ModelNode | undefined {
    const asked = this.#up().filter((node) => ids.includes(node.id));
    const leaders = new Set(asked.map((node) => node.status(group).leader));
    const [leader] = leaders;
    return leaders.size === 1 && leader !== NO_NODE
      ? this.nodes.find((node) => node.id === leader)
      : undefined;
  }

  /**
   * Makes `id` the leader of `group`: the others fall silent until they let go of their leader, and what they
   * would have said for themselves meanwhile is lost.
   */
  makeLeader(id: NodeId, group: GroupId = this.groups[0]!): ModelNode {
    const node = this.node(id);
    for (const other of this.#up().filter((each) => each !== node)) {
      for (let passed = 0; passed < ELECTION_TIMEOUT_TICKS; passed++) other.tick();
      this.turn(other);
    }
    this.inTransit.length = 0;
    for (
      let passed = 0;
      passed < 3 * ELECTION_TIMEOUT_TICKS && node.status(group).role !== "leader";
      passed++
    ) {
      node.tick();
      this.settle();
    }
    if (node.status(group).role !== "leader") throw new Error(`Node ${id} cannot be made the leader`);
    return node;
  }

  /** Cuts all links between `ids` and the others, in both directions. */
  isolate(...ids: readonly NodeId[]): void {
    for (const a of this.nodes) {
      for (const b of this.nodes) {
        if (ids.includes(a.id) !== ids.includes(b.id)) this.cuts.add(`${a.id}>${b.id}`);
      }
    }
  }

  heal(): void {
    this.cuts.clear();
  }

  #up(): readonly ModelNode[] {
    return this.nodes.filter((node) => node.raft !== undefined);
  }

  #send(messages: readonly Message[]): void {
    for (const message of messages) {
      if (!this.cuts.has(`${message.from}>${message.to}`)) this.inTransit.push(message);
    }
  }

  #firstState(node: NodeId, group: GroupId): Restored {
    const { restored, nodes, voters = nodes } = this.#options;
    return this.#named(node, restored?.(node, group) ?? emptyState(voters.includes(node) ? voters : []));
  }

  /** If replicas have ids, with those of the first ones. */
  #named(node: NodeId, state: Restored): Restored {
    if (this.#options.hasReplicaIds !== true) return state;
    const { snapshot } = state;
    const replicaIds = snapshot.membership.voters.map((voter) => [voter, voter] as const);
    return {
      ...state,
      replicaId: state.replicaId || node,
      snapshot: { ...snapshot, membership: { ...snapshot.membership, replicaIds } },
    };
  }
}

/**
 * A settled cluster exchanges a handful of messages; a thousand rounds mean that two nodes shout at each
 * other.
 */
const SETTLE_ROUNDS_MAX = 1_000;

/** A replica that has never done anything, with `voters`. */
export function emptyState(voters: readonly NodeId[]): Restored {
  return {
    hardState: { term: 0, vote: NO_NODE, commit: 0 },
    snapshot: { index: 0, term: 0, membership: votersOnly(voters), membershipIndex: 0 },
    entries: [],
  };
}

/** A log by the terms of its entries, and what is known with it. */
interface LogShape {
  readonly terms: readonly number[];
  readonly term?: number;
  readonly commit?: number;
}

/** A replica whose log holds entries of `terms`, from index 1 on, each with its own index as text. */
export function stateWithLog(
  voters: readonly NodeId[],
  options: LogShape,
): Restored {
  const { terms, term = terms.at(-1) ?? 0, commit = 0 } = options;
  return {
    ...emptyState(voters),
    hardState: { term, vote: NO_NODE, commit },
    entries: terms.map((entryTerm, position) => textEntry({ index: position + 1, term: entryTerm })),
  };
}

/** Where an entry stands. */
interface EntryPlace {
  readonly index: number;
  readonly term: number;
}

/** A command entry whose bytes are the text `index/term`. */
export function textEntry(options: EntryPlace): Entry {
  const { index, term } = options;
  return { index, term, kind: 1, data: new TextEncoder().encode(`${index}/${term}`) };
}

/** The bytes of `text`. */
export function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** What was handed out, as text, without the empty entries that open terms. */
export function appliedText(node: ModelNode, group: GroupId = 1): readonly string[] {
  const entries = node.applied.get(group) ?? [];
  return entries.filter((entry) => entry.kind === 1).map((entry) => new TextDecoder().decode(entry.data));
}
