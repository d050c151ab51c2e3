/**
 * Brings the groups that this node leads to the members they should have. Level-triggered: it looks at what
 * is and at what should be, takes one step if it can, and looks again at the next tick. So it does not matter
 * which leader did the step before, or whether it was lost.
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

  /**
   * Whether the group has become what it should be. Until the change is sealed it might need the members that
   * are to go.
   */
  isReached(group: GroupId, target: MembershipTarget): boolean {
    const { isSealed, membership } = this.#multiRaft.status(group)!;
    return isMadeOf(membership, target) && isSealed;
  }

  /** Takes a step towards `target`, if there is one to take. Only for groups that this node leads. */
  step(group: GroupId, target: MembershipTarget): void {
    const { membership } = this.#multiRaft.status(group)!;
    const { voters, votersOutgoing, learners } = membership;
    if (votersOutgoing.length > 0 || isMadeOf(membership, target)) return;
    const wanted = [...target.voters, ...target.learners];
    const missing = wanted.filter((node) => !voters.includes(node) && !learners.includes(node));
    const kept = learners.filter((node) => wanted.includes(node));
    if (missing.length > 0) this.#change(group, { ...target, voters, learners: [...kept, ...missing] });
    else if (target.voters.includes(this.#self)) this.#change(group, target);
    else this.#leave(group, target);
  }

  /**
   * A leader that is to go hands over to a voter that stays; if none that is heard votes yet, the others
   * begin to.
   */
  #leave(group: GroupId, target: MembershipTarget): void {
    const { followers, membership: { voters } } = this.#multiRaft.status(group)!;
    const [successor] = followers
      .filter(({ active, node }) => active && voters.includes(node) && target.voters.includes(node))
      .sort((a, b) => b.matchIndex - a.matchIndex);
    const newcomers = target.voters.filter((node) => !voters.includes(node));
    if (successor !== undefined) this.#multiRaft.transferLeadership(group, successor.node);
    else if (newcomers.length > 0) {
      this.#change(group, { ...target, voters: [...voters, ...newcomers], learners: [] });
    }
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
