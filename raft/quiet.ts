/**
 * Groups in which nothing happens fall quiet: no heartbeats, no timers, no work. A leader that has seen
 * nothing for a while, and whose followers hold everything, tells them so and stops; a follower to which the
 * same is true stops too. From then on the heartbeats of the leader's node, which all groups of a pair of
 * nodes share, stand for those of the group.
 *
 * Liveness: a replica is quiet only as a leader or behind one. A leader that stops being a quiet one is
 * awake, and as long as it leads its heartbeats wake the others; else it has a timer, stands for election,
 * and its requests wake every replica they reach. A replica that hears nothing of its leader's node for an
 * election timeout wakes with that much silence already counted, so a quiet group is without a leader no
 * longer than any other. A leader wakes when it hears nothing of a follower's node, to look at its quorum,
 * and when such a node is heard again. So no message of this protocol needs to arrive, and no report of the
 * host either.
 *
 * Safety: quiet replicas promise nothing. Votes, terms and commits are decided by the same rules, a lease
 * ends with the last heartbeat, and any read wakes its group.
 *
 * @module
 */

import { isJoint, isVoter } from "./membership.ts";
import type { QuietRequest } from "./message.ts";
import type { Progress } from "./progress.ts";
import type { ProgressTable } from "./progress_table.ts";
import { replicaAt, type ReplicaState } from "./state.ts";
import { NO_NODE } from "./types.ts";

/** Lets a leader fall quiet if it may; returns whether it did. */
export function maybeFallQuiet(state: ReplicaState, progress: ProgressTable): boolean {
  if (!isIdle(state) || !isSettled(state) || !areFollowersSettled(state, progress)) return false;
  const { followers } = progress;
  for (let position = 0; position < followers.length; position++) {
    const follower = followers[position]!;
    follower.endLease();
    state.messages.push({
      kind: "quietRequest",
      group: state.group,
      from: state.self,
      to: follower.node,
      fromReplica: state.replicaId,
      toReplica: replicaAt(state, follower.node),
      term: state.term,
      commit: state.log.committed,
    });
  }
  state.isQuiet = true;
  return true;
}

/**
 * The leader says that everything up to `commit`, its last entry, is committed. A follower with the same last
 * entry has the same log, and may commit it for that reason. A follower that cannot fall quiet answers as if
 * to a heartbeat, which wakes the leader.
 */
export function onQuietRequest(state: ReplicaState, message: QuietRequest): void {
  const { log, config } = state;
  const isSame = !state.isSuspended && log.lastIndex === message.commit && log.lastTerm === message.term;
  if (isSame) {
    log.commitTo(message.commit);
    state.leaderHolds = Math.max(state.leaderHolds, message.commit);
  }
  const isAsking = state.forwarded.count > 0;
  state.isQuiet = config.quietAfterTicks > 0 && isSame && isSettled(state) && !isAsking;
  if (state.isQuiet) return;
  state.messages.push({
    kind: "heartbeatResponse",
    group: state.group,
    from: state.self,
    to: message.from,
    fromReplica: state.replicaId,
    toReplica: replicaAt(state, message.from),
    term: state.term,
    readRound: 0,
    sentAt: 0,
  });
}

/** Something happens in this group: timers run again, from when the nodes concerned were last heard. */
export function wake(state: ReplicaState): void {
  state.activeAt = state.now;
  if (!state.isQuiet) return;
  noteLeaderContact(state);
  state.isQuiet = false;
  const { progress, node } = state;
  if (progress === undefined) return;
  if (progress.own !== undefined) progress.own.lastHeard = state.now;
  for (const follower of progress.followers) {
    follower.lastHeard = Math.max(follower.lastHeard, node.peers.heardAt(follower.node));
  }
}

/** When a leader last heard of `follower`; while it is quiet, the follower's node is what is heard. */
export function lastHeardOf({ isQuiet, node }: ReplicaState, follower: Progress): number {
  return Math.max(follower.lastHeard, isQuiet ? node.peers.heardAt(follower.node) : 0);
}

/** Of a quiet follower: its leader was last heard when its node was. */
export function noteLeaderContact(state: ReplicaState): void {
  if (!state.isQuiet || state.role !== "follower" || state.leader === NO_NODE) return;
  state.electionStart = Math.max(state.electionStart, state.node.peers.heardAt(state.leader));
}

function isIdle(state: ReplicaState): boolean {
  const { config, now, activeAt, transfer, reads, membership, sealIndex } = state;
  return config.quietAfterTicks > 0 && now - activeAt >= config.quietAfterTicks &&
    transfer === undefined && reads.count === 0 && !isJoint(membership) && sealIndex !== undefined &&
    !isHandOverAhead(state);
}

/** Nothing is left to commit, to hand out or to write. */
function isSettled(state: ReplicaState): boolean {
  const { log, persisted } = state;
  const { committed } = log;
  return log.lastIndex === committed && log.applied === committed && log.durable === committed &&
    !log.isWriting && persisted.commit === committed;
}

/**
 * Every follower holds everything and has answered the last heartbeat, or its node is lost; the others are a
 * quorum.
 */
function areFollowersSettled(state: ReplicaState, progress: ProgressTable): boolean {
  const { node, log, heartbeatStart } = state;
  const isAlive = (each: Progress) => each === progress.own || !node.peers.isLost(each.node);
  const isThere = progress.followers.every((follower) =>
    !isAlive(follower) || (follower.matchIndex === log.lastIndex && follower.lastHeard >= heartbeatStart)
  );
  return isThere && progress.reachedByMajority((each) => (isAlive(each) ? 1 : 0)) > 0;
}

/** Whether the preferred replica is to get the leadership as soon as it can. */
export function isHandOverAhead(state: ReplicaState): boolean {
  const { config, priority, self, membership, node } = state;
  const preferred = priority[0];
  if (!config.leadershipFollowsPriority || preferred === undefined || preferred === self) return false;
  return isVoter(membership, preferred) && !node.peers.isLost(preferred);
}
