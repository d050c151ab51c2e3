/**
 * What the coordinator, the node that leads group 0, should propose next. The planner remembers nothing: what
 * is still to be done is planned again from the state each time, so another coordinator goes on where the
 * last one stopped.
 *
 * @module
 */

import { type NodeId, unreachable } from "../../raft/mod.ts";
import { openChanges } from "./change_list.ts";
import { mayForget } from "./apply_command.ts";
import { areReplicasComplete, isMoving, stayingNodes } from "./cluster_state.ts";
import { areLeadersEven, planLeader } from "./preferred_leaders.ts";
import { areReplicasEven, partitionsUnderWay, planMove } from "./replica_moves.ts";
import type { ChangeRequest, ClusterChange, ClusterCommand, ClusterState } from "./types.ts";

/** How long a node may take to become the leader it is asked to be; well above several elections. */
const TRANSFER_LIMIT_MS = 30_000;
/** How long a rebalance waits for a silent node: one that has just come up is dialled within a second. */
const HEAR_LIMIT_MS = 10_000;
/** Silent nodes that a reason names; of more it says how many. */
const NAMED_MAX = 3;

/** What the state does not say. */
export interface PlannerFacts {
  /** The leader of the partition, as far as it is known; 0 when it is not. */
  readonly leaderOf: (partitionId: number) => NodeId;
  /** Whether group 0 may need the node for a majority. */
  readonly votes: (nodeId: NodeId) => boolean;
  /** Whether nothing has been heard of the node for long, so that nothing may be moved to it. */
  readonly isSilent: (nodeId: NodeId) => boolean;
  /** Whether the node is not heard now. */
  readonly isAway: (nodeId: NodeId) => boolean;
  /** Milliseconds since the coordinator first saw the change. */
  readonly ageMs: (changeId: string) => number;
  /** Milliseconds since the coordinator saw the state change for the last time. */
  readonly restMs: number;
}

/**
 * The command to propose now; planned again when it has been applied.
 *
 * @returns `undefined` when there is nothing to do, or what is under way must be waited for
 */
export function planNext(state: ClusterState, facts: PlannerFacts): ClusterCommand | undefined {
  if (!state.isFounded) return undefined;
  return planMove({ state, isSilent: facts.isSilent, isAway: facts.isAway }) ?? planLeader(state) ??
    planFinish(state, facts);
}

/** How a change ends: `error` says why it failed, and is empty when it is done. */
interface ChangeResult {
  readonly error: string;
}

const DONE: ChangeResult = { error: "" };

/** A change under way, with what decides whether it has ended. */
interface OpenChange {
  readonly change: ClusterChange;
  readonly facts: PlannerFacts;
}

/** A rebalance under way. */
interface OpenRebalance {
  readonly facts: PlannerFacts;
  readonly ageMs: number;
}

/** A removal under way. */
interface OpenRemoval {
  readonly nodeId: NodeId;
  readonly facts: PlannerFacts;
}

/** A move that an operator asked for. */
interface OpenMove {
  readonly changeId: string;
  readonly request: Extract<ChangeRequest, { readonly kind: "moveReplica" }>;
}

/** A transfer that an operator asked for, and how far it is. */
interface OpenTransfer {
  readonly request: Extract<ChangeRequest, { readonly kind: "transferLeadership" }>;
  readonly leader: NodeId;
  readonly ageMs: number;
}

function planFinish(state: ClusterState, facts: PlannerFacts): ClusterCommand | undefined {
  for (const change of openChanges(state)) {
    const result = resultOf(state, { change, facts });
    if (result !== undefined) return { kind: "finish", changeId: change.changeId, error: result.error };
  }
  return undefined;
}

/** `undefined` while there is something left to do. */
function resultOf(state: ClusterState, { change, facts }: OpenChange): ChangeResult | undefined {
  const { changeId, request } = change;
  switch (request.kind) {
    case "addNode":
      // A silent node that should have more may come back, or be removed.
      return isSettled(state) && areReplicasComplete(state) && areReplicasEven(state) ? DONE : undefined;
    case "setReplicationFactor":
      // With the nodes that are heard everything is even then: `planMove` had nothing left to do.
      return isSettled(state) && areReplicasComplete(state) ? DONE : undefined;
    case "rebalance":
      return resultOfRebalance(state, { facts, ageMs: facts.ageMs(changeId) });
    case "removeNode":
      return resultOfRemoval(state, { nodeId: request.nodeId, facts });
    case "moveReplica":
      return resultOfMove(state, { changeId, request });
    case "transferLeadership":
      return resultOfTransfer(state, {
        request,
        leader: facts.leaderOf(request.partitionId),
        ageMs: facts.ageMs(changeId),
      });
    default:
      return unreachable(request);
  }
}

/** Whether nothing moves, and no leadership is to be handed on. */
function isSettled(state: ClusterState): boolean {
  return !state.partitions.some(isMoving) && areLeadersEven(state);
}

/**
 * Where leaders should be is in the state before they are there, so that is waited for, but not for ever. A
 * silent node that should have more is waited for as long as one that was just started may take to be heard,
 * and no longer: it may have been announced only, and never come.
 */
function resultOfRebalance(state: ClusterState, { facts, ageMs }: OpenRebalance): ChangeResult | undefined {
  if (!isSettled(state)) return undefined;
  const silent = stayingNodes(state).filter(facts.isSilent);
  if (!areReplicasEven(state)) {
    if (silent.length === 0 || ageMs < HEAR_LIMIT_MS) return undefined;
    return { error: silentError(silent) };
  }
  const late = state.partitions.find(({ partitionId, target: [leader] }) =>
    leader !== undefined && !silent.includes(leader) && facts.leaderOf(partitionId) !== leader
  );
  if (late === undefined) return DONE;
  if (facts.restMs < TRANSFER_LIMIT_MS) return undefined;
  return { error: lateError({ partitionId: late.partitionId, to: late.target[0]! }) };
}

/** Who should have become the leader of which partition. */
type Transfer = Pick<OpenTransfer["request"], "partitionId" | "to">;

function lateError({ partitionId, to }: Transfer): string {
  const limitSeconds = TRANSFER_LIMIT_MS / 1_000;
  return `node ${to} did not become the leader of partition ${partitionId} within ${limitSeconds} s; ` +
    "check that it is up and has caught up, then ask again";
}

function silentError(silent: readonly NodeId[]): string {
  const more = silent.length - NAMED_MAX;
  const named = silent.slice(0, NAMED_MAX).join(", ") + (more > 0 ? ` and ${more} more` : "");
  const noun = silent.length === 1 ? "node" : "nodes";
  return `nothing is heard of ${noun} ${named}, so only the other nodes were evened out; start what is down, or ` +
    "remove it (cluster remove-node), then ask again";
}

/**
 * The node stops as soon as it is removed, so everything else must be done before. When nothing is under way,
 * {@linkcode planMove} has nothing left that can be done now; leaders may still wait for an operator's
 * transfer.
 */
function resultOfRemoval(state: ClusterState, { nodeId, facts }: OpenRemoval): ChangeResult | undefined {
  const { isAway, isSilent, votes } = facts;
  const isAtRest = partitionsUnderWay({ state, isSilent, isAway }).length === 0 && areLeadersEven(state);
  return isAtRest && mayForget(state, nodeId) && !votes(nodeId) ? DONE : undefined;
}

/** A move ends when its partition settles, unless the partition got another target meanwhile. */
function resultOfMove(state: ClusterState, { changeId, request }: OpenMove): ChangeResult | undefined {
  const { partitionId, from, to } = request;
  const partition = state.partitions[partitionId];
  if (partition === undefined || partition.changeId === changeId || isMoving(partition)) return undefined;
  const isDone = partition.replicas.includes(to) && !partition.replicas.includes(from);
  return isDone ? DONE : { error: `partition ${partitionId} had to move to another node meanwhile` };
}

function resultOfTransfer(
  state: ClusterState,
  { request, leader, ageMs }: OpenTransfer,
): ChangeResult | undefined {
  const { partitionId, to } = request;
  if (leader === to) return DONE;
  if (state.partitions[partitionId]?.target.includes(to) !== true) {
    return { error: `partition ${partitionId} was moved away from node ${to} meanwhile` };
  }
  return ageMs < TRANSFER_LIMIT_MS ? undefined : { error: lateError(request) };
}
