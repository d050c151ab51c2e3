/**
 * What always holds of the cluster's state. Checked after every command, on every node.
 *
 * @module
 */

import { InvariantViolation, type NodeId } from "../../raft/mod.ts";
import type { ClusterPartition, ClusterView } from "./types.ts";

/**
 * States what holds of `view`.
 *
 * @throws {InvariantViolation} when it does not
 */
export function checkViewInvariants(view: ClusterView): void {
  for (const nodeId of view.nodes.keys()) {
    if (view.retired.has(nodeId)) violated(`node ${nodeId} is a member or was one, not both`);
  }
  for (const partition of view.partitions) checkPartition(view, partition);
}

function checkPartition(view: ClusterView, partition: ClusterPartition): void {
  const { partitionId, replicas, target, changeId } = partition;
  if (view.partitions[partitionId] !== partition) violated(`partition ${partitionId} stands in its place`);
  checkMembers(view, { partitionId, list: replicas });
  checkMembers(view, { partitionId, list: target });
  checkMembers(view, { partitionId, list: partition.former });
  const isSettled = replicas.length === target.length && replicas.every((id, place) => id === target[place]);
  if (changeId === "" && partition.former.length > 0) {
    violated(`partition ${partitionId} has former targets while it moves`);
  }
  if (changeId === "" && !isSettled) violated(`partition ${partitionId} moves for a change`);
}

function checkMembers(
  view: ClusterView,
  { partitionId, list }: { readonly partitionId: number; readonly list: readonly NodeId[] },
): void {
  if (new Set(list).size !== list.length) {
    violated(`partition ${partitionId} has one replica a node: ${list}`);
  }
  for (const nodeId of list) {
    if (!view.nodes.has(nodeId)) violated(`partition ${partitionId} lies on members only: ${list}`);
  }
}

function violated(wanted: string): never {
  throw new InvariantViolation(`Invariant violated: ${wanted}`);
}

/**
 * Ends a `switch` over a union, so that a forgotten case does not compile.
 *
 * @throws {InvariantViolation} when a value of no known kind arrives all the same
 */
export function unreachable(value: never): never {
  return violated(`there is no such case: ${JSON.stringify(value)}`);
}
