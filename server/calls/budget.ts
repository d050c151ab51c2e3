/**
 * How many calls, and how much memory for them, a node holds at a time. What is above is refused at the door,
 * before it costs anything.
 *
 * @module
 */

import type { MemoryPart } from "./memory_budget.ts";

/** Calls a node holds at a time. */
const CALLS_MAX = 32_768;
/**
 * What a call costs besides its command or keys: promises, closures, its place in inbox and replica. Measured
 * with 200,000 calls: 895 bytes.
 */
export const CALL_OVERHEAD_BYTES = 1_024;

/** See the module comment. */
export class CallBudget {
  readonly #part: MemoryPart;
  #calls = 0;

  /** @param part where the memory is counted */
  constructor(part: MemoryPart) {
    this.#part = part;
  }

  /** Calls held. */
  get calls(): number {
    return this.#calls;
  }

  /** Makes room for a call of `bytes`, or says that there is none; give it back with {@linkcode release}. */
  tryTake(bytes: number): boolean {
    const cost = bytes + CALL_OVERHEAD_BYTES;
    // A single call always fits an empty budget, however large it is.
    const fits = this.#calls === 0 || this.#part.usedBytes + cost <= this.#part.limitBytes;
    if (!fits || this.#calls >= CALLS_MAX) return false;
    this.#calls++;
    this.#part.usedBytes += cost;
    return true;
  }

  release(bytes: number): void {
    this.#calls--;
    this.#part.usedBytes -= bytes + CALL_OVERHEAD_BYTES;
  }
}
