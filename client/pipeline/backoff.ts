/**
 * Whether and when a failed attempt is followed by another. Two budgets, because two things go wrong:
 *
 * - A node that answers "not now" (`resource_exhausted`, its own deadline, damaged data) has been asked; such
 *   answers are counted, and after `attempts` of them (3 by default) the last is surfaced.
 * - A partition without a leader, or a node that cannot be reached, is an election or a restart under way. It
 *   lasts seconds, not attempts: such failures are not counted and are retried until the call's deadline, so
 *   that calls survive the death of a leader with the default settings.
 *
 * Delays double from 20 ms to at most 500 ms; each is drawn from the upper half of its step, so that clients
 * which failed together do not come back together. The first answer "not the leader" costs no delay: it names
 * a better place.
 *
 * @module
 */

import type { CallFailure } from "../transport/mod.ts";

/** About ten round trips in a data centre: long enough to matter, short enough not to be felt. */
const DELAY_MIN_MS = 20;

/** A new leader is found at most this long after it was elected. */
const DELAY_MAX_MS = 500;

/** What to do after a failure. */
export type RetryVerdict =
  | { readonly kind: "giveUp" }
  /** Try again after `delayMs`, having asked for fresh routes if `refresh` says so. */
  | { readonly kind: "retry"; readonly delayMs: number; readonly refresh: boolean };

/** Of one call. */
export interface BackoffOptions {
  /** Counted attempts allowed, 1 or more. */
  readonly attempts: number;
  /** Numbers in `[0, 1)`. */
  readonly random: () => number;
}

/** The budgets of one call. */
export class Backoff {
  readonly #options: BackoffOptions;
  #counted = 0;
  #delays = 0;
  #redirects = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Takes note of `failure` and says what to do. */
  judge(failure: CallFailure): RetryVerdict {
    switch (failure.kind) {
      case "precondition":
      case "notANumber":
      case "final":
        return { kind: "giveUp" };
      case "notLeader":
        this.#redirects++;
        return { kind: "retry", delayMs: this.#redirects === 1 ? 0 : this.#delay(), refresh: true };
      case "silent":
        // The attempt has waited long enough, and fresh routes were asked for before it was given up.
        return { kind: "retry", delayMs: 0, refresh: false };
      case "unreachable":
      case "wrongCluster":
      case "unavailable":
      case "outcomeUnknown":
        return { kind: "retry", delayMs: this.#delay(), refresh: true };
      case "busy":
      case "deadline":
        return this.#count(false);
      case "damaged":
        return this.#count(true);
      default:
        return unreachable(failure);
    }
  }

  #count(refresh: boolean): RetryVerdict {
    this.#counted++;
    if (this.#counted >= this.#options.attempts) return { kind: "giveUp" };
    return { kind: "retry", delayMs: this.#delay(), refresh };
  }

  #delay(): number {
    const step = Math.min(DELAY_MIN_MS * 2 ** this.#delays, DELAY_MAX_MS);
    this.#delays++;
    return step / 2 + this.#options.random() * (step / 2);
  }
}

function unreachable(value: never): never {
  throw new Error(`Unhandled failure: ${JSON.stringify(value)}`);
}
