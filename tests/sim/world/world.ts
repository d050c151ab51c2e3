/**
 * Simulated time, chance and the trace of one run. Everything that happens is an event; after each one all
 * promises that it settled run to their end before the next one begins, so asynchronous code of the product
 * takes part without knowing, and the same seed gives the same run.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { SeededRandom } from "../../support/seeded_random.ts";
import { EventQueue, type PlannedEvent } from "./event_queue.ts";
import { Trace } from "./trace.ts";

/** What a world is made from. */
export interface WorldOptions {
  readonly seed: number;
  readonly keepsTrace: boolean;
}

/** See the module comment. */
export class World {
  /** For what happens to the cluster: network, disks, faults. Others fork their own. */
  readonly random: SeededRandom;
  readonly trace: Trace;
  /** The nodes to which something has happened; whoever looks at them clears it. */
  readonly touched = new Set<number>();
  readonly #queue = new EventQueue();
  #nowMs = 0;
  #steps = 0;

  constructor(options: WorldOptions) {
    this.random = new SeededRandom(options.seed);
    this.trace = new Trace(options.keepsTrace);
  }

  /** Simulated milliseconds since the start. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events so far. */
  get steps(): number {
    return this.#steps;
  }

  /** A stream of chance of its own, so that what one part draws does not shift what another does. */
  fork(): SeededRandom {
    return new SeededRandom(this.random.word());
  }

  /** Plans `run` for `delayMs` (0 or more) from now. */
  plan(delayMs: number, what: string, run: () => void): PlannedEvent {
    return this.#queue.plan({ atMs: this.#nowMs + Math.max(0, delayMs), what, run });
  }

  /**
   * Makes the next event happen, with everything that follows from it at once; false when nothing is planned.
   */
  async step(): Promise<boolean> {
    const event = this.#queue.next();
    if (event === undefined) return false;
    this.#nowMs = event.atMs;
    this.#steps++;
    this.trace.event(this.#nowMs, event.what);
    event.run();
    await settled();
    return true;
  }
}

/** Resolves when no promise has anything left to do: an immediate runs only then. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
