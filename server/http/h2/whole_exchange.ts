/**
 * A request whose body is read to its end before it is answered: the hot path.
 *
 * **What it holds.** A body that is there in one frame is handed over as it came, or as a copy if it would
 * hold more than twice its bytes in memory. Others are joined as they come in an array that doubles, so that
 * many small frames cost no more than a few large ones. What the array takes counts against the budget for
 * bodies until the request is answered; if there is no room, the stream is refused, never left to wait.
 *
 * @module
 */

import {
  handlerFailed,
  ownedBytes,
  UNCOUNTED_BODY_BYTES_MAX,
  type WholeAnswer,
  type WholeHandler,
} from "../mod.ts";
import type { StreamHost } from "./answer_sender.ts";
import { Http2Code } from "./frame.ts";
import type { BodyReceiver, Http2Stream } from "./stream.ts";

const EMPTY = new Uint8Array(0);
const ROOM_BYTES_MIN = 4_096;
/** A length that was promised gets no more room than this before it comes. */
const PROMISED_BYTES_MAX = 65_536;

/** What an exchange works with. */
export interface Http2WholeOptions {
  readonly host: StreamHost;
  readonly stream: Http2Stream;
  readonly handler: WholeHandler;
}

/** See the module comment. */
export class Http2WholeExchange implements BodyReceiver {
  readonly isPatient = false;
  readonly isBusy = false;
  readonly #host: StreamHost;
  readonly #stream: Http2Stream;
  readonly #handler: WholeHandler;
  /** Invariant: the first `#length` bytes are the body so far. */
  #body: Uint8Array = EMPTY;
  #length = 0;
  /** How long the whole body will be, as far as that was said. */
  #bodyBytes: number | undefined;
  /** What was taken of the budget. */
  #countedBytes = 0;
  /** What was taken although there was no room. */
  #uncountedBytes = 0;
  #state: "reading" | "answering" | "over" = "reading";

  constructor({ host, stream, handler }: Http2WholeOptions) {
    this.#host = host;
    this.#stream = stream;
    this.#handler = handler;
  }

  /** The head is there: a body that is announced as too large is not waited for. */
  start(): void {
    if ((this.#stream.head.bodyBytes ?? 0) > this.#handler.bodyLimitBytes) this.#refuse();
  }

  /** Answers at once if the head is reason enough, unless the body has come meanwhile. */
  judgeHead(): void {
    if (this.#state !== "reading") return;
    const answer = this.#ask(() => this.#handler.refuseHead?.(this.#stream.head));
    if (answer === undefined) return;
    this.closed();
    this.#host.sender.answer(this.#stream, answer);
  }

  data(bytes: Uint8Array, isLast: boolean): void {
    if (this.#state === "reading") this.#take(bytes, isLast);
    this.#host.credit(this.#stream, bytes.length);
  }

  end(): void {
    if (this.#state !== "reading") return;
    this.#state = "answering";
    const { head } = this.#stream;
    const body = this.#body.length === this.#length ? this.#body : this.#body.subarray(0, this.#length);
    this.#body = EMPTY;
    const answer = this.#ask(() => this.#handler.answer(head, body, this.#stream));
    if (!(answer instanceof Promise)) return this.#answer(answer);
    const answered = answer.then(
      (settled) => this.#answer(settled),
      (error) => this.#answer(handlerFailed(error)),
    );
    answered.catch((error) => this.#host.fail(error));
  }

  lost(): void {
    if (this.#state === "answering") this.#host.countLeftover(1);
    else this.closed();
  }

  closed(): void {
    this.#state = "over";
    this.#body = EMPTY;
    this.#release();
  }

  #take(bytes: Uint8Array, isLast: boolean): void {
    const length = this.#length + bytes.length;
    if (length > this.#handler.bodyLimitBytes) return this.#refuse();
    if (this.#length === 0 && isLast) {
      if (!this.#takeSmall(bytes.length) && !this.#count(bytes.length)) return;
      this.#body = ownedBytes(bytes);
    } else {
      if (length > this.#body.length && !this.#grow(length, bytes)) return;
      this.#body.set(bytes, this.#length);
    }
    this.#length = length;
  }

  #grow(length: number, bytes: Uint8Array): boolean {
    if (this.#length === 0) this.#bodyBytes = this.#stream.head.bodyBytes ?? this.#handler.lengthOf?.(bytes);
    const bodyBytes = this.#bodyBytes;
    const wanted = Math.max(2 * this.#body.length, Math.min(bodyBytes ?? ROOM_BYTES_MIN, PROMISED_BYTES_MAX));
    const room = Math.max(length, Math.min(wanted, bodyBytes ?? wanted));
    if (!this.#count(room - this.#body.length)) return false;
    const body = new Uint8Array(room);
    body.set(this.#body.subarray(0, this.#length));
    this.#body = body;
    return true;
  }

  /** Takes a small body in one piece for which there may be no room; `false` if it is too large for that. */
  #takeSmall(bytes: number): boolean {
    if (this.#host.uncountedBodyBytes + bytes > UNCOUNTED_BODY_BYTES_MAX) return false;
    if (this.#host.context.bodies.take(bytes)) this.#countedBytes += bytes;
    else {
      this.#uncountedBytes = bytes;
      this.#host.uncountedBodyBytes += bytes;
    }
    return true;
  }

  #count(bytes: number): boolean {
    if (this.#host.context.bodies.take(bytes)) {
      this.#countedBytes += bytes;
      return true;
    }
    this.#host.context.meters.observeLimit("bodies");
    // The handler has not seen the request, so that it may be sent again.
    this.#host.reset(this.#stream, Http2Code.refusedStream);
    return false;
  }

  #refuse(): void {
    const answer = this.#ask(() => this.#handler.refuse(this.#stream.head, "tooLarge"));
    this.closed();
    this.#host.sender.answer(this.#stream, answer);
  }

  /** What the handler answers, or that it has thrown, against its promise. */
  #ask<Answer>(call: () => Answer): Answer | WholeAnswer {
    try {
      return call();
    } catch (error) {
      return handlerFailed(error);
    }
  }

  #answer(answer: WholeAnswer): void {
    const hasLeft = this.#stream.hasLeft;
    this.closed();
    if (hasLeft) this.#host.countLeftover(-1);
    else this.#host.sender.answer(this.#stream, answer);
  }

  #release(): void {
    this.#host.uncountedBodyBytes -= this.#uncountedBytes;
    this.#uncountedBytes = 0;
    if (this.#countedBytes === 0) return;
    this.#host.context.bodies.release(this.#countedBytes);
    this.#countedBytes = 0;
  }
}
