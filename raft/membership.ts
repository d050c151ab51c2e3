/**
 * Questions to a `Membership`, and the memberships that a change goes through (§6 of the paper, joint
 * consensus):
 *
 * ```
 * voters 1 2 3 ──▶ voters 2 3 4, outgoing 1 2 3 ──▶ voters 2 3 4
 *         enter: both majorities must agree    leave
 * ```
 *
 * A change of learners alone needs no joint membership, for it changes no majority.
 *
 * @module
 */

import type { Membership, NodeId } from "./types.ts";

/** What a group is to become. */
export interface MembershipTarget {
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
}

const NODE_ID_MAX = 2 ** 32 - 1;

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

/** Whether two majorities must agree. */
export function isJoint(membership: Membership): boolean {
  return membership.votersOutgoing.length > 0;
}

/** Whether a group can become `target`: it has a voter, nobody is in it twice, and ids are node ids. */
export function isSoundTarget({ voters, learners }: MembershipTarget): boolean {
  const all = [...voters, ...learners];
  const areIds = all.every((node) => Number.isSafeInteger(node) && node >= 1 && node <= NODE_ID_MAX);
  return areIds && voters.length > 0 && new Set(all).size === all.length;
}

/** The membership with which a change of `current`, which is not joint, to `target` begins. */
export function enterJoint(current: Membership, target: MembershipTarget): Membership {
  const voters = ascending(target.voters);
  const learners = ascending(target.learners);
  if (isSame(voters, current.voters)) return { voters, votersOutgoing: [], learners, learnersNext: [] };
  const isOutgoing = (node: NodeId) => current.voters.includes(node);
  return {
    voters,
    votersOutgoing: current.voters,
    learners: learners.filter((node) => !isOutgoing(node)),
    // No node votes and learns at once: a demoted voter learns when it votes no more.
    learnersNext: learners.filter(isOutgoing),
  };
}

/** The membership with which the change of a joint one ends. */
export function leaveJoint(joint: Membership): Membership {
  const { voters, learners, learnersNext } = joint;
  return {
    voters,
    votersOutgoing: [],
    learners: ascending([...learners, ...learnersNext]),
    learnersNext: [],
  };
}

/** Whether `current`, which is not joint, is already what `target` says. */
export function isReached(current: Membership, target: MembershipTarget): boolean {
  return isSame(ascending(target.voters), current.voters) &&
    isSame(ascending(target.learners), current.learners);
}

function isSame(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every((node, position) => node === b[position]);
}

function ascending(nodes: readonly NodeId[]): readonly NodeId[] {
  return [...new Set(nodes)].sort((a, b) => a - b);
}
