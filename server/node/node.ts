/**
 * A node: replicas of partitions, the log they share and the loop that drives them, opened from a data
 * directory. Everything of the outside world comes in through the options.
 *
 * @module
 */

import { hashRangeStart, partitionOfKey } from "../../proto/mod.ts";
import type { Membership, MultiRaft, NodeId } from "../../raft/mod.ts";
import { type FileSystem, type RecoveryReport, type SyncPolicy, Wal, WalError } from "../../wal-wasm/mod.ts";
import {
  type ClusterMetadata,
  type NodeApi,
  type NodeReadOptions,
  type NodeStatus,
  type NodeWriteOptions,
  type ReadResult,
  VERSION,
  type WriteResult,
} from "../api/mod.ts";
import { CallIntake, type KvReplica, LeaderTable, stopping } from "../calls/mod.ts";
import {
  type ChangeRequest,
  CLUSTER_GROUP,
  type ClusterChange,
  type ClusterShape,
  type ClusterState,
  foundingState,
  foundingStateOf,
  groupOfPartition,
  partitionOfGroup,
} from "../cluster/mod.ts";
import { type DataDirectory, DataDirectoryError, type Identity, openDataDirectory } from "../data/mod.ts";
import type { Mutation } from "../kv/mod.ts";
import type { Clock, PeerTransport } from "../ports/mod.ts";
import { createMultiRaft, restoreGroups, TICKS_PER_HEARTBEAT } from "./bootstrap.ts";
import { GroupZero } from "./group_zero.ts";
import type { Inbox } from "./inbox.ts";
import { type LoopMeters, NodeLoop } from "./node_loop.ts";
import { PeerDirectory } from "./peer_directory.ts";
import { RecoveryCollector } from "./recovery.ts";
import { ReplicaSet } from "./replica_set.ts";

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
  readonly nodeId: NodeId;
  /** The founders; the nodes it was told of if it has joined. */
  readonly shape: ClusterShape;
  /** Set if the node was not there when the cluster was founded. */
  readonly joined?: JoinedCluster;
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  /** For every random choice of this node. */
  readonly seed: number;
  /** For the salt of a new log, 32 bits that cannot be guessed; the system's by default. */
  readonly randomWord?: () => number;
  readonly inbox: Inbox;
  /** Made once it is known whose data this is. */
  readonly createTransport: (identity: Identity) => PeerTransport;
  readonly electionTimeoutMs: number;
  readonly heartbeatMs: number;
  /** Whether a leader whose lease holds answers reads alone; not unless given. */
  readonly leaseReads?: boolean;
  readonly walSync: SyncPolicy;
  readonly walSegmentBytes: number;
  readonly logBytesMax: number;
  readonly meters: LoopMeters;
  /** The cluster has removed this node, which holds nothing of it any more and should stop. */
  readonly onRemoved?: () => void;
  readonly onFatal: (error: Error) => void;
}

/** Whether a node can serve all its partitions. */
export type Readiness = { readonly isReady: true } | { readonly isReady: false; readonly reason: string };

/** See the module comment. */
export class Node implements NodeApi {
  readonly #options: NodeOptions;
  readonly #data: DataDirectory;
  readonly #wal: Wal;
  readonly #replicas: ReplicaSet;
  readonly #cluster: GroupZero;
  readonly #peers: PeerDirectory;
  readonly #multiRaft: MultiRaft;
  readonly #leaders = new LeaderTable();
  readonly #transport: PeerTransport;
  readonly #loop: NodeLoop;
  readonly #gate: CallIntake;
  readonly #startedMs: number;
  #state: "serving" | "stopping" = "serving";

  /**
   * Opens the data directory, recovers the log and starts the loop.
   *
   * @throws {DataDirectoryError} when the directory is not this node's, or its log is damaged
   */
  static async open(options: NodeOptions): Promise<Node> {
    const { clock, directory, fileSystem, nodeId, seed, shape } = options;
    const incarnation = `${clock.wallMs().toString(16)}-${seed.toString(16)}`;
    const data = await openDataDirectory(fileSystem, {
      ...{ directory, nodeId, shape, incarnation },
      joinedClusterId: options.joined?.clusterId,
    });
    try {
      const wal = await Wal.open({
        fileSystem,
        directory: data.walDirectory,
        clusterId: data.identity.clusterId,
        nodeId,
        segmentBytes: options.walSegmentBytes,
        sync: options.walSync,
        timer: walTimer(options.clock),
        ...(options.randomWord === undefined ? {} : { randomWord: options.randomWord }),
      });
      try {
        const collector = new RecoveryCollector();
        refuseDamage(await wal.recover((record) => collector.take(record)));
        return new Node({ options, data, wal, collector });
      } catch (error) {
        await wal.close();
        throw error;
      }
    } catch (error) {
      data.lock.release();
      throw asDataDirectoryError(error);
    }
  }

  private constructor(
    parts: {
      readonly options: NodeOptions;
      readonly data: DataDirectory;
      readonly wal: Wal;
      readonly collector: RecoveryCollector;
    },
  ) {
    const { options, data, wal, collector } = parts;
    this.#options = options;
    this.#data = data;
    this.#wal = wal;
    const born = { ...options, hasJoined: options.joined !== undefined };
    this.#multiRaft = createMultiRaft(born);
    this.#transport = options.createTransport(data.identity);
    this.#startedMs = options.clock.monotonicMs();
    this.#gate = new CallIntake({
      clock: options.clock,
      partitionCount: options.shape.partitionCount,
      submit: (call) => options.inbox.push({ kind: "call", call }),
    });
    this.#cluster = this.#createCluster();
    this.#peers = new PeerDirectory({
      ...options,
      isFounder: options.joined === undefined,
      state: () => this.#cluster.state,
      leaderOf: (group) => this.#leaders.get(group).leader,
      onGuest: () => this.#connectPeers(),
    });
    this.#replicas = new ReplicaSet({
      nodeId: options.nodeId,
      multiRaft: this.#multiRaft,
      cluster: this.#cluster.replica,
    });
    this.#loop = new NodeLoop({
      ...options,
      ...{ multiRaft: this.#multiRaft, wal, partitions: this.#replicas.all, leaders: this.#leaders },
      epoch: () => this.#cluster.state.epoch,
      addressOf: (node) => this.#peers.addressOf(node),
      transport: this.#transport,
      tickMs: options.heartbeatMs / TICKS_PER_HEARTBEAT,
      onTick: () => this.#cluster.tick(),
      stuckDiskMs: options.electionTimeoutMs / 2,
    });
    for (const group of restoreGroups(this.#multiRaft, born, collector)) {
      if (group !== CLUSTER_GROUP) this.#replicas.add(group);
    }
    this.#follow(this.#cluster.state);
    this.#loop.start();
  }

  /** The log, for metrics. */
  get wal(): Wal {
    return this.#wal;
  }

  get clusterId(): string {
    return this.identity.clusterId;
  }

  /** Whose data this node holds. */
  get identity(): Identity {
    return this.#data.identity;
  }

  /** Calls that wait for an answer. */
  get callsInFlight(): number {
    return this.#gate.callsInFlight;
  }

  write(mutations: readonly Mutation[], options: NodeWriteOptions): Promise<readonly WriteResult[]> {
    return this.#gate.write(mutations, options);
  }

  read(keys: readonly Uint8Array[], options: NodeReadOptions): Promise<readonly ReadResult[]> {
    return this.#gate.read(keys, options);
  }

  /** The partition that owns `key`. */
  partitionOf(key: Uint8Array): number {
    return partitionOfKey(key, this.#options.shape.partitionCount);
  }

  metadata(): ClusterMetadata {
    const { epoch, nodes, partitions, replicationFactor } = this.#cluster.state;
    return {
      clusterId: this.clusterId,
      ...{ epoch, replicationFactor },
      nodes: [...nodes.keys()].map((nodeId) => ({ nodeId, address: this.#peers.addressOf(nodeId) })),
      partitions: partitions.map(({ partitionId, replicas }) => {
        const { leader, term } = this.#leaders.get(groupOfPartition(partitionId));
        const hashStart = hashRangeStart(partitionId, partitions.length);
        const hashEnd = hashRangeStart(partitionId + 1, partitions.length);
        return { partitionId, hashStart, hashEnd, leaderId: leader, term, replicas };
      }),
    };
  }

  changeCluster(request: ChangeRequest, options: { readonly timeoutMs: number }): Promise<string> {
    if (this.#state === "stopping") return Promise.reject(stopping());
    return this.#cluster.change(request, options);
  }

  clusterChanges(): readonly ClusterChange[] {
    return this.#cluster.state.changes;
  }

  onClusterChange(listener: () => void): () => void {
    return this.#cluster.onChange(listener);
  }

  /**
   * Whether `id`, who knows the cluster's id and says that it serves at `address`, may speak with this node.
   */
  admits(id: NodeId, address: string): boolean {
    return this.#peers.admits(id, address);
  }

  /** The cluster's own state as this node knows it. */
  clusterState(): ClusterState {
    return this.#cluster.state;
  }

  /** The members of the cluster's own group, as far as this node knows; for tests. */
  clusterMembership(): Membership {
    return this.#multiRaft.status(CLUSTER_GROUP)!.membership;
  }

  status(): NodeStatus {
    return {
      nodeId: this.#options.nodeId,
      clusterId: this.clusterId,
      version: VERSION,
      state: this.#state === "serving" && !this.readiness().isReady ? "starting" : this.#state,
      uptimeMs: Math.floor(this.#options.clock.monotonicMs() - this.#startedMs),
      replicas: this.partitions().map((partition) => ({
        ...this.#multiRaft.status(partition.group)!,
        partitionId: partitionOfGroup(partition.group),
        appendsSent: partition.appendsSent,
        keyCount: partition.machine.keyCount,
        stateBytes: partition.machine.stateBytes,
      })),
      peers: this.#transport.statuses(),
      walBytes: this.#wal.stats.bytesTotal,
    };
  }

  /**
   * Ready when every group has a leader, as far as this node knows, and this node is a member and not
   * stopping.
   */
  readiness(): Readiness {
    if (this.#state === "stopping") return { isReady: false, reason: "the node is stopping" };
    const { isFounded, nodes, partitions } = this.#cluster.state;
    if (!nodes.has(this.#options.nodeId)) return { isReady: false, reason: "the node is not a member yet" };
    if (!isFounded) return { isReady: false, reason: "the cluster's own group has no leader" };
    const orphan = partitions.find((place) =>
      this.#leaders.get(groupOfPartition(place.partitionId)).leader === 0
    );
    if (orphan === undefined) return { isReady: true };
    return { isReady: false, reason: `partition ${orphan.partitionId} has no leader` };
  }

  /** The partitions this node is to hold, with their state, ascending; for tests and metrics. */
  partitions(): readonly KvReplica[] {
    return this.#replicas.assigned();
  }

  /**
   * The partitions of which there is a replica here, those that have moved away too, ascending; for tests.
   */
  heldPartitions(): readonly KvReplica[] {
    return this.#replicas.held();
  }

  /**
   * Asks the replica here to hand its partition to `to`, if it leads it; the outcome shows in the metadata.
   */
  transferLeadership(partitionId: number, to: NodeId): void {
    this.#options.inbox.push({ kind: "transfer", group: groupOfPartition(partitionId), to });
  }

  /** Hands leaderships over, ends the loop, syncs and closes the log, and releases the directory. */
  async close(): Promise<void> {
    if (this.#state === "stopping") return;
    await this.#loop.handOver(this.#options.electionTimeoutMs * HAND_OVER_TIMEOUTS);
    this.#state = "stopping";
    this.#gate.close();
    await this.#loop.stop();
    await this.#transport.close();
    await this.#wal.close();
    this.#data.lock.release();
  }

  #createCluster(): GroupZero {
    const { clock, electionTimeoutMs, inbox, joined, nodeId, seed, shape } = this.#options;
    return new GroupZero({
      ...{ clock, electionTimeoutMs, nodeId, seed, multiRaft: this.#multiRaft },
      initial: joined === undefined
        ? foundingStateOf(shape)
        : foundingState({ ...shape, replicas: joined.replicas }),
      leaderOf: (group) => this.#leaders.get(group).leader,
      leads: (group) => this.#replicas.all.get(group)?.role === "leader",
      submit: (call) => inbox.push({ kind: "call", call }),
      onChange: (state) => this.#follow(state),
    });
  }

  /**
   * Becomes what the cluster's state says of this node: its peers, its replicas, and who should lead them.
   */
  #follow(state: ClusterState): void {
    this.#connectPeers();
    this.#replicas.follow(state);
    if (state.retired.has(this.#options.nodeId)) this.#options.onRemoved?.();
  }

  #connectPeers(): void {
    const peers = this.#peers.ids();
    this.#loop.setPeers(peers);
    this.#transport.setPeers(new Map(peers.map((id) => [id, this.#peers.addressOf(id)])));
  }
}

/** TODO(repair): a replica with a damaged log is to be repaired from its leader instead. */
function refuseDamage(report: RecoveryReport): void {
  const lost = report.damages.filter(({ groups }) => groups === "any" || groups.length > 0);
  if (lost.length === 0) return;
  const places = lost.map(({ path, offset, bytes }) => `${bytes} bytes at offset ${offset} of "${path}"`);
  throw new DataDirectoryError(`The log is damaged: ${places.join("; ")}`);
}

/** A log that cannot be opened is a data directory that cannot be used. */
function asDataDirectoryError(error: unknown): unknown {
  return error instanceof WalError ? new DataDirectoryError(error.message) : error;
}

function walTimer(clock: Clock): { now(): number; after(delayMs: number, callback: () => void): () => void } {
  return {
    now: () => clock.monotonicMs(),
    after: (delayMs, callback) => {
      const timer = clock.after(delayMs, callback);
      return () => timer.cancel();
    },
  };
}
