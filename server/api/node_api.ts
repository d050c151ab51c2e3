/**
 * What a node does for its callers, in domain types: the one interface between the node and `rpc/`, `ops/`
 * and programs that embed it. Arguments are already validated; keys and values are not copied and must not
 * change afterwards.
 *
 * @module
 */

import type { LogIndex, NodeId, RaftStatus, Term } from "../../raft/mod.ts";
import type { ChangeRequest, ClusterChange, NodePlace } from "../cluster/mod.ts";
import type { Mutation, RequestId } from "../kv/mod.ts";
import type { DomainError } from "./error.ts";
import type { NodeTrouble } from "./trouble.ts";

/** How fresh a read must be. */
export type ReadConsistency = "linearizable" | "follower" | "stale";

/** Tells whether anybody still waits for the answer of a call. To ask may cost something. */
export interface CallerPresence {
  readonly hasLeft: boolean;
}

/** Options of every call. */
export interface NodeCallOptions {
  /** Milliseconds from now after which the caller gives up, 1 to 300,000. */
  readonly timeoutMs: number;
  /** Fail with `notLeader` instead of forwarding. */
  readonly direct: boolean;
  /** A call whose caller has left is not kept; `undefined` for callers that stay. */
  readonly caller?: CallerPresence | undefined;
}

/** Options of a write. */
export interface NodeWriteOptions extends NodeCallOptions {
  readonly requestId: RequestId | undefined;
}

/** Options of a read. */
export interface NodeReadOptions extends NodeCallOptions {
  readonly consistency: ReadConsistency;
  /** With `stale`: how old the state may be, 0 for any age. */
  readonly maxStalenessMs: number;
}

/** A mutation that was applied. */
export interface WrittenResult {
  readonly ok: true;
  readonly version: number;
  /** Of a delete: whether there was such a key. */
  readonly existed: boolean;
  readonly partitionId: number;
  /** Of an increment: the new number, a whole number of 64 bits in decimal text. */
  readonly number?: string;
}

/** What became of one mutation. */
export type WriteResult =
  | WrittenResult
  | { readonly ok: false; readonly error: DomainError };

/** What a key holds; `undefined` for no such key. */
export type ReadResult =
  | {
    readonly value: Uint8Array;
    readonly version: number;
    /** Milliseconds the key has left as far as the node knows, at least 1; absent if it never expires. */
    readonly expiresInMs?: number;
  }
  | undefined;

/** One partition as this node knows it. */
interface PartitionMetadata {
  readonly partitionId: number;
  readonly hashStart: number;
  /** Exclusive, up to 2^32. */
  readonly hashEnd: number;
  /** 0 when it is not known. */
  readonly leaderId: NodeId;
  readonly term: Term;
  /** The preferred leader first. */
  readonly replicas: readonly NodeId[];
}

/** One member as this node knows it. */
interface NodeMetadata extends NodePlace {
  readonly nodeId: NodeId;
}

/** The cluster as this node knows it. */
export interface ClusterMetadata {
  readonly clusterId: string;
  readonly epoch: number;
  /** Replicas that a partition should have as soon as there are nodes for them. */
  readonly replicationFactor: number;
  readonly nodes: readonly NodeMetadata[];
  readonly partitions: readonly PartitionMetadata[];
}

/** One replica of this node. */
export interface ReplicaStatus extends RaftStatus {
  readonly partitionId: number;
  /** Append requests sent since the start. */
  readonly appendsSent: number;
  /** With those that have expired and are not removed yet. */
  readonly keyCount: number;
  /** Keys that were removed since the start because they had expired. */
  readonly expiredKeys: number;
  /** Bytes of keys and values. */
  readonly stateBytes: number;
}

/** One peer as this node sees it. */
export interface PeerStatus {
  readonly nodeId: NodeId;
  readonly address: string;
  /** A stream to it is open. */
  readonly connected: boolean;
  /** The peer has answered on that stream: what is sent arrives. */
  readonly reached: boolean;
  readonly queuedBytes: number;
  readonly droppedMessages: number;
}

/** This node, for operators. */
export interface NodeStatus {
  readonly nodeId: NodeId;
  readonly clusterId: string;
  readonly version: string;
  /**
   * `starting` until it is a part of its cluster, `serving` while calls through it can succeed; if not,
   * `no quorum` when it reaches no majority of a partition that it holds, and `degraded` for other reasons.
   */
  readonly state: "starting" | "serving" | "no quorum" | "degraded" | "stopping";
  readonly uptimeMs: number;
  readonly replicas: readonly ReplicaStatus[];
  readonly peers: readonly PeerStatus[];
  readonly walBytes: number;
  /** As in `Readiness`. */
  readonly troubles: readonly NodeTrouble[];
}

/** A file of a state that is given away. */
export interface BackupFileInfo {
  /** 16 bytes that no other file of any cluster has. */
  readonly identity: Uint8Array;
  readonly bytes: number;
}

/** All that a partition holds, which stays readable until it is released. */
export interface OpenBackup {
  /** Of the last entry of the partition's log that is in it. */
  readonly index: LogIndex;
  readonly term: Term;
  /** What the files are to each other, in the format of the state store. */
  readonly description: Uint8Array;
  readonly files: readonly BackupFileInfo[];
  /**
   * Fills `into` with the bytes of a file from `offset` on; what is read is not checked.
   *
   * @param file position in `files`
   * @throws {DomainError} `unavailable` when it cannot be read
   */
  read(file: number, offset: number, into: Uint8Array): void;
  /** Gives it up; again does nothing. */
  release(): void;
}

/** See the module comment. */
export interface NodeApi {
  /** Of the cluster it belongs to; empty while it does not know. */
  readonly clusterId: string;
  /** This machine's time of day, milliseconds since 1970. Decides nothing: callers are told times by it. */
  wallMs(): number;
  /**
   * Applies `mutations`: those of one partition all or none, each partition for itself. Resolves with one
   * result per mutation, in their order; failures are in the results, it never rejects.
   */
  write(mutations: readonly Mutation[], options: NodeWriteOptions): Promise<readonly WriteResult[]>;
  /**
   * Reads `keys`, in their order.
   *
   * @throws {DomainError} when any of them cannot be read as asked
   */
  read(keys: readonly Uint8Array[], options: NodeReadOptions): Promise<readonly ReadResult[]>;
  /**
   * Opens all that a partition holds, with everything that was acknowledged before the call.
   *
   * @throws {DomainError} `notLeader` when this node does not lead the partition; when it cannot be opened
   */
  openBackup(partitionId: number, options: Pick<NodeCallOptions, "timeoutMs">): Promise<OpenBackup>;
  metadata(): ClusterMetadata;
  status(): NodeStatus;
  /**
   * Has the cluster begin a change, which goes on after this has returned.
   *
   * @returns the change's id
   * @throws {DomainError} when the change cannot be done, or the cluster cannot be asked
   */
  changeCluster(request: ChangeRequest, options: Omit<NodeCallOptions, "direct">): Promise<string>;
  /**
   * Has this node learn all of the cluster that was committed when it was called.
   *
   * @returns whether it has, within the time; `false` at once or later when the cluster cannot be asked
   */
  refreshCluster(options: Pick<NodeCallOptions, "timeoutMs">): Promise<boolean>;
  /** The changes under way and the last finished ones, oldest first, as this node knows them. */
  clusterChanges(): readonly ClusterChange[];
  /**
   * Calls `listener` whenever the cluster's nodes, places or changes have changed, until the returned
   * function is called.
   */
  onClusterChange(listener: () => void): () => void;
}
