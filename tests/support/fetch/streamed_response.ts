/**
 * A streamed exchange over a request of the web: its body goes to the sink chunk by chunk, and
 * what is answered becomes the body of a response.
 *
 * @module
 */

import type {
  AnswerStream,
  BodySink,
  HeaderPairs,
  RequestHead,
  StreamHandler,
} from "../../../server/http/mod.ts";

/** Has `handler` answer; resolves when the answer begins. */
export function streamedResponse(
  handler: StreamHandler,
  head: RequestHead,
  request: Request,
): Promise<Response> {
  const answer = new ResponseStream();
  const reader = (request.body ?? new ReadableStream<Uint8Array>()).getReader();
  const sink = handler.open(head, answer);
  const leaving = new AbortController();
  answer.onLeave = (reason) => {
    leaving.abort(reason);
    sink.abort(reason);
    void reader.cancel().catch(() => {});
  };
  void pump(request.body === null ? undefined : reader, sink, leaving.signal);
  return answer.response;
}

async function pump(
  reader: ReadableStreamDefaultReader<Uint8Array> | undefined,
  sink: BodySink,
  leaving: AbortSignal,
): Promise<void> {
  try {
    for (;;) {
      const next = await reader?.read();
      // The sink was told already that its caller has gone.
      if (leaving.aborted) return;
      if (next === undefined || next.done) return sink.end();
      await sink.chunk(next.value);
    }
  } catch (error) {
    if (!leaving.aborted) sink.abort(error);
  }
}

/** An answer as it is written. */
class ResponseStream implements AnswerStream {
  readonly #response = Promise.withResolvers<Response>();
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #room: PromiseWithResolvers<void> | undefined;
  #isOver = false;
  /** Called when the reader of the answer has gone before its end. */
  onLeave: (reason: unknown) => void = () => {};

  get response(): Promise<Response> {
    return this.#response.promise;
  }

  start(status: number, headers: HeaderPairs): void {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      pull: () => this.#giveRoom(),
      cancel: (reason) => {
        this.#close();
        this.onLeave(reason);
      },
    });
    const pairs = headers.map(([name, value]): [string, string] => [name, value]);
    this.#response.resolve(new Response(body, { status, headers: pairs }));
  }

  write(bytes: Uint8Array): void | Promise<void> {
    this.#orOver(() => this.#controller.enqueue(bytes));
    if (this.#isOver || (this.#controller.desiredSize ?? 0) > 0) return;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  end(): void {
    this.#orOver(() => this.#controller.close());
    this.#close();
  }

  /** The runtime's server has no bound. */
  trust(): void {}

  abort(): void {
    this.#orOver(() => this.#controller.error(new Error("the answer was broken off")));
    this.#close();
  }

  /** The runtime closes the stream of a connection that broke, and tells only when it is written to. */
  #orOver(write: () => void): void {
    if (this.#isOver) return;
    try {
      write();
    } catch {
      this.#close();
    }
  }

  #giveRoom(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }

  #close(): void {
    this.#isOver = true;
    this.#giveRoom();
    // Without a head there was no answer; one that has begun is not touched by this.
    this.#response.resolve(new Response(null, { status: 500 }));
  }
}
