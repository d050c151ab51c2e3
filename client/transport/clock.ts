/**
 * The client's only access to time, so that tests and the simulator can replace it.
 *
 * @module
 */

/** Time as the client needs it: a monotonic reading and one-shot timers. */
export interface ClientClock {
  /** Milliseconds since an arbitrary origin; never goes back. */
  now(): number;
  /** Calls `callback` once after `delayMs` milliseconds (0 or more) and returns what cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}

/** The machine's clock. */
export const systemClock: ClientClock = {
  now: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs` milliseconds of `clock`. */
export function sleep(clock: ClientClock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.after(delayMs, resolve));
}
