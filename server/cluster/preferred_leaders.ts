/**
 * Which partition should be led by another of its replicas, so that leaders are even without moving a
 * replica. A node that should lead fewer partitions hands one to a node that should lead more. Where the two
 * share no partition, leaderships are handed on along a path of nodes that do, from its far end on, so that
 * each step alone makes things more even or shortens the path.
 *
 * When replicas are even and each partition has three or more, there is such a path whenever leaders are
 * uneven: nodes that could hand nothing on would lead more partitions than their replicas allow.
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";
import { openChanges } from "./change_list.ts";
import { isMoving, isStaying } from "./cluster_state.ts";
import { balancingChange, leadCounts } from "./replica_moves.ts";
import type { ClusterCommand, ClusterPartition, ClusterState } from "./types.ts";

type Prefer = Extract<ClusterCommand, { readonly kind: "prefer" }>;

/** Partitions by the node that should lead them. */
type Led = ReadonlyMap<NodeId, readonly ClusterPartition[]>;

/** What a search works with. */
interface Search {
  readonly led: Led;
  readonly counts: ReadonlyMap<NodeId, number>;
}

/**
 * The next step; `undefined` when leaders are as even as they can be, something moves, or nobody asked for
 * it. Partitions with an unfinished transfer that an operator asked for are left alone.
 */
export function planLeader(state: ClusterState): Prefer | undefined {
  const waitedFor = new Set<number>();
  for (const { request } of openChanges(state)) {
    if (request.kind === "transferLeadership") waitedFor.add(request.partitionId);
  }
  return findStep(state, (partition) => !waitedFor.has(partition.partitionId));
}

/** Whether leaders are as even as they can be. */
export function areLeadersEven(state: ClusterState): boolean {
  return findStep(state, () => true) === undefined;
}

function findStep(
  state: ClusterState,
  mayChange: (partition: ClusterPartition) => boolean,
): Prefer | undefined {
  if (balancingChange(state) === undefined || state.partitions.some(isMoving)) return undefined;
  const counts = leadCounts(state);
  const led = ledBy(state, mayChange);
  const fullestFirst = [...counts].sort(([leftId, left], [rightId, right]) =>
    right - left || leftId - rightId
  );
  const fewest = fullestFirst.at(-1)?.[1] ?? 0;
  for (const [nodeId, leads] of fullestFirst) {
    if (leads - fewest < 2) return undefined;
    const step = lastStep(nodeId, { led, counts });
    if (step !== undefined) return step;
  }
  return undefined;
}

function ledBy(state: ClusterState, mayChange: (partition: ClusterPartition) => boolean): Led {
  const led = new Map<NodeId, ClusterPartition[]>();
  for (const partition of state.partitions) {
    const staying = partition.target.filter((nodeId) => isStaying(state, nodeId));
    const leader = partition.target[0];
    if (leader === undefined || !mayChange(partition)) continue;
    const list = led.get(leader) ?? [];
    list.push({ ...partition, target: staying });
    led.set(leader, list);
  }
  return led;
}

/**
 * The last step of the shortest path from `source` to a node that should lead at least two partitions fewer.
 */
function lastStep(source: NodeId, { led, counts }: Search): Prefer | undefined {
  const wanted = counts.get(source)! - 2;
  const seen = new Set([source]);
  const waiting = [source];
  for (const from of waiting) {
    for (const { partitionId, target } of led.get(from) ?? []) {
      for (const nodeId of target) {
        if (seen.has(nodeId)) continue;
        if (counts.get(nodeId)! <= wanted) return { kind: "prefer", partitionId, nodeId };
        seen.add(nodeId);
        waiting.push(nodeId);
      }
    }
  }
  return undefined;
}
