/**
 * What the node that coordinates should propose next. It remembers nothing: whatever the state says is still to be done is
 * planned again from it, so another coordinator goes on where the last one stopped.
 *
 * @module
 */

import { openChanges } from "./change_list.ts";
import { mayForget } from "./cluster_state.ts";
import { isMoving } from "./cluster_view.ts";
import { areLeadersEven, planLeader } from "./preferred_leaders.ts";
import { areReplicasEven, partitionsUnderWay, planMove } from "./replica_moves.ts";
import type { NodeId } from "../../raft/mod.ts";
import type { ChangeRequest, ClusterChange, ClusterCommand, ClusterView } from "./types.ts";
import { unreachable } from "./view_invariant.ts";

/** How long a node may take to become the leader it is asked to be; well above several elections. */
const TRANSFER_LIMIT_MS = 30_000;

/** What the state does not say. */
export interface PlannerFacts {
  /** Who leads the partition, as far as known; 0 when not. */
  readonly leaderOf: (partitionId: number) => NodeId;
  /** Whether group 0 may need the node for a majority. */
  readonly votes: (nodeId: NodeId) => boolean;
  /** Whether nothing has been heard of the node for long, so that nothing should be moved to it. */
  readonly isSilent: (nodeId: NodeId) => boolean;
  /** Milliseconds since the coordinator first saw the change. */
  readonly ageMs: (changeId: string) => number;
}

/**
 * The command to propose now; planned again when it has been applied.
 *
 * @returns `undefined` when there is nothing to do, or what is under way must be waited for
 */
export function planNext(view: ClusterView, facts: PlannerFacts): ClusterCommand | undefined {
  if (!view.isFounded) return undefined;
  return planMove({ view, isSilent: facts.isSilent }) ?? planLeader(view) ?? planFinish(view, facts);
}

/** What it takes to call a change done or failed: the reason when failed, `undefined` while there is something to do. */
type End = { readonly error: string } | undefined;

const DONE: End = { error: "" };

function planFinish(view: ClusterView, facts: PlannerFacts): ClusterCommand | undefined {
  for (const change of openChanges(view)) {
    const end = endOf(view, { change, facts });
    if (end !== undefined) return { kind: "finish", changeId: change.changeId, error: end.error };
  }
  return undefined;
}

function endOf(
  view: ClusterView,
  { change, facts }: { readonly change: ClusterChange; readonly facts: PlannerFacts },
): End {
  const { changeId, request } = change;
  switch (request.kind) {
    case "addNode":
    case "rebalance":
      // A silent node that should have more may come back, or be removed.
      return !view.partitions.some(isMoving) && areReplicasEven(view) && areLeadersEven(view)
        ? DONE
        : undefined;
    case "removeNode":
      return endOfRemoval(view, { facts, nodeId: request.nodeId });
    case "moveReplica":
      return endOfMove(view, { changeId, request });
    case "transferLeadership":
      return endOfTransfer(view, {
        ageMs: facts.ageMs(changeId),
        leader: facts.leaderOf(request.partitionId),
        request,
      });
    default:
      return unreachable(request);
  }
}

/**
 * It stops as soon as it is removed. When nothing is under way, {@linkcode planMove} has nothing left that can be done now;
 * leaders may still wait for an operator's transfer.
 */
function endOfRemoval(
  view: ClusterView,
  { facts: { isSilent, votes }, nodeId }: { readonly facts: PlannerFacts; readonly nodeId: NodeId },
): End {
  const isAtRest = partitionsUnderWay({ view, isSilent }).length === 0 && areLeadersEven(view);
  return isAtRest && mayForget(view, nodeId) && !votes(nodeId) ? DONE : undefined;
}

/** A move ends with its partition's settling, unless the partition was sent elsewhere meanwhile. */
function endOfMove(
  view: ClusterView,
  { changeId, request }: {
    readonly changeId: string;
    readonly request: Extract<ChangeRequest, { readonly kind: "moveReplica" }>;
  },
): End {
  const { partitionId, from, to } = request;
  const partition = view.partitions[partitionId];
  if (partition === undefined || partition.changeId === changeId || isMoving(partition)) return undefined;
  const isDone = partition.replicas.includes(to) && !partition.replicas.includes(from);
  return isDone ? DONE : { error: `partition ${partitionId} had to move elsewhere meanwhile` };
}

function endOfTransfer(
  view: ClusterView,
  { ageMs, leader, request }: {
    readonly ageMs: number;
    readonly leader: NodeId;
    readonly request: Extract<ChangeRequest, { readonly kind: "transferLeadership" }>;
  },
): End {
  const { partitionId, to } = request;
  if (leader === to) return DONE;
  if (view.partitions[partitionId]?.target.includes(to) !== true) {
    return { error: `node ${to} is not to hold partition ${partitionId} any more` };
  }
  if (ageMs < TRANSFER_LIMIT_MS) return undefined;
  return {
    error: `node ${to} has not become the leader of partition ${partitionId} in ${
      TRANSFER_LIMIT_MS / 1_000
    } s`,
  };
}
