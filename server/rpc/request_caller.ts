/**
 * Whether the caller of a request still waits, as the runtime's server knows it.
 *
 * @module
 */

import type { Caller } from "../http/mod.ts";

/** Younger requests are not asked about: to ask makes a signal and costs some microseconds. */
const YOUNG_MS = 500;

/** See the module comment. The signal also fires after every answer, so it may be asked only before. */
export class RequestCaller implements Caller {
  readonly #request: Request;
  readonly #startedMs = performance.now();
  /** Never called: the runtime would have to be asked for every request. */
  onLeave: (() => void) | undefined = undefined;

  constructor(request: Request) {
    this.#request = request;
  }

  get hasLeft(): boolean {
    return performance.now() - this.#startedMs > YOUNG_MS && this.#request.signal.aborted;
  }
}
