/**
 * Who votes in group 0. Every node is a member of it, but a majority of many would be slow and no safer than one of a few.
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";
import { stayingNodes } from "./cluster_view.ts";
import type { ClusterView } from "./types.ts";

/** Fewer voters survive no failure. */
const VOTERS_WANTED = 3;

/**
 * The nodes that should vote, ascending: an odd number, as many as a partition has replicas but at least three, as far as
 * there are nodes that stay.
 *
 * @param preferred the best first; the same one twice does no harm
 */
export function clusterVoters(view: ClusterView, preferred: readonly NodeId[]): readonly NodeId[] {
  const staying = stayingNodes(view);
  const most = Math.min(Math.max(VOTERS_WANTED, view.replicationFactor), staying.length);
  const odd = Math.max(1, most % 2 === 0 ? most - 1 : most);
  const first = preferred.filter((nodeId) => staying.includes(nodeId));
  return [...new Set([...first, ...staying])].slice(0, odd).sort((left, right) => left - right);
}
