/**
 * `SetReplicationFactor`: gives every partition another number of replicas.
 *
 * @module
 */

import { ClusterService, REPLICAS_MAX } from "../../../proto/mod.ts";
import { invalidArgument } from "../../api/mod.ts";
import { defineUnary } from "../method/mod.ts";
import { toChangeResponse } from "./fields.ts";

/** See the module comment. */
export const setReplicationFactorMethod = defineUnary({
  desc: ClusterService.method.setReplicationFactor,
  answer: (node) => async ({ factor }, options) => {
    checkFactor(factor);
    return await node.changeCluster({ kind: "setReplicationFactor", factor }, options);
  },
  reply: toChangeResponse,
});

function checkFactor(factor: number): void {
  if (factor < 1 || factor > REPLICAS_MAX) {
    throw invalidArgument(`Cannot accept factor ${factor}: it must be from 1 to ${REPLICAS_MAX}, and odd`);
  }
  if (factor % 2 === 1) return;
  throw invalidArgument(
    `Cannot accept factor ${factor}: it must be odd, as ${factor} replicas survive no more failures than ` +
      `${factor - 1}: choose ${factor - 1} or ${factor + 1}`,
  );
}
