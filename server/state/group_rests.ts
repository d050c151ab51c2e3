/**
 * Groups with which something has failed, and when each of them may be tried again. One group that fails over
 * and over must not keep the others from their turn; and a disk that refuses one after the other must not be
 * asked without a pause.
 *
 * @module
 */

import type { GroupId } from "../../raft/mod.ts";
import type { Clock } from "../ports/mod.ts";

/** Pause before anything is tried after a failure; it doubles with every further one, until one succeeds. */
const PAUSE_MS_MIN = 100;
/** A disk that has room again is noticed within this time. */
const PAUSE_MS_MAX = 1_000;
/** What failed rests so many pauses, so that others have their turn before it. */
const OWN_PAUSES = 2;

interface Rest {
  readonly reason: string;
  readonly pauses: number;
  readonly pauseMs: number;
  readonly untilMs: number;
}

/** See the module comment. */
export class GroupRests {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #rests = new Map<GroupId, Rest>();
  /** Since the last success of any group. */
  #last: Rest | undefined;

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  /** Why the group that has rested longest failed lately; `undefined` if none has. */
  get reason(): string | undefined {
    return this.#rests.values().next().value?.reason;
  }

  /** Whether any group may be tried now. */
  get mayTry(): boolean {
    return !this.#isOn(this.#last);
  }

  /** Whether the group waits for its next turn. */
  isResting(group: GroupId): boolean {
    return this.#isOn(this.#rests.get(group));
  }

  noteFailure(group: GroupId, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#rests.set(group, this.#restAfter(this.#rests.get(group), { reason, pauses: OWN_PAUSES }));
    this.#last = this.#restAfter(this.#last, { reason, pauses: 1 });
  }

  noteSuccess(group: GroupId): void {
    this.forget(group);
    this.#last = undefined;
  }

  /** There is nothing to be tried any more. */
  forget(group: GroupId): void {
    this.#rests.delete(group);
  }

  #isOn(rest: Rest | undefined): boolean {
    return rest !== undefined && this.#clock.monotonicMs() < rest.untilMs;
  }

  #restAfter(before: Rest | undefined, { reason, pauses }: Pick<Rest, "reason" | "pauses">): Rest {
    const pauseMs = Math.min(PAUSE_MS_MAX, 2 * (before?.pauseMs ?? PAUSE_MS_MIN / 2));
    return { reason, pauses, pauseMs, untilMs: this.#clock.monotonicMs() + pauses * pauseMs };
  }
}
