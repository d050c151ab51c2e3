/**
 * The clock of one process on a machine whose oscillator runs a little fast or slow and whose wall clock
 * somebody sets now and then. Monotonic time only runs forward, also while the process stands still.
 *
 * @module
 */

import type { ClientClock } from "../../../client/transport/clock.ts";
import type { Clock, Timer } from "../../../server/ports/ports.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import type { World } from "../world/world.ts";
import type { SimProcess } from "./process.ts";

/** Some day in 2026, where simulated time begins. */
const EPOCH_MS = 1_790_000_000_000;

/** A machine's clock, which outlives its processes. */
export interface MachineClock {
  /** Milliseconds it counts in a simulated one; 1 is right. */
  readonly rate: number;
  /** How far its wall clock is off, in milliseconds. */
  wallOffsetMs: number;
}

/** What the clock of a process depends on. */
interface ProcessClockParts {
  readonly process: SimProcess;
  readonly machine: MachineClock;
  readonly random: SeededRandom;
}

/** The port of one process. */
export class ProcessClock implements Clock {
  readonly #world: World;
  readonly #process: SimProcess;
  readonly #machine: MachineClock;
  readonly #random: SeededRandom;
  readonly #startMs: number;
  /** What its monotonic clock showed when the process started. */
  readonly #originMs: number;

  constructor(
    world: World,
    parts: ProcessClockParts,
  ) {
    this.#world = world;
    this.#process = parts.process;
    this.#machine = parts.machine;
    this.#random = parts.random;
    this.#startMs = world.nowMs;
    this.#originMs = parts.random.below(10_000);
  }

  monotonicMs(): number {
    return this.#originMs + (this.#world.nowMs - this.#startMs) * this.#machine.rate;
  }

  wallMs(): number {
    return Math.floor(EPOCH_MS + this.#world.nowMs * this.#machine.rate + this.#machine.wallOffsetMs);
  }

  after(delayMs: number, callback: () => void): Timer {
    // It may come due while the process stands still, and be called off by what runs before it afterwards.
    let isOff = false;
    const run = () => {
      if (!isOff) callback();
    };
    const event = this.#process.plan(delayMs / this.#machine.rate, "timer", run);
    return {
      cancel: () => {
        isOff = true;
        event.isCancelled = true;
      },
    };
  }

  /**
   * A turn begins some microseconds after its cause, so that what happens at the same time may come before
   * it.
   */
  soon(callback: () => void): void {
    this.#process.plan(this.#random.below(200) / 1_000, "turn", callback);
  }
}

/** A client's machine keeps perfect time and is never stopped. */
export function clientClock(world: World, name: string): ClientClock {
  return {
    now: () => world.nowMs,
    after: (delayMs, callback) => {
      const event = world.plan(delayMs, `${name} timer`, callback);
      return () => event.isCancelled = true;
    },
  };
}
