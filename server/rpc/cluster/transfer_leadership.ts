/**
 * `TransferLeadership`: has another replica of a partition lead it.
 *
 * @module
 */

import { ClusterService } from "../../../proto/mod.ts";
import { defineUnary } from "../method/mod.ts";
import { checkNodeId, checkPartition, toChangeResponse } from "./fields.ts";

/** See the module comment. */
export const transferLeadershipMethod = defineUnary({
  desc: ClusterService.method.transferLeadership,
  answer: (node) => async ({ partitionId, toNode }, options) => {
    checkPartition(node, partitionId);
    checkNodeId(toNode, "to_node");
    const change = { kind: "transferLeadership", partitionId, to: toNode } as const;
    return await node.changeCluster(change, options);
  },
  reply: toChangeResponse,
});
