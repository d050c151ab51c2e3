/**
 * What each command of group 0's log does to the cluster's state. The same commands in the same order make
 * the same state on every node. A command that was planned on an older state and does not fit any more does
 * nothing.
 *
 * @module
 */

import { type NodeId, unreachable } from "../../raft/mod.ts";
import { countStep, endChange, endOpenChange, openChange, updateOpenChange } from "./change_list.ts";
import { beginChange } from "./change_request.ts";
import {
  checkStateInvariants,
  foundingState,
  isMoving,
  isSameList,
  isSameSet,
  isStaying,
  ownerOf,
  replicasAllowed,
  retarget,
  wantedReplicas,
  withNode,
  withNodes,
  withPartition,
  withPreferred,
  withTargetReached,
} from "./cluster_state.ts";
import type { ClusterChange, ClusterCommand, ClusterState } from "./types.ts";

/** Stands in the place of a change's id where something is put right that nobody asked for. */
export const REPAIR_CHANGE_ID = "repair";

type Found = Extract<ClusterCommand, { readonly kind: "found" }>;
type SetTarget = Extract<ClusterCommand, { readonly kind: "setTarget" }>;
type Settle = Extract<ClusterCommand, { readonly kind: "settle" }>;
type Announce = Extract<ClusterCommand, { readonly kind: "announce" }>;
type Prefer = Extract<ClusterCommand, { readonly kind: "prefer" }>;
type Finish = Extract<ClusterCommand, { readonly kind: "finish" }>;

/**
 * The state after a command of group 0's log, which is within the bounds of `checkClusterCommand`. The same
 * object, not another one like it, when the command changes nothing; otherwise its epoch is one higher.
 *
 * @throws {InvariantViolation} when the state has become one that cannot be
 */
export function applyCommand(state: ClusterState, command: ClusterCommand): ClusterState {
  const next = nextState(state, command);
  if (next === state) return state;
  const applied = { ...next, epoch: next.epoch + 1 };
  checkStateInvariants(applied);
  return applied;
}

function nextState(state: ClusterState, command: ClusterCommand): ClusterState {
  if (command.kind === "found") return foundCluster(state, command);
  // Nodes start with different ideas of the cluster; only from the founding on do they have the same.
  if (!state.isFounded) return state;
  switch (command.kind) {
    case "change":
      return beginChange(state, command);
    case "setTarget":
      return setTarget(state, command);
    case "settle":
      return settle(state, command);
    case "announce":
      return announce(state, command);
    case "prefer":
      return prefer(state, command);
    case "finish":
      return finish(state, command);
    default:
      return unreachable(command);
  }
}

function foundCluster(state: ClusterState, command: Found): ClusterState {
  if (state.isFounded) return state;
  const { clusterId, nodes, replicationFactor, replicas } = command;
  const addresses = new Map(nodes.map(({ nodeId, address }) => [nodeId, address]));
  return { ...foundingState({ nodes: addresses, replicationFactor, replicas }), clusterId, isFounded: true };
}

/** A node that began to leave after the plan was made gets no further replicas. */
function setTarget(state: ClusterState, command: SetTarget): ClusterState {
  const { partitionId, expected, target, changeId, remaining } = command;
  const partition = state.partitions[partitionId];
  if (partition === undefined || !isSameList(partition.target, expected)) return state;
  if (target.length > state.replicationFactor) return state;
  if (target.length < expected.length && !mayShrink(state, { expected, target })) return state;
  if (isSameSet(target, expected)) return state;
  if (!target.every((nodeId) => expected.includes(nodeId) || isStaying(state, nodeId))) return state;
  if (changeId !== REPAIR_CHANGE_ID && openChange(state, changeId) === undefined) return state;
  const update = (change: ClusterChange) => ({ ...change, total: change.done + remaining });
  const next = updateOpenChange(state, { changeId, update });
  return withPartition(next, retarget(partition, { target, changeId }));
}

/**
 * Whether the partition has more replicas than it may have. The factor may have been raised, or nodes may
 * have joined, since it was planned that some go.
 */
function mayShrink(
  state: ClusterState,
  { expected, target }: Pick<SetTarget, "expected" | "target">,
): boolean {
  return expected.length > replicasAllowed(state) && target.length === wantedReplicas(state);
}

/** The preferred leader may have changed since this was proposed, so the order does not count. */
function settle(state: ClusterState, { partitionId, target, changeId }: Settle): ClusterState {
  const partition = state.partitions[partitionId];
  if (changeId !== undefined && partition?.changeId !== changeId) return state;
  if (partition === undefined || !isMoving(partition) || !isSameSet(partition.target, target)) return state;
  const update = (change: ClusterChange) =>
    change.request.kind === "moveReplica" ? endChange(countStep(change), "") : countStep(change);
  const next = updateOpenChange(state, { changeId: partition.changeId, update });
  return withPartition(next, withTargetReached(partition));
}

/** Where another member is, none can be. */
function announce(state: ClusterState, { nodeId, address, clientUrl }: Announce): ClusterState {
  const node = state.nodes.get(nodeId);
  if (node === undefined || ownerOf(state, { nodeId, address }) !== undefined) return state;
  if (node.address === address && node.clientUrl === clientUrl) return state;
  const hasMoved = node.hasMoved || node.address !== address;
  return withNode(state, { ...node, address, clientUrl, hasMoved });
}

function prefer(state: ClusterState, { partitionId, nodeId }: Prefer): ClusterState {
  return isStaying(state, nodeId) ? withPreferred(state, { partitionId, nodeId }) : state;
}

function finish(state: ClusterState, { changeId, error }: Finish): ClusterState {
  const change = openChange(state, changeId);
  if (change === undefined) return state;
  const { request } = change;
  if (request.kind === "removeNode") return finishRemoval(state, { changeId, nodeId: request.nodeId, error });
  return endOpenChange(state, { changeId, error });
}

/** A removal that is to end; `error` is empty when it is done. */
interface RemovalEnd {
  readonly changeId: string;
  readonly nodeId: NodeId;
  readonly error: string;
}

/** All changes that asked for this removal end together. */
function finishRemoval(state: ClusterState, { changeId, nodeId, error }: RemovalEnd): ClusterState {
  const node = state.nodes.get(nodeId);
  if (node === undefined || (error === "" && !mayForget(state, nodeId))) return state;
  const next = endOpenChange(state, { changeId, error });
  if (error !== "") return withNode(next, { ...node, isLeaving: false });
  const rest = [...next.nodes.values()].filter((each) => each !== node);
  return { ...withNodes(next, rest), retired: new Set([...next.retired, nodeId]) };
}

/**
 * Whether no group can still need the member. While a partition moves, its group may still be where it was,
 * and wherever it was to go before its target changed.
 */
export function mayForget(state: ClusterState, nodeId: NodeId): boolean {
  return state.partitions.every(({ former, replicas, target }) =>
    ![replicas, target, former].flat().includes(nodeId)
  );
}
