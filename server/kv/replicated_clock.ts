/**
 * The time of a partition, by which its state machine forgets: replicated with the commands, and made of what
 * the monotonic clocks of its leaders show, never of wall clocks. One wall clock that is wrong must neither
 * end what should last nor keep for ever what should end.
 *
 * ```
 *   replicated time                        ╭─ leader 2: goes on from what is applied, a second a second
 *        ▲              ╭─ it has not      │
 *        │    leader 1 ╱   applied all    ╱
 *        │           ╱────────────────────
 *        │         ╱
 *        └──────────────────────────────────────▶ real time
 * ```
 *
 * A leader begins where the applied state stands when it takes over and adds what its own clock has counted
 * since. If its state has all of its log by then, it also adds what it has counted since it applied the last
 * command: so much has passed in truth since any key of that state was written. If not, a key may be among
 * what it has not applied that was written later, and would end early; then that time is not counted.
 *
 * While it applies what earlier leaders left, and finds the state further than its own time, it goes on from
 * there. Every command carries the leader's reading; the state's time is the highest it has applied
 * (`state_machine.ts`), so it never goes back.
 *
 * What follows: an age in replicated time is never longer than the real time that has passed, up to the drift
 * of the nodes' clocks, so nothing is forgotten early; it is shorter by what a leader could not count, so
 * something may be kept longer. Only differences mean anything: the state starts at 0, or, where an older log
 * holds stamps of wall clocks, at the highest of those.
 *
 * @module
 */

/** What a leader reads its clock with. */
export interface ClockReading {
  /** Replicated time that the applied state stands at, in milliseconds. */
  readonly appliedMs: number;
  /** Of this machine's monotonic clock, in milliseconds. */
  readonly monotonicMs: number;
}

/** The clock of one leadership. See the module comment. */
export class ReplicatedClock {
  #baseMs: number;
  /** When the base was the time, by the monotonic clock. */
  #sinceMs: number;

  /** Starts with a leadership. */
  constructor({ appliedMs, monotonicMs }: ClockReading) {
    this.#baseMs = appliedMs;
    this.#sinceMs = monotonicMs;
  }

  /** Replicated time now, whole milliseconds; never lower than it was, nor than what is applied. */
  read({ appliedMs, monotonicMs }: ClockReading): number {
    const nowMs = this.#baseMs + Math.floor(monotonicMs - this.#sinceMs);
    if (appliedMs <= nowMs) return nowMs;
    this.#baseMs = appliedMs;
    this.#sinceMs = monotonicMs;
    return appliedMs;
  }
}
