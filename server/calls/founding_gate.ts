/**
 * Calls that come before the cluster is founded, or before this node has heard of it, wait here. Until it
 * knows for good which cluster it belongs to, a node must not acknowledge anything
 * (`docs/decisions/0022-…`).
 *
 * @module
 */

import { DomainError } from "../api/mod.ts";
import type { Clock } from "../ports/mod.ts";

/** What the gate waits for. */
export interface Founding {
  readonly isSettled: boolean;
  /** Resolves when it is. */
  readonly settled: Promise<void>;
}

/** See the module comment. */
export class FoundingGate {
  readonly #founding: Founding;
  readonly #clock: Clock;

  constructor(founding: Founding, clock: Clock) {
    this.#founding = founding;
    this.#clock = clock;
  }

  get isOpen(): boolean {
    return this.#founding.isSettled;
  }

  /**
   * Waits until the gate is open.
   *
   * @param timeoutMs at most so long
   * @returns what is left of it in milliseconds; 0 when the gate is still closed
   */
  async wait(timeoutMs: number): Promise<number> {
    if (this.isOpen) return timeoutMs;
    const startMs = this.#clock.monotonicMs();
    const limit = Promise.withResolvers<void>();
    const timer = this.#clock.after(timeoutMs, () => limit.resolve());
    await Promise.race([this.#founding.settled, limit.promise]);
    timer.cancel();
    const leftMs = timeoutMs - (this.#clock.monotonicMs() - startMs);
    return this.isOpen ? Math.max(1, leftMs) : 0;
  }
}

/** Nothing has happened. */
export function notFounded(): DomainError {
  return new DomainError(
    { kind: "unavailable" },
    "Cannot serve yet: this node does not know its cluster's id, as a majority of the founders has not met: " +
      "start them, and try again",
    "not_founded",
  );
}
