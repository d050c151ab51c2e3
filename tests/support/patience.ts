/**
 * Patience with a cluster that is still finding itself: on a busy machine leaders may change at any time.
 *
 * @module
 */

import { sleep } from "./process_cluster.ts";

const WITHIN_MS = 20_000;
const EVERY_MS = 100;

/**
 * Repeats `body` until it does not throw, for twenty seconds at most, and returns what it came to.
 *
 * @throws what `body` threw last
 */
export async function eventually<T>(body: () => Promise<T>): Promise<T> {
  const untilMs = performance.now() + WITHIN_MS;
  for (;;) {
    try {
      return await body();
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await sleep(EVERY_MS);
    }
  }
}
