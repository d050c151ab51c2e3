/**
 * Reading the cluster's state, and making the next one from it; and the invariants of the state, which are
 * checked after every command, on every node. A state is never changed: `with…` and the other functions
 * return another one.
 *
 * @module
 */

import { InvariantViolation, type NodeId, type ReplicaId } from "../../raft/mod.ts";
import type { ClusterNode, ClusterPartition, ClusterState } from "./types.ts";

/** What a cluster is founded with. */
interface Founding {
  /** Ids with addresses, `host:port`. */
  readonly nodes: ReadonlyMap<NodeId, string>;
  /** See {@linkcode ClusterState.replicationFactor}. */
  readonly replicationFactor: number;
  /** By partition id; the preferred leader first. */
  readonly replicas: readonly (readonly NodeId[])[];
}

/**
 * What a node is started with, before it has heard of the founding: not founded, epoch 0, nothing under way.
 * The ids of replicas are those of a cluster that is founded so; a node that joins one is not told its own.
 */
export function foundingState({ nodes, replicationFactor, replicas }: Founding): ClusterState {
  const members = [...nodes].map(([nodeId, address]) => ({
    nodeId,
    address,
    clientUrl: "",
    hasMoved: false,
    isLeaving: false,
  }));
  return {
    isFounded: false,
    clusterId: "",
    epoch: 0,
    replicationFactor,
    nodes: ascending(members),
    retired: new Set(),
    partitions: replicas.map((list, partitionId) => ({
      partitionId,
      replicas: list,
      target: list,
      former: [],
      replicaIds: firstReplicaIds(list),
      nextReplicaId: list.length + 1,
      changeId: "",
    })),
    changes: [],
  };
}

/** What the first replicas of a partition get, ascending by node: from 1, in the order of `replicas`. */
export function firstReplicaIds(replicas: readonly NodeId[]): ReadonlyMap<NodeId, ReplicaId> {
  return ascendingIds(replicas.map((nodeId, place) => [nodeId, place + 1]));
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

/** The other member that is at the address, if there is one. */
export function ownerOf(
  state: ClusterState,
  { nodeId, address }: Pick<ClusterNode, "nodeId" | "address">,
): ClusterNode | undefined {
  return [...state.nodes.values()].find((node) => node.address === address && node.nodeId !== nodeId);
}

/** The members that are to remain, ascending. */
export function stayingNodes(state: ClusterState): readonly NodeId[] {
  return [...state.nodes.keys()].filter((nodeId) => isStaying(state, nodeId));
}

/**
 * Replicas that a partition should have while there are `nodeCount` nodes: `factor` if they suffice for it,
 * else the largest odd number that they allow, as one more would survive no more failures.
 */
export function replicasFor(factor: number, nodeCount: number): number {
  if (factor <= nodeCount) return factor;
  return Math.max(1, nodeCount % 2 === 0 ? nodeCount - 1 : nodeCount);
}

/** Replicas that each partition should have now; see {@linkcode replicasFor}. */
export function wantedReplicas(state: ClusterState): number {
  return replicasFor(state.replicationFactor, stayingNodes(state).length);
}

/**
 * Replicas that a partition may have; more are to go. Above what is wanted it may have one only where an
 * older version has founded a cluster with two: it keeps them until there is a node for the third.
 */
export function replicasAllowed(state: ClusterState): number {
  return Math.min(state.replicationFactor, stayingNodes(state).length);
}

/** Whether every partition is to have as many replicas as it should. */
export function areReplicasComplete(state: ClusterState): boolean {
  const [least, most] = [wantedReplicas(state), replicasAllowed(state)];
  return state.partitions.every(({ target }) => target.length >= least && target.length <= most);
}

/** Whether both name the same nodes in the same order. */
export function isSameList(left: readonly NodeId[], right: readonly NodeId[]): boolean {
  return left.length === right.length && left.every((nodeId, place) => nodeId === right[place]);
}

/** Whether both, each without duplicates, name the same nodes in whatever order. */
export function isSameSet(left: readonly NodeId[], right: readonly NodeId[]): boolean {
  return left.length === right.length && left.every((nodeId) => right.includes(nodeId));
}

/** One node in the place of another. */
interface Replacement {
  readonly nodeId: NodeId;
  readonly by: NodeId;
}

/** `list` with `by` in the place of `nodeId`. */
export function replaceNode(list: readonly NodeId[], { nodeId, by }: Replacement): readonly NodeId[] {
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

/** Where a partition is to be, and for which change. */
type Destination = Pick<ClusterPartition, "target" | "changeId">;

/**
 * The partition with another target, to which it moves for the change; what leaves the target is `former`. A
 * node that may still have a replica keeps that one's id; others get the next ones in the order of `target`.
 */
export function retarget(partition: ClusterPartition, { target, changeId }: Destination): ClusterPartition {
  const removed = partition.target.filter((nodeId) => !target.includes(nodeId));
  const former = [...new Set([...partition.former, ...removed])];
  const { replicaIds, nextReplicaId } = partition;
  const added = target.filter((nodeId) => !replicaIds.has(nodeId));
  const given = added.map((nodeId, place) => [nodeId, nextReplicaId + place] as const);
  return {
    ...partition,
    target,
    changeId,
    former,
    replicaIds: ascendingIds([...replicaIds, ...given]),
    nextReplicaId: nextReplicaId + added.length,
  };
}

/**
 * The partition when its group has become its target: what is not part of that has no replica any more, and
 * will never have that one again.
 */
export function withTargetReached(partition: ClusterPartition): ClusterPartition {
  const { target } = partition;
  const replicaIds = ascendingIds([...partition.replicaIds].filter(([nodeId]) => target.includes(nodeId)));
  return { ...partition, replicas: target, former: [], replicaIds, changeId: "" };
}

/** Whether the replica was one of the partition, and is none any more. */
export function isReplicaGone(partition: ClusterPartition, { nodeId, replicaId }: NamedReplica): boolean {
  return replicaId > 0 && replicaId < partition.nextReplicaId &&
    partition.replicaIds.get(nodeId) !== replicaId;
}

/** A replica, by its node and its own id. */
interface NamedReplica {
  readonly nodeId: NodeId;
  readonly replicaId: ReplicaId;
}

/** A partition on a node. */
interface ReplicaPlace {
  readonly partitionId: number;
  readonly nodeId: NodeId;
}

/**
 * The state in which the partition should be led by `nodeId`; the same one if it already should, or has no
 * such replica.
 */
export function withPreferred(state: ClusterState, { partitionId, nodeId }: ReplicaPlace): ClusterState {
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

function ascendingIds(ids: readonly (readonly [NodeId, ReplicaId])[]): ReadonlyMap<NodeId, ReplicaId> {
  return new Map([...ids].sort(([left], [right]) => left - right));
}

function ascending(nodes: Iterable<ClusterNode>): ReadonlyMap<NodeId, ClusterNode> {
  return new Map([...nodes].sort((a, b) => a.nodeId - b.nodeId).map((node) => [node.nodeId, node]));
}

/** Fewer voters survive no failure. */
const VOTERS_WANTED = 3;

/**
 * The nodes that should vote in group 0, ascending: an odd number, as many as a partition is to have replicas
 * but at least three, as far as there are nodes that stay.
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
 * Checks what must hold of `state`.
 *
 * @throws {InvariantViolation} when it does not
 */
export function checkStateInvariants(state: ClusterState): void {
  for (const nodeId of state.nodes.keys()) {
    if (state.retired.has(nodeId)) failInvariant(`node ${nodeId} is either a member or retired`);
  }
  for (const partition of state.partitions) checkPartition(state, partition);
}

function checkPartition(state: ClusterState, partition: ClusterPartition): void {
  const { partitionId, replicas, target, former } = partition;
  if (state.partitions[partitionId] !== partition) {
    failInvariant(`partition ${partitionId} stands in its place`);
  }
  for (const list of [replicas, target, former]) checkMembers(state, partitionId, list);
  checkReplicaIds(partition);
  if (isMoving(partition)) return;
  if (former.length > 0) {
    failInvariant(`partition ${partitionId} has former targets only while it moves: ${former}`);
  }
  if (!isSameList(replicas, target)) {
    failInvariant(`partition ${partitionId} moves for a change only: from ${replicas} to ${target}`);
  }
}

function checkMembers(state: ClusterState, partitionId: number, list: readonly NodeId[]): void {
  if (new Set(list).size !== list.length) {
    failInvariant(`partition ${partitionId} has at most one replica per node: ${list}`);
  }
  for (const nodeId of list) {
    if (!state.nodes.has(nodeId)) failInvariant(`partition ${partitionId} lies on members only: ${list}`);
  }
}

function checkReplicaIds({ partitionId, replicas, target, former, ...ids }: ClusterPartition): void {
  const nodes = new Set([...replicas, ...target, ...former]);
  const { nextReplicaId, replicaIds } = ids;
  if (nodes.size !== replicaIds.size || ![...nodes].every((nodeId) => replicaIds.has(nodeId))) {
    failInvariant(
      `partition ${partitionId} names its replicas: ${[...nodes]}, not ${[...replicaIds.keys()]}`,
    );
  }
  const given = [...replicaIds.values()];
  if (new Set(given).size !== given.length) {
    failInvariant(`partition ${partitionId} gives an id once: ${given}`);
  }
  if (given.some((id) => id < 1 || id >= nextReplicaId)) {
    failInvariant(`partition ${partitionId} gives ids below ${nextReplicaId}, the next one: ${given}`);
  }
}

function failInvariant(wanted: string): never {
  throw new InvariantViolation(`Invariant violated: ${wanted}`);
}
