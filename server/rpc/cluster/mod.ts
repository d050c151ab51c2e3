/**
 * `prkdb.v1.ClusterService` on top of a node: what the cluster is made of, how this node is, and the requests
 * to change the cluster. For clients, which learn their routes here, and for operators.
 *
 * **What it owns.** The border between the messages of `proto/prkdb/v1/cluster.proto` and the domain; and the
 * callers that watch changes, at most 1,000 per node, each with the last state of each change that was sent
 * to it.
 *
 * **The methods.** `GetMetadata` and `GetStatus` answer from what this node knows, at once, without asking
 * any other. `AddNode`, `RemoveNode`, `MoveReplica`, `TransferLeadership`, `Rebalance` and
 * `SetReplicationFactor` put a change before group 0 and answer with its id as soon as it has begun; it goes
 * on by itself, whatever becomes of the caller. `WatchChanges` tells the changes that the node retains, then
 * each again whenever it differs from what was sent of it last.
 *
 * **Read in this order.** The questions (metadata, status), then the changes, then `watch_changes.ts`, the
 * one stream. Each method has its validation, its translation and its answer in one place.
 *
 * **What it never does.** It judges only what can be judged without the cluster's state: ids within their
 * range, an address of the form `host:port`, a partition that exists, an odd factor. Whether a change can be
 * done is judged by group 0 when the change's turn in the log comes (`cluster/change_request.ts`), so that
 * every node judges alike. It does not queue what a slow reader has not read, and never asks another node
 * itself.
 *
 * **Invariants**
 *
 * - A refused change is answered with the reason; a change that is answered with an id has begun and is
 *   retained by every node until 64 younger ones have ended.
 * - A watch sends each retained change at least once, then only news. A slow reader may miss steps, never the
 *   newest state; it costs the node one state per change.
 * - A watch ends when its caller leaves, its deadline passes or the node stops; with `once`, where the news
 *   would begin.
 * - The answer to a watch begins at once, so that silence means that there is no news
 *   (`docs/decisions/0013-…`).
 * - Metadata is as this node knows it, with the cluster's epoch: a higher epoch is newer.
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
import { setReplicationFactorMethod } from "./set_replication_factor.ts";
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
    serveUnary(setReplicationFactorMethod, node),
  ];
}

/** The streams of `ClusterService`, served by `node`. */
export function clusterStreams(node: NodeApi): readonly StreamMethod[] {
  return [serveStream(watchChangesStream, node)];
}
