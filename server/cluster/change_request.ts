/**
 * What a request does to the cluster's state when its turn in the log comes: it begins, is done at once, or is refused with
 * a reason. Refusals are part of the state like everything else, because only here it is known what the request meets.
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";
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
} from "./cluster_view.ts";
import { NODES_MAX } from "./command_check.ts";
import type { ChangeRequest, ClusterChange, ClusterPartition, ClusterView } from "./types.ts";
import { unreachable } from "./view_invariant.ts";

type AddNode = Extract<ChangeRequest, { readonly kind: "addNode" }>;
type RemoveNode = Extract<ChangeRequest, { readonly kind: "removeNode" }>;
type MoveReplica = Extract<ChangeRequest, { readonly kind: "moveReplica" }>;
type TransferLeadership = Extract<ChangeRequest, { readonly kind: "transferLeadership" }>;

/** A request under its name. */
export interface NamedRequest {
  readonly changeId: string;
  readonly request: ChangeRequest;
}

/** The view after the request; the same one if a change of that name is known. */
export function beginChange(view: ClusterView, { changeId, request }: NamedRequest): ClusterView {
  if (view.changes.some((change) => change.changeId === changeId)) return view;
  const change: ClusterChange = {
    ...{ changeId, request, description: describeRequest(request) },
    ...{ done: 0, total: stepsKnown(request), isFinished: false, error: "" },
  };
  const error = refusal(view, request);
  if (error !== "") return withChange(view, ended(change, error));
  return begin(view, change);
}

/** Why the request makes no sense; empty when it does. */
function refusal(view: ClusterView, request: ChangeRequest): string {
  if (isCrowded(view, request)) {
    return `${OPEN_CHANGES_MAX} changes are under way already`;
  }
  switch (request.kind) {
    case "addNode":
      return refusalToAdd(view, request);
    case "removeNode":
      return refusalToRemove(view, request);
    case "moveReplica":
      return refusalToMove(view, request);
    case "transferLeadership":
      return refusalToTransfer(view, request);
    case "rebalance":
      return "";
    default:
      return unreachable(request);
  }
}

/** The removal of a dead node always gets in: changes that wait for that node could fill the list for ever. */
function isCrowded(view: ClusterView, request: ChangeRequest): boolean {
  const isFirstRemoval = request.kind === "removeNode" && isStaying(view, request.nodeId);
  return !isFirstRemoval && openChanges(view).length >= OPEN_CHANGES_MAX;
}

function refusalToAdd(view: ClusterView, { nodeId, address }: AddNode): string {
  if (view.retired.has(nodeId)) return `node ${nodeId} was removed, and node ids never come back`;
  if (view.nodes.get(nodeId)?.isLeaving === true) return beingRemoved(nodeId);
  const owner = [...view.nodes.values()].find((node) => node.address === address && node.nodeId !== nodeId);
  if (owner !== undefined) return `${address} is the address of node ${owner.nodeId}`;
  if (!view.nodes.has(nodeId) && view.nodes.size >= NODES_MAX) {
    return `the cluster has ${NODES_MAX} nodes already`;
  }
  return "";
}

function refusalToRemove(view: ClusterView, { nodeId }: RemoveNode): string {
  if (view.retired.has(nodeId)) return "";
  if (!view.nodes.has(nodeId)) return noSuchNode(nodeId);
  if (!isStaying(view, nodeId)) return "";
  const left = stayingNodes(view).length - 1;
  if (left >= view.replicationFactor) return "";
  return `without node ${nodeId} too few nodes are left for the replicas of a partition: ` +
    `${left} of at least ${view.replicationFactor}`;
}

function refusalToMove(view: ClusterView, request: MoveReplica): string {
  const { partitionId, from, to } = request;
  const partition = view.partitions[partitionId];
  if (partition === undefined) return noSuchPartition(partitionId);
  for (const nodeId of [from, to]) if (!view.nodes.has(nodeId)) return noSuchNode(nodeId);
  if (!isStaying(view, to)) return beingRemoved(to);
  if (isMoving(partition) && oppositeMove(view, request) === undefined) {
    return `partition ${partitionId} is moving already, for the change ${partition.changeId}`;
  }
  if (!partition.target.includes(from)) return holdsNone({ partitionId, nodeId: from });
  if (partition.target.includes(to)) return `node ${to} holds a replica of partition ${partitionId} already`;
  return "";
}

function refusalToTransfer(view: ClusterView, { partitionId, to }: TransferLeadership): string {
  const partition = view.partitions[partitionId];
  if (partition === undefined) return noSuchPartition(partitionId);
  if (!view.nodes.has(to)) return noSuchNode(to);
  if (!isStaying(view, to)) return beingRemoved(to);
  if (!partition.target.includes(to)) return holdsNone({ partitionId, nodeId: to });
  if (!partition.replicas.includes(to)) return `node ${to} has not got partition ${partitionId} yet`;
  return "";
}

/** The move under way that the request takes back. */
function oppositeMove(view: ClusterView, { partitionId, from, to }: MoveReplica): ClusterChange | undefined {
  const change = openChange(view, view.partitions[partitionId]?.changeId ?? "");
  if (change?.request.kind !== "moveReplica") return undefined;
  return change.request.from === to && change.request.to === from ? change : undefined;
}

/** The view in which the change, which makes sense, has begun. */
function begin(view: ClusterView, change: ClusterChange): ClusterView {
  const { changeId, request } = change;
  switch (request.kind) {
    case "addNode":
      return beginToAdd(view, { change, request });
    case "removeNode":
      return beginToRemove(view, { change, request });
    case "moveReplica":
      return withChange(beginToMove(view, { changeId, request }), change);
    case "transferLeadership":
      return withChange(beginToTransfer(view, { changeId, request }), change);
    case "rebalance":
      return withChange(view, change);
    default:
      return unreachable(request);
  }
}

/** A member that is added again may have another address; that is all there is to do then. */
function beginToAdd(
  view: ClusterView,
  { change, request }: { readonly change: ClusterChange; readonly request: AddNode },
): ClusterView {
  const { nodeId, address } = request;
  const isDone = view.nodes.has(nodeId);
  return withChange(
    withNode(view, { nodeId, address, isLeaving: false }),
    isDone ? ended(change, "") : change,
  );
}

/** A node is removed once, however often that is asked for: whoever joins in is told the progress so far. */
function beginToRemove(
  view: ClusterView,
  { change, request }: { readonly change: ClusterChange; readonly request: RemoveNode },
): ClusterView {
  const { nodeId } = request;
  const node = view.nodes.get(nodeId);
  if (node === undefined) return withChange(view, ended(change, ""));
  const first = openChanges(view).find(({ request }) =>
    request.kind === "removeNode" && request.nodeId === nodeId
  );
  if (first !== undefined) return withChange(view, { ...change, done: first.done, total: first.total });
  const error = beingRemoved(nodeId);
  const undone = failOpenChanges(view, { matches: ({ request }) => bringsTo(request) === nodeId, error });
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
  view: ClusterView,
  { changeId, request }: { readonly changeId: string; readonly request: MoveReplica },
): ClusterView {
  const { partitionId, from, to } = request;
  const opposite = oppositeMove(view, request);
  const undone = opposite === undefined ? view : failOpenChanges(view, {
    matches: (each) => each === opposite,
    error: `taken back by the change ${changeId}`,
  });
  const partition = mustPartition(undone, partitionId);
  const target = replaced(partition.target, { nodeId: from, by: to });
  return withPartition(undone, sentTo(partition, { target, changeId }));
}

/** Who was to lead before is not waited for any more. */
function beginToTransfer(
  view: ClusterView,
  { changeId, request }: { readonly changeId: string; readonly request: TransferLeadership },
): ClusterView {
  const { partitionId, to } = request;
  const undone = failOpenChanges(view, {
    matches: ({ request }) => request.kind === "transferLeadership" && request.partitionId === partitionId,
    error: `replaced by the change ${changeId}`,
  });
  return withPreferred(undone, { partitionId, nodeId: to });
}

function mustPartition(view: ClusterView, partitionId: number): ClusterPartition {
  const partition = view.partitions[partitionId];
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
