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

import { type Membership, NO_REPLICA, type NodeId, type ReplicaId } from "./types.ts";

/** What a group is to become. */
export interface MembershipTarget {
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
  /** Which replica is meant, of those nodes that are new; none has an id unless given. */
  readonly replicaIds?: ReadonlyMap<NodeId, ReplicaId>;
}

/** A replica by its node and its own id. */
interface NodeReplica {
  readonly node: NodeId;
  readonly replica: ReplicaId;
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

/** The replica of `node` that is meant; 0 if none is named. */
export function replicaIn({ replicaIds }: Membership, node: NodeId): ReplicaId {
  return replicaIds?.find(([each]) => each === node)?.[1] ?? NO_REPLICA;
}

/** Whether this replica is the one of its node that is meant; one without an id is the only one of it. */
export function isMeant(membership: Membership, { node, replica }: NodeReplica): boolean {
  return replica === NO_REPLICA || replicaIn(membership, node) === replica;
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

/**
 * Whether `current` can become `target`: that has a voter, nobody is in it twice, ids are node ids, and it
 * means no other replica of a member than that is: the one has to go before the other can come.
 */
export function isSoundTarget(current: Membership, target: MembershipTarget): boolean {
  const { learners, replicaIds = new Map<NodeId, ReplicaId>(), voters } = target;
  const all = [...voters, ...learners];
  const areIds = all.every((node) => Number.isSafeInteger(node) && node >= 1 && node <= NODE_ID_MAX);
  const isOther = ([node, id]: readonly [NodeId, ReplicaId]) => (replicaIds.get(node) ?? id) !== id;
  if (current.replicaIds?.some(isOther)) return false;
  return areIds && voters.length > 0 && new Set(all).size === all.length;
}

/** The membership with which a change of `current`, which is not joint, to `target` begins. */
export function enterJoint(current: Membership, target: MembershipTarget): Membership {
  const voters = ascending(target.voters);
  const learners = ascending(target.learners);
  if (isSame(voters, current.voters)) {
    return withReplicas({ voters, votersOutgoing: [], learners, learnersNext: [] }, { current, target });
  }
  const isOutgoing = (node: NodeId) => current.voters.includes(node);
  const joint = {
    voters,
    votersOutgoing: current.voters,
    learners: learners.filter((node) => !isOutgoing(node)),
    // No node votes and learns at once: a demoted voter learns when it votes no more.
    learnersNext: learners.filter(isOutgoing),
  };
  return withReplicas(joint, { current, target });
}

/** The membership with which the change of a joint one ends. */
export function leaveJoint(joint: Membership): Membership {
  const { voters, learners, learnersNext } = joint;
  const left = {
    voters,
    votersOutgoing: [],
    learners: ascending([...learners, ...learnersNext]),
    learnersNext: [],
  };
  return withReplicas(left, { current: joint, target: left });
}

/** Whether `current`, which is not joint, is already what `target` says. */
export function isReached(current: Membership, target: MembershipTarget): boolean {
  return isSame(ascending(target.voters), current.voters) &&
    isSame(ascending(target.learners), current.learners);
}

/** What a membership comes from. */
interface Change {
  readonly current: Membership;
  readonly target: MembershipTarget;
}

/** Members stay the replicas that they are; those that come are the ones that the target means. */
function withReplicas(membership: Membership, { current, target }: Change): Membership {
  const named = [...members(membership), ...membership.learnersNext].flatMap((node) => {
    const id = replicaIn(current, node) || (target.replicaIds?.get(node) ?? NO_REPLICA);
    return id === NO_REPLICA ? [] : [[node, id] as const];
  });
  const replicaIds = [...new Map(named)].sort(([left], [right]) => left - right);
  return replicaIds.length === 0 ? membership : { ...membership, replicaIds };
}

function isSame(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every((node, position) => node === b[position]);
}

function ascending(nodes: readonly NodeId[]): readonly NodeId[] {
  return [...new Set(nodes)].sort((a, b) => a - b);
}
