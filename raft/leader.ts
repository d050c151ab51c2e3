/**
 * How a leader reacts: it counts acknowledgements, sends heartbeats, steps down when no quorum answers any
 * more (§6.2 of the thesis, "CheckQuorum"), and hands leadership over on request or to the preferred replica
 * (§3.10 of the thesis).
 *
 * @module
 */

import { becomeFollower } from "./election.ts";
import { violated } from "./invariant.ts";
import { isVoter } from "./membership.ts";
import type { AppendResponse, HeartbeatResponse, Message } from "./message.ts";
import type { Progress } from "./progress.ts";
import type { ProgressTable } from "./progress_table.ts";
import { lastHeardOf, maybeFallQuiet } from "./quiet.ts";
import { confirmRounds, maybeOpenRound } from "./read_index.ts";
import type { RequestResult } from "./ready.ts";
import { maybeContinueChange } from "./reconfiguration.ts";
import {
  broadcastHeartbeats,
  isCaughtUp,
  maybeCommit,
  onAppendResponse,
  onHeartbeatResponse,
  sendAppends,
} from "./replication.ts";
import { COOLDOWN_TIMEOUTS_MIN, type ReplicaState } from "./state.ts";
import { sendTimeoutNow } from "./transfer.ts";
import { NO_NODE, type NodeId } from "./types.ts";

/** The longest cool-down between two handovers, in election timeouts. */
const COOLDOWN_TIMEOUTS_MAX = 512;

/** One tick of a leader. */
export function tickLeader(state: ReplicaState, progress: ProgressTable): void {
  const { config, now } = state;
  const { transfer } = state;
  if (transfer !== undefined && now - transfer.since >= config.electionTimeoutTicks) {
    state.transfer = undefined;
  }
  // The same ticks for all groups, so that their heartbeats travel together.
  if (now % config.heartbeatTicks !== 0) return;
  if (progress.own !== undefined) progress.own.lastHeard = now;
  if (now - progress.heardByMajority() >= config.electionTimeoutTicks) {
    return becomeFollower(state, { term: state.term, leader: NO_NODE });
  }
  if (maybeFallQuiet(state, progress)) return;
  state.heartbeatStart = now;
  maybeContinueChange(state);
  broadcastHeartbeats(state, progress);
  maybeHandOver(state, progress);
}

/** A message of the current term; requests for votes and reads are everybody's and do not come here. */
export function stepLeader(state: ReplicaState, message: Message): void {
  const { progress } = state;
  if (progress === undefined) return;
  switch (message.kind) {
    case "appendResponse":
      return onAppendAnswer(state, { message, progress });
    case "heartbeatResponse":
      return onHeartbeatAnswer(state, { message, progress });
    case "appendRequest":
    case "heartbeatRequest":
    case "commitNotice":
    case "quietRequest":
    case "snapshotNotice":
      return violated("a term has one leader", { term: state.term, leader: state.self, other: message.from });
    default:
      // Late answers to the candidacy that made this leader, or requests that make no sense to one.
      return;
  }
}

/** Starts to hand leadership over to `to`; ends when a later term is seen, or after an election timeout. */
export function startTransfer(state: ReplicaState, to: NodeId): RequestResult {
  const { progress, leader } = state;
  if (progress === undefined) return { accepted: false, refusal: "notLeader", leader };
  const target = progress.follower(to);
  if (target === undefined || !isVoter(state.membership, to)) {
    return { accepted: false, refusal: "invalid", leader };
  }
  if (state.transfer?.to === to) return { accepted: true };
  // Nothing can be proposed meanwhile, so it must not take long, and not be tried in vain.
  const isSilent = state.now - lastHeardOf(state, target) >= state.config.electionTimeoutTicks;
  if (isSilent || !isCaughtUp(state, target)) return { accepted: false, refusal: "learnerBehind", leader };
  state.transfer = { to, since: state.now, isAsked: false };
  maybeAskToStand(state, target);
  state.isFlushDue = true;
  return { accepted: true };
}

/** Entries of this leader have become durable here: now its own vote for them counts. */
export function onOwnDurable(state: ReplicaState, progress: ProgressTable): void {
  // What the others have committed may be told to them now (`tellableCommit`).
  if (state.log.committed > (progress.own?.matchIndex ?? 0)) state.isFlushDue = true;
  if (progress.own === undefined) return;
  progress.own.matchIndex = state.log.durable;
  maybeCommit(state, progress);
}

/** The end of a turn: what the followers lack, and the reads that were asked, leave together. */
export function flushLeader(state: ReplicaState, progress: ProgressTable): void {
  maybeOpenRound(state, progress);
  sendAppends(state, progress);
}

interface Answer<Response> {
  readonly message: Response;
  readonly progress: ProgressTable;
}

function onAppendAnswer(state: ReplicaState, answer: Answer<AppendResponse>): void {
  const { message, progress } = answer;
  if (!onAppendResponse(state, message)) return;
  maybeCommit(state, progress);
  const follower = progress.follower(message.from);
  if (follower !== undefined) maybeAskToStand(state, follower);
}

function onHeartbeatAnswer(state: ReplicaState, answer: Answer<HeartbeatResponse>): void {
  onHeartbeatResponse(state, answer.message);
  confirmRounds(state, answer.progress);
}

/** The target of a transfer stands once it has everything: only then nobody has a more complete log. */
function maybeAskToStand(state: ReplicaState, target: Progress): void {
  const { transfer } = state;
  if (transfer === undefined || transfer.isAsked || transfer.to !== target.node) return;
  if (target.matchIndex !== state.log.lastIndex) return;
  transfer.isAsked = true;
  sendTimeoutNow(state, target.node);
}

/**
 * Gives leadership to the preferred replica once that has been close behind for an election timeout, so that
 * leaders spread over the nodes as planned. The pauses between attempts double: a replica that can take
 * leadership but not keep it must not stop writes again and again.
 */
function maybeHandOver(state: ReplicaState, progress: ProgressTable): void {
  const { handover, config, now } = state;
  const preferred = state.priority[0];
  if (!config.leadershipFollowsPriority || preferred === undefined || state.transfer !== undefined) return;
  const target = progress.follower(preferred);
  const isFit = target !== undefined && isVoter(state.membership, preferred) && isCloseBehind(state, target);
  handover.commitSeen = state.log.committed;
  if (!isFit) {
    handover.fitSince = undefined;
    return;
  }
  handover.fitSince ??= now;
  if (now - handover.fitSince < config.electionTimeoutTicks || now < handover.notBefore) return;
  raiseCooldown(state);
  startTransfer(state, preferred);
}

function isCloseBehind(state: ReplicaState, target: Progress): boolean {
  const { config, handover, now } = state;
  return target.state === "replicate" && now - target.lastHeard <= 2 * config.heartbeatTicks &&
    target.matchIndex >= handover.commitSeen;
}

function raiseCooldown(state: ReplicaState): void {
  const { handover, config, now } = state;
  const shortest = COOLDOWN_TIMEOUTS_MIN * config.electionTimeoutTicks;
  const longest = COOLDOWN_TIMEOUTS_MAX * config.electionTimeoutTicks;
  // After a long time without a handover the next failure has another cause: the pauses start anew.
  if (now - handover.notBefore > longest) handover.cooldownTicks = shortest;
  handover.notBefore = now + handover.cooldownTicks;
  handover.fitSince = undefined;
  handover.cooldownTicks = Math.min(longest, handover.cooldownTicks * 2);
}
