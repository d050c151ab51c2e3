/**
 * A request that is answered as it comes: chunks to the sink of its handler, and the handler's writes to the
 * client.
 *
 * What the sink has not taken is held, counted against the budget for bodies, and not credited: so a stream
 * holds one window at most, and a slow handler slows its client down.
 *
 * @module
 */

import {
  type AnswerStream,
  type BodySink,
  handlerFailed,
  type HeaderPairs,
  ownedBytes,
  type StreamHandler,
} from "../mod.ts";
import type { StreamHost } from "./answer_sender.ts";
import { Http2Code } from "./frame.ts";
import type { BodyReceiver, Http2Stream } from "./stream.ts";

/** What an exchange works with. */
export interface Http2StreamedOptions {
  readonly host: StreamHost;
  readonly stream: Http2Stream;
  readonly handler: StreamHandler;
}

/** The answer as the handler sees it. */
class StreamedAnswer implements AnswerStream {
  readonly #host: StreamHost;
  readonly #stream: Http2Stream;
  readonly #onAbort: () => void;

  constructor({ host, stream }: Http2StreamedOptions, onAbort: () => void) {
    this.#host = host;
    this.#stream = stream;
    this.#onAbort = onAbort;
  }

  start(status: number, headers: HeaderPairs): void {
    this.#host.sender.start(this.#stream, status, headers);
  }

  write(bytes: Uint8Array): void | Promise<void> {
    // In a conversation questions are small: that they are answered is progress.
    this.#stream.noteBodyProgress();
    return this.#host.sender.write(this.#stream, bytes);
  }

  end(trailers?: HeaderPairs): void {
    // Without a head there is nothing that could be complete.
    if (this.#stream.isHeadSent) this.#host.sender.end(this.#stream, trailers);
    else this.#onAbort();
  }

  trust(): void {
    this.#host.trust();
  }

  abort(): void {
    this.#onAbort();
  }
}

/** See the module comment. */
export class Http2StreamedExchange implements BodyReceiver {
  readonly isPatient: boolean;
  readonly #options: Http2StreamedOptions;
  readonly #host: StreamHost;
  readonly #stream: Http2Stream;
  #sink: BodySink | undefined;
  /** Chunks that came while the sink was busy. */
  readonly #held: Uint8Array[] = [];
  #isBusy = false;
  #isBodyEnded = false;
  /** Nothing is handed to the sink any more. */
  #isOver = false;
  #lostReason: Error | undefined;

  constructor(options: Http2StreamedOptions) {
    this.#options = options;
    this.#host = options.host;
    this.#stream = options.stream;
    this.isPatient = options.handler.isPatient;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Hands the head over; the handler may answer at once. */
  open(): void {
    const answer = new StreamedAnswer(this.#options, () => this.abort());
    this.#guarded(() => this.#sink = this.#options.handler.open(this.#stream.head, answer));
    // A handler that answers while it opens may lose its caller before there is a sink to be told.
    if (this.#lostReason !== undefined) this.#guarded(() => this.#sink?.abort(this.#lostReason));
  }

  data(bytes: Uint8Array): void {
    if (this.#isOver) this.#host.credit(this.#stream, bytes.length);
    else if (this.#isBusy) this.#hold(bytes);
    else this.#give(bytes);
  }

  end(): void {
    this.#isBodyEnded = true;
    this.#giveEnd();
  }

  lost(reason: Error): void {
    if (this.#isOver) return;
    this.closed();
    this.#lostReason = reason;
    this.#guarded(() => this.#sink?.abort(reason));
  }

  closed(): void {
    this.#isOver = true;
    for (const bytes of this.#held) this.#host.context.bodies.release(bytes.length);
    this.#held.length = 0;
  }

  /** The answer cannot be completed. */
  abort(): void {
    if (this.#stream.isGone) return;
    this.closed();
    this.#host.reset(this.#stream, Http2Code.internalError);
  }

  #guarded<Result>(call: () => Result): Result | undefined {
    try {
      return call();
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  /** The handler has thrown, against its promise: its caller gets an answer, if none has begun. */
  #failed(error: unknown): void {
    const answer = handlerFailed(error);
    if (this.#stream.isHeadSent) return this.abort();
    this.closed();
    this.#host.sender.answer(this.#stream, answer);
  }

  #hold(bytes: Uint8Array): void {
    const held = ownedBytes(bytes);
    if (this.#host.context.bodies.take(held.length)) {
      this.#held.push(held);
      return;
    }
    this.#host.context.meters.observeLimit("bodies");
    this.#host.reset(this.#stream, Http2Code.enhanceYourCalm);
  }

  #give(bytes: Uint8Array): void {
    const taking = this.#guarded(() => this.#sink?.chunk(bytes));
    if (taking === undefined) return this.#host.credit(this.#stream, bytes.length);
    this.#isBusy = true;
    const taken = taking.then(() => this.#taken(bytes.length), (error) => this.#failed(error));
    taken.catch((error) => this.#host.fail(error));
  }

  #taken(length: number): void {
    this.#isBusy = false;
    this.#host.credit(this.#stream, length);
    while (!this.#isOver && !this.#isBusy) {
      const next = this.#held.shift();
      if (next === undefined) return this.#giveEnd();
      this.#host.context.bodies.release(next.length);
      this.#give(next);
    }
  }

  #giveEnd(): void {
    if (!this.#isBodyEnded || this.#isOver || this.#isBusy || this.#held.length > 0) return;
    this.#guarded(() => this.#sink?.end());
  }
}
