/**
 * `AddNode`: makes a node a member of the cluster.
 *
 * @module
 */

import { ClusterService } from "../../../proto/mod.ts";
import { invalidArgument } from "../../api/mod.ts";
import { ADDRESS_LENGTH_MAX } from "../../cluster/mod.ts";
import { defineUnary } from "../method/mod.ts";
import { checkNodeId, toChangeResponse } from "./fields.ts";

/** A host name or IPv4 address, or an IPv6 address in brackets; then the port. */
const ADDRESS = /^(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\]):(\d{1,5})$/i;
const PORT_MAX = 65_535;

/** See the module comment. */
export const addNodeMethod = defineUnary({
  desc: ClusterService.method.addNode,
  answer: (node) => async ({ nodeId, address }, options) => {
    checkNodeId(nodeId, "node_id");
    checkAddress(address);
    return await node.changeCluster({ kind: "addNode", nodeId, address }, options);
  },
  reply: toChangeResponse,
});

function checkAddress(address: string): void {
  if (address.length > ADDRESS_LENGTH_MAX) {
    throw invalidArgument(
      `Cannot accept address: it has ${address.length} characters, the limit is ${ADDRESS_LENGTH_MAX}: ` +
        "choose a shorter host name",
    );
  }
  const port = Number(ADDRESS.exec(address)?.[1] ?? 0);
  if (port >= 1 && port <= PORT_MAX) return;
  throw invalidArgument(
    `Cannot accept address "${address}": it must be host:port with a port from 1 to ${PORT_MAX}`,
  );
}
