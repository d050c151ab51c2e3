/**
 * Calls that come before the cluster is founded, or before this node has heard of it, wait here. Until it
 * knows for good which cluster it belongs to, a node must not acknowledge anything
 * (`docs/decisions/0022-…`).
 *
 * @module
 */

import { DomainError, type NodeCallOptions } from "../api/mod.ts";
import type { Clock } from "../ports/mod.ts";

/** How often the gate looks whether a caller is still there. */
const LOOK_MS = 500;

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
   * Waits until the gate is open, at most for the call's time, and not for callers that have left.
   *
   * @returns how much of the time is left, in milliseconds; 0 when the gate is still closed
   */
  async wait({ timeoutMs, caller }: Omit<NodeCallOptions, "direct">): Promise<number> {
    if (this.isOpen) return timeoutMs;
    const endMs = this.#clock.monotonicMs() + timeoutMs;
    let leftMs = timeoutMs;
    while (!this.isOpen && leftMs > 0 && caller?.hasLeft !== true) {
      await this.#pause(Math.min(leftMs, LOOK_MS));
      leftMs = endMs - this.#clock.monotonicMs();
    }
    return this.isOpen ? Math.max(1, leftMs) : 0;
  }

  /** Until the gate opens, at most for `ms`. */
  async #pause(ms: number): Promise<void> {
    const limit = Promise.withResolvers<void>();
    const timer = this.#clock.after(ms, () => limit.resolve());
    await Promise.race([this.#founding.settled, limit.promise]);
    timer.cancel();
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
