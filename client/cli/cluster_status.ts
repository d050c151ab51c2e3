/**
 * What `prkdb cluster status` shows, as lines of text: the nodes, every partition with its leader and how far
 * its replicas are behind, and the changes under way.
 *
 * @module
 */

import type { ChangeProgress, ClusterView, FollowerView, NodeReport, PartitionView } from "../mod.ts";
import { progressText } from "./progress.ts";

/** What is shown. */
export interface ClusterStatus {
  readonly cluster: ClusterView;
  readonly nodes: readonly NodeReport[];
  readonly changes: readonly ChangeProgress[];
}

/** See the module comment. */
export function statusLines({ cluster, nodes, changes }: ClusterStatus): readonly string[] {
  const { clusterId, epoch, replicationFactor, partitions } = cluster;
  const head = `cluster ${clusterId}  epoch ${epoch}  ${counted(cluster.nodes.length, "node")}  ` +
    `${counted(partitions.length, "partition")}  replication factor ${replicationFactor}`;
  const underWay = changes.filter(({ isFinished }) => !isFinished);
  return [
    head,
    ...cluster.nodes.map((node) => nodeLine(node, { cluster, nodes })),
    ...partitions.map((partition) => partitionLine(partition, nodes)),
    ...underWay.map(changeLine),
  ];
}

/** One change, with how it ended if it has. */
export function changeLine(change: ChangeProgress): string {
  const { changeId, isFinished, error } = change;
  const end = error === "" ? "  done" : `  not carried out: ${error}`;
  return `change ${changeId}  ${progressText(change)}${isFinished ? end : ""}`;
}

function nodeLine(
  { nodeId, address }: ClusterView["nodes"][number],
  { cluster, nodes }: Pick<ClusterStatus, "cluster" | "nodes">,
): string {
  const held = cluster.partitions.filter(({ replicas }) => replicas.includes(nodeId)).length;
  const led = cluster.partitions.filter(({ leaderId }) => leaderId === nodeId).length;
  const counts = `${counted(held, "replica")}  ${counted(led, "leader")}`;
  return `node ${nodeId}  ${address}  ${stateOf({ nodeId, address }, nodes)}  ${counts}`;
}

/** What answered says itself which node it is; what did not is known by where it was looked for. */
function stateOf(
  { nodeId, address }: Pick<ClusterView["nodes"][number], "nodeId" | "address">,
  nodes: readonly NodeReport[],
): string {
  const report = nodes.find((each) => each.kind === "answered" && each.node.nodeId === nodeId) ??
    nodes.find((each) => each.address.endsWith(`//${address}`));
  if (report === undefined) return "not asked";
  if (report.kind === "answered") return report.node.state;
  return report.isStarting ? "starting" : `unreachable: ${report.message}`;
}

function partitionLine(
  { partitionId, leaderId, replicas }: PartitionView,
  nodes: readonly NodeReport[],
): string {
  const followers = followersOf({ partitionId, leaderId }, nodes);
  const joining = followers.filter(({ nodeId }) => !replicas.includes(nodeId));
  const leader = leaderId === 0 ? "no leader" : `leader ${leaderId}`;
  const held = `replicas ${replicas.map((nodeId) => replicaText(nodeId, followers)).join(" ")}`;
  const moves = joining.map(({ nodeId }) => `  joining ${replicaText(nodeId, followers)}`).join("");
  return `partition ${partitionId}  ${leader}  ${held}${moves}`;
}

/** The other replicas, learners too, as the node that leads the partition sees them. */
function followersOf(
  { partitionId, leaderId }: Pick<PartitionView, "partitionId" | "leaderId">,
  nodes: readonly NodeReport[],
): readonly FollowerView[] {
  const leader = nodes.flatMap((report) => report.kind === "answered" ? [report.node] : [])
    .find(({ nodeId }) => nodeId === leaderId);
  return leader?.replicas.find((replica) => replica.partitionId === partitionId)?.followers ?? [];
}

/** A replica, with what its leader knows of it. */
function replicaText(nodeId: number, followers: readonly FollowerView[]): string {
  const follower = followers.find((each) => each.nodeId === nodeId);
  if (follower === undefined) return `${nodeId}`;
  const remarks = [
    ...(follower.lag > 0 ? [`lag ${follower.lag}`] : []),
    ...(follower.isActive ? [] : ["silent"]),
  ];
  return remarks.length === 0 ? `${nodeId}` : `${nodeId} (${remarks.join(", ")})`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
