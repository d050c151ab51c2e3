/**
 * Reading the cluster's state, and making another one of it; and what always holds of it, checked after every
 * command, on every node.
 *
 * @module
 */

import { InvariantViolation, type NodeId } from "../../raft/mod.ts";
import type { ClusterNode, ClusterPartition, ClusterState } from "./types.ts";

/** What a cluster is founded with. */
export interface Founding {
  /** Ids with addresses, `host:port`. */
  readonly nodes: ReadonlyMap<NodeId, string>;
  readonly replicationFactor: number;
  /** By partition id; the preferred leader first. */
  readonly replicas: readonly (readonly NodeId[])[];
}

/**
 * What a node is started with, before it has heard of the founding: not founded, epoch 0, nothing under way.
 */
export function foundingState({ nodes, replicationFactor, replicas }: Founding): ClusterState {
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
 * Whether the partition's group is being brought to `target`. A move that was cancelled ends only when the
 * group is known to be back, so `replicas` and `target` may then be the same.
 */
export function isMoving(partition: ClusterPartition): boolean {
  return partition.changeId !== "";
}

/** Whether the node is a member and is to remain one. */
export function isStaying(state: ClusterState, nodeId: NodeId): boolean {
  return state.nodes.get(nodeId)?.isLeaving === false;
}

/** The members that are to remain, ascending. */
export function stayingNodes(state: ClusterState): readonly NodeId[] {
  return [...state.nodes.keys()].filter((nodeId) => isStaying(state, nodeId));
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

/** The state with `nodes` as its members. */
export function withNodes(state: ClusterState, nodes: Iterable<ClusterNode>): ClusterState {
  return { ...state, nodes: ascending(nodes) };
}

/** The state with one member more, or in place of the one with its id. */
export function withNode(state: ClusterState, node: ClusterNode): ClusterState {
  return withNodes(
    state,
    [...state.nodes.values()].filter(({ nodeId }) => nodeId !== node.nodeId).concat(node),
  );
}

/** The state with `partition` in place of the one with its id. */
export function withPartition(state: ClusterState, partition: ClusterPartition): ClusterState {
  return { ...state, partitions: state.partitions.with(partition.partitionId, partition) };
}

/** The partition, which is to move to `target` for the change. */
export function sentTo(
  partition: ClusterPartition,
  { target, changeId }: { readonly target: readonly NodeId[]; readonly changeId: string },
): ClusterPartition {
  const removed = partition.target.filter((nodeId) => !target.includes(nodeId));
  return { ...partition, target, changeId, former: [...new Set([...partition.former, ...removed])] };
}

/**
 * The state in which the partition should be led by `nodeId`; the same one if it already should, or has no
 * such replica.
 */
export function withPreferred(
  state: ClusterState,
  { partitionId, nodeId }: { readonly partitionId: number; readonly nodeId: NodeId },
): ClusterState {
  const partition = state.partitions[partitionId];
  if (partition === undefined || !partition.target.includes(nodeId)) return state;
  const replicas = partition.replicas.includes(nodeId)
    ? toFront(partition.replicas, nodeId)
    : partition.replicas;
  const target = toFront(partition.target, nodeId);
  if (replicas === partition.replicas && target === partition.target) return state;
  return withPartition(state, { ...partition, replicas, target });
}

function toFront(list: readonly NodeId[], nodeId: NodeId): readonly NodeId[] {
  return list[0] === nodeId ? list : [nodeId, ...list.filter((each) => each !== nodeId)];
}

function ascending(nodes: Iterable<ClusterNode>): ReadonlyMap<NodeId, ClusterNode> {
  return new Map([...nodes].sort((a, b) => a.nodeId - b.nodeId).map((node) => [node.nodeId, node]));
}

/** Fewer voters survive no failure. */
const VOTERS_WANTED = 3;

/**
 * The nodes that should vote, ascending: an odd number, as many as a partition has replicas but at least
 * three, as far as there are nodes that stay.
 *
 * @param preferred the best first; the same one twice does no harm
 */
export function clusterVoters(state: ClusterState, preferred: readonly NodeId[]): readonly NodeId[] {
  const staying = stayingNodes(state);
  const most = Math.min(Math.max(VOTERS_WANTED, state.replicationFactor), staying.length);
  const odd = Math.max(1, most % 2 === 0 ? most - 1 : most);
  const first = preferred.filter((nodeId) => staying.includes(nodeId));
  return [...new Set([...first, ...staying])].slice(0, odd).sort((left, right) => left - right);
}

/**
 * States what holds of `state`.
 *
 * @throws {InvariantViolation} when it does not
 */
export function checkStateInvariants(state: ClusterState): void {
  for (const nodeId of state.nodes.keys()) {
    if (state.retired.has(nodeId)) violated(`node ${nodeId} is a member or was one, not both`);
  }
  for (const partition of state.partitions) checkPartition(state, partition);
}

function checkPartition(state: ClusterState, partition: ClusterPartition): void {
  const { partitionId, replicas, target, changeId } = partition;
  if (state.partitions[partitionId] !== partition) violated(`partition ${partitionId} stands in its place`);
  checkMembers(state, { partitionId, list: replicas });
  checkMembers(state, { partitionId, list: target });
  checkMembers(state, { partitionId, list: partition.former });
  const isSettled = replicas.length === target.length && replicas.every((id, place) => id === target[place]);
  if (changeId === "" && partition.former.length > 0) {
    violated(`partition ${partitionId} has former targets while it moves`);
  }
  if (changeId === "" && !isSettled) violated(`partition ${partitionId} moves for a change`);
}

function checkMembers(
  state: ClusterState,
  { partitionId, list }: { readonly partitionId: number; readonly list: readonly NodeId[] },
): void {
  if (new Set(list).size !== list.length) {
    violated(`partition ${partitionId} has one replica a node: ${list}`);
  }
  for (const nodeId of list) {
    if (!state.nodes.has(nodeId)) violated(`partition ${partitionId} lies on members only: ${list}`);
  }
}

function violated(wanted: string): never {
  throw new InvariantViolation(`Invariant violated: ${wanted}`);
}
