/**
 * The cluster's own state as a state machine: the same commands in the same order make the same state on every node. What
 * was planned on an older state and does not fit any more does nothing.
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";
import { beginChange } from "./change_request.ts";
import { ended, endOpenChange, openChange, stepped, updateOpenChange } from "./change_list.ts";
import {
  foundingView,
  isMoving,
  isSameList,
  isSameSet,
  isStaying,
  sentTo,
  withNode,
  withNodes,
  withPartition,
  withPreferred,
} from "./cluster_view.ts";
import type { ClusterChange, ClusterCommand, ClusterView } from "./types.ts";
import { checkViewInvariants, unreachable } from "./view_invariant.ts";

/** Stands where a change is named, for what is put right without anybody having asked for it. */
export const REPAIR_CHANGE_ID = "repair";

type Found = Extract<ClusterCommand, { readonly kind: "found" }>;
type SetTarget = Extract<ClusterCommand, { readonly kind: "setTarget" }>;
type Settle = Extract<ClusterCommand, { readonly kind: "settle" }>;
type Prefer = Extract<ClusterCommand, { readonly kind: "prefer" }>;
type Finish = Extract<ClusterCommand, { readonly kind: "finish" }>;

/** See the module comment. */
export class ClusterState {
  #view: ClusterView;

  /** @param initial what the node was started with; nothing of it outlives the founding */
  constructor(initial: ClusterView) {
    this.#view = initial;
  }

  /** The state as it is; another object after each change. */
  get view(): ClusterView {
    return this.#view;
  }

  /**
   * Applies a command of group 0's log, which is within the bounds of `checkClusterCommand`.
   *
   * @returns whether anything has changed
   * @throws {InvariantViolation} when the state has become one that cannot be
   */
  apply(command: ClusterCommand): boolean {
    const next = applied(this.#view, command);
    if (next === this.#view) return false;
    this.#view = { ...next, epoch: next.epoch + 1 };
    checkViewInvariants(this.#view);
    return true;
  }
}

/** The same view, not another one like it, when the command does nothing. */
function applied(view: ClusterView, command: ClusterCommand): ClusterView {
  if (command.kind === "found") return found(view, command);
  // Nodes start with different ideas of the cluster; only from the founding on do they have the same.
  if (!view.isFounded) return view;
  switch (command.kind) {
    case "change":
      return beginChange(view, command);
    case "setTarget":
      return setTarget(view, command);
    case "settle":
      return settle(view, command);
    case "prefer":
      return prefer(view, command);
    case "finish":
      return finish(view, command);
    default:
      return unreachable(command);
  }
}

function found(view: ClusterView, { nodes, replicationFactor, replicas }: Found): ClusterView {
  if (view.isFounded) return view;
  const addresses = new Map(nodes.map(({ nodeId, address }) => [nodeId, address]));
  return { ...foundingView({ nodes: addresses, replicationFactor, replicas }), isFounded: true };
}

/** A node that began to leave after the plan was made gets nothing more. */
function setTarget(view: ClusterView, command: SetTarget): ClusterView {
  const { partitionId, expected, target, changeId, remaining } = command;
  const partition = view.partitions[partitionId];
  if (partition === undefined || !isSameList(partition.target, expected)) return view;
  if (target.length > view.replicationFactor || target.length < expected.length) return view;
  if (isSameSet(target, expected)) return view;
  if (!target.every((nodeId) => expected.includes(nodeId) || isStaying(view, nodeId))) return view;
  if (changeId !== REPAIR_CHANGE_ID && openChange(view, changeId) === undefined) return view;
  const update = (change: ClusterChange) => ({ ...change, total: change.done + remaining });
  const next = updateOpenChange(view, { changeId, update });
  return withPartition(next, sentTo(partition, { target, changeId }));
}

/** Who should lead may have changed since it was proposed, so the order does not count. */
function settle(view: ClusterView, { partitionId, target, changeId }: Settle): ClusterView {
  const partition = view.partitions[partitionId];
  if (changeId !== undefined && partition?.changeId !== changeId) return view;
  if (partition === undefined || !isMoving(partition) || !isSameSet(partition.target, target)) return view;
  const update = (change: ClusterChange) =>
    change.request.kind === "moveReplica" ? ended(stepped(change), "") : stepped(change);
  const next = updateOpenChange(view, { changeId: partition.changeId, update });
  return withPartition(next, { ...partition, replicas: partition.target, former: [], changeId: "" });
}

function prefer(view: ClusterView, { partitionId, nodeId }: Prefer): ClusterView {
  return isStaying(view, nodeId) ? withPreferred(view, { partitionId, nodeId }) : view;
}

function finish(view: ClusterView, { changeId, error }: Finish): ClusterView {
  const change = openChange(view, changeId);
  if (change === undefined) return view;
  const { request } = change;
  if (request.kind === "removeNode") return finishRemoval(view, { changeId, nodeId: request.nodeId, error });
  return endOpenChange(view, { changeId, error });
}

/** All who asked for it are answered together. */
function finishRemoval(
  view: ClusterView,
  { changeId, nodeId, error }: { readonly changeId: string; readonly nodeId: NodeId; readonly error: string },
): ClusterView {
  const node = view.nodes.get(nodeId);
  if (node === undefined || (error === "" && !mayForget(view, nodeId))) return view;
  const next = endOpenChange(view, { changeId, error });
  if (error !== "") return withNode(next, { ...node, isLeaving: false });
  const rest = [...next.nodes.values()].filter((each) => each !== node);
  return { ...withNodes(next, rest), retired: new Set([...next.retired, nodeId]) };
}

/**
 * Whether a member can go. While a partition moves, its group may still be where it was, and wherever it was to go before it
 * was sent elsewhere.
 */
export function mayForget(view: ClusterView, nodeId: NodeId): boolean {
  return view.partitions.every(({ former, replicas, target }) =>
    ![replicas, target, former].flat().includes(nodeId)
  );
}
