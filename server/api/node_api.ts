/**
 * What a node does for its callers, in domain types: the one interface between the node and `rpc/`, `ops/`
 * and programs that embed it. Arguments are already validated; keys and values are not copied and must not
 * change afterwards.
 *
 * @module
 */

import type { NodeId, RaftStatus, Term } from "../../raft/mod.ts";
import type { ChangeRequest, ClusterChange, NodePlace } from "../cluster/mod.ts";
import type { Mutation, RequestId } from "../kv/mod.ts";
import type { DomainError } from "./error.ts";

/** How fresh a read must be. */
export type ReadConsistency = "linearizable" | "follower" | "stale";

/** Options of every call. */
export interface NodeCallOptions {
  /** Milliseconds from now after which the caller gives up, 1 to 300,000. */
  readonly timeoutMs: number;
  /** Fail with `notLeader` instead of forwarding. */
  readonly direct: boolean;
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

/** What became of one mutation. */
export type WriteResult =
  | { readonly ok: true; readonly version: number; readonly existed: boolean; readonly partitionId: number }
  | { readonly ok: false; readonly error: DomainError };

/** What a key holds; `undefined` for no such key. */
export type ReadResult = { readonly value: Uint8Array; readonly version: number } | undefined;

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
  /** Replicas that a partition should have. */
  readonly replicationFactor: number;
  readonly nodes: readonly NodeMetadata[];
  readonly partitions: readonly PartitionMetadata[];
}

/** One replica of this node. */
export interface ReplicaStatus extends RaftStatus {
  readonly partitionId: number;
  /** Append requests sent since the start. */
  readonly appendsSent: number;
  readonly keyCount: number;
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
  readonly state: "starting" | "serving" | "stopping";
  readonly uptimeMs: number;
  readonly replicas: readonly ReplicaStatus[];
  readonly peers: readonly PeerStatus[];
  readonly walBytes: number;
}

/** See the module comment. */
export interface NodeApi {
  /** Of the cluster it belongs to; empty while it does not know. */
  readonly clusterId: string;
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
  metadata(): ClusterMetadata;
  status(): NodeStatus;
  /**
   * Has the cluster begin a change, which goes on after this has returned.
   *
   * @returns the change's id
   * @throws {DomainError} when the change cannot be done, or the cluster cannot be asked
   */
  changeCluster(request: ChangeRequest, options: Pick<NodeCallOptions, "timeoutMs">): Promise<string>;
  /** The changes under way and the last finished ones, oldest first, as this node knows them. */
  clusterChanges(): readonly ClusterChange[];
  /**
   * Calls `listener` whenever the cluster's nodes, places or changes have changed, until the returned
   * function is called.
   */
  onClusterChange(listener: () => void): () => void;
}
