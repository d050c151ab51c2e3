/**
 * Brings the groups that this node leads to the members they should have. Level-triggered: it looks at what
 * is and at what should be, takes one step if it can, and looks again at the next tick. So it does not matter
 * who did the step before, or whether it was lost.
 *
 * ```
 * voters 1 2 3 ─▶ + learner 4 ─▶ 4 has caught up ─▶ voters 2 3 4
 *    should be 2 3 4               (a leader that is to go hands over first)
 * ```
 *
 * @module
 */

import type { GroupId, Membership, MembershipTarget, MultiRaft, NodeId } from "../../raft/mod.ts";

/** What a driver needs of the core. */
export type DrivenRaft = Pick<MultiRaft, "status" | "changeMembership" | "transferLeadership">;

/** See the module comment. */
export class MembershipDriver {
  readonly #multiRaft: DrivenRaft;
  readonly #self: NodeId;

  constructor(multiRaft: DrivenRaft, self: NodeId) {
    this.#multiRaft = multiRaft;
    this.#self = self;
  }

  /** The members of a group that this node leads. */
  membershipOf(group: GroupId): Membership {
    return this.#multiRaft.status(group)!.membership;
  }

  /**
   * Whether the group has become what it should be. Until the change is sealed it might need those who are to
   * go.
   */
  isReached(group: GroupId, target: MembershipTarget): boolean {
    return isMadeOf(this.membershipOf(group), target) && this.#multiRaft.status(group)!.isSealed;
  }

  /** Takes a step towards `target`, if there is one to take. Only for groups that this node leads. */
  step(group: GroupId, target: MembershipTarget): void {
    const membership = this.membershipOf(group);
    const { voters, votersOutgoing, learners } = membership;
    if (votersOutgoing.length > 0 || isMadeOf(membership, target)) return;
    const wanted = [...target.voters, ...target.learners];
    const missing = wanted.filter((node) => !voters.includes(node) && !learners.includes(node));
    const kept = learners.filter((node) => wanted.includes(node));
    if (missing.length > 0) this.#change(group, { voters, learners: [...kept, ...missing] });
    else if (target.voters.includes(this.#self)) this.#change(group, target);
    else this.#leave(group, { voters, target });
  }

  /**
   * A leader that is to go hands over to one that stays; if none that is heard votes yet, the others begin
   * to.
   */
  #leave(
    group: GroupId,
    { voters, target }: { readonly voters: readonly NodeId[]; readonly target: MembershipTarget },
  ): void {
    const [successor] = this.#multiRaft.status(group)!.followers
      .filter(({ active, node }) => active && voters.includes(node) && target.voters.includes(node))
      .sort((a, b) => b.matchIndex - a.matchIndex);
    const newcomers = target.voters.filter((node) => !voters.includes(node));
    if (successor !== undefined) this.#multiRaft.transferLeadership(group, successor.node);
    else if (newcomers.length > 0) this.#change(group, { voters: [...voters, ...newcomers], learners: [] });
  }

  /** A refusal needs no answer: the next tick tries again. */
  #change(group: GroupId, target: MembershipTarget): void {
    this.#multiRaft.changeMembership(group, target);
  }
}

function isMadeOf({ voters, votersOutgoing, learners }: Membership, target: MembershipTarget): boolean {
  return votersOutgoing.length === 0 && isSameSet(voters, target.voters) &&
    isSameSet(learners, target.learners);
}

function isSameSet(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every((node) => b.includes(node));
}
