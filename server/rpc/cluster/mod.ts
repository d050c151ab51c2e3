/**
 * `prkdb.v1.ClusterService`: what a node knows of the cluster and of itself, and the changes that operators
 * ask for. Each method is one file, which validates what can be judged here, asks the node once and makes the
 * answer; `fields.ts` has what several of them share. A change is only begun: it goes on in the cluster,
 * under the id that is the answer, and `watch_changes.ts` shows how far it is.
 *
 * The room owns the border between `cluster.proto` and the domain. It decides nothing about the cluster:
 * whether a change makes sense is judged by group 0 (`server/cluster/`).
 *
 * A new method is a file beside these and a line below.
 *
 * @module
 */

import type { NodeApi } from "../../api/mod.ts";
import { serveStream, serveUnary, type StreamMethod, type UnaryMethod } from "../method/mod.ts";
import { addNodeMethod } from "./add_node.ts";
import { getMetadataMethod } from "./get_metadata.ts";
import { getStatusMethod } from "./get_status.ts";
import { moveReplicaMethod } from "./move_replica.ts";
import { rebalanceMethod } from "./rebalance.ts";
import { removeNodeMethod } from "./remove_node.ts";
import { transferLeadershipMethod } from "./transfer_leadership.ts";
import { watchChangesStream } from "./watch_changes.ts";

/** The unary methods of `ClusterService`, served by `node`. */
export function clusterMethods(node: NodeApi): readonly UnaryMethod[] {
  return [
    serveUnary(getMetadataMethod, node),
    serveUnary(getStatusMethod, node),
    serveUnary(addNodeMethod, node),
    serveUnary(removeNodeMethod, node),
    serveUnary(moveReplicaMethod, node),
    serveUnary(transferLeadershipMethod, node),
    serveUnary(rebalanceMethod, node),
  ];
}

/** The streams of `ClusterService`, served by `node`. */
export function clusterStreams(node: NodeApi): readonly StreamMethod[] {
  return [serveStream(watchChangesStream, node)];
}
