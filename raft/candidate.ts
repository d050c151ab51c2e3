/**
 * How a replica that stands for election reacts, before (`preCandidate`) and after (`candidate`) it has
 * raised its term (§5.2). A leader of its own term turns it into a follower before its message is looked at
 * (`replica.ts`).
 *
 * @module
 */

import { becomeFollower, onBallot, startPreCandidacy } from "./election.ts";
import type { Message } from "./message.ts";
import type { ReplicaState } from "./state.ts";
import { NO_NODE } from "./types.ts";

/** One tick of a candidate: a ballot that stays open is asked anew. */
export function tickCandidate(state: ReplicaState): void {
  if (state.now - state.electionStart < state.electionTimeoutTicks) return;
  if (state.isPromotable) startPreCandidacy(state);
  else becomeFollower(state, { term: state.term, leader: NO_NODE });
}

/** An answer to the ballot of this term; answers to an earlier one were already turned away. */
export function stepCandidate(state: ReplicaState, message: Message): void {
  if (message.kind === "voteResponse" && state.role === "candidate") onBallot(state, message);
  if (message.kind === "preVoteResponse" && state.role === "preCandidate") onBallot(state, message);
}
