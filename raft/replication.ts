/**
 * The leader's side of AppendEntries (§5.3, §5.4.2): what each follower is sent at the end of a turn, and
 * what answers mean. Nothing is sent while a turn lasts, so that all proposals of a turn travel together and
 * followers that are equally far share the same list of entries.
 *
 * @module
 */

import { invariant } from "./invariant.ts";
import { leaseStamp } from "./lease.ts";
import { entriesBytes } from "./log.ts";
import type { AppendResponse, HeartbeatResponse } from "./message.ts";
import type { Progress } from "./progress.ts";
import type { ProgressTable } from "./progress_table.ts";
import { replicaAt, type ReplicaState } from "./state.ts";
import { type Entry, type LogIndex, NO_REPLICA } from "./types.ts";

const NO_ENTRIES: readonly Entry[] = [];

/** Sends every follower what it lacks and its window allows. */
export function sendAppends(state: ReplicaState, progress: ProgressTable): void {
  const { followers } = progress;
  const cache: SliceCache = { from: 0, entries: NO_ENTRIES, bytes: 0 };
  for (let position = 0; position < followers.length; position++) {
    sendTo(state, { progress: followers[position]!, cache });
  }
}

/**
 * Tells every follower that this leader lives; `readRound` repeats the newest round, so that a lost one is
 * made up.
 */
export function broadcastHeartbeats(state: ReplicaState, progress: ProgressTable): void {
  const { followers } = progress;
  const readRound = state.reads.rounds.length === 0 ? 0 : state.reads.lastRound;
  for (let position = 0; position < followers.length; position++) {
    const follower = followers[position]!;
    // A follower may hold more than is known to match, and that may differ: a heartbeat must not commit it.
    const commit = Math.min(follower.matchIndex, tellableCommit(state));
    follower.commitSent = Math.max(follower.commitSent, commit);
    state.messages.push({
      kind: "heartbeatRequest",
      group: state.group,
      from: state.self,
      to: follower.node,
      fromReplica: state.replicaId,
      toReplica: replicaAt(state, follower.node),
      term: state.term,
      commit,
      readRound,
      sentAt: leaseStamp(state),
    });
  }
}

/** A follower's answer to an append. Returns whether it told anything new. */
export function onAppendResponse(state: ReplicaState, message: AppendResponse): boolean {
  const progress = followerOf(state, message);
  if (progress === undefined) return false;
  progress.lastHeard = state.now;
  // An answer about entries that were never sent is not from a follower of this leadership.
  if (message.matchIndex > state.log.lastIndex) return false;
  const isNew = message.success
    ? progress.noteAcknowledged(message.matchIndex)
    : onRefusal(state, { progress, message });
  if (isNew) state.isFlushDue = true;
  return isNew;
}

/** A follower's answer to a heartbeat: it lives, and what it lacks may have been lost. */
export function onHeartbeatResponse(state: ReplicaState, message: HeartbeatResponse): void {
  const progress = followerOf(state, message);
  if (progress === undefined) return;
  const isBehind = progress.noteHeard({ now: state.now, lastIndex: state.log.lastIndex });
  if (isBehind) state.isFlushDue = true;
  progress.readRound = Math.max(progress.readRound, Math.min(message.readRound, state.reads.lastRound));
  if (message.sentAt === 0) return;
  progress.leaseStart = Math.max(progress.leaseStart, Math.min(message.sentAt, state.node.clock));
}

/**
 * Commits what a majority has on disk. Only an entry of the leader's own term is ever counted; the ones
 * before it are committed with it (§5.4.2, figure 8). Returns whether the commit index rose.
 */
export function maybeCommit(state: ReplicaState, progress: ProgressTable): boolean {
  const { log } = state;
  const index = progress.matchedByMajority();
  if (index <= log.committed || log.termAt(index) !== state.term) return false;
  state.uncommittedBytes -= log.bytesBetween({ after: log.committed, through: index });
  log.commitTo(index);
  state.isFlushDue = true;
  return true;
}

/**
 * The commit index that followers are told: what is on this leader's own disk, too. A commit that is told is
 * a promise of the leader itself (`promises.ts`), and its clients wait for its disk anyway.
 */
export function tellableCommit({ log }: ReplicaState): LogIndex {
  return Math.min(log.committed, log.durable);
}

/** Whether one append brings `follower` all it lacks. */
export function isCaughtUp(state: ReplicaState, follower: Progress | undefined): boolean {
  const { log, config } = state;
  if (follower?.state !== "replicate" || follower.matchIndex < log.snapshotIndex) return false;
  return log.bytesBetween({ after: follower.matchIndex, through: log.lastIndex }) <= config.appendBytesMax;
}

/** What is known of the sender, `undefined` if it is no member: another replica of its node may be one. */
function followerOf(
  { progress }: ReplicaState,
  { from, fromReplica = NO_REPLICA }: AppendResponse | HeartbeatResponse,
): Progress | undefined {
  const follower = progress?.follower(from);
  return fromReplica === NO_REPLICA || follower?.replica === fromReplica ? follower : undefined;
}

/** The slice last taken, for the next follower that needs the same. */
interface SliceCache {
  from: LogIndex;
  entries: readonly Entry[];
  bytes: number;
}

interface Target {
  readonly progress: Progress;
  readonly cache: SliceCache;
}

function sendTo(state: ReplicaState, target: Target): void {
  const { progress } = target;
  const { log } = state;
  if (progress.nextIndex < log.firstIndex) progress.becomeSnapshot(log.firstIndex);
  if (progress.state !== "replicate") {
    if (!progress.maySend) return;
    // Entries would be refused with the probe, again and again, until the follower has what lies before them.
    if (progress.state === "snapshot") askForSnapshot(state, progress);
    else sendEntries(state, target);
    return;
  }
  while (progress.nextIndex <= log.lastIndex && progress.maySend) sendEntries(state, target);
  if (progress.isSuspect) sendAppend(state, { progress, entries: NO_ENTRIES, bytes: 0 });
  else if (progress.commitSent < tellableCommit(state) && progress.matchIndex === log.lastIndex) {
    sendNotice(state, progress);
  }
}

/** Probes whether a follower has got what this log does not hold any more, and tells it that it must. */
function askForSnapshot(state: ReplicaState, progress: Progress): void {
  sendAppend(state, { progress, entries: NO_ENTRIES, bytes: 0 });
  state.messages.push({
    kind: "snapshotNotice",
    group: state.group,
    from: state.self,
    to: progress.node,
    fromReplica: state.replicaId,
    toReplica: replicaAt(state, progress.node),
    term: state.term,
    index: state.log.snapshotIndex,
  });
}

/** For a follower that holds everything, so that nothing else would tell it soon what is committed. */
function sendNotice(state: ReplicaState, progress: Progress): void {
  const commit = tellableCommit(state);
  progress.commitSent = commit;
  state.messages.push({
    kind: "commitNotice",
    group: state.group,
    from: state.self,
    to: progress.node,
    fromReplica: state.replicaId,
    toReplica: replicaAt(state, progress.node),
    term: state.term,
    commit,
  });
}

function sendEntries(state: ReplicaState, target: Target): void {
  const { progress, cache } = target;
  if (cache.from !== progress.nextIndex) {
    const { log, config } = state;
    cache.from = progress.nextIndex;
    cache.entries = log.slice({
      from: progress.nextIndex,
      through: log.lastIndex,
      bytesMax: config.appendBytesMax,
    });
    cache.bytes = entriesBytes(cache.entries);
  }
  sendAppend(state, { progress, entries: cache.entries, bytes: cache.bytes });
}

interface Append {
  readonly progress: Progress;
  readonly entries: readonly Entry[];
  readonly bytes: number;
}

function sendAppend(state: ReplicaState, append: Append): void {
  const { progress, entries, bytes } = append;
  const { log } = state;
  const prevLogIndex = progress.nextIndex - 1;
  const prevLogTerm = log.termAt(prevLogIndex);
  invariant(prevLogTerm !== undefined, "the entry before an append is known");
  const lastIndex = prevLogIndex + entries.length;
  const commit = tellableCommit(state);
  state.messages.push({
    kind: "appendRequest",
    group: state.group,
    from: state.self,
    to: progress.node,
    fromReplica: state.replicaId,
    toReplica: replicaAt(state, progress.node),
    term: state.term,
    prevLogIndex,
    prevLogTerm,
    entries,
    commit,
  });
  progress.commitSent = Math.max(progress.commitSent, Math.min(commit, lastIndex));
  progress.noteSent({ lastIndex, bytes });
}

interface RefusedAppend {
  readonly progress: Progress;
  readonly message: AppendResponse;
}

/** Skips back over whole terms instead of entry by entry (§5.3, last paragraphs). */
function onRefusal(state: ReplicaState, refusal: RefusedAppend): boolean {
  const { progress, message } = refusal;
  const { log } = state;
  const agreeableIndex = message.conflictTerm === 0
    ? message.conflictIndex
    : log.highestAgreeable({ index: message.conflictIndex, term: message.conflictTerm });
  const isNew = progress.noteRefused({ refusedIndex: message.matchIndex, agreeableIndex });
  if (isNew && progress.nextIndex < log.firstIndex) progress.becomeSnapshot(log.firstIndex);
  return isNew;
}
