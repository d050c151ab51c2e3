/**
 * What a host does that wants a group to become something else: whoever leads it takes one step at a time,
 * again and again, and remembers nothing. Missing nodes learn first; when they have caught up, they vote and
 * the others go.
 *
 * @module
 */

import type { GroupId, NodeId, ReplicaId } from "../../../raft/mod.ts";
import type { Random } from "../../../raft/random.ts";
import type { ModelNode } from "./cluster.ts";

/** What a group shall be: these vote, nobody learns. */
export type Goal = readonly NodeId[];

const GOAL_SIZE_MAX = 5;

/** Draws a goal of one to five of `nodes`. */
export function drawGoal(random: Random, nodes: readonly NodeId[]): Goal {
  const left = [...nodes];
  const size = 1 + random.below(Math.min(GOAL_SIZE_MAX, nodes.length));
  return Array.from({ length: size }, () => left.splice(random.below(left.length), 1)[0]!);
}

/** What came of a step. */
export type Step = "waiting" | "changing" | "reached";

/** A group, and what it is driven to. */
interface DrivenGroup {
  readonly group: GroupId;
  readonly goal: Goal;
  /** Which replicas of the nodes are meant, if they have ids. */
  readonly replicaIds?: ReadonlyMap<NodeId, ReplicaId> | undefined;
}

/** Takes a step towards `goal` if `node` leads `group`; it is `reached` when it is for good. */
export function drive(
  node: ModelNode,
  { group, goal, replicaIds }: DrivenGroup,
): Step {
  const { isSealed, membership: { voters, votersOutgoing, learners }, role } = node.status(group);
  if (role !== "leader" || votersOutgoing.length > 0) return "waiting";
  const known = [...voters, ...learners];
  const missing = goal.filter((each) => !known.includes(each));
  const isReached = missing.length === 0 && known.length === goal.length && learners.length === 0;
  if (isReached) return isSealed ? "reached" : "waiting";
  const target = missing.length === 0
    ? { voters: goal, learners: [] }
    : { voters, learners: [...learners.filter((each) => goal.includes(each)), ...missing] };
  const named = replicaIds === undefined ? target : { ...target, replicaIds };
  return node.core.changeMembership(group, named).accepted ? "changing" : "waiting";
}
