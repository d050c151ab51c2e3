/**
 * A process from its start to its end. Whatever is to happen to it is planned through this class: it waits
 * while the process is stopped (SIGSTOP, a long garbage collection) and never happens once the process is
 * gone.
 *
 * @module
 */

import type { PlannedEvent } from "../world/event_queue.ts";
import type { World } from "../world/world.ts";

/** See the module comment. */
export class SimProcess {
  readonly #world: World;
  readonly #nodeId: number;
  #isAlive = true;
  /** What came due while the process stands still, in order; `undefined` while it runs. */
  #stalled: { readonly what: string; readonly run: () => void }[] | undefined;
  /** How much of what came due in a stall is still to happen, now that it is over. */
  #catchingUp = 0;
  readonly #onEnd: (() => void)[] = [];

  constructor(world: World, nodeId: number) {
    this.#world = world;
    this.#nodeId = nodeId;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isPaused(): boolean {
    return this.#stalled !== undefined;
  }

  /** Plans `run` within this process. */
  plan(delayMs: number, what: string, run: () => void): PlannedEvent {
    return this.#world.plan(delayMs, `node ${this.#nodeId} ${what}`, () => this.admit(what, run));
  }

  /** Runs `run` at once, or when the process wakes and has caught up, or never. */
  admit(what: string, run: () => void): void {
    // Nothing overtakes what was there before it: what comes in on a stream stays in order.
    if (this.#catchingUp > 0) this.#admitNext(what, run);
    else this.#admitNow(what, run);
  }

  #admitNext(what: string, run: () => void): void {
    this.#catchingUp++;
    this.#world.plan(0, `node ${this.#nodeId} ${what}`, () => {
      this.#catchingUp--;
      this.#admitNow(what, run);
    });
  }

  #admitNow(what: string, run: () => void): void {
    if (!this.#isAlive) return;
    if (this.#stalled !== undefined) this.#stalled.push({ what, run });
    else {
      this.#world.touched.add(this.#nodeId);
      run();
    }
  }

  /** Calls back when the process ends, in whatever way. */
  onceEnded(callback: () => void): void {
    this.#onEnd.push(callback);
  }

  pause(): void {
    this.#stalled ??= [];
  }

  /** Everything that came due meanwhile happens now, in order. */
  resume(): void {
    const stalled = this.#stalled ?? [];
    this.#stalled = undefined;
    for (const { what, run } of stalled) this.#admitNext(what, run);
  }

  /** Nothing of this process happens from now on. */
  end(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.#stalled = undefined;
    for (const callback of this.#onEnd) callback();
  }
}
