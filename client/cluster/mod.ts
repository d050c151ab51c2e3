/**
 * The cluster itself, as operators see and change it: nodes, replicas, leaders, and changes under way.
 *
 * `cluster_client.ts` is the public face, `PrkDbClient.cluster`. A change (take a node in, remove one, move a
 * replica, hand a leadership over, even everything out) is brought to some node by `change_call.ts`, which
 * answers with the change's id as soon as it has begun; the cluster itself carries it out, whether or not
 * this client stays. `change_watch.ts` follows changes over whichever node answers, and leaves out what the
 * next one repeats. `cluster_view.ts` has the views that operators get (`ClusterView`, `NodeView`,
 * `ReplicaView`, `FollowerView`), plain data made of the messages of the contract; `status.ts` asks one node
 * about itself, `backup_read.ts` a leader for all that its partition holds.
 *
 * The room owns those views and the watches that are open; closing the client ends them.
 *
 * What it never does: it plans nothing. Where replicas go is decided in the cluster, and a request that makes
 * no sense is refused there. It does not repeat a change whose answer was lost where asking twice is not as
 * good as once: the caller gets `aborted` and looks at the changes. Calls about data are `client/pipeline`.
 *
 * @module
 */

export type { PartitionFile, PartitionPart } from "./backup_read.ts";
export type { ChangeProgress } from "./change_watch.ts";
export {
  ClusterClient,
  type LeadershipMove,
  type NewNode,
  type ReadPartitionOptions,
  type ReplicaMove,
  type WaitOptions,
  type WatchOptions,
} from "./cluster_client.ts";
export {
  type ClusterView,
  clusterViewOf,
  type FollowerView,
  type NodeView,
  type PartitionView,
  type PeerView,
  type ReplicaView,
  type TroubleView,
} from "./cluster_view.ts";
export { askStatus, type NodeReport } from "./status.ts";
