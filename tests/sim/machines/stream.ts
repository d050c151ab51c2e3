/**
 * One stream from a node to a peer while it lasts, as TCP has them: what is lost on it leaves a gap that is
 * never closed, so everything behind it is lost too, also when the link is sound again. Whether the sender
 * gives it up is judged by the product's own rule, from the answers that come back.
 *
 * @module
 */

import { AnswerWatch } from "../../../server/peers/answer_watch.ts";

/** See the module comment. */
export class SimStream {
  readonly watch: AnswerWatch;
  /** Whether something was lost on the way there. */
  hasGap = false;
  /** Whether an answer was lost on the way back. */
  hasAnswerGap = false;
  /** Whether an answer is planned: it speaks for all that arrives until then. */
  isAnswerDue = false;
  /** Whether the sender is going to look at it again. */
  isWatched = false;
  #sent = 0;
  #taken = 0;

  /** The peer has let the sender in at `nowMs`. */
  constructor(limitMs: number, nowMs: number) {
    this.watch = new AnswerWatch(limitMs);
    this.send(nowMs);
    this.take(1);
    this.watch.noteAnswer(this.#taken, nowMs);
  }

  /** Number of the last batch that has arrived. */
  get taken(): number {
    return this.#taken;
  }

  /** One more batch; returns its number. */
  send(nowMs: number): number {
    this.watch.noteSent(nowMs);
    return ++this.#sent;
  }

  take(batch: number): void {
    this.#taken = batch;
  }
}
