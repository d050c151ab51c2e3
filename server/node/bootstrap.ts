/**
 * What a node's replicas begin with: those it has always had, and those it finds in its log, are restored
 * from what the log holds; those it is given later begin with nothing and listen.
 *
 * @module
 */

import {
  type GroupId,
  type Membership,
  MultiRaft,
  NO_REPLICA,
  type NodeId,
  type ReplicaId,
  type SnapshotMeta,
} from "../../raft/mod.ts";
import { READS_WAITING_MAX, UNCOMMITTED_BYTES_MAX } from "../calls/mod.ts";
import {
  CLUSTER_GROUP,
  type ClusterShape,
  foundingStateOf,
  groupOfPartition,
  initialClusterMembership,
  initialMembership,
  NO_MEMBERS,
  placePartitions,
} from "../cluster/mod.ts";
import { DataDirectoryError } from "../data/mod.ts";
import type { RecoveryCollector } from "./recovery.ts";

/** Ticks a heartbeat interval has; elections are timed to a fraction of it, so that they rarely collide. */
export const TICKS_PER_HEARTBEAT = 4;
/** A partition in which nothing happens for so many election timeouts costs nothing from then on. */
const QUIET_AFTER_TIMEOUTS = 2;

/** What the core is made from. */
export interface BootstrapOptions {
  readonly nodeId: NodeId;
  readonly seed: number;
  readonly shape: ClusterShape;
  /** Whether the node was not there when the cluster was founded. */
  readonly hasJoined: boolean;
  readonly electionTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly leaseReads?: boolean;
}

/** A core without replicas. */
export function createMultiRaft(options: BootstrapOptions): MultiRaft {
  const tickMs = options.heartbeatMs / TICKS_PER_HEARTBEAT;
  const electionTimeoutTicks = Math.round(options.electionTimeoutMs / tickMs);
  return new MultiRaft({
    nodeId: options.nodeId,
    seed: options.seed,
    electionTimeoutTicks,
    heartbeatTicks: TICKS_PER_HEARTBEAT,
    uncommittedBytesMax: UNCOMMITTED_BYTES_MAX,
    readsWaitingMax: READS_WAITING_MAX,
    quietAfterTicks: electionTimeoutTicks * QUIET_AFTER_TIMEOUTS,
    leaseReads: options.leaseReads ?? false,
  });
}

/** What a node finds on its disk. */
export interface HeldGroups {
  /** Of which there are a store or records in the log. */
  readonly held: readonly GroupId[];
  /** Whether the replica that was here has left. */
  readonly hasLeft: (group: GroupId) => boolean;
}

/**
 * The groups that the node was founded with, and those that it holds anything of, unless it has given up the
 * replica.
 *
 * @throws {DataDirectoryError} when the cluster does not have one of them
 */
export function groupsToRestore(
  options: Pick<BootstrapOptions, "nodeId" | "hasJoined" | "shape">,
  { hasLeft, held }: HeldGroups,
): readonly GroupId[] {
  const last = groupOfPartition(options.shape.partitionCount - 1);
  const foreign = held.find((group) => group > last);
  if (foreign !== undefined) {
    throw new DataDirectoryError(
      `Cannot restore group ${foreign} from the data directory: this cluster has groups 0 to ${last}`,
    );
  }
  const founded = [...foundedGroups(options).keys()].filter((group) => !hasLeft(group));
  return [...new Set([CLUSTER_GROUP, ...founded, ...held])];
}

/**
 * Restores the replicas of `groups`.
 *
 * @returns for each of them, where its state stands
 */
export function restoreGroups(
  multiRaft: MultiRaft,
  options: BootstrapOptions,
  { groups, collector }: RestoredGroups,
): ReadonlyMap<GroupId, SnapshotMeta> {
  const founded = foundedGroups(options);
  const snapshots = new Map<GroupId, SnapshotMeta>();
  for (const [group, replicaId] of collector.gone()) multiRaft.setGone(group, replicaId);
  for (const group of groups) {
    const { initial, priority, replicaId } = founded.get(group) ?? UNTOLD;
    const restored = collector.restore(group, initial);
    const isUnnamed = (restored.replicaId ?? NO_REPLICA) === NO_REPLICA;
    // A state that was made of a backup has a term, and its log none.
    const isNew = isUnnamed && !collector.hasTerm(group);
    multiRaft.addGroup({ group, restored, priority, ...(isNew ? { replicaId } : {}) });
    snapshots.set(group, restored.snapshot);
  }
  return snapshots;
}

/** Which groups, and what the log holds of them. */
export interface RestoredGroups {
  readonly groups: readonly GroupId[];
  readonly collector: RecoveryCollector;
}

/** How a group begins. */
interface Beginning {
  readonly initial: Membership;
  readonly priority: readonly NodeId[];
  /** Of a replica that was never in a term; logs of versions that knew no ids have none for their others. */
  readonly replicaId: ReplicaId;
}

/** The group's log will tell. */
const UNTOLD: Beginning = { initial: NO_MEMBERS, priority: [], replicaId: NO_REPLICA };

/** What a founder begins with; a node that comes later is told everything. */
function foundedGroups(
  { hasJoined, nodeId, shape }: Pick<BootstrapOptions, "nodeId" | "hasJoined" | "shape">,
): ReadonlyMap<GroupId, Beginning> {
  if (hasJoined) return new Map();
  const own = placePartitions(shape).filter(({ replicas }) => replicas.includes(nodeId));
  const initial = initialClusterMembership(shape);
  const state = foundingStateOf(shape);
  return new Map([
    [CLUSTER_GROUP, { initial, priority: initial.voters, replicaId: NO_REPLICA }],
    ...own.map((place) => {
      const replicaId = state.partitions[place.partitionId]!.replicaIds.get(nodeId)!;
      const beginning = { initial: initialMembership(place), priority: place.replicas, replicaId };
      return [place.group, beginning] as const;
    }),
  ]);
}
