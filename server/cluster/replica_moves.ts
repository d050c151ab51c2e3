/**
 * Which replicas should move next: first a partition gives up those of which it has too many, then those on
 * nodes that are being removed go elsewhere, then a partition gets those that it lacks, then some go from the
 * node with most to the one with fewest. What is counted is where replicas are to be, so that moves under way
 * are not planned twice. Nothing is moved to a node that is silent, and what was on its way to one gets
 * another target.
 *
 * A partition grows and shrinks in one move, from one odd number to another: two replicas survive no failure,
 * as one does not, and stand still when either is away.
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";
import { isEvening, isResizing, openChange, openChanges } from "./change_list.ts";
import { REPAIR_CHANGE_ID } from "./apply_command.ts";
import {
  isMoving,
  isStaying,
  replaceNode,
  replicasAllowed,
  replicasFor,
  retarget,
  stayingNodes,
  wantedReplicas,
  withPartition,
} from "./cluster_state.ts";
import type { ClusterChange, ClusterCommand, ClusterPartition, ClusterState } from "./types.ts";

/**
 * Partitions that move at the same time. Each sends its whole log to a new node, beside the traffic of
 * clients.
 */
const MOVES_MAX = 2;

type SetTarget = Extract<ClusterCommand, { readonly kind: "setTarget" }>;
type Counts = Map<NodeId, number>;

/** What a move is planned from. */
interface Situation {
  readonly state: ClusterState;
  /** Whether nothing has been heard of the node for long. */
  readonly isSilent: (nodeId: NodeId) => boolean;
  /** Whether it is not heard now; one that is silent is away. */
  readonly isAway: (nodeId: NodeId) => boolean;
}

/** A partition, where it should be, and for which change. */
interface Move {
  readonly partition: ClusterPartition;
  readonly target: readonly NodeId[];
  readonly changeId: string;
}

/** A partition to find new places for; `counts` are the replicas that each node is to have. */
interface Relocation {
  readonly partition: ClusterPartition;
  readonly counts: Counts;
}

/** One replica of a partition, in its target. */
interface TargetReplica {
  readonly partition: ClusterPartition;
  readonly nodeId: NodeId;
}

/** The change for which replicas and leaders are evened out: the oldest under way that wants it. */
export function balancingChange(state: ClusterState): ClusterChange | undefined {
  return openChanges(state).find(({ request }) => isEvening(request));
}

/** The next move; `undefined` when none is needed or too many are under way. */
export function planMove(situation: Situation): SetTarget | undefined {
  const { state } = situation;
  const move = planShrinking(situation) ?? planRelocation(situation) ?? planGrowth(situation) ??
    planEvening(situation);
  if (move === undefined) return undefined;
  const { partition, target, changeId } = move;
  const { partitionId, target: expected } = partition;
  const after = withPartition(state, retarget(partition, { target, changeId }));
  const remaining = countSteps({ ...situation, state: after }, changeId);
  return { kind: "setTarget", partitionId, expected, target, changeId, remaining };
}

/** A partition that is about to grow shrinks at once when it is to grow no more. */
function planShrinking(situation: Situation): Move | undefined {
  for (const partition of largePartitions(situation)) {
    if (!canMove(situation, partition) || !(isMoving(partition) || hasRoom(situation))) continue;
    const move = shrink(situation, { partition, counts: replicaCounts(situation.state) });
    if (isMajorityHeard(situation, move.target)) return move;
  }
  return undefined;
}

/** Or the move would end what the replicas that are given up still hold together. */
function isMajorityHeard({ isAway }: Situation, nodes: readonly NodeId[]): boolean {
  return nodes.filter(isAway).length * 2 < nodes.length;
}

function largePartitions({ state }: Situation): readonly ClusterPartition[] {
  const most = replicasAllowed(state);
  return state.partitions.filter(({ target }) => target.length > most);
}

/**
 * Nodes that are heard keep theirs: a partition in which two of five are away must not become one of three of
 * which two are away. Then the preferred leader is kept, so that no leadership is handed on and leaders stay
 * even; of the others those on the emptiest nodes. `counts` then count what is left.
 */
function shrink(situation: Situation, { partition, counts }: Relocation): Move {
  const { state, isAway } = situation;
  const { target } = partition;
  const ranks = new Map(target.map((nodeId) => [nodeId, [
    Number(isAway(nodeId)),
    Number(!isStaying(state, nodeId)),
    Number(isNew(partition, nodeId)),
    Number(nodeId !== target[0]),
    counts.get(nodeId) ?? 0,
    nodeId,
  ]]));
  const bestFirst = [...target].sort((left, right) => compareRanks(ranks.get(left)!, ranks.get(right)!));
  const kept = bestFirst.slice(0, wantedReplicas(state));
  for (const nodeId of bestFirst.slice(kept.length)) {
    if (counts.has(nodeId)) counts.set(nodeId, counts.get(nodeId)! - 1);
  }
  const next = target.filter((nodeId) => kept.includes(nodeId));
  return { partition, target: next, changeId: resizingChangeId(state) };
}

/** The first number that differs decides. */
function compareRanks(left: readonly number[], right: readonly number[]): number {
  const place = left.findIndex((rank, at) => rank !== right[at]);
  return place < 0 ? 0 : left[place]! - right[place]!;
}

/** The change for which partitions get another number of replicas. */
function resizingChangeId(state: ClusterState): string {
  const change = openChanges(state).find(({ request }) => isResizing(request)) ?? balancingChange(state);
  return change?.changeId ?? REPAIR_CHANGE_ID;
}

/** A partition that moves already may get another target: it could wait for a node that is gone. */
function planRelocation(situation: Situation): Move | undefined {
  const { state } = situation;
  const most = replicasAllowed(state);
  for (const partition of misplacedPartitions(situation)) {
    // One that is to give up replicas does so first.
    if (partition.target.length > most) continue;
    if (!canMove(situation, partition) || !(isMoving(partition) || hasRoom(situation))) continue;
    const move = relocate(situation, { partition, counts: replicaCounts(state) });
    if (move.target !== partition.target) return move;
  }
  return undefined;
}

/** Finds a place for every replica of the partition that is misplaced; `counts` then count them there. */
function relocate(situation: Situation, { partition, counts }: Relocation): Move {
  const { state, isSilent } = situation;
  let { target, changeId } = partition;
  for (const nodeId of partition.target) {
    if (!isMisplaced(situation, { partition, nodeId })) continue;
    const by = emptiestNode(counts, (each) => target.includes(each) || isSilent(each));
    if (by === undefined) break;
    target = replaceNode(target, { nodeId, by });
    counts.set(by, counts.get(by)! + 1);
    if (counts.has(nodeId)) counts.set(nodeId, counts.get(nodeId)! - 1);
    changeId = isStaying(state, nodeId) ? detourOf(state, changeId) : removalOf(state, nodeId);
  }
  return { partition, target, changeId };
}

/** Whether its node is being removed, or is silent and has not received the replica yet. */
function isMisplaced({ state, isSilent }: Situation, { partition, nodeId }: TargetReplica): boolean {
  return !isStaying(state, nodeId) || (isNew(partition, nodeId) && isSilent(nodeId));
}

/** Whether the partition's group may not have reached the node, which is in its target. */
function isNew({ replicas, former }: ClusterPartition, nodeId: NodeId): boolean {
  return !replicas.includes(nodeId) || former.includes(nodeId);
}

/** One that moves grows when it has arrived. */
function planGrowth(situation: Situation): Move | undefined {
  if (!hasRoom(situation)) return undefined;
  const counts = replicaCounts(situation.state);
  for (const partition of smallPartitions(situation)) {
    const move = canMove(situation, partition) ? grow(situation, { partition, counts }) : undefined;
    if (move !== undefined && move.target !== partition.target) return move;
  }
  return undefined;
}

function smallPartitions({ state }: Situation): readonly ClusterPartition[] {
  const least = wantedReplicas(state);
  return state.partitions.filter((partition) =>
    partition.target.length < least && !isMoving(partition) &&
    partition.target.every((nodeId) => isStaying(state, nodeId))
  );
}

/**
 * The partition gets all that it lacks, or as many as make an odd number where too few nodes are heard;
 * `counts` then count them.
 */
function grow({ state, isSilent }: Situation, { partition, counts }: Relocation): Move {
  let { target } = partition;
  const isTaken = (nodeId: NodeId) => target.includes(nodeId) || isSilent(nodeId);
  const free = [...counts.keys()].filter((nodeId) => !isTaken(nodeId)).length;
  const size = replicasFor(wantedReplicas(state), target.length + free);
  while (target.length < size) {
    const nodeId = emptiestNode(counts, isTaken)!;
    target = [...target, nodeId];
    counts.set(nodeId, counts.get(nodeId)! + 1);
  }
  return { partition, target, changeId: resizingChangeId(state) };
}

/**
 * There is always a partition to move: the fuller node has at least two that the emptier one has not, and
 * while there is room at most one of them moves already.
 */
function planEvening(situation: Situation): Move | undefined {
  const { state, isSilent } = situation;
  const change = balancingChange(state);
  if (change === undefined || !hasRoom(situation)) return undefined;
  const leads = leadCounts(state);
  const heard = [...replicaCounts(state)].filter(([nodeId]) => !isSilent(nodeId));
  const nodes = heard.sort(([leftId, left], [rightId, right]) =>
    right - left || leads.get(rightId)! - leads.get(leftId)! || leftId - rightId
  );
  const [fullest, emptiest] = [nodes[0], nodes.at(-1)];
  if (fullest === undefined || emptiest === undefined || fullest[1] - emptiest[1] < 2) return undefined;
  const [from, to] = [fullest[0], emptiest[0]];
  const candidates = state.partitions.filter((partition) =>
    !isMoving(partition) && canMove(situation, partition) && partition.target.includes(from) &&
    !partition.target.includes(to)
  );
  // The new replica takes the place of the old one, so its leadership comes with it.
  const givesLead = leads.get(from)! - leads.get(to)! >= 2;
  const partition = candidates.find(({ target }) => (target[0] === from) === givesLead) ?? candidates[0];
  if (partition === undefined) return undefined;
  return {
    partition,
    target: replaceNode(partition.target, { nodeId: from, by: to }),
    changeId: change.changeId,
  };
}

function hasRoom(situation: Situation): boolean {
  return partitionsUnderWay(situation).length < MOVES_MAX;
}

/** Partitions that move and whose groups can change their members. */
export function partitionsUnderWay(situation: Situation): readonly ClusterPartition[] {
  return situation.state.partitions.filter((partition) =>
    isMoving(partition) && canMove(situation, partition)
  );
}

/** Without a majority of its replicas a group commits nothing, no change of its members either. */
function canMove({ isSilent }: Situation, { replicas }: ClusterPartition): boolean {
  return replicas.filter(isSilent).length * 2 < replicas.length;
}

/** Partitions with a misplaced replica in their target; those that move already first. */
function misplacedPartitions(situation: Situation): readonly ClusterPartition[] {
  const misplaced = situation.state.partitions.filter((partition) =>
    partition.target.some((nodeId) => isMisplaced(situation, { partition, nodeId }))
  );
  return [...misplaced.filter(isMoving), ...misplaced.filter((each) => !isMoving(each))];
}

function removalOf(state: ClusterState, nodeId: NodeId): string {
  const change = openChanges(state).find(({ request }) =>
    request.kind === "removeNode" && request.nodeId === nodeId
  );
  return change?.changeId ?? REPAIR_CHANGE_ID;
}

/**
 * The change for which a partition goes elsewhere than the change `changeId` said; a move that an operator
 * asked for does not cover that, it will have failed.
 */
function detourOf(state: ClusterState, changeId: string): string {
  const kind = openChange(state, changeId)?.request.kind;
  return kind === undefined || kind === "moveReplica" ? REPAIR_CHANGE_ID : changeId;
}

/** Replicas that are to be on each node that stays. */
function replicaCounts(state: ClusterState): Counts {
  return count(state, ({ target }) => target);
}

/** Whether the nodes that stay have as many replicas each as can be, silent ones too. */
export function areReplicasEven(state: ClusterState): boolean {
  const replicas = [...replicaCounts(state).values()];
  return Math.max(...replicas) - Math.min(...replicas) <= 1;
}

/** Partitions that each node that stays is to lead. */
export function leadCounts(state: ClusterState): Counts {
  return count(state, ({ target }) => target.slice(0, 1));
}

function count(state: ClusterState, nodesOf: (partition: ClusterPartition) => readonly NodeId[]): Counts {
  const counts = new Map(stayingNodes(state).map((nodeId) => [nodeId, 0]));
  for (const partition of state.partitions) {
    for (const nodeId of nodesOf(partition)) {
      const known = counts.get(nodeId);
      if (known !== undefined) counts.set(nodeId, known + 1);
    }
  }
  return counts;
}

/**
 * Of the nodes that are not excluded, the one with fewest replicas, and of several the one with the smallest
 * id.
 */
function emptiestNode(counts: Counts, isExcluded: (nodeId: NodeId) => boolean): NodeId | undefined {
  let best: { readonly nodeId: NodeId; readonly replicas: number } | undefined;
  for (const [nodeId, replicas] of counts) {
    if (isExcluded(nodeId)) continue;
    if (best === undefined || replicas < best.replicas) best = { nodeId, replicas };
  }
  return best?.nodeId;
}

/**
 * Moves still to end for the change, those under way included, if nothing else is asked for: what the
 * functions above will plan, as if all could move at the same time.
 */
function countSteps(situation: Situation, changeId: string): number {
  const { state } = situation;
  const counts = replicaCounts(state);
  const moves = [
    ...misplacedPartitions(situation).map((partition) => relocate(situation, { partition, counts })),
    ...largePartitions(situation).map((partition) => shrink(situation, { partition, counts })),
    ...smallPartitions(situation).map((partition) => grow(situation, { partition, counts })),
  ].filter(({ partition, target }) => target !== partition.target);
  const changeOf = new Map(moves.map((move) => [move.partition, move.changeId]));
  const underWay =
    state.partitions.filter((each) => (changeOf.get(each) ?? each.changeId) === changeId).length;
  return balancingChange(state)?.changeId === changeId ? underWay + countEvening(counts) : underWay;
}

/** Each move from the fullest node to the emptiest takes one replica from a node that has too many. */
function countEvening(counts: Counts): number {
  const descending = [...counts.values()].sort((left, right) => right - left);
  const total = descending.reduce((sum, replicas) => sum + replicas, 0);
  const share = Math.floor(total / Math.max(1, descending.length));
  const largerShares = total - share * descending.length;
  return descending.reduce((sum, replicas, rank) => {
    const mine = rank < largerShares ? share + 1 : share;
    return sum + Math.max(0, replicas - mine);
  }, 0);
}
