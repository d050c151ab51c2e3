/**
 * Replicas that leave for good, as hosts let them: when the group is known to be without the node, which then
 * may get another one, with the next id and nothing in it. Some nodes hear of that from their hosts at once,
 * others from it; whoever changes the group's members means the last one of each node.
 *
 * @module
 */

import type { GroupId, NodeId, ReplicaId } from "../../../raft/mod.ts";
import type { Random } from "../../../raft/random.ts";
import type { Cluster, ModelNode } from "./cluster.ts";
import type { Oracle } from "./oracle.ts";
import type { ScheduleSnapshots } from "./snapshots.ts";

/** Chance of a step that somebody looks for a replica that may go. */
const LOOK = 0.1;
/** Chance that a node hears of it at once. */
const HEARD = 0.3;

/** What it works with. */
export interface ReplacementsOptions {
  readonly cluster: Cluster;
  readonly oracle: Oracle;
  readonly snapshots: ScheduleSnapshots;
  readonly random: Random;
}

/** See the module comment. */
export class ScheduleReplacements {
  /** How many replicas came in the place of others. */
  replaced = 0;
  readonly #options: ReplacementsOptions;
  readonly #ids = new Map<GroupId, Map<NodeId, ReplicaId>>();
  readonly #next = new Map<GroupId, ReplicaId>();

  constructor(options: ReplacementsOptions) {
    this.#options = options;
    const { cluster } = options;
    for (const group of cluster.groups) {
      this.#ids.set(group, new Map(cluster.nodes.map(({ id }) => [id, id])));
      this.#next.set(group, Math.max(...cluster.nodes.map(({ id }) => id)) + 1);
    }
  }

  /** Perhaps the replica of `group` on `node` leaves, and another one comes. */
  act(node: ModelNode, group: GroupId): void {
    const { cluster, random, snapshots } = this.#options;
    if (node.raft === undefined || !random.chance(LOOK) || !this.#mayLeave(node, group)) return;
    const replicaId = this.#next.get(group)!;
    this.#next.set(group, replicaId + 1);
    this.#ids.get(group)!.set(node.id, replicaId);
    snapshots.forget(node, group);
    cluster.replace(node, { group, replicaId });
    this.replaced++;
    for (const { raft } of cluster.nodes) {
      if (random.chance(HEARD)) raft?.setReplicas(group, this.idsOf(group));
    }
  }

  /** The last replica of each node. */
  idsOf(group: GroupId): ReadonlyMap<NodeId, ReplicaId> {
    return this.#ids.get(group)!;
  }

  /** Its newest leader, to whom nothing is under way, knows that the group needs the node no more. */
  #mayLeave(node: ModelNode, group: GroupId): boolean {
    const { cluster, oracle } = this.#options;
    const { voters, votersOutgoing, learners } = oracle.membership(group);
    if ([...voters, ...votersOutgoing, ...learners].includes(node.id)) return false;
    const terms = cluster.nodes.map(({ disk, raft }) =>
      Math.max(disk.group(group).hardState.term, raft?.status(group)?.term ?? 0)
    );
    const newest = Math.max(...terms);
    return cluster.nodes.some(({ raft }) => {
      const status = raft?.status(group);
      return status?.role === "leader" && status.term === newest && status.isSealed &&
        status.applied === status.lastIndex && status.membership.voters.join() === voters.join();
    });
  }
}
