/**
 * Messages by hand, and clusters brought to a certain point, for the tests by section of the paper.
 *
 * @module
 */

import type { Message, NodeId } from "../../raft/mod.ts";
import { assert } from "../harness.ts";
import { Cluster, type ModelNode, textEntry } from "./model/cluster.ts";

/** Three nodes of which node 1 is in `role`, in whatever term that takes. */
export function inRole(role: "follower" | "preCandidate" | "candidate" | "leader"): Cluster {
  const cluster = new Cluster({ nodes: [1, 2, 3] });
  const node = cluster.node(1);
  if (role === "leader") cluster.makeLeader(1);
  if (role === "preCandidate" || role === "candidate") ticksUntilCandidacy(node);
  if (role === "candidate") answerBallot(cluster, { kind: "preVoteResponse", from: 2, granted: true });
  if (node.status(1).role !== role) {
    throw new Error(`The test wanted a ${role}, and has a ${node.status(1).role}`);
  }
  return cluster;
}

/** Lets node 1 win an election with the votes of nodes 2 and 3, without a word to their cores. */
export function elected(cluster: Cluster, node: ModelNode): void {
  ticksUntilCandidacy(node);
  for (const kind of ["preVoteResponse", "voteResponse"] as const) {
    for (const from of [2, 3]) answerBallot(cluster, { kind, from, granted: true });
  }
  cluster.turn(node);
  assert.is(node.status(1).role, "leader");
}

/** What an election of one is counted from. */
interface Ballot {
  readonly size: number;
  readonly granted: number;
}

/** What node 1 of `size` is after `granted` others voted for it and the rest refused. */
export function roleAfterBallot(options: Ballot): string {
  const { size, granted } = options;
  const nodes = Array.from({ length: size }, (_, position) => position + 1);
  const cluster = new Cluster({ nodes });
  ticksUntilCandidacy(cluster.node(1));
  for (const from of nodes.slice(1)) answerBallot(cluster, { kind: "preVoteResponse", from, granted: true });
  nodes.slice(1).forEach((from, position) => {
    answerBallot(cluster, { kind: "voteResponse", from, granted: position < granted });
  });
  return cluster.node(1).status(1).role;
}

/** Brings node 1 an answer to its current ballot; its own turn comes first, so that its term is durable. */
export function answerBallot(
  cluster: Cluster,
  ballot: {
    readonly kind: "preVoteResponse" | "voteResponse";
    readonly from: NodeId;
    readonly granted: boolean;
  },
): void {
  const node = cluster.node(1);
  cluster.turn(node);
  const { role, term } = node.status(1);
  const isPreVote = ballot.kind === "preVoteResponse";
  if (role !== (isPreVote ? "preCandidate" : "candidate")) return;
  node.core.step({ ...ballot, group: 1, to: 1, term: isPreVote && ballot.granted ? term + 1 : term });
}

/** Ticks `node` alone until it stands for election, and says how long that took. */
export function ticksUntilCandidacy(node: ModelNode): number {
  let ticks = 0;
  for (; node.status(1).role === "follower" && ticks < 100; ticks++) node.core.tick();
  return ticks;
}

/** Where a message is from, in which term, and where it goes. */
interface Sending {
  readonly term: number;
  readonly from: NodeId;
  readonly to?: NodeId;
}

/** A heartbeat to node 1, or to `to`. */
export function heartbeat(
  options: Sending,
): Message {
  return { kind: "heartbeatRequest", group: 1, to: 1, commit: 0, readRound: 0, sentAt: 0, ...options };
}

/** An append from node 2 to node 1; entries are given as index and term. */
export function append(options: {
  readonly term: number;
  readonly prev: readonly [number, number];
  readonly entries: readonly (readonly [number, number])[];
  readonly commit: number;
}): Message {
  const { term, prev: [prevLogIndex, prevLogTerm], commit } = options;
  const entries = options.entries.map(([index, entryTerm]) => textEntry({ index, term: entryTerm }));
  return {
    kind: "appendRequest",
    group: 1,
    from: 2,
    to: 1,
    term,
    prevLogIndex,
    prevLogTerm,
    entries,
    commit,
  };
}

/** What a follower acknowledges. */
interface Acknowledging {
  readonly from: NodeId;
  readonly term: number;
  readonly matched: number;
}

/** A follower's word to node 1 that it holds everything up to `matched`. */
export function acknowledgement(
  options: Acknowledging,
): Message {
  const { from, term, matched } = options;
  const position = { matchIndex: matched, conflictIndex: 0, conflictTerm: 0 };
  return { kind: "appendResponse", group: 1, from, to: 1, term, success: true, ...position };
}
