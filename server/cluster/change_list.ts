/**
 * The changes of a cluster: what was asked for, how far it is, how it ended. Finished changes stand first, in
 * the order in which they ended, then those under way in the order in which they were asked for.
 *
 * @module
 */

import type { ChangeRequest, ClusterChange, ClusterState } from "./types.ts";
import { unreachable } from "../../raft/mod.ts";

/** Finished changes that are kept: for people, and so that a repeated request is known. */
export const FINISHED_CHANGES_MAX = 64;

/** Changes under way at the same time; operators have few, a runaway script many. */
export const OPEN_CHANGES_MAX = 64;

/** The change under way with this id. */
export function openChange(state: ClusterState, changeId: string): ClusterChange | undefined {
  return state.changes.find((change) => change.changeId === changeId && !change.isFinished);
}

/** All changes under way, oldest first. */
export function openChanges(state: ClusterState): readonly ClusterChange[] {
  return state.changes.filter(({ isFinished }) => !isFinished);
}

/** The state with one change more. */
export function withChange(state: ClusterState, change: ClusterChange): ClusterState {
  return withChanges(state, [...state.changes, change]);
}

/** The state in which every change under way is what `update` makes of it. */
function updateOpenChanges(
  state: ClusterState,
  update: (change: ClusterChange) => ClusterChange,
): ClusterState {
  return withChanges(state, state.changes.map((change) => change.isFinished ? change : update(change)));
}

/** What is to become of the change with this id. */
interface ChangeUpdate {
  readonly changeId: string;
  readonly update: (change: ClusterChange) => ClusterChange;
}

/**
 * The state in which the change under way with this id, and all that wait for the same work, are what
 * `update` makes of them.
 */
export function updateOpenChange(
  state: ClusterState,
  { changeId, update }: ChangeUpdate,
): ClusterState {
  const named = openChange(state, changeId);
  if (named === undefined) return state;
  return updateOpenChanges(
    state,
    (change) => isSameWork(change.request, named.request) || change === named ? update(change) : change,
  );
}

/** How the change with this id ended; `error` is empty when it is done. */
type ChangeEnd = Pick<ClusterChange, "changeId" | "error">;

/**
 * The state in which the change under way with this id has ended, and with it all other requests to remove
 * the same node.
 */
export function endOpenChange(state: ClusterState, { changeId, error }: ChangeEnd): ClusterState {
  const named = openChange(state, changeId);
  if (named === undefined) return state;
  const endsToo = (change: ClusterChange) => change === named || isSameRemoval(change.request, named.request);
  return updateOpenChanges(state, (change) => endsToo(change) ? endChange(change, error) : change);
}

/**
 * Two requests to remove the same node wait for the same moves; so do a rebalance and any other request that
 * evens replicas out, and two by which partitions get other numbers of replicas.
 */
function isSameWork(left: ChangeRequest, right: ChangeRequest): boolean {
  if (left.kind === "rebalance" || right.kind === "rebalance") return isEvening(left) && isEvening(right);
  if (isSameRemoval(left, right)) return true;
  return isResizing(left) && isResizing(right);
}

function isSameRemoval(left: ChangeRequest, right: ChangeRequest): boolean {
  return left.kind === "removeNode" && right.kind === "removeNode" && left.nodeId === right.nodeId;
}

/** Whether replicas and leaders are evened out for the request. */
export function isEvening(request: ChangeRequest): boolean {
  return isResizing(request) || request.kind === "removeNode" || request.kind === "rebalance";
}

/** Whether partitions may get another number of replicas by the request. */
export function isResizing({ kind }: ChangeRequest): boolean {
  return kind === "addNode" || kind === "setReplicationFactor";
}

/** Which changes have failed, and why. */
interface ChangeFailure {
  readonly matches: (change: ClusterChange) => boolean;
  readonly error: string;
}

/** The state in which those changes under way for which `matches` holds have failed with `error`. */
export function failOpenChanges(state: ClusterState, { matches, error }: ChangeFailure): ClusterState {
  return updateOpenChanges(state, (change) => matches(change) ? endChange(change, error) : change);
}

/** The change after its end; all its steps are done when there is no `error`. */
export function endChange(change: ClusterChange, error: string): ClusterChange {
  if (error !== "") return { ...change, isFinished: true, error };
  const steps = Math.max(change.done, knownSteps(change.request));
  return { ...change, isFinished: true, error, done: steps, total: steps };
}

/** The change after one more step. */
export function countStep(change: ClusterChange): ClusterChange {
  const done = change.done + 1;
  return { ...change, done, total: Math.max(change.total, done) };
}

/** Steps that a change is known to have as soon as it is asked for. */
export function knownSteps(request: ChangeRequest): number {
  return request.kind === "moveReplica" || request.kind === "transferLeadership" ? 1 : 0;
}

/** What the request asks for, for people. */
export function describeRequest(request: ChangeRequest): string {
  switch (request.kind) {
    case "addNode":
      return `add node ${request.nodeId} at ${request.address}`;
    case "removeNode":
      return `remove node ${request.nodeId}`;
    case "moveReplica":
      return `move partition ${request.partitionId} from node ${request.from} to node ${request.to}`;
    case "transferLeadership":
      return `transfer the leadership of partition ${request.partitionId} to node ${request.to}`;
    case "rebalance":
      return "even out replicas and leaders";
    case "setReplicationFactor":
      return `set the replication factor to ${request.factor}`;
    default:
      return unreachable(request);
  }
}

/** Changes that have just ended go behind those that had ended before; the list keeps its bound. */
function withChanges(state: ClusterState, changes: readonly ClusterChange[]): ClusterState {
  const before = new Set(
    state.changes.filter(({ isFinished }) => isFinished).map(({ changeId }) => changeId),
  );
  const finished = changes.filter(({ changeId }) => before.has(changeId));
  const justEnded = changes.filter(({ isFinished, changeId }) => isFinished && !before.has(changeId));
  const kept = [...finished, ...justEnded].slice(-FINISHED_CHANGES_MAX);
  return { ...state, changes: [...kept, ...changes.filter(({ isFinished }) => !isFinished)] };
}
