/**
 * The methods of `ClusterService` that change the cluster: each validates what can be judged here, asks the
 * node once and answers with the id under which the change goes on. Whether a change makes sense is judged by
 * group 0.
 *
 * @module
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { type ChangeResponseSchema, ClusterService, NODE_ID_MAX } from "../../../proto/mod.ts";
import { invalidArgument, type NodeApi } from "../../api/mod.ts";
import type { ChangeRequest } from "../../cluster/mod.ts";
import { type UnaryMethod, unaryMethod } from "../method/mod.ts";

/** Longest `host:port` in characters: a host name has at most 253. */
export const ADDRESS_LENGTH_MAX = 300;

/** A host name or IPv4 address, or an IPv6 address in brackets; then the port. */
const ADDRESS = /^(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\]):(\d{1,5})$/i;
const PORT_MAX = 65_535;

/** The unary methods that change the cluster, served by `node`. */
export function changeMethods(node: NodeApi): readonly UnaryMethod[] {
  const { addNode, removeNode, moveReplica, transferLeadership, rebalance } = ClusterService.method;
  const change = (request: ChangeRequest, { timeoutMs }: { readonly timeoutMs: number }) =>
    node.changeCluster(request, { timeoutMs });
  return [
    unaryMethod({
      desc: addNode,
      call: async ({ nodeId, address }, options) => {
        checkNodeId(nodeId, "node_id");
        checkAddress(address);
        return await change({ kind: "addNode", nodeId, address }, options);
      },
      reply: toChangeResponse,
    }),
    unaryMethod({
      desc: removeNode,
      call: async ({ nodeId }, options) => {
        checkNodeId(nodeId, "node_id");
        return await change({ kind: "removeNode", nodeId }, options);
      },
      reply: toChangeResponse,
    }),
    unaryMethod({
      desc: moveReplica,
      call: async ({ partitionId, fromNode, toNode }, options) => {
        checkPartition(node, partitionId);
        checkMove({ fromNode, toNode });
        return await change({ kind: "moveReplica", partitionId, from: fromNode, to: toNode }, options);
      },
      reply: toChangeResponse,
    }),
    unaryMethod({
      desc: transferLeadership,
      call: async ({ partitionId, toNode }, options) => {
        checkPartition(node, partitionId);
        checkNodeId(toNode, "to_node");
        return await change({ kind: "transferLeadership", partitionId, to: toNode }, options);
      },
      reply: toChangeResponse,
    }),
    unaryMethod({
      desc: rebalance,
      call: async (_, options) => await change({ kind: "rebalance" }, options),
      reply: toChangeResponse,
    }),
  ];
}

function toChangeResponse(changeId: string): MessageInitShape<typeof ChangeResponseSchema> {
  return { changeId };
}

function checkNodeId(nodeId: number, field: string): void {
  if (nodeId >= 1 && nodeId <= NODE_ID_MAX) return;
  throw invalidArgument(`Cannot accept ${field}: it must be from 1 to ${NODE_ID_MAX}, it is ${nodeId}`);
}

function checkMove({ fromNode, toNode }: { readonly fromNode: number; readonly toNode: number }): void {
  checkNodeId(fromNode, "from_node");
  checkNodeId(toNode, "to_node");
  if (fromNode !== toNode) return;
  throw invalidArgument(`Cannot accept to_node: it must differ from from_node, both are ${toNode}`);
}

function checkPartition(node: NodeApi, partitionId: number): void {
  const { partitions } = node.metadata();
  if (partitions.some((partition) => partition.partitionId === partitionId)) return;
  throw invalidArgument(
    `Cannot accept partition_id: it must be one of the cluster's ${partitions.length}, it is ${partitionId}`,
  );
}

function checkAddress(address: string): void {
  if (address.length > ADDRESS_LENGTH_MAX) {
    throw invalidArgument(
      `Cannot accept address: it must have at most ${ADDRESS_LENGTH_MAX} characters, it has ${address.length}`,
    );
  }
  const port = Number(ADDRESS.exec(address)?.[1] ?? 0);
  if (port >= 1 && port <= PORT_MAX) return;
  throw invalidArgument(`Cannot accept address: it must be host:port, it is "${address}"`);
}
