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
 * Two reads never see a key gone and then there again, whatever happens here: both wait for an index, and the
 * later one's is not below what the earlier one has seen.
 *
 * @module
 */

import type { GroupId, LogIndex, MultiRaft } from "../../raft/mod.ts";
import type { CallDispatcher, HostedReplica } from "../calls/mod.ts";
import { encodeCommand } from "../kv/mod.ts";
import type { Clock } from "../ports/mod.ts";

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

  #prepare(replica: HostedReplica, nowMs: number): void {
    const { multiRaft } = this.#options;
    const { own, hasPassedOn } = multiRaft.waitingReads(replica.group);
    // Followers do not say which keys they are asked for: it may be any.
    const passedOnDueMs = hasPassedOn ? replica.machine.latestDueMs(nowMs) : undefined;
    const arePassedOnDue = passedOnDueMs !== undefined;
    const mustShowMs = passedOnDueMs ?? replica.dueTimeMs(own, nowMs);
    if (mustShowMs === undefined) return;
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
