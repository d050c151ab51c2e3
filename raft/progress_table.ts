/**
 * The progress of all members of a group, and what their majority has reached. Only a leader has one.
 *
 * @module
 */

import { members, replicaIn } from "./membership.ts";
import { Progress, type ProgressStart } from "./progress.ts";
import { reachedByMajority } from "./quorum.ts";
import type { LogIndex, Membership, NodeId } from "./types.ts";

/** Reads the value that is to be counted from one progress. */
export type Measure = (progress: Progress) => number;

/** What a table starts from; `self` is the leader's own id. */
export interface ProgressTableStart extends Omit<ProgressStart, "node" | "replica"> {
  readonly membership: Membership;
  readonly self: NodeId;
}

/** See the module comment. */
export class ProgressTable {
  /** Everybody but the leader itself, ascending. */
  readonly followers: readonly Progress[];
  /** The leader's own; absent when it is no longer a member. */
  readonly own: Progress | undefined;
  readonly #voters: readonly Progress[];
  readonly #votersOutgoing: readonly Progress[];
  readonly #scratch: number[] = [];

  /** `previous`: what is known already. */
  constructor(start: ProgressTableStart, previous: readonly Progress[] = []) {
    const { membership, self } = start;
    const all = members(membership).map((node) =>
      previous.find((each) => each.node === node && each.replica === replicaIn(membership, node)) ??
        new Progress({ ...start, node, replica: replicaIn(membership, node) })
    );
    const progressOf = (nodes: readonly NodeId[]) => all.filter((progress) => nodes.includes(progress.node));
    this.followers = all.filter((progress) => progress.node !== self);
    this.own = all.find((progress) => progress.node === self);
    this.#voters = progressOf(membership.voters);
    this.#votersOutgoing = progressOf(membership.votersOutgoing);
  }

  /** The table of another membership: what is known of the members that stay is kept. */
  withMembership(start: ProgressTableStart): ProgressTable {
    return new ProgressTable(start, this.own === undefined ? this.followers : [...this.followers, this.own]);
  }

  /** The progress of `node`, `undefined` for the leader itself and for nodes that are no members. */
  follower(node: NodeId): Progress | undefined {
    for (let position = 0; position < this.followers.length; position++) {
      const progress = this.followers[position]!;
      if (progress.node === node) return progress;
    }
    return undefined;
  }

  /** The highest index that a majority holds on disk, in a joint configuration both majorities. */
  matchedByMajority(): LogIndex {
    return this.reachedByMajority(matchOf);
  }

  /** The tick since which a majority has been heard. */
  heardByMajority(): number {
    return this.reachedByMajority(heardOf);
  }

  /** The newest round of reads that a majority has confirmed. */
  roundByMajority(): number {
    return this.reachedByMajority(roundOf);
  }

  /** The moment since which a majority has promised to vote for nobody else. */
  leaseByMajority(): number {
    return this.reachedByMajority(leaseOf);
  }

  /** The highest value of `measure` that both majorities have reached. */
  reachedByMajority(measure: Measure): number {
    return Math.min(this.#reachedBy(this.#voters, measure), this.#reachedBy(this.#votersOutgoing, measure));
  }

  #reachedBy(voters: readonly Progress[], measure: Measure): number {
    this.#scratch.length = 0;
    for (let position = 0; position < voters.length; position++) {
      this.#scratch.push(measure(voters[position]!));
    }
    return reachedByMajority(this.#scratch);
  }
}

function matchOf(progress: Progress): number {
  return progress.matchIndex;
}

function heardOf(progress: Progress): number {
  return progress.lastHeard;
}

function leaseOf(progress: Progress): number {
  return progress.leaseStart;
}

function roundOf(progress: Progress): number {
  return progress.readRound;
}
