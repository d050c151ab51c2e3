/**
 * What is wrong with a cluster, in words: what nodes say of themselves and of each other, put together. A
 * cluster is ready when every partition has a leader that answers, takes puts and reaches a majority of its
 * replicas; whatever else is wrong is told and leaves it ready.
 *
 * It is a judgement from what nodes say within the moment; no call about data is made.
 *
 * @module
 */

import type { ClusterView, NodeReport, NodeView, PartitionView } from "../mod.ts";

/** Partitions that a line names; of more it says how many. */
const NAMED_MAX = 5;

/** Troubles for which a node refuses puts. */
const FULL: ReadonlySet<string> = new Set(["diskFull", "memoryFull"]);

/** The trouble of a cluster whose partitions have fewer replicas than they should. */
const FEW_REPLICAS = "fewReplicas";

/** What is judged. */
export interface HealthQuestion {
  readonly cluster: ClusterView;
  readonly nodes: readonly NodeReport[];
}

/** The judgement. */
export interface Health {
  /** Calls can succeed, in every partition. */
  readonly ready: boolean;
  /** What is wrong, a sentence each; what keeps the cluster from being ready comes first. */
  readonly findings: readonly string[];
}

/** See the module comment. */
export function healthOf({ cluster, nodes }: HealthQuestion): Health {
  const answered = nodes.flatMap((report) => report.kind === "answered" ? [report.node] : []);
  const judged = cluster.partitions.map((partition) => ({
    partitionId: partition.partitionId,
    problem: problemOf(partition, answered),
  }));
  const problems = [...new Set(judged.flatMap(({ problem }) => problem ?? []))];
  const severe = problems.map((problem) => {
    const ids = judged.filter((each) => each.problem === problem).map(({ partitionId }) => partitionId);
    return `${namesOf(ids)} ${ids.length === 1 ? "has" : "have"} ${problem}`;
  });
  const findings = [
    ...severe,
    ...silentNodes(nodes),
    ...unwellNodes(answered),
    ...brokenWays(answered),
    ...fewReplicas(answered),
  ];
  return { ready: severe.length === 0, findings };
}

/** What keeps calls of a partition from succeeding, if anything does. */
function problemOf(partition: PartitionView, answered: readonly NodeView[]): string | undefined {
  const leaderId = leaderOf(partition, answered);
  if (leaderId === 0) return "no leader";
  const leader = answered.find(({ nodeId }) => nodeId === leaderId);
  if (leader === undefined) return `node ${leaderId} as leader, which does not answer`;
  if (leader.troubles.some(({ kind }) => FULL.has(kind))) {
    return `node ${leaderId} as leader, which refuses puts`;
  }
  const { replicas } = partition;
  const lost = replicas.filter((id) => leader.peers.some((peer) => peer.nodeId === id && !peer.reached));
  if ((replicas.length - lost.length) * 2 > replicas.length) return undefined;
  return `node ${leaderId} as leader, which reaches only ${replicas.length - lost.length} of ` +
    `${replicas.length} replicas, itself included`;
}

/** The leader of the highest term that anybody knows of: a node that is cut off still names an old one. */
function leaderOf({ partitionId, leaderId, term }: PartitionView, answered: readonly NodeView[]): number {
  const claims = answered.flatMap(({ nodeId, replicas }) =>
    replicas.filter((each) => each.partitionId === partitionId && each.role === "leader")
      .map((each) => ({ leaderId: nodeId, term: each.term }))
  );
  return [{ leaderId, term }, ...claims].reduce((best, each) => each.term > best.term ? each : best).leaderId;
}

function silentNodes(nodes: readonly NodeReport[]): readonly string[] {
  return nodes.flatMap((report) =>
    report.kind === "failed" ? [`the node at ${report.address} ${silenceOf(report)}`] : []
  );
}

function silenceOf({ isStarting, message }: NodeReport & { readonly kind: "failed" }): string {
  return isStarting ? "is starting" : `does not answer: ${message}`;
}

/** It is the cluster's trouble, which every node tells. */
function fewReplicas(answered: readonly NodeView[]): readonly string[] {
  const told = answered.flatMap(({ troubles }) => troubles).find(({ kind }) => kind === FEW_REPLICAS);
  return told === undefined ? [] : [told.reason];
}

function unwellNodes(answered: readonly NodeView[]): readonly string[] {
  return answered.flatMap(({ nodeId, state, troubles }) => {
    const reasons = troubles.filter(({ kind }) => kind !== FEW_REPLICAS).map(({ reason }) =>
      `node ${nodeId}: ${reason}`
    );
    return state === "serving" || reasons.length > 0 ? reasons : [`node ${nodeId} is not ready (${state})`];
  });
}

/** Between nodes that answer here: of one that does not, that has been said. */
function brokenWays(answered: readonly NodeView[]): readonly string[] {
  const isHere = (id: number) => answered.some(({ nodeId }) => nodeId === id);
  return answered.flatMap(({ nodeId, peers }) =>
    peers.filter((peer) => !peer.reached && isHere(peer.nodeId)).map((peer) =>
      `node ${nodeId} does not reach node ${peer.nodeId} at ${peer.address}`
    )
  );
}

function namesOf(ids: readonly number[]): string {
  if (ids.length === 1) return `partition ${ids[0]}`;
  if (ids.length <= NAMED_MAX) return `partitions ${ids.join(", ")}`;
  return `${ids.length} partitions (${ids.slice(0, NAMED_MAX).join(", ")}, …)`;
}
