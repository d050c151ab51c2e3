/**
 * What a request does to the cluster's state when its turn in the log comes: the change begins, is done at
 * once, or is refused with a reason. Refusals are part of the state like everything else, because only here
 * it is known in which state the cluster is when the request comes.
 *
 * @module
 */

import { type NodeId, unreachable } from "../../raft/mod.ts";
import {
  describeRequest,
  endChange,
  failOpenChanges,
  knownSteps,
  OPEN_CHANGES_MAX,
  openChange,
  openChanges,
  withChange,
} from "./change_list.ts";
import {
  isMoving,
  isStaying,
  ownerOf,
  replaceNode,
  retarget,
  stayingNodes,
  wantedReplicas,
  withNode,
  withPartition,
  withPreferred,
} from "./cluster_state.ts";
import { NODES_MAX } from "./command_check.ts";
import type { ChangeRequest, ClusterChange, ClusterPartition, ClusterState } from "./types.ts";

type AddNode = Extract<ChangeRequest, { readonly kind: "addNode" }>;
type RemoveNode = Extract<ChangeRequest, { readonly kind: "removeNode" }>;
type MoveReplica = Extract<ChangeRequest, { readonly kind: "moveReplica" }>;
type TransferLeadership = Extract<ChangeRequest, { readonly kind: "transferLeadership" }>;
type SetReplicationFactor = Extract<ChangeRequest, { readonly kind: "setReplicationFactor" }>;

/** A request with the id of the change that it asks for. */
interface NamedRequest<R extends ChangeRequest = ChangeRequest> {
  readonly changeId: string;
  readonly request: R;
}

/** A change that begins, with its request once more, for its type. */
interface BeginningChange<R extends ChangeRequest> {
  readonly change: ClusterChange;
  readonly request: R;
}

/** The state after the request; the same one if a change with that id is known. */
export function beginChange(state: ClusterState, { changeId, request }: NamedRequest): ClusterState {
  if (state.changes.some((change) => change.changeId === changeId)) return state;
  const description = describeRequest(request);
  const change: ClusterChange = {
    changeId,
    request,
    description,
    done: 0,
    total: knownSteps(request),
    isFinished: false,
    error: "",
  };
  const reason = refusal(state, request);
  if (reason !== "") return withChange(state, endChange(change, `Cannot ${description}: ${reason}`));
  return begin(state, change);
}

/** Why the request cannot be done; empty when it can. */
function refusal(state: ClusterState, request: ChangeRequest): string {
  if (isCrowded(state, request)) {
    return `${OPEN_CHANGES_MAX} changes are under way (limit ${OPEN_CHANGES_MAX}); wait until one has finished`;
  }
  switch (request.kind) {
    case "addNode":
      return refusalToAdd(state, request);
    case "removeNode":
      return refusalToRemove(state, request);
    case "moveReplica":
      return refusalToMove(state, request);
    case "transferLeadership":
      return refusalToTransfer(state, request);
    case "rebalance":
    case "setReplicationFactor":
      return "";
    default:
      return unreachable(request);
  }
}

/**
 * The removal of a dead node is always taken: changes that wait for that node could fill the list for ever.
 */
function isCrowded(state: ClusterState, request: ChangeRequest): boolean {
  const isFirstRemoval = request.kind === "removeNode" && isStaying(state, request.nodeId);
  return !isFirstRemoval && openChanges(state).length >= OPEN_CHANGES_MAX;
}

function refusalToAdd(state: ClusterState, { nodeId, address }: AddNode): string {
  if (state.retired.has(nodeId)) {
    return `node ${nodeId} was removed, and the id of a removed node is never used again; choose another id`;
  }
  if (state.nodes.get(nodeId)?.isLeaving === true) return `${beingRemoved(nodeId)}; choose another id`;
  const owner = ownerOf(state, { nodeId, address });
  if (owner !== undefined) return `that is the address of node ${owner.nodeId}; choose another address`;
  if (!state.nodes.has(nodeId) && state.nodes.size >= NODES_MAX) {
    return `the cluster has ${state.nodes.size} nodes (limit ${NODES_MAX}); remove a node first`;
  }
  return "";
}

function refusalToRemove(state: ClusterState, { nodeId }: RemoveNode): string {
  if (state.retired.has(nodeId)) return "";
  if (!state.nodes.has(nodeId)) return noSuchNode(nodeId);
  if (!isStaying(state, nodeId)) return "";
  const left = stayingNodes(state).length - 1;
  const kept = replicasKept(state);
  if (left >= kept) return "";
  const besides = left === 0 ? "" : ", or lower the replication factor (cluster set-replication-factor)";
  return `${counted(left, "node")} would be left, too few for the ${
    counted(kept, "replica")
  } of a partition; ` +
    `add a node first${besides}`;
}

/**
 * The most replicas that a partition has, without those that are to go. Those that are still on their way do
 * not count: a node that never came up, or is lost, must not be needed for what nobody has yet.
 */
function replicasKept({ partitions, replicationFactor }: ClusterState): number {
  const most = partitions.reduce((max, { replicas }) => Math.max(max, replicas.length), 1);
  return Math.min(most, replicationFactor);
}

function refusalToMove(state: ClusterState, request: MoveReplica): string {
  const { partitionId, from, to } = request;
  const partition = state.partitions[partitionId];
  if (partition === undefined) return noSuchPartition(state, partitionId);
  for (const nodeId of [from, to]) if (!state.nodes.has(nodeId)) return noSuchNode(nodeId);
  if (!isStaying(state, to)) return `${beingRemoved(to)}; choose another node`;
  if (isMoving(partition) && oppositeMove(state, request) === undefined) {
    return `the partition is moving already, for the change ${partition.changeId}; wait until that has finished`;
  }
  if (!partition.target.includes(from)) return holdsNone(partition, from);
  if (partition.target.includes(to)) {
    return `node ${to} already holds a replica of partition ${partitionId}; choose another node`;
  }
  return "";
}

function refusalToTransfer(state: ClusterState, { partitionId, to }: TransferLeadership): string {
  const partition = state.partitions[partitionId];
  if (partition === undefined) return noSuchPartition(state, partitionId);
  if (!state.nodes.has(to)) return noSuchNode(to);
  if (!isStaying(state, to)) return `${beingRemoved(to)}; choose another node`;
  if (!partition.target.includes(to)) return holdsNone(partition, to);
  if (!partition.replicas.includes(to)) {
    return `partition ${partitionId} is still on its way to node ${to}; wait until it has arrived`;
  }
  return "";
}

/** The move under way that the request takes back. */
function oppositeMove(
  state: ClusterState,
  { partitionId, from, to }: MoveReplica,
): ClusterChange | undefined {
  const change = openChange(state, state.partitions[partitionId]?.changeId ?? "");
  if (change?.request.kind !== "moveReplica") return undefined;
  return change.request.from === to && change.request.to === from ? change : undefined;
}

/** The state in which the change, which can be done, has begun. */
function begin(state: ClusterState, change: ClusterChange): ClusterState {
  const { changeId, request } = change;
  switch (request.kind) {
    case "addNode":
      return beginToAdd(state, { change, request });
    case "removeNode":
      return beginToRemove(state, { change, request });
    case "moveReplica":
      return withChange(beginToMove(state, { changeId, request }), change);
    case "transferLeadership":
      return withChange(beginToTransfer(state, { changeId, request }), change);
    case "rebalance":
      return withChange(state, change);
    case "setReplicationFactor":
      return beginToSetFactor(state, { change, request });
    default:
      return unreachable(request);
  }
}

/** A member that is added again may have another address; that is all there is to do then. */
function beginToAdd(
  state: ClusterState,
  { change, request }: BeginningChange<AddNode>,
): ClusterState {
  const { nodeId, address } = request;
  const before = state.nodes.get(nodeId);
  const hasMoved = before === undefined || before.hasMoved || before.address !== address;
  return withChange(
    withNode(state, { nodeId, address, clientUrl: before?.clientUrl ?? "", hasMoved, isLeaving: false }),
    before === undefined ? change : endChange(change, ""),
  );
}

/**
 * A node is removed once, however often that is asked for: a later change begins with the progress so far.
 */
function beginToRemove(
  state: ClusterState,
  { change, request }: BeginningChange<RemoveNode>,
): ClusterState {
  const { nodeId } = request;
  const node = state.nodes.get(nodeId);
  if (node === undefined) return withChange(state, endChange(change, ""));
  const first = openChanges(state).find(({ request }) =>
    request.kind === "removeNode" && request.nodeId === nodeId
  );
  if (first !== undefined) return withChange(state, { ...change, done: first.done, total: first.total });
  const error = beingRemoved(nodeId);
  const undone = failOpenChanges(state, { matches: ({ request }) => receiverOf(request) === nodeId, error });
  return withChange(withNode(undone, { ...node, isLeaving: true }), change);
}

/** The node that is to get a replica or a leadership by the request. */
function receiverOf(request: ChangeRequest): NodeId | undefined {
  switch (request.kind) {
    case "addNode":
      return request.nodeId;
    case "moveReplica":
    case "transferLeadership":
      return request.to;
    case "removeNode":
    case "rebalance":
    case "setReplicationFactor":
      return undefined;
    default:
      return unreachable(request);
  }
}

function beginToMove(
  state: ClusterState,
  { changeId, request }: NamedRequest<MoveReplica>,
): ClusterState {
  const { partitionId, from, to } = request;
  const opposite = oppositeMove(state, request);
  const undone = opposite === undefined ? state : failOpenChanges(state, {
    matches: (each) => each === opposite,
    error: `taken back by the change ${changeId}`,
  });
  const partition = mustPartition(undone, partitionId);
  const target = replaceNode(partition.target, { nodeId: from, by: to });
  return withPartition(undone, retarget(partition, { target, changeId }));
}

/** An earlier transfer of the same partition is not waited for any more. */
function beginToTransfer(
  state: ClusterState,
  { changeId, request }: NamedRequest<TransferLeadership>,
): ClusterState {
  const { partitionId, to } = request;
  const undone = failOpenChanges(state, {
    matches: ({ request }) => request.kind === "transferLeadership" && request.partitionId === partitionId,
    error: `replaced by the change ${changeId}`,
  });
  return withPreferred(undone, { partitionId, nodeId: to });
}

/**
 * The last request counts: one for another factor is not waited for any more. One for the same factor waits
 * for the same work, and begins with the progress so far.
 */
function beginToSetFactor(
  state: ClusterState,
  { change, request: { factor } }: BeginningChange<SetReplicationFactor>,
): ClusterState {
  const isOther = ({ request }: ClusterChange) =>
    request.kind === "setReplicationFactor" && request.factor !== factor;
  const error = `replaced by the change ${change.changeId}`;
  const undone = failOpenChanges(state, { matches: isOther, error });
  const next = { ...undone, replicationFactor: factor };
  const first = openChanges(next).find(({ request }) => request.kind === "setReplicationFactor");
  const { done, total } = first ?? change;
  return withChange(next, { ...change, description: change.description + shortfall(next), done, total });
}

/** Says that there are too few nodes for the factor; empty when there are enough. */
function shortfall(state: ClusterState): string {
  const wanted = wantedReplicas(state);
  if (wanted === state.replicationFactor) return "";
  const nodes = stayingNodes(state).length;
  return `, ${counted(wanted, "replica")} while there ${nodes === 1 ? "is" : "are"} ${
    counted(nodes, "node")
  }`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function mustPartition(state: ClusterState, partitionId: number): ClusterPartition {
  const partition = state.partitions[partitionId];
  if (partition === undefined) throw new RangeError(noSuchPartition(state, partitionId));
  return partition;
}

function noSuchPartition({ partitions }: ClusterState, partitionId: number): string {
  return `there is no partition ${partitionId}; the cluster has partitions 0 to ${partitions.length - 1}`;
}

function noSuchNode(nodeId: NodeId): string {
  return `node ${nodeId} is not a member of the cluster; choose a member`;
}

function beingRemoved(nodeId: NodeId): string {
  return `node ${nodeId} is being removed`;
}

function holdsNone({ partitionId, target }: ClusterPartition, nodeId: NodeId): string {
  return `node ${nodeId} holds no replica of partition ${partitionId}; nodes ${target.join(", ")} do`;
}
