/**
 * Counts, for each value, the reads still to be explained and the writes still to come. A value that is about
 * to be overwritten although reads of it are left, and nobody will write it again, shows a dead end before it
 * is reached.
 *
 * @module
 */

import type { Candidate } from "./candidate.ts";
import { isNumber } from "./register.ts";

interface Account {
  readsLeft: number;
  writesLeft: number;
}

/** Counts of what has not been put in order. */
export class OperationLedger {
  readonly #accounts = new Map<string, Account>();
  /** Then any number may come again. */
  readonly #hasIncrements: boolean;

  constructor(candidates: readonly Candidate[]) {
    this.#hasIncrements = candidates.some(({ action }) => action.kind === "increment");
    for (const candidate of candidates) this.putBack(candidate);
  }

  takeOut(candidate: Candidate): void {
    this.#count(candidate, -1);
  }

  putBack(candidate: Candidate): void {
    this.#count(candidate, 1);
  }

  /** Whether `value`, which the key holds now, must not be replaced yet. */
  isNeeded(value: string): boolean {
    if (this.#hasIncrements && isNumber(value)) return false;
    const account = this.#accounts.get(value);
    return account !== undefined && account.readsLeft > 0 && account.writesLeft === 0;
  }

  #count({ action, outcome }: Candidate, by: number): void {
    if (outcome.kind === "found") this.#account(outcome.value).readsLeft += by;
    else if (action.kind === "put" && outcome.kind !== "refused") {
      this.#account(action.value).writesLeft += by;
    }
  }

  #account(value: string): Account {
    const known = this.#accounts.get(value);
    if (known !== undefined) return known;
    const account = { readsLeft: 0, writesLeft: 0 };
    this.#accounts.set(value, account);
    return account;
  }
}
