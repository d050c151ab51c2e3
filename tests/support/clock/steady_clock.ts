/**
 * A clock that does not count what a busy machine takes from everybody: it goes on in small steps, and a step
 * that comes late counts as one. Time limits then depend on what is done, not on how often this process is
 * held up.
 *
 * @module
 */

import { ManualClock } from "./manual_clock.ts";

const STEP_MS = 5;
/** The most a step counts, however late it comes. */
const LATE_STEP_MS = 20;

/** See the module comment. Goes on until it is disposed of. */
export class SteadyClock extends ManualClock {
  readonly #interval: ReturnType<typeof setInterval>;

  constructor() {
    super();
    let lastMs = performance.now();
    this.#interval = setInterval(() => {
      const nowMs = performance.now();
      this.advance(Math.min(nowMs - lastMs, LATE_STEP_MS));
      lastMs = nowMs;
    }, STEP_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#interval);
  }
}
