/**
 * Random changes of membership, each of a kind that somebody may really ask for.
 *
 * @module
 */

import type { Membership, MembershipTarget, NodeId } from "../../../raft/mod.ts";
import type { Random } from "../../../raft/random.ts";

/** What a new membership is drawn from. */
interface ReshapingOptions {
  readonly current: Membership;
  readonly nodes: readonly NodeId[];
}

/** Draws what `current` might be changed to, among `nodes`; it may be refused. */
export function drawTarget(
  random: Random,
  options: ReshapingOptions,
): MembershipTarget {
  const { current: { voters, learners }, nodes } = options;
  const pick = (list: readonly NodeId[]) => list[random.below(list.length)];
  const without = (list: readonly NodeId[], node?: NodeId) => list.filter((each) => each !== node);
  const outsiders = nodes.filter((node) => !voters.includes(node) && !learners.includes(node));
  const chosenVoter = pick(voters);
  const chosenLearner = pick(learners);
  const newcomer = random.chance(0.7) ? pick(outsiders) : undefined;
  const newLearners = newcomer === undefined ? learners : [...learners, newcomer];
  switch (random.below(6)) {
    // A new learner, or one less.
    case 0:
      return { voters, learners: newLearners };
    case 1:
      return { voters, learners: without(learners, chosenLearner) };
    // One learner, or all of them, are to vote.
    case 2:
      return chosenLearner === undefined
        ? { voters, learners: newLearners }
        : { voters: [...voters, chosenLearner], learners: without(newLearners, chosenLearner) };
    case 3:
      return { voters: [...voters, ...learners], learners: [] };
    // A voter goes, or learns, and perhaps a learner takes its place.
    case 4:
      return {
        voters: [...without(voters, chosenVoter), ...(chosenLearner === undefined ? [] : [chosenLearner])],
        learners: without(learners, chosenLearner),
      };
    default:
      return {
        voters: without(voters, chosenVoter),
        learners: chosenVoter === undefined ? learners : [...learners, chosenVoter],
      };
  }
}
