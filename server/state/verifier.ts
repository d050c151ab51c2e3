/**
 * Reads the tables of a node's stores again, one after the other and slowly, so that damage to what nobody
 * asks for is found while other replicas have it whole.
 *
 * @module
 */

import type { Clock } from "../ports/mod.ts";
import type { StateBudget } from "./budget.ts";
import type { ReplicaStore } from "./replica_store.ts";
import type { StateStores } from "./state_stores.ts";

/** What it works with. */
export interface VerifierOptions {
  readonly stores: StateStores;
  readonly clock: Clock;
  readonly budget: StateBudget;
}

/** See the module comment. */
export class Verifier {
  readonly #options: VerifierOptions;
  #nextMs: number;
  /** The store whose turn it is, by its place among them. */
  #turn = 0;
  #isReading = false;
  /** Tables that were read since the start. */
  verified = 0;

  constructor(options: VerifierOptions) {
    this.#options = options;
    this.#nextMs = options.clock.monotonicMs() + options.budget.verifyEveryMs;
  }

  /** Begins to read the next table when its time has come. */
  tick(): void {
    const { budget, clock, stores } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#isReading || nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + budget.verifyEveryMs;
    const states = [...stores.all.values()].filter(({ isLeaving }) => !isLeaving);
    const state = states[this.#turn++ % states.length];
    if (state !== undefined) void this.#verify(state);
  }

  async #verify(state: ReplicaStore): Promise<void> {
    this.#isReading = true;
    try {
      if (await state.store.verifyNext()) this.verified++;
    } catch (error) {
      // What cannot be read now is read another time.
      state.noteError(error);
    } finally {
      this.#isReading = false;
    }
  }
}
