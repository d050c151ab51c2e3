/**
 * Changes of membership (§6 of the paper): how they are asked for, when they take effect, and what follows.
 *
 * A membership takes effect on a replica when its entry is *applied* there, not when it is appended. That is
 * safe because there is only one change at a time: a leader appends the next membership entry when it has
 * applied all before it. So
 *
 * - a replica that holds a membership entry knows that the ones before it are committed, and has to have
 *   applied them before it stands for election; a restart counts them as committed, whatever the commit hint
 *   says;
 * - two memberships in force at one moment are successive ones, and every two of their majorities share a
 *   voter: successive ones differ in learners only, or one is joint and contains the other.
 *
 * The replaced voters may be needed until a majority of those that stay knows for good that the joint
 * membership is left: a voter that does not know it needs votes of both sides. So a leader that has left it
 * appends an entry more, the seal. The appends that bring it say that the membership before is committed, so
 * a replica that has it on disk knows that after a restart, too; when the seal is committed, the replaced
 * voters may disappear. A new leader's first entry is as good.
 *
 * The joint membership is left automatically, by the replica that leads when it has been applied. A leader
 * that is no voter of the membership that was applied last steps down, and asks one of its voters to take its
 * place (`transfer.ts`).
 *
 * @module
 */

import { becomeFollower, maybeStandAsAsked } from "./election.ts";
import {
  enterJoint,
  isJoint,
  isReached,
  isSoundTarget,
  isVoter,
  leaveJoint,
  members,
  type MembershipTarget,
} from "./membership.ts";
import { decodeMembership, encodeMembership } from "./membership_codec.ts";
import type { Progress } from "./progress.ts";
import type { ProgressTable } from "./progress_table.ts";
import { proposeEmpty, proposeMembership } from "./proposal.ts";
import { confirmRounds } from "./read_index.ts";
import type { GroupMembership, ProposeResult } from "./ready.ts";
import { isCaughtUp, maybeCommit } from "./replication.ts";
import { noteReplica } from "./replica_ids.ts";
import type { ReplicaState } from "./state.ts";
import { transferOnRemoval } from "./transfer.ts";
import { type Entry, EntryKind, NO_NODE, type SnapshotMeta } from "./types.ts";

/** Begins to change the group to `target`; the answer names the entry with which that begins. */
export function changeMembership(state: ReplicaState, target: MembershipTarget): ProposeResult {
  const { progress, leader, membership } = state;
  if (progress === undefined) return { accepted: false, refusal: "notLeader", leader };
  if (state.transfer !== undefined) return { accepted: false, refusal: "transferring", leader };
  if (isChangePending(state)) return { accepted: false, refusal: "changePending", leader };
  if (!isSoundTarget(membership, target) || isReached(membership, target)) {
    return { accepted: false, refusal: "invalid", leader };
  }
  const promoted = target.voters.filter((node) => !isVoter(membership, node));
  if (!promoted.every((node) => mayBecomeVoter(state, progress.follower(node)))) {
    return { accepted: false, refusal: "learnerBehind", leader };
  }
  return proposeMembership(state, encodeMembership(enterJoint(membership, target)));
}

/**
 * Otherwise nothing could be committed until it has caught up. And it must hold the membership that is in
 * force: one that holds none gives no vote (`hasNoMembership`), and if this leader were lost and its vote
 * needed, nobody could be elected any more.
 */
function mayBecomeVoter(state: ReplicaState, follower: Progress | undefined): boolean {
  if (follower === undefined || follower.matchIndex < state.membershipIndex) return false;
  return isCaughtUp(state, follower);
}

/** Puts into force what `entries`, which have just been applied, say; returns it, oldest first. */
export function applyMemberships(state: ReplicaState, entries: readonly Entry[]): readonly GroupMembership[] {
  const applied: GroupMembership[] = [];
  for (let position = 0; position < entries.length; position++) {
    const entry = entries[position]!;
    if (entry.kind !== EntryKind.membership) continue;
    const membership = decodeMembership(entry.data);
    applied.push({ group: state.group, index: entry.index, membership });
    // After a restart entries are applied again that a later one has overtaken.
    if (entry.index <= state.membershipIndex) continue;
    if (isJoint(state.membership)) state.sealIndex = undefined;
    state.membership = membership;
    state.membershipIndex = entry.index;
    afterChange(state);
  }
  return applied;
}

/** Puts into force what a snapshot says, which is newer than what is known here. */
export function adoptMembership(state: ReplicaState, snapshot: SnapshotMeta): GroupMembership {
  const { membership, membershipIndex } = snapshot;
  state.membership = membership;
  state.membershipIndex = membershipIndex;
  afterChange(state);
  return { group: state.group, index: membershipIndex, membership };
}

/** Ends a change that has been applied, or seals one that has ended, if this replica leads. */
export function maybeContinueChange(state: ReplicaState): void {
  const { membership, role, sealIndex, transfer } = state;
  if (role !== "leader" || transfer !== undefined) return;
  if (isJoint(membership)) {
    if (isSettledHere(state)) proposeMembership(state, encodeMembership(leaveJoint(membership)));
  } else if (sealIndex === undefined) state.sealIndex = proposeEmpty(state);
}

/** Whether this replica leads a group in which no change is under way, and the last one is sealed. */
export function isSealed({ log, membership, role, sealIndex }: ReplicaState): boolean {
  return role === "leader" && !isJoint(membership) && sealIndex !== undefined && log.committed >= sealIndex;
}

/**
 * One change at a time: until the last one is applied, and one's own term has begun, there can be no other.
 */
function isChangePending(state: ReplicaState): boolean {
  return isJoint(state.membership) || !isSettledHere(state);
}

/**
 * Whether every membership entry of this log is in force here. A new leader may not know yet that older
 * entries are committed, but it does after it has committed one of its own.
 */
function isSettledHere(state: ReplicaState): boolean {
  const { log, membershipIndex, term } = state;
  return log.lastMembershipThrough(log.lastIndex) <= membershipIndex && log.termAt(log.committed) === term;
}

function afterChange(state: ReplicaState): void {
  const { progress, role } = state;
  for (const [node, replica] of state.membership.replicaIds ?? []) noteReplica(state, { node, replica });
  if (progress !== undefined) return reconfigureLeader(state, progress);
  const isStanding = role === "candidate" || role === "preCandidate";
  if (isStanding && !state.isVoter) becomeFollower(state, { term: state.term, leader: NO_NODE });
  maybeStandAsAsked(state);
}

function reconfigureLeader(state: ReplicaState, progress: ProgressTable): void {
  const { membership, self, log, now, config, transfer } = state;
  if (!state.isVoter) return stepDown(state, progress);
  const start = { membership, self, nextIndex: log.lastIndex + 1, now, limits: config };
  const table = state.progress = progress.withMembership(start);
  if (transfer !== undefined && !members(membership).includes(transfer.to)) state.transfer = undefined;
  state.isFlushDue = true;
  // The quorum may have become smaller.
  maybeCommit(state, table);
  confirmRounds(state, table);
  maybeContinueChange(state);
}

function stepDown(state: ReplicaState, progress: ProgressTable): void {
  transferOnRemoval(state, progress);
  becomeFollower(state, { term: state.term, leader: NO_NODE });
}
