/**
 * `GetMetadata`: the cluster as this node knows it, which is what clients route by.
 *
 * @module
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { ClusterService, type GetMetadataResponseSchema } from "../../../proto/mod.ts";
import type { ClusterMetadata } from "../../api/mod.ts";
import { defineUnary } from "../method/mod.ts";

/** See the module comment. */
export const getMetadataMethod = defineUnary({
  desc: ClusterService.method.getMetadata,
  answer: (node) => () => Promise.resolve(node.metadata()),
  reply: toGetMetadataResponse,
});

function toGetMetadataResponse(
  metadata: ClusterMetadata,
): MessageInitShape<typeof GetMetadataResponseSchema> {
  return {
    clusterId: metadata.clusterId,
    epoch: BigInt(metadata.epoch),
    replicationFactor: metadata.replicationFactor,
    nodes: metadata.nodes.map(({ nodeId, address, clientUrl }) => ({ nodeId, address, clientUrl })),
    partitions: metadata.partitions.map((partition) => ({
      partitionId: partition.partitionId,
      hashStart: partition.hashStart,
      hashEnd: BigInt(partition.hashEnd),
      leaderId: partition.leaderId,
      term: BigInt(partition.term),
      replicas: [...partition.replicas],
    })),
  };
}
