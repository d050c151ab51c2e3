/**
 * Time limits without a timer for each: one timer for all connections asks each of them, a few times within
 * the shortest limit, whether its time is over. Starting and stopping a timer for every request would cost
 * more than reading its head.
 *
 * @module
 */

import type { HttpLimits } from "./limits.ts";

/** How often the shortest limit is looked at before it is over; it is overstepped by a fourth at most. */
const ROUNDS_PER_LIMIT = 4;
const ROUND_MS_MAX = 1_000;
const ROUND_MS_MIN = 5;

/** Something with limits in time. */
export interface Patrolled {
  /** Called in every round. Never throws. */
  checkTime(nowMs: number): void;
}

/** See the module comment. Runs its timer only while it has members. */
export class Patrol {
  readonly #members = new Set<Patrolled>();
  readonly #roundMs: number;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param limits of what is patrolled; the shortest time of them decides how often */
  constructor({ headMs, progressMs, idleMs }: Pick<HttpLimits, "headMs" | "progressMs" | "idleMs">) {
    const shortestMs = Math.min(headMs, progressMs, idleMs) / ROUNDS_PER_LIMIT;
    this.#roundMs = Math.max(ROUND_MS_MIN, Math.min(ROUND_MS_MAX, shortestMs));
  }

  add(member: Patrolled): void {
    this.#members.add(member);
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => this.#round(), this.#roundMs);
  }

  delete(member: Patrolled): void {
    this.#members.delete(member);
    if (this.#members.size > 0 || this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #round(): void {
    const nowMs = performance.now();
    for (const member of this.#members) member.checkTime(nowMs);
  }
}
