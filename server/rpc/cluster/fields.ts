/**
 * Fields of `cluster.proto` that several methods have, and the answer that all changes share. What can be
 * judged without the cluster's state is judged here; whether a change makes sense is judged by group 0.
 *
 * @module
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { type ChangeResponseSchema, NODE_ID_MAX } from "../../../proto/mod.ts";
import { invalidArgument, type NodeApi } from "../../api/mod.ts";

/** @throws {DomainError} `invalidArgument` for an id that no node can have */
export function checkNodeId(nodeId: number, field: string): void {
  if (nodeId >= 1 && nodeId <= NODE_ID_MAX) return;
  throw invalidArgument(`Cannot accept ${field} ${nodeId}: it must be from 1 to ${NODE_ID_MAX}`);
}

/** @throws {DomainError} `invalidArgument` for a partition that the cluster does not have */
export function checkPartition(node: NodeApi, partitionId: number): void {
  const { partitions } = node.metadata();
  if (partitions.some((partition) => partition.partitionId === partitionId)) return;
  throw invalidArgument(
    `Cannot accept partition_id ${partitionId}: the cluster has ${partitions.length} partitions: ` +
      "choose one that `GetMetadata` names",
  );
}

/** The answer to every change: the id under which it goes on. */
export function toChangeResponse(changeId: string): MessageInitShape<typeof ChangeResponseSchema> {
  return { changeId };
}
