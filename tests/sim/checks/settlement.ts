/**
 * Whether the cluster is what it says it should be: nothing is under way, all members see the same, every
 * partition lies complete on as many members as it should, its group is made of exactly those, and nodes that
 * were removed are gone.
 *
 * @module
 */

import { type ClusterState, clusterVoters, wantedReplicas } from "../../../server/cluster/mod.ts";
import type { Node } from "../../../server/node/node.ts";
import type { Fleet } from "../machines/fleet.ts";
import type { SimMachine } from "../machines/machine.ts";
import type { Operator } from "../machines/operator.ts";

/** A state as text; equal texts are equal views. */
export function viewText(state: ClusterState): string {
  const { nodes, partitions, retired, ...rest } = state;
  const named = partitions.map(({ replicaIds, ...each }) => ({ ...each, replicaIds: [...replicaIds] }));
  return JSON.stringify({
    ...rest,
    nodes: [...nodes.values()],
    partitions: named,
    retired: [...retired],
  });
}

/** What is still missing, `undefined` when nothing is. */
export function findUnsettled(fleet: Fleet, operator: Operator): string | undefined {
  const living = fleet.machines.filter(({ state }) => state !== "lost" && state !== "removed");
  const down = living.find(({ node }) => node === undefined);
  if (down !== undefined) return `node ${down.id} is ${down.state}`;
  const [first, ...others] = living.map((machine) => ({ machine, state: machine.node!.cluster.state }));
  if (first === undefined) return "no node runs";
  return findOpen(first.state) ?? findBroken(first.state, operator) ?? findDifference([first, ...others]) ??
    findRemoved(first.state, living) ??
    findWrongVoters(first.machine.node!) ??
    findMisplaced(first.state, fleet);
}

/** What was promised to an operator has happened. */
function findBroken({ nodes, retired }: ClusterState, { added, removed }: Operator): string | undefined {
  const missing = [...added].find((id) => !nodes.has(id) && !retired.has(id));
  if (missing !== undefined) return `node ${missing} was taken in and is not there`;
  const present = [...removed].find((id) => !retired.has(id));
  return present === undefined ? undefined : `node ${present} was to be removed and is still there`;
}

function findDifference(
  views: readonly { readonly machine: SimMachine; readonly state: ClusterState }[],
): string | undefined {
  const [first, ...others] = views.map(({ machine, state }) => ({ id: machine.id, text: viewText(state) }));
  const other = others.find(({ text }) => text !== first?.text);
  return other &&
    `nodes ${first?.id} and ${other.id} see different clusters: ${first?.text}\nand ${other.text}`;
}

function findOpen(state: ClusterState): string | undefined {
  const { changes, isFounded, partitions, nodes } = state;
  if (!isFounded) return "the cluster is not founded";
  const open = changes.find(({ isFinished }) => !isFinished);
  if (open !== undefined) return `change ${open.changeId} goes on: ${JSON.stringify(open)}`;
  const wanted = wantedReplicas(state);
  const unsettled = partitions.find(({ replicas, target, changeId }) =>
    changeId !== "" || replicas.join() !== target.join() || replicas.length !== wanted ||
    replicas.some((id) => nodes.get(id)?.isLeaving !== false)
  );
  return unsettled === undefined
    ? undefined
    : `a partition is not where it should be: ${JSON.stringify(unsettled)}`;
}

/** A node that was removed stops, also if it was down meanwhile. */
function findRemoved({ nodes }: ClusterState, living: readonly SimMachine[]): string | undefined {
  const removed = living.find(({ id }) => !nodes.has(id));
  return removed === undefined ? undefined : `node ${removed.id} is no member and still runs`;
}

/** Group 0 is made of all members, and as many of them vote as should. */
function findWrongVoters(node: Node): string | undefined {
  const { voters, votersOutgoing, learners } = node.cluster.membership;
  const { state } = node.cluster;
  const members = [...voters, ...learners].sort((a, b) => a - b);
  const wanted = clusterVoters(state, voters).length;
  const isRight = voters.length === wanted && votersOutgoing.length === 0 &&
    members.join() === [...state.nodes.keys()].join();
  return isRight
    ? undefined
    : `the cluster's own group is made of ${JSON.stringify(node.cluster.membership)}`;
}

function findMisplaced({ partitions }: ClusterState, fleet: Fleet): string | undefined {
  for (const { node, id } of fleet.serving()) {
    const held = node!.status().replicas;
    const expected = partitions.filter(({ replicas }) => replicas.includes(id));
    if (
      held.map(({ partitionId }) => partitionId).join() !==
        expected.map(({ partitionId }) => partitionId).join()
    ) {
      return `node ${id} holds ${held.length} replicas instead of ${expected.length}`;
    }
    for (const { membership, partitionId } of held) {
      const { voters, votersOutgoing, learners } = membership;
      const wanted = [...partitions[partitionId]!.replicas].sort((a, b) => a - b);
      const isRight = voters.join() === wanted.join() && votersOutgoing.length + learners.length === 0;
      if (!isRight) return `on node ${id}, partition ${partitionId} is made of ${JSON.stringify(membership)}`;
    }
  }
  return undefined;
}
