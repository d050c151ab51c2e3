/**
 * How a leader asks another replica to take its place (§3.10 of the thesis), and what one that is removed
 * does before it steps down (§4.2.2): it says what is committed, and asks one of the voters that stay to
 * stand at once, so that the group need not wait for an election timeout.
 *
 * @module
 */

import type { Progress } from "./progress.ts";
import type { ProgressTable } from "./progress_table.ts";
import { sendAppends } from "./replication.ts";
import { replicaAt, type ReplicaState } from "./state.ts";
import type { NodeId } from "./types.ts";

/** Asks `to` to stand for election at once. From then on no promise of its voters can be relied on. */
export function sendTimeoutNow(state: ReplicaState, to: NodeId): void {
  state.isLeaseOver = true;
  state.messages.push({
    kind: "timeoutNowRequest",
    group: state.group,
    from: state.self,
    to,
    fromReplica: state.replicaId,
    toReplica: replicaAt(state, to),
    term: state.term,
  });
}

/** The last messages of a leader that its group has removed. They may be lost: that only costs a timeout. */
export function transferOnRemoval(state: ReplicaState, progress: ProgressTable): void {
  for (const follower of progress.followers) follower.isSuspect = true;
  sendAppends(state, progress);
  const successor = chooseSuccessor(state, progress);
  if (successor !== undefined) sendTimeoutNow(state, successor.node);
}

/**
 * Of the voters that stay and were heard lately, the one that holds most, for the others vote only for a log
 * that is no shorter than theirs; of several the preferred one.
 */
function chooseSuccessor(state: ReplicaState, progress: ProgressTable): Progress | undefined {
  const { membership, priority, now, config } = state;
  const isFit = (each: Progress) =>
    membership.voters.includes(each.node) && each.state === "replicate" &&
    now - each.lastHeard <= 2 * config.heartbeatTicks;
  const rankOf = ({ node }: Progress) => priority.includes(node) ? priority.indexOf(node) : priority.length;
  const compare = (a: Progress, b: Progress) => b.matchIndex - a.matchIndex || rankOf(a) - rankOf(b);
  return progress.followers.filter(isFit).sort(compare)[0];
}
