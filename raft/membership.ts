/**
 * Questions to a `Membership`. Changes of membership do not live here.
 *
 * @module
 */

import type { Membership, NodeId } from "./types.ts";

/** A membership of voters only, in ascending order. */
export function votersOnly(nodes: readonly NodeId[]): Membership {
  return { voters: ascending(nodes), votersOutgoing: [], learners: [], learnersNext: [] };
}

/** Whether `node` votes: in either list of a joint configuration. */
export function isVoter(membership: Membership, node: NodeId): boolean {
  return membership.voters.includes(node) || membership.votersOutgoing.includes(node);
}

/** Whether the log is sent to `node`. */
export function isMember(membership: Membership, node: NodeId): boolean {
  return isVoter(membership, node) || membership.learners.includes(node);
}

/** Whether no vote but that of `node` counts, so that it may lead without asking anybody. */
export function isOnlyVoter(membership: Membership, node: NodeId): boolean {
  const { voters, votersOutgoing } = membership;
  return voters.length === 1 && voters[0] === node && votersOutgoing.every((voter) => voter === node);
}

/** Everybody the log is sent to, ascending, without duplicates. */
export function members(membership: Membership): readonly NodeId[] {
  const { voters, votersOutgoing, learners } = membership;
  return ascending([...voters, ...votersOutgoing, ...learners]);
}

function ascending(nodes: readonly NodeId[]): readonly NodeId[] {
  return [...new Set(nodes)].sort((a, b) => a - b);
}
