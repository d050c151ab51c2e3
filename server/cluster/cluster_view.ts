/**
 * Reading the cluster's state, and making another one of it.
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";
import type { ClusterNode, ClusterPartition, ClusterView } from "./types.ts";

/** What a cluster is founded with. */
export interface Founding {
  /** Ids with addresses, `host:port`. */
  readonly nodes: ReadonlyMap<NodeId, string>;
  readonly replicationFactor: number;
  /** By partition id; the preferred leader first. */
  readonly replicas: readonly (readonly NodeId[])[];
}

/** What a node is started with, before it has heard of the founding: not founded, epoch 0, nothing under way. */
export function foundingView({ nodes, replicationFactor, replicas }: Founding): ClusterView {
  const members = [...nodes].map(([nodeId, address]) => ({ nodeId, address, isLeaving: false }));
  return {
    isFounded: false,
    epoch: 0,
    replicationFactor,
    nodes: ascending(members),
    retired: new Set(),
    partitions: replicas.map((list, partitionId) => ({
      partitionId,
      replicas: list,
      target: list,
      former: [],
      changeId: "",
    })),
    changes: [],
  };
}

/**
 * Whether the partition's group is being brought to `target`. A move that was cancelled ends only when the group is known
 * to be back, so `replicas` and `target` may then be the same.
 */
export function isMoving(partition: ClusterPartition): boolean {
  return partition.changeId !== "";
}

/** Whether the node is a member and is to remain one. */
export function isStaying(view: ClusterView, nodeId: NodeId): boolean {
  return view.nodes.get(nodeId)?.isLeaving === false;
}

/** The members that are to remain, ascending. */
export function stayingNodes(view: ClusterView): readonly NodeId[] {
  return [...view.nodes.keys()].filter((nodeId) => isStaying(view, nodeId));
}

/** Whether both name the same nodes in the same order. */
export function isSameList(left: readonly NodeId[], right: readonly NodeId[]): boolean {
  return left.length === right.length && left.every((nodeId, place) => nodeId === right[place]);
}

/** Whether both, each without duplicates, name the same nodes in whatever order. */
export function isSameSet(left: readonly NodeId[], right: readonly NodeId[]): boolean {
  return left.length === right.length && left.every((nodeId) => right.includes(nodeId));
}

/** `list` with `by` in the place of `nodeId`. */
export function replaced(
  list: readonly NodeId[],
  { nodeId, by }: { readonly nodeId: NodeId; readonly by: NodeId },
): readonly NodeId[] {
  return list.map((each) => each === nodeId ? by : each);
}

/** The view with `nodes` as its members. */
export function withNodes(view: ClusterView, nodes: Iterable<ClusterNode>): ClusterView {
  return { ...view, nodes: ascending(nodes) };
}

/** The view with one member more, or in place of the one with its id. */
export function withNode(view: ClusterView, node: ClusterNode): ClusterView {
  return withNodes(
    view,
    [...view.nodes.values()].filter(({ nodeId }) => nodeId !== node.nodeId).concat(node),
  );
}

/** The view with `partition` in place of the one with its id. */
export function withPartition(view: ClusterView, partition: ClusterPartition): ClusterView {
  return { ...view, partitions: view.partitions.with(partition.partitionId, partition) };
}

/** The partition, which is to move to `target` for the change. */
export function sentTo(
  partition: ClusterPartition,
  { target, changeId }: { readonly target: readonly NodeId[]; readonly changeId: string },
): ClusterPartition {
  const removed = partition.target.filter((nodeId) => !target.includes(nodeId));
  return { ...partition, target, changeId, former: [...new Set([...partition.former, ...removed])] };
}

/** The view in which the partition should be led by `nodeId`; the same one if it already should, or has no such replica. */
export function withPreferred(
  view: ClusterView,
  { partitionId, nodeId }: { readonly partitionId: number; readonly nodeId: NodeId },
): ClusterView {
  const partition = view.partitions[partitionId];
  if (partition === undefined || !partition.target.includes(nodeId)) return view;
  const replicas = partition.replicas.includes(nodeId)
    ? toFront(partition.replicas, nodeId)
    : partition.replicas;
  const target = toFront(partition.target, nodeId);
  if (replicas === partition.replicas && target === partition.target) return view;
  return withPartition(view, { ...partition, replicas, target });
}

function toFront(list: readonly NodeId[], nodeId: NodeId): readonly NodeId[] {
  return list[0] === nodeId ? list : [nodeId, ...list.filter((each) => each !== nodeId)];
}

function ascending(nodes: Iterable<ClusterNode>): ReadonlyMap<NodeId, ClusterNode> {
  return new Map([...nodes].sort((a, b) => a.nodeId - b.nodeId).map((node) => [node.nodeId, node]));
}
