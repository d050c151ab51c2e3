/**
 * Holds transfers back to so many bytes a second, all of a node together: what a snapshot takes of the disks
 * and the network, clients do not have.
 *
 * @module
 */

import type { Clock } from "../ports/mod.ts";

/** See the module comment. */
export class Pacer {
  readonly #clock: Clock;
  readonly #bytesPerSecondMax: number;
  /** From when on the next bytes may be asked for. */
  #freeMs = 0;

  constructor(clock: Clock, bytesPerSecondMax: number) {
    this.#clock = clock;
    this.#bytesPerSecondMax = bytesPerSecondMax;
  }

  /** Takes a place for `bytes`; after so many milliseconds they may be asked for. */
  delayMsFor(bytes: number): number {
    const nowMs = this.#clock.monotonicMs();
    const startMs = Math.max(nowMs, this.#freeMs);
    this.#freeMs = startMs + bytes / this.#bytesPerSecondMax * 1_000;
    return startMs - nowMs;
  }
}
