/**
 * A request that is answered when its body has come as a whole: from bytes to bytes.
 *
 * @module
 */

import { type Caller, handlerFailed, type HttpContext, type WholeAnswer, type WholeHandler } from "../mod.ts";
import { BodyBuffer, type BodyVerdict } from "./body_buffer.ts";
import type { ExchangeHost, ExchangeRequest, Http1Exchange } from "./exchange_host.ts";
import { logBrokenConnection } from "./own_answers.ts";

/** See the module comment. */
export class Http1WholeExchange implements Http1Exchange, Caller {
  readonly isPatient = false;
  readonly hasStarted = false;
  readonly #handler: WholeHandler;
  readonly #request: ExchangeRequest;
  readonly #host: ExchangeHost;
  readonly #body: BodyBuffer;
  #isOver = false;
  #isAnswering = false;
  hasLeft = false;
  onLeave: (() => void) | undefined = undefined;

  constructor(
    handler: WholeHandler,
    request: ExchangeRequest,
    { host, context }: { readonly host: ExchangeHost; readonly context: HttpContext },
  ) {
    this.#handler = handler;
    this.#request = request;
    this.#host = host;
    this.#body = new BodyBuffer(context.bodies, handler.bodyLimitBytes);
  }

  /** A body that is announced as too large is not waited for, nor one that would change nothing. */
  open(): void {
    const refusal = this.#handler.refuseHead === undefined ? undefined : this.#refuseHead();
    if (refusal !== undefined) this.#answer(refusal);
    else this.#judge(this.#body.open(this.#request.bodyBytes));
  }

  takeBody(piece: Uint8Array): void {
    if (!this.#isOver) this.#judge(this.#body.add(piece));
  }

  endBody(): void {
    if (this.#isOver) return;
    this.#isAnswering = true;
    const answer = this.#ask(() => this.#handler.answer(this.#request.head, this.#body.bytes, this));
    if (answer instanceof Promise) {
      answer.then(
        (each) => this.#host.guarded(() => this.#answer(each)),
        (error) => this.#host.guarded(() => this.#answer(handlerFailed(error))),
      );
    } else this.#answer(answer);
  }

  leave(): void {
    if (this.hasLeft || this.#isOver) return;
    this.hasLeft = true;
    // A handler that works holds the body, so its place is given back when it has answered.
    if (this.#isAnswering) return this.#tellHandler();
    this.#isOver = true;
    this.#body.release();
  }

  /** What the handler answers, or that it has thrown, against its promise. */
  #ask<Answer>(call: () => Answer): Answer | WholeAnswer {
    try {
      return call();
    } catch (error) {
      return handlerFailed(error);
    }
  }

  #refuseHead(): WholeAnswer | undefined {
    return this.#ask(() => this.#handler.refuseHead?.(this.#request.head));
  }

  #tellHandler(): void {
    try {
      this.onLeave?.();
    } catch (error) {
      logBrokenConnection(error);
    }
  }

  #judge(verdict: BodyVerdict): void {
    switch (verdict) {
      case "taken":
        return;
      case "tooLarge":
        return this.#answer(this.#handler.refuse(this.#request.head, "tooLarge"));
      case "noRoom":
        this.#host.noteLimit("bodies");
        return this.#answer(this.#handler.refuse(this.#request.head, "noRoom"));
    }
  }

  #answer(answer: WholeAnswer): void {
    this.#isOver = true;
    this.#body.release();
    if (!this.hasLeft) this.#host.answer(answer);
  }
}
