/**
 * The replicas on this node: those of partitions, and the one of the cluster's own group. Partitions come and
 * go as the cluster's state says.
 *
 * The state here may be behind what the node has known before: after a restart it goes through old moves once
 * more. So a replica goes only when the state knows its id and nobody has it any more, which nothing can ever
 * take back; and none comes whose id is not above that of the last one that has left.
 *
 * @module
 */

import {
  type GroupId,
  type MultiRaft,
  NO_REPLICA,
  type NodeId,
  type ReplicaId,
  type Restored,
  type SnapshotMeta,
} from "../../raft/mod.ts";
import { createKvReplica, type HostedReplica, type KvReplica } from "../calls/mod.ts";
import {
  CLUSTER_GROUP,
  type ClusterPartition,
  type ClusterState,
  groupOfPartition,
  isReplicaGone,
  NO_MEMBERS,
  partitionOfGroup,
} from "../cluster/mod.ts";
import type { Troubles } from "../data/mod.ts";
import type { Clock } from "../ports/mod.ts";
import type { StateStores } from "../state/mod.ts";
import type { NodeInbox } from "./inbox.ts";

/** What a replica begins with that its leader is to feed. */
const EMPTY: Restored = {
  hardState: { term: 0, vote: 0, commit: 0 },
  snapshot: { index: 0, term: 0, membership: NO_MEMBERS, membershipIndex: 0 },
  entries: [],
};

/** What the set is made from. */
export interface ReplicaSetOptions {
  readonly nodeId: NodeId;
  readonly multiRaft: MultiRaft;
  readonly clock: Clock;
  readonly stores: StateStores;
  readonly troubles: Troubles;
  /** Told when a store is open that was waited for. */
  readonly inbox: NodeInbox;
  /** The replica of the cluster's own group. */
  readonly cluster: HostedReplica;
}

/** See the module comment. */
export class ReplicaSet {
  readonly #options: ReplicaSetOptions;
  /** Groups whose stores are being opened. */
  readonly #opening = new Set<GroupId>();
  readonly #ofPartitions = new Map<GroupId, KvReplica>();
  readonly #all = new Map<GroupId, HostedReplica>();
  /** By group, those that have moved away and not left yet too. */
  readonly all: ReadonlyMap<GroupId, HostedReplica> = this.#all;

  /** Replicas that came since the start where another one had left. */
  returns = 0;

  constructor(options: ReplicaSetOptions) {
    this.#options = options;
    this.#all.set(CLUSTER_GROUP, options.cluster);
  }

  /** Whether this node leads the group, as far as it knows. */
  leads(group: GroupId): boolean {
    return this.#all.get(group)?.role === "leader";
  }

  /** Whether this node is to hold a replica of the group. */
  holds(group: GroupId): boolean {
    return group === CLUSTER_GROUP || this.#ofPartitions.get(group)?.isAssigned === true;
  }

  /** Of the partitions this node is to hold, ascending. */
  assigned(): readonly KvReplica[] {
    return this.held().filter((replica) => replica.isAssigned);
  }

  /** Of all partitions of which there is one here, those that have moved away too, ascending. */
  held(): readonly KvReplica[] {
    return [...this.#ofPartitions.values()].sort((a, b) => a.partitionId - b.partitionId);
  }

  /** Takes in a partition's replica that the core already has, and whose log begins behind `snapshot`. */
  add(group: GroupId, snapshot: SnapshotMeta): KvReplica {
    const { clock, stores } = this.#options;
    const store = stores.get(group);
    const replica = createKvReplica({ partitionId: partitionOfGroup(group), group }, { store, clock });
    store.restoreTo(replica, snapshot);
    this.#ofPartitions.set(group, replica);
    this.#all.set(group, replica);
    return replica;
  }

  /**
   * Becomes what the cluster's state says of this node. Called again when a store has been opened, or
   * removed.
   *
   * @returns the groups whose replica here is gone for good and is to leave
   */
  follow(state: ClusterState): readonly GroupId[] {
    return state.partitions.flatMap((partition) => this.#followPartition(partition, state.isFounded));
  }

  /** The replica of the group leaves; `undefined` if there is none. */
  remove(group: GroupId): KvReplica | undefined {
    const replica = this.#ofPartitions.get(group);
    this.#ofPartitions.delete(group);
    this.#all.delete(group);
    return replica;
  }

  /**
   * Before the founding is known here, ids are those of a cluster founded like this one, which says nothing.
   *
   * @returns its group, if the replica is to leave
   */
  #followPartition(partition: ClusterPartition, isFounded: boolean): readonly GroupId[] {
    const { multiRaft, nodeId } = this.#options;
    const { partitionId, replicas, target, replicaIds } = partition;
    const group = groupOfPartition(partitionId);
    const isListed = replicas.includes(nodeId) || target.includes(nodeId);
    const isWanted = isFounded && isListed;
    const replica = this.#ofPartitions.get(group) ??
      (isWanted ? this.#receive(group, replicaIds.get(nodeId)!) : undefined);
    if (replica === undefined) return [];
    const replicaId = multiRaft.replicaId(group);
    const isGone = isFounded && isReplicaGone(partition, { nodeId, replicaId });
    replica.isAssigned = isListed && !isGone;
    multiRaft.setPriority(group, target);
    if (isFounded) multiRaft.setReplicas(group, replicaIds);
    return isGone ? [group] : [];
  }

  /** A partition is moved here: an empty replica waits for its leader to feed it, once its store is open. */
  #receive(group: GroupId, replicaId: ReplicaId): KvReplica | undefined {
    const { multiRaft, stores } = this.#options;
    // It was here, and has left: the state is behind.
    if (replicaId <= multiRaft.goneThrough(group)) return undefined;
    if (!stores.all.has(group)) return void this.#open(group);
    if (multiRaft.goneThrough(group) !== NO_REPLICA) this.returns++;
    multiRaft.addGroup({ group, restored: EMPTY, priority: [], replicaId });
    return this.add(group, EMPTY.snapshot);
  }

  #open(group: GroupId): void {
    if (this.#opening.has(group)) return;
    const { clock, inbox, stores, troubles } = this.#options;
    this.#opening.add(group);
    const end = () => {
      this.#opening.delete(group);
      inbox.push({ kind: "storeOpened" });
    };
    stores.ensure(group).then(() => {
      troubles.note("state_opening", undefined);
      end();
    }, (error) => {
      const why = error instanceof Error ? error.message : String(error);
      troubles.note("state_opening", `the store of group ${group} cannot be made: ${why}; it is tried again`);
      clock.after(REOPEN_MS, end);
    });
  }
}

/** Pause before a store that could not be opened is tried again. */
const REOPEN_MS = 500;
