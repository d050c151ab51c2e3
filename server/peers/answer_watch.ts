/**
 * Whether what is sent on a stream arrives, judged by the answers on that stream and nothing else: what comes
 * in from the peer on its own stream says nothing of this direction. A link may be dead in one direction, and
 * a connection that has lost something stays dead long after the link is sound again, for the system waits
 * ever longer before it sends the same bytes once more.
 *
 * Knows no clock and no socket, so that the simulator judges its streams by the same rule.
 *
 * @module
 */

/** An idle stream is asked for a sign so many times within the limit. */
const SIGNS_PER_LIMIT = 4;

/** Peers get at least so long to answer what is sent to them. */
const LIMIT_MS_MIN = 500;

/** How long what was sent may remain without any answer: an election timeout, as for other signs of life. */
export function answerLimitMs(electionTimeoutMs: number): number {
  return Math.max(electionTimeoutMs, LIMIT_MS_MIN);
}

/** See the module comment. */
export class AnswerWatch {
  readonly #limitMs: number;
  #sent = 0;
  /** Invariant: taken ≤ sent. */
  #taken = 0;
  #sentMs = 0;
  /** Since when an answer is due; counts only while something is not answered. */
  #dueSinceMs = 0;

  /** @param limitMs how long what was sent may remain without any answer */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Whether the peer has let this node in: it has answered to the hello. */
  get isReached(): boolean {
    return this.#taken > 0;
  }

  /** Whether something was sent that is not answered. */
  get isWaiting(): boolean {
    return this.#sent > this.#taken;
  }

  /** One more batch was handed to the stream. */
  noteSent(nowMs: number): void {
    if (!this.isWaiting) this.#dueSinceMs = nowMs;
    this.#sent++;
    this.#sentMs = nowMs;
  }

  /**
   * The peer has taken in all up to the batch number `taken`, or more of the one after it.
   *
   * @throws {RangeError} when no such batch was sent, or the peer has answered for it before
   */
  noteAnswer(taken: number, nowMs: number): void {
    if (taken < this.#taken || taken > this.#sent) {
      throw new RangeError(`batch ${taken} is answered for, of ${this.#sent} that were sent`);
    }
    this.#taken = taken;
    this.#dueSinceMs = nowMs;
  }

  /** This process did nothing for `stalledMs`: answers may have come that it could not see. */
  excuse(stalledMs: number): void {
    this.#dueSinceMs += stalledMs;
  }

  /** Whether the stream is to be given up: something was sent, and no answer came for too long. */
  isDead(nowMs: number): boolean {
    return this.isWaiting && nowMs - this.#dueSinceMs >= this.#limitMs;
  }

  /** Whether nothing was sent for so long that a sign is to be asked for. */
  isIdle(nowMs: number): boolean {
    return nowMs - this.#sentMs >= this.#limitMs / SIGNS_PER_LIMIT;
  }
}
