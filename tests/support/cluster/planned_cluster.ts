/**
 * A cluster that is only its state: commands go through the codec into it, groups become what they should be
 * when they are told to, reports of that may be late. It watches that progress never goes back, that no node
 * is forgotten on which a group still is, and that no id of a replica is given twice.
 *
 * @module
 */

import type { NodeId } from "../../../raft/mod.ts";
import {
  applyCommand,
  type ChangeRequest,
  type ClusterChange,
  type ClusterCommand,
  type ClusterState,
  decodeClusterCommand,
  encodeClusterCommand,
  foundingState,
  isMoving,
  type PlannerFacts,
  planNext,
  replicasFor,
} from "../../../server/cluster/mod.ts";
import { addressOf } from "./node_address.ts";

/** How a cluster begins. */
export interface Beginning {
  readonly nodeCount: number;
  readonly replicationFactor: number;
  /** By partition id; nodes are numbered from 1. */
  readonly replicas: readonly (readonly NodeId[])[];
}

/** What is spread evenly. */
interface EvenShape {
  readonly nodeCount: number;
  readonly replicationFactor: number;
  readonly partitionCount: number;
}

/** Replicas of `partitionCount` partitions, spread evenly. */
export function evenReplicas(
  { nodeCount, replicationFactor, partitionCount }: EvenShape,
): readonly (readonly NodeId[])[] {
  const replicaCount = replicasFor(replicationFactor, nodeCount);
  return Array.from(
    { length: partitionCount },
    (_, first) => Array.from({ length: replicaCount }, (_, rank) => (first + rank) % nodeCount + 1),
  );
}

/** See the module comment. */
export class PlannedCluster {
  /** What each group really is. */
  readonly #groups: (readonly NodeId[])[];
  /**
   * Nodes of which nothing is heard. A group never becomes what it should be while that needs one more of
   * them.
   */
  readonly silent = new Set<NodeId>();
  /** Nodes that are not heard just now; those that are silent besides. */
  readonly away = new Set<NodeId>();
  #state: ClusterState;
  #settled = 0;
  #changeCount = 0;

  constructor({ nodeCount, replicationFactor, replicas }: Beginning) {
    const ids = Array.from({ length: nodeCount }, (_, place) => place + 1);
    const nodes = new Map(ids.map((nodeId) => [nodeId, addressOf(nodeId)]));
    this.#state = foundingState({ nodes, replicationFactor, replicas });
    this.#groups = [...replicas];
    const members = ids.map((nodeId) => ({ nodeId, address: addressOf(nodeId) }));
    this.apply({ kind: "found", clusterId: "", replicationFactor, nodes: members, replicas });
  }

  get state(): ClusterState {
    return this.#state;
  }

  /** Moves that have ended. */
  get settledCount(): number {
    return this.#settled;
  }

  /** @returns the change's id */
  ask(request: ChangeRequest): string {
    const changeId = `change-${++this.#changeCount}`;
    this.apply({ kind: "change", changeId, request });
    return changeId;
  }

  change(changeId: string): ClusterChange {
    return this.state.changes.find((change) => change.changeId === changeId)!;
  }

  /** What a coordinator would propose now. Leaders are where they should be, unless `facts` say otherwise. */
  plan(facts: Partial<PlannerFacts> = {}): ClusterCommand | undefined {
    const leaderOf = (partitionId: number) => this.state.partitions[partitionId]!.replicas[0]!;
    const isSilent = (nodeId: NodeId) => this.silent.has(nodeId);
    const isAway = (nodeId: NodeId) => isSilent(nodeId) || this.away.has(nodeId);
    const rest = { votes: () => false, isSilent, isAway, ageMs: () => 0, restMs: 0 };
    return planNext(this.state, { leaderOf, ...rest, ...facts });
  }

  /** @returns whether anything changed */
  apply(command: ClusterCommand): boolean {
    const before = this.state;
    this.#state = applyCommand(before, decodeClusterCommand(encodeClusterCommand(command)));
    const hasChanged = this.#state !== before;
    if (hasChanged && command.kind === "settle") this.#settled++;
    checkProgress(before, this.state);
    if (before.isFounded) checkReplicaIds(before, this.state);
    this.#checkForgotten();
    return hasChanged;
  }

  /** Ids of the partitions under way. */
  get moving(): readonly number[] {
    return this.state.partitions.filter(isMoving).map(({ partitionId }) => partitionId);
  }

  /** The partition's group becomes what it should be; the report of it is still to be applied. */
  reach(partitionId: number): ClusterCommand {
    const { target, changeId } = this.state.partitions[partitionId]!;
    this.#groups[partitionId] = target;
    return { kind: "settle", partitionId, target, changeId };
  }

  /**
   * Does all there is to do; time passes only when nothing else happens.
   *
   * @returns the commands it took
   * @throws {Error} when there is no end to it
   */
  finish(): readonly ClusterCommand[] {
    const commands: ClusterCommand[] = [];
    const most = 100 + 20 * this.state.partitions.length * (this.state.changes.length + 1);
    while (commands.length < most) {
      const command = this.plan() ?? this.#nextReport() ??
        this.plan({ ageMs: () => Infinity, restMs: Infinity });
      if (command === undefined) return commands;
      if (!this.apply(command)) throw new Error(`planned in vain: ${JSON.stringify(command)}`);
      commands.push(command);
    }
    throw new Error(`still not done after ${most} commands`);
  }

  #nextReport(): ClusterCommand | undefined {
    const partitionId = this.moving.find((each) => this.canReach(each));
    return partitionId === undefined ? undefined : this.reach(partitionId);
  }

  /**
   * Whether the partition's group can become what it should be: a silent node takes in nothing, and a
   * majority must agree.
   */
  canReach(partitionId: number): boolean {
    const group = this.#groups[partitionId]!;
    const silent = group.filter((nodeId) => this.silent.has(nodeId));
    const newcomers = this.state.partitions[partitionId]!.target.filter((nodeId) => !group.includes(nodeId));
    return silent.length * 2 < group.length && newcomers.every((nodeId) => !this.silent.has(nodeId));
  }

  #checkForgotten(): void {
    for (const [partitionId, nodes] of this.#groups.entries()) {
      const lost = nodes.find((nodeId) => this.state.retired.has(nodeId));
      if (lost !== undefined) {
        throw new Error(`node ${lost} is forgotten, but holds partition ${partitionId}`);
      }
    }
  }
}

/** A node has the replica that it had, or one that nobody had before. */
function checkReplicaIds(before: ClusterState, after: ClusterState): void {
  for (const [partitionId, { nextReplicaId, replicaIds }] of before.partitions.entries()) {
    const partition = after.partitions[partitionId]!;
    const used = [...partition.replicaIds].find(([nodeId, id]) =>
      id < nextReplicaId && replicaIds.get(nodeId) !== id
    );
    if (used === undefined && partition.nextReplicaId >= nextReplicaId) continue;
    throw new Error(`partition ${partitionId} gives an id below ${nextReplicaId} again: ${used}`);
  }
}

function checkProgress(before: ClusterState, after: ClusterState): void {
  for (const { changeId, done, total, isFinished } of after.changes) {
    if (done > total) throw new Error(`${changeId} has done ${done} of ${total}`);
    const old = before.changes.find((change) => change.changeId === changeId);
    if (old === undefined) continue;
    if (done < old.done) throw new Error(`${changeId} goes back from ${old.done} to ${done}`);
    if (old.isFinished && !isFinished) throw new Error(`${changeId} has begun again`);
  }
}
