/**
 * Which replica should move next: first those on nodes that are being removed, then those that a partition
 * lacks, then from the node with most replicas to the one with fewest. What is counted is where replicas are
 * to be, so that moves under way are not planned twice. Nothing is moved to a node that is silent, and what
 * was on its way to one gets another target.
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";
import { openChange, openChanges } from "./change_list.ts";
import { REPAIR_CHANGE_ID } from "./apply_command.ts";
import { isMoving, isStaying, replaceNode, retarget, stayingNodes, withPartition } from "./cluster_state.ts";
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
  return openChanges(state).find(({ request: { kind } }) =>
    kind === "addNode" || kind === "removeNode" || kind === "rebalance"
  );
}

/** The next move; `undefined` when none is needed or too many are under way. */
export function planMove(situation: Situation): SetTarget | undefined {
  const { state } = situation;
  const move = planRelocation(situation) ?? planMissingReplica(situation) ?? planEvening(situation);
  if (move === undefined) return undefined;
  const { partition, target, changeId } = move;
  const { partitionId, target: expected } = partition;
  const after = withPartition(state, retarget(partition, { target, changeId }));
  const remaining = countSteps({ ...situation, state: after }, changeId);
  return { kind: "setTarget", partitionId, expected, target, changeId, remaining };
}

/** A partition that moves already may get another target: it could wait for a node that is gone. */
function planRelocation(situation: Situation): Move | undefined {
  const { state } = situation;
  for (const partition of misplacedPartitions(situation)) {
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
  const isNew = !partition.replicas.includes(nodeId) || partition.former.includes(nodeId);
  return !isStaying(state, nodeId) || (isNew && isSilent(nodeId));
}

/** Only a mistake could leave a partition with too few replicas; it is put right all the same. */
function planMissingReplica(situation: Situation): Move | undefined {
  const { state, isSilent } = situation;
  const wanted = Math.min(state.replicationFactor, stayingNodes(state).length);
  const partition = state.partitions.find(({ target }) => target.length < wanted);
  if (partition === undefined || !(isMoving(partition) || hasRoom(situation))) return undefined;
  const nodeId = emptiestNode(
    replicaCounts(state),
    (each) => partition.target.includes(each) || isSilent(each),
  );
  if (nodeId === undefined) return undefined;
  return { partition, target: [...partition.target, nodeId], changeId: REPAIR_CHANGE_ID };
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
  const relocations = misplacedPartitions(situation).map((partition) =>
    relocate(situation, { partition, counts })
  );
  const changeOf = new Map(relocations.map((move) => [move.partition, move.changeId]));
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
