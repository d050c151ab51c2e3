/**
 * What a request does to the cluster's state when its turn in the log comes: it begins, is done at once, or
 * is refused with a reason. Refusals are part of the state like everything else, because only here it is
 * known what the request meets.
 *
 * @module
 */

import { type NodeId, unreachable } from "../../raft/mod.ts";
import {
  describeRequest,
  ended,
  failOpenChanges,
  OPEN_CHANGES_MAX,
  openChange,
  openChanges,
  stepsKnown,
  withChange,
} from "./change_list.ts";
import {
  isMoving,
  isStaying,
  replaced,
  sentTo,
  stayingNodes,
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

/** A request under its name. */
export interface NamedRequest {
  readonly changeId: string;
  readonly request: ChangeRequest;
}

/** The state after the request; the same one if a change of that name is known. */
export function beginChange(state: ClusterState, { changeId, request }: NamedRequest): ClusterState {
  if (state.changes.some((change) => change.changeId === changeId)) return state;
  const change: ClusterChange = {
    ...{ changeId, request, description: describeRequest(request) },
    ...{ done: 0, total: stepsKnown(request), isFinished: false, error: "" },
  };
  const error = refusal(state, request);
  if (error !== "") return withChange(state, ended(change, error));
  return begin(state, change);
}

/** Why the request makes no sense; empty when it does. */
function refusal(state: ClusterState, request: ChangeRequest): string {
  if (isCrowded(state, request)) {
    return `${OPEN_CHANGES_MAX} changes are under way already`;
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
      return "";
    default:
      return unreachable(request);
  }
}

/**
 * The removal of a dead node always gets in: changes that wait for that node could fill the list for ever.
 */
function isCrowded(state: ClusterState, request: ChangeRequest): boolean {
  const isFirstRemoval = request.kind === "removeNode" && isStaying(state, request.nodeId);
  return !isFirstRemoval && openChanges(state).length >= OPEN_CHANGES_MAX;
}

function refusalToAdd(state: ClusterState, { nodeId, address }: AddNode): string {
  if (state.retired.has(nodeId)) return `node ${nodeId} was removed, and node ids never come back`;
  if (state.nodes.get(nodeId)?.isLeaving === true) return beingRemoved(nodeId);
  const owner = [...state.nodes.values()].find((node) => node.address === address && node.nodeId !== nodeId);
  if (owner !== undefined) return `${address} is the address of node ${owner.nodeId}`;
  if (!state.nodes.has(nodeId) && state.nodes.size >= NODES_MAX) {
    return `the cluster has ${NODES_MAX} nodes already`;
  }
  return "";
}

function refusalToRemove(state: ClusterState, { nodeId }: RemoveNode): string {
  if (state.retired.has(nodeId)) return "";
  if (!state.nodes.has(nodeId)) return noSuchNode(nodeId);
  if (!isStaying(state, nodeId)) return "";
  const left = stayingNodes(state).length - 1;
  if (left >= state.replicationFactor) return "";
  return `without node ${nodeId} too few nodes are left for the replicas of a partition: ` +
    `${left} of at least ${state.replicationFactor}`;
}

function refusalToMove(state: ClusterState, request: MoveReplica): string {
  const { partitionId, from, to } = request;
  const partition = state.partitions[partitionId];
  if (partition === undefined) return noSuchPartition(partitionId);
  for (const nodeId of [from, to]) if (!state.nodes.has(nodeId)) return noSuchNode(nodeId);
  if (!isStaying(state, to)) return beingRemoved(to);
  if (isMoving(partition) && oppositeMove(state, request) === undefined) {
    return `partition ${partitionId} is moving already, for the change ${partition.changeId}`;
  }
  if (!partition.target.includes(from)) return holdsNone({ partitionId, nodeId: from });
  if (partition.target.includes(to)) return `node ${to} holds a replica of partition ${partitionId} already`;
  return "";
}

function refusalToTransfer(state: ClusterState, { partitionId, to }: TransferLeadership): string {
  const partition = state.partitions[partitionId];
  if (partition === undefined) return noSuchPartition(partitionId);
  if (!state.nodes.has(to)) return noSuchNode(to);
  if (!isStaying(state, to)) return beingRemoved(to);
  if (!partition.target.includes(to)) return holdsNone({ partitionId, nodeId: to });
  if (!partition.replicas.includes(to)) return `node ${to} has not got partition ${partitionId} yet`;
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

/** The state in which the change, which makes sense, has begun. */
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
    default:
      return unreachable(request);
  }
}

/** A member that is added again may have another address; that is all there is to do then. */
function beginToAdd(
  state: ClusterState,
  { change, request }: { readonly change: ClusterChange; readonly request: AddNode },
): ClusterState {
  const { nodeId, address } = request;
  const isDone = state.nodes.has(nodeId);
  return withChange(
    withNode(state, { nodeId, address, isLeaving: false }),
    isDone ? ended(change, "") : change,
  );
}

/** A node is removed once, however often that is asked for: whoever joins in is told the progress so far. */
function beginToRemove(
  state: ClusterState,
  { change, request }: { readonly change: ClusterChange; readonly request: RemoveNode },
): ClusterState {
  const { nodeId } = request;
  const node = state.nodes.get(nodeId);
  if (node === undefined) return withChange(state, ended(change, ""));
  const first = openChanges(state).find(({ request }) =>
    request.kind === "removeNode" && request.nodeId === nodeId
  );
  if (first !== undefined) return withChange(state, { ...change, done: first.done, total: first.total });
  const error = beingRemoved(nodeId);
  const undone = failOpenChanges(state, { matches: ({ request }) => bringsTo(request) === nodeId, error });
  return withChange(withNode(undone, { ...node, isLeaving: true }), change);
}

/** The node that is to get something by the request. */
function bringsTo(request: ChangeRequest): NodeId | undefined {
  switch (request.kind) {
    case "addNode":
      return request.nodeId;
    case "moveReplica":
    case "transferLeadership":
      return request.to;
    case "removeNode":
    case "rebalance":
      return undefined;
    default:
      return unreachable(request);
  }
}

function beginToMove(
  state: ClusterState,
  { changeId, request }: { readonly changeId: string; readonly request: MoveReplica },
): ClusterState {
  const { partitionId, from, to } = request;
  const opposite = oppositeMove(state, request);
  const undone = opposite === undefined ? state : failOpenChanges(state, {
    matches: (each) => each === opposite,
    error: `taken back by the change ${changeId}`,
  });
  const partition = mustPartition(undone, partitionId);
  const target = replaced(partition.target, { nodeId: from, by: to });
  return withPartition(undone, sentTo(partition, { target, changeId }));
}

/** Who was to lead before is not waited for any more. */
function beginToTransfer(
  state: ClusterState,
  { changeId, request }: { readonly changeId: string; readonly request: TransferLeadership },
): ClusterState {
  const { partitionId, to } = request;
  const undone = failOpenChanges(state, {
    matches: ({ request }) => request.kind === "transferLeadership" && request.partitionId === partitionId,
    error: `replaced by the change ${changeId}`,
  });
  return withPreferred(undone, { partitionId, nodeId: to });
}

function mustPartition(state: ClusterState, partitionId: number): ClusterPartition {
  const partition = state.partitions[partitionId];
  if (partition === undefined) throw new RangeError(noSuchPartition(partitionId));
  return partition;
}

function noSuchPartition(partitionId: number): string {
  return `there is no partition ${partitionId}`;
}

function noSuchNode(nodeId: NodeId): string {
  return `node ${nodeId} is no member of the cluster`;
}

function beingRemoved(nodeId: NodeId): string {
  return `node ${nodeId} is being removed`;
}

function holdsNone(
  { partitionId, nodeId }: { readonly partitionId: number; readonly nodeId: NodeId },
): string {
  return `node ${nodeId} holds no replica of partition ${partitionId}`;
}
