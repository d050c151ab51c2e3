/**
 * What a leader does so that no read returns a key whose time is reached by its clock. Whether a key is there
 * the state decides, and so does a follower's, by the time that was applied, which stands still while nothing
 * is written. So before a round of reads is opened that may be about such a key, its leader proposes a clock
 * entry, a command that only carries the time, and has the round wait for it: at a follower, too.
 *
 * ```
 *   key expires at 30 │ state stands at 20 │ leader's clock shows 35
 *   read ──▶ clock entry 35 is proposed, floor of reads raised to it ──▶ round ──▶ state at 35: no such key
 * ```
 *
 * A clock that is in nobody's log is lost with its leader, if all nodes stop or another one has not applied
 * all. So while keys have a time, the leader proposes a clock entry now and then, too.
 *
 * Two reads never see a key gone and then there again, whatever happens here: both wait for an index, and the
 * later one's is not below what the earlier one has seen.
 *
 * @module
 */

import type { GroupId, LogIndex, MultiRaft } from "../../raft/mod.ts";
import type { CallDispatcher, HostedReplica } from "../calls/mod.ts";
import { encodeCommand } from "../kv/mod.ts";
import type { Clock } from "../ports/mod.ts";

/**
 * How far the log's time may be behind the leader's clock: an eighth of what the key has left that expires
 * next, but within these bounds.
 */
const BEHIND_SHARE = 1 / 8;
const BEHIND_MS_MIN = 1_000;
const BEHIND_MS_MAX = 60_000;
/** With so many keys due that it cannot look at all, followers' reads see a time that is at most so old. */
const CROWDED_MS = 25;

/** What it works with. */
export interface ClockEntriesOptions {
  readonly clock: Clock;
  readonly multiRaft: MultiRaft;
  readonly dispatcher: CallDispatcher;
  /** On this node, by group. */
  readonly replicas: ReadonlyMap<GroupId, HostedReplica>;
}

/** The reads of a group for which a round is about to be opened. */
interface DueReads {
  readonly own: readonly number[];
  /** Whether those that followers have passed on must see the time. */
  readonly arePassedOnDue: boolean;
  /** Replicated time by the leader's clock. */
  readonly nowMs: number;
}

/** See the module comment. */
export class ClockEntries {
  readonly #options: ClockEntriesOptions;

  constructor(options: ClockEntriesOptions) {
    this.#options = options;
  }

  /** Called when all reads of a turn are asked, before it opens their rounds. */
  prepareReads(): void {
    const { clock, multiRaft, replicas } = this.#options;
    for (const group of multiRaft.groupsToRead()) {
      const replica = replicas.get(group);
      const earliestMs = replica?.machine.earliestExpiryMs;
      if (replica === undefined || earliestMs === undefined) continue;
      const nowMs = replica.stampMs(clock.monotonicMs());
      if (earliestMs <= nowMs) this.#prepare(replica, nowMs);
    }
  }

  /** Keeps the log's time near the clock; called at every tick. */
  tick(): void {
    const { clock, dispatcher, replicas } = this.#options;
    for (const replica of replicas.values()) {
      const earliestMs = replica.machine.earliestExpiryMs;
      if (replica.role !== "leader" || earliestMs === undefined) continue;
      const nowMs = replica.stampMs(clock.monotonicMs());
      const shareMs = (earliestMs - nowMs) * BEHIND_SHARE;
      const behindMs = Math.min(Math.max(shareMs, BEHIND_MS_MIN), BEHIND_MS_MAX);
      // What is refused is proposed again at the next tick.
      if (!hasShown(replica, nowMs - behindMs)) dispatcher.propose(replica, encodeCommand([], undefined));
    }
  }

  #prepare(replica: HostedReplica, nowMs: number): void {
    const { multiRaft } = this.#options;
    const { own, hasPassedOn } = multiRaft.waitingReads(replica.group);
    // Followers do not say which keys they are asked for: it may be any.
    const passedOnDueMs = hasPassedOn ? latestDueMs(replica, nowMs) : undefined;
    const arePassedOnDue = passedOnDueMs !== undefined;
    const mustShowMs = Math.max(passedOnDueMs ?? 0, replica.dueTimeMs(own, nowMs) ?? 0);
    if (replica.machine.timeMs >= mustShowMs) return;
    const index = replica.entryStampedFrom(mustShowMs) ??
      this.#propose(replica, { own, arePassedOnDue, nowMs });
    if (index !== undefined) multiRaft.raiseReadFloor(replica.group, index);
  }

  /** If that is refused, so are the reads that need it, and no others. */
  #propose(replica: HostedReplica, { own, arePassedOnDue, nowMs }: DueReads): LogIndex | undefined {
    const { dispatcher, multiRaft } = this.#options;
    const result = dispatcher.propose(replica, encodeCommand([], undefined));
    if (result.accepted) return result.index;
    dispatcher.refuseReads(replica.takeDue(own, nowMs), result.error);
    // Their nodes pass the calls themselves on to this one, which then knows their keys.
    if (arePassedOnDue) multiRaft.refusePassedOnReads(replica.group);
    return undefined;
  }
}

/**
 * Of the keys that the state still has. Where too many are due to look at them all, a time that is just past
 * will do, or each turn with such reads would cost an entry until the keys are removed.
 */
function latestDueMs({ machine }: HostedReplica, nowMs: number): number | undefined {
  const dueMs = machine.latestDueMs(nowMs);
  return dueMs === Infinity ? nowMs - CROWDED_MS : dueMs;
}

/** Whether the state, or what is on its way to it from here, is at `timeMs` or beyond. */
function hasShown(replica: HostedReplica, timeMs: number): boolean {
  return replica.machine.timeMs >= timeMs || replica.entryStampedFrom(timeMs) !== undefined;
}
