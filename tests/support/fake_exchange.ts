/**
 * Exchanges of HTTP that are made by hand: a head, a body in chunks, and an answer that is written down. For
 * handlers that are written against `server/http`'s exchange, without a socket.
 *
 * @module
 */

import type {
  AnswerStream,
  BodySink,
  HeaderFields,
  HeaderPairs,
  HttpRouter,
  RequestHead,
} from "../../server/http/mod.ts";

/** What is asked. */
export interface FakeRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly method?: string;
  readonly version?: RequestHead["version"];
}

/** What came of it. */
export interface FakeAnswer {
  readonly status: number;
  readonly headers: HeaderFields;
  /** Everything, joined. */
  readonly body: Uint8Array;
  /** Empty when the answer was of headers alone. */
  readonly trailers: HeaderFields;
}

const NO_BYTES = new Uint8Array(0);

/** Header fields, looked up by name. */
export function fieldsOf(pairs: HeaderPairs): HeaderFields {
  const byName = new Map<string, string>();
  for (const [name, value] of pairs) {
    const before = byName.get(name);
    byName.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return {
    get: (name) => byName.get(name) ?? null,
    [Symbol.iterator]: () => pairs[Symbol.iterator](),
  };
}

/** The head of `request`. */
export function headOf({ path, headers, method = "POST", version = "2" }: FakeRequest): RequestHead {
  return {
    version,
    method,
    target: path,
    authority: "node.test:50051",
    scheme: "http",
    headers: fieldsOf(Object.entries(headers)),
  };
}

/** Asks `router`, whichever kind of handler it names, and waits for the whole answer. */
export async function askRouter(router: HttpRouter, request: FakeRequest): Promise<FakeAnswer> {
  const head = headOf(request);
  const body = request.body ?? NO_BYTES;
  const handler = router.route(head);
  if (handler.kind === "stream") {
    const open = new OpenExchange({ route: () => handler }, request);
    await open.send(body);
    open.finish();
    return await open.ended;
  }
  const caller = { hasLeft: false, onLeave: undefined };
  const isTooLarge = body.length > handler.bodyLimitBytes;
  const answer = isTooLarge ? handler.refuse(head, "tooLarge") : await handler.answer(head, body, caller);
  return {
    status: answer.status,
    headers: fieldsOf(answer.headers),
    body: answer.body,
    trailers: fieldsOf(answer.trailers ?? []),
  };
}

/** A streamed request under way, and its answer so far. */
export class OpenExchange {
  readonly #sink: BodySink;
  readonly #chunks: Uint8Array[] = [];
  #headers: HeaderFields | undefined;
  #status = 0;
  #isOver = false;
  /** Messages that the reader takes before the writer is held back. */
  readonly #room: number;
  #taken = 0;
  #onRoom: (() => void) | undefined;
  /** The whole answer. */
  readonly ended: Promise<FakeAnswer>;

  /** @param room writes that are taken at once; those beyond wait for {@linkcode read} */
  constructor(router: HttpRouter, request: FakeRequest, room = Infinity) {
    this.#room = room;
    const head = headOf(request);
    const handler = router.route(head);
    if (handler.kind !== "stream") throw new Error(`${request.path} is not streamed`);
    const { promise, resolve } = Promise.withResolvers<FakeAnswer>();
    this.ended = promise;
    this.#sink = handler.open(head, this.#answerStream(resolve));
  }

  /** Whether the head of the answer has been sent. */
  get hasStarted(): boolean {
    return this.#headers !== undefined;
  }

  /** Whether the answer is complete. */
  get hasEnded(): boolean {
    return this.#isOver;
  }

  /** Writes that have come so far. */
  get writes(): readonly Uint8Array[] {
    return this.#chunks;
  }

  /** Sends a chunk; resolves when the next may be sent. */
  async send(chunk: Uint8Array): Promise<void> {
    await this.#sink.chunk(chunk);
  }

  /** The request is complete. */
  finish(): void {
    this.#sink.end();
  }

  /** The caller goes away. */
  leave(): void {
    if (!this.#isOver) this.#sink.abort(new Error("the caller has left"));
  }

  /** Makes room for `count` more writes. */
  read(count: number): void {
    this.#taken += count;
    this.#onRoom?.();
  }

  #answerStream(resolve: (answer: FakeAnswer) => void): AnswerStream {
    return {
      start: (status, headers) => {
        if (this.#headers !== undefined) throw new Error("the answer was started twice");
        this.#status = status;
        this.#headers = fieldsOf(headers);
      },
      write: (bytes) => {
        if (this.#headers === undefined) throw new Error("a write came before the head");
        this.#chunks.push(bytes);
        if (this.#chunks.length <= this.#room + this.#taken) return;
        return new Promise((taken) => this.#onRoom = taken);
      },
      end: (trailers = []) => {
        if (this.#headers === undefined) throw new Error("the end came before the head");
        if (this.#isOver) throw new Error("the answer was ended twice");
        this.#isOver = true;
        const body = new Uint8Array(this.#chunks.flatMap((chunk) => [...chunk]));
        resolve({ status: this.#status, headers: this.#headers, body, trailers: fieldsOf(trailers) });
      },
      trust: () => {},
      abort: () => {
        throw new Error("a call of gRPC ends with its status");
      },
    };
  }
}
