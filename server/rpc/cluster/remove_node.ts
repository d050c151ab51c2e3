/**
 * `RemoveNode`: moves a node's replicas elsewhere, then takes it out of the cluster.
 *
 * @module
 */

import { ClusterService } from "../../../proto/mod.ts";
import { defineUnary } from "../method/mod.ts";
import { checkNodeId, toChangeResponse } from "./fields.ts";

/** See the module comment. */
export const removeNodeMethod = defineUnary({
  desc: ClusterService.method.removeNode,
  answer: (node) => async ({ nodeId }, options) => {
    checkNodeId(nodeId, "node_id");
    return await node.changeCluster({ kind: "removeNode", nodeId }, options);
  },
  reply: toChangeResponse,
});
