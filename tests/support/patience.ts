/**
 * Patience with a cluster that is still finding itself: on a busy machine leaders may change at any time, and
 * nothing comes by a certain time.
 *
 * A test waits for what must come, however long that takes, and only a wait in vain ends it. It asserts what
 * came and in which order, never how soon: how fast something is, a benchmark measures.
 *
 * @module
 */

/**
 * How long a test waits for what must come, and the deadline of calls that must succeed: so long that only
 * what never comes takes it, and still below the limit of a test, so that the wait says what it was for. No
 * longer deadline than 300,000 ms may be given to a call.
 */
export const PATIENCE_MS = 240_000;
const POLL_MS = 20;

/**
 * Repeats `body` until it does not throw, and returns what it came to.
 *
 * @throws what `body` threw last, when patience is at its end
 */
export async function eventually<T>(body: () => Promise<T>): Promise<T> {
  const untilMs = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await body();
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await pause(5 * POLL_MS);
    }
  }
}

/**
 * Resolves as soon as `isTrue`.
 *
 * @param what what is waited for, for the error; a function if it is to say how far things have come
 * @throws {Error} when patience is at its end
 */
export async function until(isTrue: () => boolean, what: string | (() => string)): Promise<void> {
  const untilMs = performance.now() + PATIENCE_MS;
  while (!isTrue()) {
    if (performance.now() > untilMs) {
      const wanted = typeof what === "string" ? what : what();
      throw new Error(`Waited ${PATIENCE_MS} ms in vain until ${wanted}`);
    }
    await pause(POLL_MS);
  }
}

/** Resolves after `ms` milliseconds of the machine's time. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
