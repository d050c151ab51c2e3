/**
 * How long what is waited for has not come. The time is told in rounds, so that noting progress does not read
 * the clock: a quiet time begins with the first round behind it.
 *
 * @module
 */

import { bodyProgressBytes, type HttpLimits } from "../mod.ts";

/** See the module comment. */
export class QuietTime {
  readonly #progressBytes: number;
  #sinceMs: number | undefined;
  /** What of a body has come since then. */
  #bytes = 0;

  /** @param sinceMs when the first quiet time began */
  constructor(limits: HttpLimits, sinceMs: number) {
    this.#progressBytes = bodyProgressBytes(limits);
    this.#sinceMs = sinceMs;
  }

  /** Something has come, or something else is waited for. */
  restart(): void {
    this.#sinceMs = undefined;
    this.#bytes = 0;
  }

  /** So much of a body has come, which is progress if it is enough: see `bodyProgressBytes`. */
  noteBody(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes >= this.#progressBytes) this.restart();
  }

  /** Since when it is quiet; `undefined` until the next round. */
  get sinceMs(): number | undefined {
    return this.#sinceMs;
  }

  /** Milliseconds of quiet at `nowMs`. Called in every round. */
  at(nowMs: number): number {
    this.#sinceMs ??= nowMs;
    return nowMs - this.#sinceMs;
  }
}
