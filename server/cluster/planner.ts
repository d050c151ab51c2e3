/**
 * What the node that coordinates should propose next. It remembers nothing: whatever the state says is still
 * to be done is planned again from it, so another coordinator goes on where the last one stopped.
 *
 * @module
 */

import { type NodeId, unreachable } from "../../raft/mod.ts";
import { openChanges } from "./change_list.ts";
import { mayForget } from "./apply_command.ts";
import { isMoving } from "./cluster_state.ts";
import { areLeadersEven, planLeader } from "./preferred_leaders.ts";
import { areReplicasEven, partitionsUnderWay, planMove } from "./replica_moves.ts";
import type { ChangeRequest, ClusterChange, ClusterCommand, ClusterState } from "./types.ts";

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
export function planNext(state: ClusterState, facts: PlannerFacts): ClusterCommand | undefined {
  if (!state.isFounded) return undefined;
  return planMove({ state, isSilent: facts.isSilent }) ?? planLeader(state) ?? planFinish(state, facts);
}

/**
 * What it takes to call a change done or failed: the reason when failed, `undefined` while there is something
 * to do.
 */
type End = { readonly error: string } | undefined;

const DONE: End = { error: "" };

function planFinish(state: ClusterState, facts: PlannerFacts): ClusterCommand | undefined {
  for (const change of openChanges(state)) {
    const end = endOf(state, { change, facts });
    if (end !== undefined) return { kind: "finish", changeId: change.changeId, error: end.error };
  }
  return undefined;
}

function endOf(
  state: ClusterState,
  { change, facts }: { readonly change: ClusterChange; readonly facts: PlannerFacts },
): End {
  const { changeId, request } = change;
  switch (request.kind) {
    case "addNode":
    case "rebalance":
      // A silent node that should have more may come back, or be removed.
      return !state.partitions.some(isMoving) && areReplicasEven(state) && areLeadersEven(state)
        ? DONE
        : undefined;
    case "removeNode":
      return endOfRemoval(state, { facts, nodeId: request.nodeId });
    case "moveReplica":
      return endOfMove(state, { changeId, request });
    case "transferLeadership":
      return endOfTransfer(state, {
        ageMs: facts.ageMs(changeId),
        leader: facts.leaderOf(request.partitionId),
        request,
      });
    default:
      return unreachable(request);
  }
}

/**
 * It stops as soon as it is removed. When nothing is under way, {@linkcode planMove} has nothing left that
 * can be done now; leaders may still wait for an operator's transfer.
 */
function endOfRemoval(
  state: ClusterState,
  { facts: { isSilent, votes }, nodeId }: { readonly facts: PlannerFacts; readonly nodeId: NodeId },
): End {
  const isAtRest = partitionsUnderWay({ state, isSilent }).length === 0 && areLeadersEven(state);
  return isAtRest && mayForget(state, nodeId) && !votes(nodeId) ? DONE : undefined;
}

/** A move ends with its partition's settling, unless the partition was sent elsewhere meanwhile. */
function endOfMove(
  state: ClusterState,
  { changeId, request }: {
    readonly changeId: string;
    readonly request: Extract<ChangeRequest, { readonly kind: "moveReplica" }>;
  },
): End {
  const { partitionId, from, to } = request;
  const partition = state.partitions[partitionId];
  if (partition === undefined || partition.changeId === changeId || isMoving(partition)) return undefined;
  const isDone = partition.replicas.includes(to) && !partition.replicas.includes(from);
  return isDone ? DONE : { error: `partition ${partitionId} had to move elsewhere meanwhile` };
}

function endOfTransfer(
  state: ClusterState,
  { ageMs, leader, request }: {
    readonly ageMs: number;
    readonly leader: NodeId;
    readonly request: Extract<ChangeRequest, { readonly kind: "transferLeadership" }>;
  },
): End {
  const { partitionId, to } = request;
  if (leader === to) return DONE;
  if (state.partitions[partitionId]?.target.includes(to) !== true) {
    return { error: `node ${to} is not to hold partition ${partitionId} any more` };
  }
  if (ageMs < TRANSFER_LIMIT_MS) return undefined;
  return {
    error: `node ${to} has not become the leader of partition ${partitionId} in ${
      TRANSFER_LIMIT_MS / 1_000
    } s`,
  };
}
