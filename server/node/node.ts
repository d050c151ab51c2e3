/**
 * A node: replicas of partitions, the log they share and the loop that drives them, over a data directory
 * that is already open. Its parts are made in the order in which they depend on each other. Everything of the
 * outside world comes in through the options.
 *
 * @module
 */

import type { GroupId, NodeId } from "../../raft/mod.ts";
import type { FileSystem, SyncPolicy, Wal } from "../../wal-wasm/mod.ts";
import {
  type ClusterMetadata,
  type MemoryLimits,
  type NodeApi,
  type NodeCallOptions,
  type NodeReadOptions,
  type NodeStatus,
  type NodeTrouble,
  type NodeWriteOptions,
  type OpenBackup,
  type Readiness,
  readinessOf,
  type ReadResult,
  type WriteResult,
} from "../api/mod.ts";
import {
  CallDispatcher,
  CallIntake,
  createMemoryBudget,
  FoundingGate,
  Leaderships,
  LeaderTable,
  type MemoryBudget,
  type MemoryPart,
  notFounded,
  stopping,
  WriteGate,
} from "../calls/mod.ts";
import {
  type ChangeRequest,
  CLUSTER_GROUP,
  type ClusterChange,
  type ClusterShape,
  type ClusterState,
  foundingState,
  foundingStateOf,
  groupOfPartition,
  type NodePlace,
} from "../cluster/mod.ts";
import {
  type DataDirectory,
  DataDirectoryError,
  DirectoryWatch,
  type Identity,
  type ResourceTrouble,
  type Troubles,
} from "../data/mod.ts";
import { ClockEntries, Removal } from "../expiry/mod.ts";
import type { Mutation } from "../kv/mod.ts";
import {
  type Clock,
  Outbox,
  type PeerTransport,
  type SnapshotAnswer,
  type SnapshotRequest,
} from "../ports/mod.ts";
import {
  type AskedBudget,
  isStateError,
  stateBudget,
  StateKeeper,
  StateStores,
  type StoreSizes,
} from "../state/mod.ts";
import { createMultiRaft, groupsToRestore, restoreGroups, TICKS_PER_HEARTBEAT } from "./bootstrap.ts";
import { ClusterStateMachine } from "./cluster_state_machine.ts";
import { Coordinator } from "./coordinator.ts";
import { GroupZero } from "./group_zero.ts";
import type { NodeInbox } from "./inbox.ts";
import { type LoopMeters, type NodeEnd, NodeLoop } from "./node_loop.ts";
import { NodeReporter, type ReplicaReport } from "./node_status.ts";
import { PeerDirectory } from "./peer_directory.ts";
import { Reconciler } from "./reconciler.ts";
import { type RecoveredLog, recoverLog } from "./recovery.ts";
import { ReplicaSet } from "./replica_set.ts";
import { encodeGone, encodeRecords } from "./wal_codec.ts";

/** How long a clean stop waits for leaderships to be taken over, in election timeouts. */
const HAND_OVER_TIMEOUTS = 2;

/** What a node that was not there when its cluster was founded has been told of it. */
export interface JoinedCluster {
  /** 32 hexadecimal digits. */
  readonly clusterId: string;
  /** By partition id, at that time. */
  readonly replicas: readonly (readonly NodeId[])[];
}

/** All a node is made of. */
export interface NodeOptions {
  /** Says which node of which cluster this is. */
  readonly data: DataDirectory;
  /** The founders; the nodes it was told of if it has joined. */
  readonly shape: ClusterShape;
  /** Set if the node was not there when the cluster was founded. */
  readonly joined?: JoinedCluster;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  /** For every random choice of this node. */
  readonly seed: number;
  /** For the salt of a new log, 32 bits that cannot be guessed; the system's by default. */
  readonly randomWord?: () => number;
  readonly inbox: NodeInbox;
  readonly transport: PeerTransport;
  /** Where this node is, if it can be reached; it sees to it that the cluster knows. */
  readonly place?: NodePlace;
  readonly electionTimeoutMs: number;
  readonly heartbeatMs: number;
  /** Whether a leader whose lease holds answers reads alone; not unless given. */
  readonly leaseReads?: boolean;
  readonly walSync: SyncPolicy;
  readonly walSegmentBytes: number;
  /** What the node may hold in memory. */
  readonly memory: MemoryLimits;
  /** What stores and log may take, where it is not to follow from that. */
  readonly budget?: AskedBudget;
  readonly storeSizes?: StoreSizes;
  /** Where it says what is wrong for the moment. */
  readonly troubles: Troubles;
  readonly meters: LoopMeters;
}

/** What a node has found on its disk. */
interface RestoredNode extends RecoveredLog {
  readonly stores: StateStores;
  readonly groups: readonly GroupId[];
}

/** See the module comment. */
export class Node implements NodeApi {
  /** The log, for metrics. */
  readonly wal: Wal;
  /** The replicas here. */
  readonly replicas: ReplicaSet;
  /** The replica of the cluster's own group. */
  readonly cluster: GroupZero;
  readonly #options: NodeOptions;
  readonly #peers: PeerDirectory;
  readonly #founding: FoundingGate;
  readonly #intake: CallIntake;
  readonly #loop: NodeLoop;
  readonly #reporter: NodeReporter;
  #isHandingOver = false;
  #isLeaving = false;
  readonly #memory: MemoryBudget;
  /** Which writes it takes. */
  readonly gate: WriteGate;
  #isStopping = false;
  /** Keeps state and log, for metrics. */
  readonly keeper: StateKeeper;

  /**
   * Opens the stores, recovers the log and starts the loop. The data directory belongs to the node from now
   * on: it is released when the node is closed, or cannot be opened.
   *
   * @throws {DataDirectoryError} when a store or the log cannot be opened or is damaged
   */
  static async open(options: NodeOptions): Promise<Node> {
    try {
      const stores = await openStores(options);
      return await Node.#restore(options, stores).catch(async (error) => {
        await stores.close();
        throw error;
      });
    } catch (error) {
      options.data.lock.release();
      throw isStateError(error) ? new DataDirectoryError(error.message, { cause: error }) : error;
    }
  }

  static async #restore(options: NodeOptions, stores: StateStores): Promise<Node> {
    const log = await recoverLog({ ...options, pointOf: (group) => stores.all.get(group)?.store.point });
    try {
      const { identity: { nodeId } } = options.data;
      const place = { nodeId, shape: options.shape, hasJoined: options.joined !== undefined };
      const { collector } = log;
      for (const group of [...stores.all.keys()]) if (collector.hasLeft(group)) await stores.discard(group);
      const kept = [...stores.all].filter(([, { store }]) => store.point.index > 0).map(([group]) => group);
      const hasLeft = (group: GroupId) => collector.hasLeft(group);
      const groups = groupsToRestore(place, { held: [...collector.groups(), ...kept], hasLeft });
      for (const group of groups) await stores.ensure(group);
      return new Node(options, { ...log, stores, groups });
    } catch (error) {
      await log.wal.close();
      throw error;
    }
  }

  private constructor(options: NodeOptions, { wal, collector, stores, groups }: RestoredNode) {
    const { electionTimeoutMs, joined, shape, transport } = options;
    const { clusterId, identity } = options.data;
    const own = { ...options, clusterId, identity, nodeId: identity.nodeId, hasJoined: joined !== undefined };
    const multiRaft = createMultiRaft(own);
    const leaders = new LeaderTable();
    const outbox = new Outbox(transport);
    const machine = new ClusterStateMachine(initialState(options), stores.get(CLUSTER_GROUP));
    const memory = createMemoryBudget(options.memory);
    const gate = new WriteGate({ space: wal, memory });
    const base = { ...own, wal, multiRaft, leaders, outbox, memory, gate, stores };
    const cluster = new GroupZero({ ...base, machine });
    const leaderFollowed = () => multiRaft.status(CLUSTER_GROUP)!.leader;
    const peers = new PeerDirectory({ ...base, cluster: machine, leaderFollowed });
    const replicas = new ReplicaSet({ ...base, cluster: cluster.replica });
    for (const [group, snapshot] of restoreGroups(multiRaft, own, { groups, collector })) {
      const store = stores.get(group);
      store.lost = collector.lostPoint(group);
      if (group === CLUSTER_GROUP) store.restoreTo(cluster.replica, snapshot);
      else replicas.add(group, snapshot);
    }
    const budget = stateBudget(options.memory, options.budget ?? {});
    const { places } = collector;
    const keeper = new StateKeeper({
      ...base,
      budget,
      replicas: replicas.all,
      places,
      encode: encodeRecords,
      encodeGone,
      leave: (group) => dispatcher.dropReplica(replicas.remove(group)),
    });
    const parts = { ...base, cluster, peers, replicas };
    const calls = { ...base, addresses: peers, replicas: replicas.all };
    const dispatcher = new CallDispatcher(calls);
    const reconciler = new Reconciler(parts);
    this.#options = options;
    this.wal = wal;
    this.replicas = replicas;
    this.keeper = keeper;
    this.cluster = cluster;
    this.#peers = peers;
    this.#memory = memory;
    this.gate = gate;
    this.#founding = new FoundingGate(clusterId, options.clock);
    this.#intake = new CallIntake({ ...base, partitionCount: shape.partitionCount });
    this.#reporter = new NodeReporter(parts);
    const { directory, lock } = options.data;
    this.#loop = new NodeLoop({
      ...parts,
      directory: new DirectoryWatch({ directory, nodeId: own.nodeId, locks: [lock, wal] }),
      dispatcher,
      clockEntries: new ClockEntries({ ...calls, dispatcher }),
      removal: new Removal({ ...calls, dispatcher }),
      leaderships: new Leaderships(calls),
      reconciler,
      coordinator: new Coordinator({ ...parts, reconciler }),
      keeper,
      tickMs: options.heartbeatMs / TICKS_PER_HEARTBEAT,
      stuckDiskMs: electionTimeoutMs / 2,
    });
    this.#loop.start();
  }

  /** Empty until the cluster is founded and this node has heard of it. */
  get clusterId(): string {
    return this.#options.data.clusterId.settledValue;
  }

  wallMs(): number {
    return this.#options.clock.wallMs();
  }

  /** Whose data this node holds. */
  get identity(): Identity {
    return this.#options.data.identity;
  }

  /** Calls that wait for an answer. */
  get callsInFlight(): number {
    return this.#intake.callsInFlight;
  }

  /** Resources that are short at the moment, and may be there again by themselves. */
  resourceTroubles(): readonly ResourceTrouble[] {
    return this.#options.troubles.list();
  }

  /** What each part of the memory budget may hold, and holds. */
  memory(): readonly MemoryPart[] {
    const { log, state, calls } = this.#memory;
    return [log, state, calls];
  }

  /** Resolves when the node ends by itself; never when it is closed. */
  get ended(): Promise<NodeEnd> {
    return this.#loop.ended;
  }

  write(mutations: readonly Mutation[], options: NodeWriteOptions): Promise<readonly WriteResult[]> {
    if (this.#founding.isOpen) return this.#intake.write(mutations, options);
    return this.#writeLater(mutations, options);
  }

  read(keys: readonly Uint8Array[], options: NodeReadOptions): Promise<readonly ReadResult[]> {
    if (this.#founding.isOpen) return this.#intake.read(keys, options);
    return this.#readLater(keys, options);
  }

  async openBackup(
    partitionId: number,
    options: Pick<NodeCallOptions, "timeoutMs">,
  ): Promise<OpenBackup> {
    const timeoutMs = await this.#founding.wait(options);
    if (this.#isStopping) throw stopping();
    if (timeoutMs === 0) throw notFounded();
    await this.#intake.confirm(partitionId, { timeoutMs });
    return await this.keeper.openBackup(groupOfPartition(partitionId));
  }

  metadata(): ClusterMetadata {
    return this.#reporter.metadata();
  }

  async changeCluster(
    request: ChangeRequest,
    options: Omit<NodeCallOptions, "direct">,
  ): Promise<string> {
    const timeoutMs = await this.#founding.wait(options);
    if (this.#isStopping) throw stopping();
    if (timeoutMs === 0) throw notFounded();
    return await this.cluster.change(request, { ...options, timeoutMs });
  }

  refreshCluster({ timeoutMs }: Pick<NodeWriteOptions, "timeoutMs">): Promise<boolean> {
    return this.#isStopping ? Promise.resolve(false) : this.cluster.refreshWithin(timeoutMs);
  }

  clusterChanges(): readonly ClusterChange[] {
    return this.cluster.state.changes;
  }

  onClusterChange(listener: () => void): () => void {
    return this.cluster.onChange(listener);
  }

  status(): NodeStatus {
    return this.#reporter.status(this.#isStopping);
  }

  /** Whether calls through this node can succeed, and why not. */
  readiness(): Readiness {
    return readinessOf(this.troubles());
  }

  /** From now on the node is not ready, though it still serves: who watches it may turn away in time. */
  announceStop(): void {
    this.#isLeaving = true;
  }

  /** What calls through this node suffer from, as far as it knows. */
  troubles(): readonly NodeTrouble[] {
    if (this.#isStopping || this.#isHandingOver || this.#isLeaving) {
      return [{ kind: "stopping", reason: "the node is stopping" }];
    }
    const stuckMs = this.#loop.diskStuckMs;
    const stuck: readonly NodeTrouble[] = stuckMs === 0 ? [] : [{
      kind: "diskStuck",
      reason: `the disk has not taken what is written for ${Math.round(stuckMs)} ms`,
    }];
    return [...stuck, ...this.#reporter.troubles()];
  }

  /** The partitions without a leader that this node knows, ascending. */
  leaderless(): readonly number[] {
    return this.#reporter.leaderless();
  }

  /** How many replicas partitions should have, and whether they have; `undefined` before the founding. */
  replicaReport(): ReplicaReport | undefined {
    return this.#reporter.replicaReport();
  }

  /**
   * Whether `id`, which knows the cluster's id and says that it serves at `address`, may speak with this
   * node.
   */
  admits(id: NodeId, address: string): boolean {
    return this.#peers.admit(id, address);
  }

  /** Whether `id` was a member of the cluster once and never will be again. */
  hasRemoved(id: NodeId): boolean {
    return this.cluster.state.retired.has(id);
  }

  /** Why nothing of what `id` says is believed: it has lost what it promised to this node. */
  distrustOf(id: NodeId): string | undefined {
    return this.#peers.distrustOf(id);
  }

  /** A member wants a snapshot, or a part of one. */
  answerSnapshot(from: NodeId, request: SnapshotRequest): Promise<SnapshotAnswer> {
    return this.keeper.answerSnapshot(from, request);
  }

  /** Peer `by` knows this node with another data directory: no turn runs from now on. */
  takeIdentityMismatch(by: NodeId): void {
    const { identity: { nodeId }, directory } = this.#options.data;
    this.#loop.fail(
      new Error(
        `Node ${by} knows node ${nodeId} with another data directory than "${directory}": a node that has ` +
          "lost its disk has forgotten its votes and must not come back under its old id",
      ),
    );
  }

  async #writeLater(
    mutations: readonly Mutation[],
    options: NodeWriteOptions,
  ): Promise<readonly WriteResult[]> {
    const timeoutMs = await this.#founding.wait(options);
    if (timeoutMs > 0) return await this.#intake.write(mutations, { ...options, timeoutMs });
    return mutations.map(() => ({ ok: false, error: notFounded() }));
  }

  async #readLater(
    keys: readonly Uint8Array[],
    options: NodeReadOptions,
  ): Promise<readonly ReadResult[]> {
    const timeoutMs = await this.#founding.wait(options);
    if (timeoutMs === 0) throw notFounded();
    return await this.#intake.read(keys, { ...options, timeoutMs });
  }

  /**
   * Hands leaderships over, ends the loop, syncs and closes the log, and releases the directory.
   *
   * @throws what made it impossible for the node to go on, before or now; everything is released all the same
   */
  async close(): Promise<void> {
    if (this.#isStopping) return;
    this.#isHandingOver = true;
    const { data, electionTimeoutMs, transport } = this.#options;
    await this.#loop.handOver(electionTimeoutMs * HAND_OVER_TIMEOUTS);
    this.#isStopping = true;
    this.#intake.close();
    try {
      await this.#loop.stop();
      await this.keeper.close();
      await transport.close();
      await this.wal.close();
    } finally {
      data.lock.release();
    }
    if (this.#loop.failure !== undefined) throw this.#loop.failure;
  }
}

function openStores({ budget = {}, clock, data, fileSystem, memory, randomWord, storeSizes }: NodeOptions) {
  return StateStores.open({
    fileSystem,
    directory: data.directory,
    cacheBytes: stateBudget(memory, budget).cacheBytes,
    pause: () => new Promise((resolve) => clock.soon(resolve)),
    randomWord,
    sizes: storeSizes,
  });
}

/** The cluster's state before its own group has said anything. */
function initialState({ joined, shape }: NodeOptions): ClusterState {
  return joined === undefined
    ? foundingStateOf(shape)
    : foundingState({ ...shape, replicas: joined.replicas });
}
