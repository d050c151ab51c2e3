/**
 * A clock that stands still until a test moves it on, for what happens at a deadline: however slow the
 * machine is, nothing runs out of time before the test says so.
 *
 * @module
 */

import type { ClientClock } from "../../../client/transport/clock.ts";

/** A timer that has not fired. */
interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

/** See the module comment. */
export class ManualClock implements ClientClock {
  #nowMs = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Fires the timers of the next `ms` milliseconds in their order, also those set on the way. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (let timer = this.#next(untilMs); timer !== undefined; timer = this.#next(untilMs)) {
      this.#timers.delete(timer);
      this.#nowMs = timer.atMs;
      timer.callback();
    }
    this.#nowMs = untilMs;
  }

  #next(untilMs: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.atMs <= untilMs && (next === undefined || timer.atMs < next.atMs)) next = timer;
    }
    return next;
  }
}
