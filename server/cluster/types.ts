/**
 * What group 0 replicates: the cluster's nodes, where every partition's replicas are and should be, and the
 * changes under way; and the commands that change all that. Every node holds a copy.
 *
 * @module
 */

import type { NodeId, ReplicaId } from "../../raft/mod.ts";

/** Where a node is. */
export interface NodePlace {
  /** `host:port`, for peers. */
  readonly address: string;
  /** Where clients find it, a URL; empty where that is its address. */
  readonly clientUrl: string;
}

/** A member. */
export interface ClusterNode extends NodePlace {
  readonly nodeId: NodeId;
  /** Whether it has been somewhere else, or was no founder: then flags of the first day say less. */
  readonly hasMoved: boolean;
  /** It is being removed: its replicas go elsewhere. */
  readonly isLeaving: boolean;
}

/** Where one partition is. */
export interface ClusterPartition {
  readonly partitionId: number;
  /** Where it was last known to be complete; the preferred leader first. */
  readonly replicas: readonly NodeId[];
  /**
   * Where it should be; the same as `replicas` unless it moves. A move that was taken back goes on until it
   * is undone.
   */
  readonly target: readonly NodeId[];
  /**
   * Nodes that were taken out of `target` since it began to move: whatever `replicas` says, its group may
   * have left them.
   */
  readonly former: readonly NodeId[];
  /**
   * Of the replica that each node of the three lists has, or may have: never given again in its group.
   * Ascending by node.
   */
  readonly replicaIds: ReadonlyMap<NodeId, ReplicaId>;
  /** What the next replica gets; all ids below that are not in `replicaIds` are of replicas that are gone. */
  readonly nextReplicaId: ReplicaId;
  /** The change for which it moves, never empty while it does and empty when it does not. */
  readonly changeId: string;
}

/** What operators can ask for. */
export type ChangeRequest =
  | { readonly kind: "addNode"; readonly nodeId: NodeId; readonly address: string }
  | { readonly kind: "removeNode"; readonly nodeId: NodeId }
  | {
    readonly kind: "moveReplica";
    readonly partitionId: number;
    readonly from: NodeId;
    readonly to: NodeId;
  }
  | { readonly kind: "transferLeadership"; readonly partitionId: number; readonly to: NodeId }
  /** Every node is to hold and to lead the same number of partitions again, as far as that can be. */
  | { readonly kind: "rebalance" }
  /** Every partition is to have `factor` replicas, or as many as the nodes allow until there are more. */
  | { readonly kind: "setReplicationFactor"; readonly factor: number };

/** A change that was asked for, and how far it is. */
export interface ClusterChange {
  /** Chosen by the node that took the request; a repeated one is the same change. */
  readonly changeId: string;
  readonly request: ChangeRequest;
  /** For people. */
  readonly description: string;
  /** Steps that are done; `total` is as many as are known. */
  readonly done: number;
  readonly total: number;
  readonly isFinished: boolean;
  /** Why it ended without having been done; empty otherwise. */
  readonly error: string;
}

/** The whole state. */
export interface ClusterState {
  /** False until the founders' first command: what stands here is what this node was started with. */
  readonly isFounded: boolean;
  /**
   * As the founding has drawn it, 32 hexadecimal digits; empty before, and in clusters founded before ids
   * were drawn.
   */
  readonly clusterId: string;
  /** Grows with every command that changed anything. */
  readonly epoch: number;
  /**
   * Replicas that each partition is to have as soon as there are nodes for them (`wantedReplicas` says how
   * many until then). Odd, but for 2 in clusters that an older version has founded with two nodes.
   */
  readonly replicationFactor: number;
  /** Ascending by id. */
  readonly nodes: ReadonlyMap<NodeId, ClusterNode>;
  /** Ids that were members once: they never come back. */
  readonly retired: ReadonlySet<NodeId>;
  /** By partition id, from 0. */
  readonly partitions: readonly ClusterPartition[];
  /** Oldest first: all unfinished ones and the last finished ones. */
  readonly changes: readonly ClusterChange[];
}

/**
 * What group 0's log holds. Each is applied on every node in the same order; what does not fit any more does
 * nothing.
 */
export type ClusterCommand =
  /** The founders' nodes and places, once. */
  | {
    readonly kind: "found";
    /** See {@linkcode ClusterState.clusterId}. */
    readonly clusterId: string;
    /** May be more than there are nodes; then `replicas` are as many as these allow. */
    readonly replicationFactor: number;
    readonly nodes: readonly { readonly nodeId: NodeId; readonly address: string }[];
    /** By partition id. */
    readonly replicas: readonly (readonly NodeId[])[];
  }
  | { readonly kind: "change"; readonly changeId: string; readonly request: ChangeRequest }
  /** The partition is to move, to grow or to shrink, if its target is still `expected`. */
  | {
    readonly kind: "setTarget";
    readonly partitionId: number;
    readonly expected: readonly NodeId[];
    readonly target: readonly NodeId[];
    readonly changeId: string;
    /** Steps of the change that are still to be done, this one included. */
    readonly remaining: number;
  }
  /** The partition's group has become `target`. */
  | {
    readonly kind: "settle";
    readonly partitionId: number;
    readonly target: readonly NodeId[];
    /** The change for which it moved; an old report that names another one does nothing. */
    readonly changeId?: string;
  }
  /** The member says where it is. */
  | ({ readonly kind: "announce"; readonly nodeId: NodeId } & NodePlace)
  /** `nodeId`, one of its replicas, should lead the partition. */
  | { readonly kind: "prefer"; readonly partitionId: number; readonly nodeId: NodeId }
  /** The change is over. A node whose removal succeeded is a member no more. */
  | { readonly kind: "finish"; readonly changeId: string; readonly error: string };
