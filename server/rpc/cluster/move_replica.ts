/**
 * `MoveReplica`: moves one replica of a partition to another node.
 *
 * @module
 */

import { ClusterService } from "../../../proto/mod.ts";
import { invalidArgument } from "../../api/mod.ts";
import { defineUnary } from "../method/mod.ts";
import { checkNodeId, checkPartition, toChangeResponse } from "./fields.ts";

/** See the module comment. */
export const moveReplicaMethod = defineUnary({
  desc: ClusterService.method.moveReplica,
  answer: (node) => async ({ partitionId, fromNode, toNode }, options) => {
    checkPartition(node, partitionId);
    checkNodeId(fromNode, "from_node");
    checkNodeId(toNode, "to_node");
    if (fromNode === toNode) throw sameNode(toNode);
    const change = { kind: "moveReplica", partitionId, from: fromNode, to: toNode } as const;
    return await node.changeCluster(change, options);
  },
  reply: toChangeResponse,
});

function sameNode(nodeId: number): Error {
  return invalidArgument(
    `Cannot accept to_node ${nodeId}: from_node is ${nodeId} too: choose a node without this replica`,
  );
}
