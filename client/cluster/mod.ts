/**
 * TODO(header): client/cluster
 *
 * @module
 */

export type { ChangeProgress } from "./change_watch.ts";
export { ClusterClient, type WaitOptions } from "./cluster_client.ts";
export {
  type ClusterView,
  clusterViewOf,
  type FollowerView,
  type NodeView,
  type PartitionView,
  type PeerView,
  type ReplicaView,
} from "./cluster_view.ts";
export { askStatus, type NodeReport } from "./status.ts";
