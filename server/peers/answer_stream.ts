/**
 * What a node answers on a peer's stream: at once to the hello, then about once per heartbeat while something
 * arrives, so that the peer sees whether what it sends does. Nothing is said while nothing arrives.
 *
 * @module
 */

import { encodeEnd, encodeTaken, type StreamRefusal } from "./answer_codec.ts";

const HEADERS = { "content-type": "application/connect+proto" };

/** See the module comment. */
export class AnswerStream {
  readonly #intervalMs: number;
  readonly #body: ReadableStream<Uint8Array<ArrayBuffer>>;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #taken = 0;
  #answeredMs = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;
  /** The body was cancelled, which may happen within a call that writes to it: the runtime writes at once. */
  #hasLeft = false;

  /**
   * @param intervalMs least time between two answers
   * @param onLeft called when the peer has left the stream
   */
  constructor(intervalMs: number, onLeft: () => void) {
    this.#intervalMs = intervalMs;
    this.#body = new ReadableStream({
      start: (controller) => void (this.#controller = controller),
      cancel: () => {
        this.#hasLeft = true;
        this.#close();
        onLeft();
      },
    });
  }

  /** The response whose body this is. */
  response(): Response {
    return new Response(this.#body, { headers: HEADERS });
  }

  /** One more batch was taken in. */
  noteTaken(): void {
    this.#taken++;
  }

  /** Bytes have arrived, whether or not a batch is complete with them. */
  answerSoon(): void {
    if (this.#isOver || this.#timer !== undefined || this.#taken === 0) return;
    const restMs = this.#answeredMs + this.#intervalMs - performance.now();
    if (restMs <= 0) return this.#answer();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#answer();
    }, restMs);
  }

  /** Nothing is answered any more. */
  end(refusal?: StreamRefusal): void {
    if (this.#isOver) return;
    this.#close();
    this.#say(encodeEnd(refusal));
    // The peer may have left while that was being said, which has closed the stream.
    if (this.#hasLeft) return;
    this.#controller.close();
  }

  #answer(): void {
    this.#answeredMs = performance.now();
    // A peer that does not read its answers gets no more of them until it does.
    if ((this.#controller.desiredSize ?? 0) > 0) this.#say(encodeTaken(this.#taken));
    else this.answerSoon();
  }

  #say(envelope: Uint8Array<ArrayBuffer>): void {
    if (!this.#hasLeft) this.#controller.enqueue(envelope);
  }

  #close(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }
}
