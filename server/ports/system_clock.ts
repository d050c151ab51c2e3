/**
 * The machine's own clock and timers.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { Clock } from "./ports.ts";

/** Production time. */
export const SYSTEM_CLOCK: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
  // An immediate runs after the I/O that is ready now, so that one turn takes all of it in; a zero timeout
  // would wait a millisecond.
  soon: (callback) => void setImmediate(callback),
};
