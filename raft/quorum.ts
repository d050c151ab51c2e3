/**
 * Majorities, alone and joint (§5.2 and §6 of the paper): how many are enough, what a majority has reached,
 * and whether a vote is won. Two majorities of the same voters always share a voter; all of Raft's safety
 * rests on it.
 *
 * @module
 */

import type { Membership, NodeId } from "./types.ts";

/** How a ballot stands. */
export type VoteOutcome = "won" | "lost" | "pending";

/** The smallest number of `voterCount` voters of which two groups must overlap: ⌊n/2⌋ + 1. */
export function majority(voterCount: number): number {
  return Math.floor(voterCount / 2) + 1;
}

/**
 * The highest value that a majority has reached, given one value per voter. Sorts `values` in place. A list
 * without voters never holds anything back: its answer is `Infinity`.
 */
export function reachedByMajority(values: number[]): number {
  if (values.length === 0) return Infinity;
  sortDescending(values);
  return values[majority(values.length) - 1]!;
}

/**
 * Where the ballot of `votes` (true: granted, false: refused, absent: silent) stands under `membership`. In a
 * joint configuration both lists must be won, and losing either loses.
 */
export function voteOutcome(membership: Membership, votes: ReadonlyMap<NodeId, boolean>): VoteOutcome {
  const incoming = outcomeOf(membership.voters, votes);
  const outgoing = outcomeOf(membership.votersOutgoing, votes);
  if (incoming === "lost" || outgoing === "lost") return "lost";
  return incoming === "won" && outgoing === "won" ? "won" : "pending";
}

function outcomeOf(voters: readonly NodeId[], votes: ReadonlyMap<NodeId, boolean>): VoteOutcome {
  if (voters.length === 0) return "won";
  let granted = 0;
  let silent = 0;
  for (const voter of voters) {
    const vote = votes.get(voter);
    if (vote === true) granted++;
    if (vote === undefined) silent++;
  }
  const needed = majority(voters.length);
  if (granted >= needed) return "won";
  return granted + silent < needed ? "lost" : "pending";
}

/** Insertion sort: groups have three to seven voters, and this runs for every acknowledgement. */
function sortDescending(values: number[]): void {
  for (let end = 1; end < values.length; end++) {
    const value = values[end]!;
    let slot = end;
    while (slot > 0 && values[slot - 1]! < value) {
      values[slot] = values[slot - 1]!;
      slot--;
    }
    values[slot] = value;
  }
}
