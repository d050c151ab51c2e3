/**
 * `Rebalance`: spreads replicas and leaderships evenly over the nodes.
 *
 * @module
 */

import { ClusterService } from "../../../proto/mod.ts";
import { defineUnary } from "../method/mod.ts";
import { toChangeResponse } from "./fields.ts";

/** See the module comment. */
export const rebalanceMethod = defineUnary({
  desc: ClusterService.method.rebalance,
  answer: (node) => async (_, options) => await node.changeCluster({ kind: "rebalance" }, options),
  reply: toChangeResponse,
});
