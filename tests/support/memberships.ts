/**
 * Memberships as tests write them.
 *
 * @module
 */

import type { Membership, NodeId } from "../../raft/mod.ts";

/** A membership of voters only, in ascending order. */
export function votersOnly(nodes: readonly NodeId[]): Membership {
  return {
    voters: [...new Set(nodes)].sort((a, b) => a - b),
    votersOutgoing: [],
    learners: [],
    learnersNext: [],
  };
}
