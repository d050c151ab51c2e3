/**
 * The log's port to time: when an interval sync is due, and how long a sync took.
 *
 * @module
 */

/** See the module comment. */
export interface WalTimer {
  /** Milliseconds since some fixed moment, never going back. */
  now(): number;
  /**
   * Calls `callback` once, not before `delayMs` milliseconds have passed; the returned function calls it off.
   */
  after(delayMs: number, callback: () => void): () => void;
}

/** The time of this machine. */
export const SYSTEM_TIMER: WalTimer = {
  now: () => performance.now(),
  after: (delayMs, callback) => {
    const handle = setTimeout(callback, delayMs);
    return () => clearTimeout(handle);
  },
};
