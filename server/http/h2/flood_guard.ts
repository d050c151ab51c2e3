/**
 * Tells a flood of frames that cost work and carry nothing from what ordinary clients send.
 *
 * Two counts. **Control frames without payload progress**: settings, pings, resets, window updates,
 * priorities, empty frames, unknown ones. The count starts over whenever payload has moved in either
 * direction, an answer is complete, or a minute has passed, since a watch without events may be kept alive by
 * pings for days. **Answers that nobody reads**: acknowledgements and resets that the operating system did
 * not take from chunk to chunk.
 *
 * @module
 */

import { Http2Code, Http2Error } from "./frame.ts";

/** Control frames without payload progress. */
export const CONTROL_FRAMES_MAX = 10_000;
/** Answers to control frames that wait to be read. */
export const UNREAD_REPLIES_MAX = 1_000;

const PERIOD_MS = 60_000;

/** See the module comment. */
export class FloodGuard {
  #controlFrames = 0;
  #unreadReplies = 0;
  #periodStartMs = 0;

  /** @throws {Http2Error} when there were too many without payload progress */
  countControl(): void {
    if (++this.#controlFrames <= CONTROL_FRAMES_MAX) return;
    throw new Http2Error(
      Http2Code.enhanceYourCalm,
      `more than ${CONTROL_FRAMES_MAX} control frames without payload: send fewer`,
    );
  }

  /** A control frame was answered. */
  countReply(): void {
    this.#unreadReplies++;
  }

  /** Payload has moved, or an answer is complete. */
  noteProgress(): void {
    this.#controlFrames = 0;
  }

  /**
   * Called before each chunk.
   *
   * @param pendingBytes what was written and has not been taken by the operating system
   * @throws {Http2Error} when too many answers wait
   */
  checkReplies(pendingBytes: number): void {
    if (pendingBytes === 0) this.#unreadReplies = 0;
    if (this.#unreadReplies <= UNREAD_REPLIES_MAX) return;
    throw new Http2Error(
      Http2Code.enhanceYourCalm,
      `more than ${UNREAD_REPLIES_MAX} answers to control frames are unread: read them`,
    );
  }

  /** @param nowMs on any clock that does not go back */
  tick(nowMs: number): void {
    if (nowMs - this.#periodStartMs < PERIOD_MS) return;
    this.#periodStartMs = nowMs;
    this.#controlFrames = 0;
  }
}
