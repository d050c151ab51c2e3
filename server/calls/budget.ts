/**
 * How many calls, and how many of their bytes, a node holds at a time. What is above is refused at the door,
 * before it costs anything.
 *
 * @module
 */

/** Limits of a budget. */
export interface CallBudgetLimits {
  readonly callsMax: number;
  readonly bytesMax: number;
}

/** See the module comment. */
export class CallBudget {
  readonly #limits: CallBudgetLimits;
  #calls = 0;
  #bytes = 0;

  constructor(limits: CallBudgetLimits) {
    this.#limits = limits;
  }

  /** Calls held. */
  get calls(): number {
    return this.#calls;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Makes room for a call of `bytes`, or says that there is none; give it back with {@linkcode release}. */
  tryTake(bytes: number): boolean {
    // A single call always fits an empty budget, however large it is.
    const fits = this.#calls === 0 || this.#bytes + bytes <= this.#limits.bytesMax;
    if (!fits || this.#calls >= this.#limits.callsMax) return false;
    this.#calls++;
    this.#bytes += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#calls--;
    this.#bytes -= bytes;
  }
}
