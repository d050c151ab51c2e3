/**
 * Handlers that take a `Request` and return a `Response` of the web, on top of streamed requests. For what is
 * not hot: routers with many protocols, consoles, metrics.
 *
 * Both bodies are streams that hold each other side back: the sender while the handler does not read, the
 * handler's stream while the caller does not. `request.signal` is aborted when the caller leaves before the
 * answer is complete.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { joinChunks } from "./bytes.ts";
import {
  type AnswerStream,
  type BodySink,
  errorText,
  type HeaderPairs,
  type RequestHead,
  type RequestLabel,
  type StreamHandler,
} from "./exchange.ts";

const logger = getLogger(["prkdb", "server"]);
const encoder = new TextEncoder();
const TEXT_TYPE: HeaderPairs = [["content-type", "text/plain; charset=utf-8"]];
const UNFIT_REQUEST =
  'Cannot serve this method and address: give the path without "." and "..", "\\", "#", and all but plain ' +
  "characters percent-encoded";
/** Statuses whose answers have no body (RFC 9110, section 15). */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);
/** Statuses that the head of a final answer may have. */
const STATUS_MIN = 200;

/** Bytes that wait for their reader before the sender is held back. */
const QUEUED_BYTES_MAX = 65_536;
/** A body that says that it is no longer than this is sent as one piece. */
const SHORT_BYTES_MAX = 65_536;

/** Answers a request of the web. What it throws becomes status 500 and a line in the log. */
export type WebFetch = (request: Request) => Response | Promise<Response>;

/** A streamed handler that can also be handed a `Request`. */
export interface WebHandler extends StreamHandler {
  readonly fetch: (request: Request) => Promise<Response>;
}

/** What a handler of the web is beside what it does. */
export interface WebHandlerOptions {
  /** Bodies have no limit in time. */
  readonly isPatient?: boolean;
  readonly label?: RequestLabel;
}

/** A handler that serves `fetch`. */
export function webHandler(
  fetch: WebFetch,
  { isPatient = false, label = {} }: WebHandlerOptions = {},
): WebHandler {
  return {
    kind: "stream",
    label,
    isPatient,
    fetch: async (request) => await fetch(request),
    open: (head, answer) => new WebExchange(head, answer).open(fetch),
  };
}

/** One request under way. */
class WebExchange implements BodySink {
  readonly #head: RequestHead;
  readonly #answer: AnswerStream;
  readonly #leaving = new AbortController();
  readonly #body = new WebBody();
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #hasLeft = false;

  constructor(head: RequestHead, answer: AnswerStream) {
    this.#head = head;
    this.#answer = answer;
  }

  /** Hands the request to `fetch` with the end of this turn: a small body has come by then, as a whole. */
  open(fetch: WebFetch): BodySink {
    queueMicrotask(() => {
      if (this.#hasLeft) return;
      const request = this.#request();
      if (request instanceof Request) this.#serve(fetch, request).catch((error) => this.#broken(error));
      else this.#refuse(request.status, request.reason);
    });
    return this;
  }

  chunk(bytes: Uint8Array): void | Promise<void> {
    return this.#body.add(bytes);
  }

  end(): void {
    this.#body.end();
  }

  abort(reason: unknown): void {
    this.#hasLeft = true;
    const error = new DOMException(`The caller has left: ${errorText(reason)}`, "AbortError");
    this.#body.fail(error);
    this.#leaving.abort(error);
    // A stream that fails while it is cancelled has nobody left to tell.
    this.#reader?.cancel(error).catch(() => {});
  }

  /** What is refused instead cannot be expressed by the web's classes, or would have another path there. */
  #request(): Request | { readonly status: number; readonly reason: string } {
    const { scheme, authority, target, method, headers } = this.#head;
    const path = target.startsWith("/") ? target : `/${target}`;
    const url = `${scheme}://${authority === "" ? "localhost" : authority}${path}`;
    if (!URL.canParse(url)) return { status: 400, reason: "Cannot serve a request for this host" };
    const hasBody = method !== "GET" && method !== "HEAD";
    try {
      const request = new Request(url, {
        method,
        headers: [...headers].map(([name, value]): [string, string] => [name, value]),
        signal: this.#leaving.signal,
        body: hasBody ? this.#body.open() : null,
      });
      return pathOf(request.url) === withoutQuery(path) ? request : { status: 400, reason: UNFIT_REQUEST };
    } catch {
      return { status: 501, reason: `Cannot serve the method ${method} at this address` };
    }
  }

  async #serve(fetch: WebFetch, request: Request): Promise<void> {
    let response: Response;
    try {
      response = await fetch(request);
      if (!(response instanceof Response) || response.status < STATUS_MIN) {
        throw new TypeError("A handler must return a Response with a final status");
      }
    } catch (error) {
      if (!this.#hasLeft) this.#failed(error);
      return;
    }
    await this.#send(response);
  }

  #failed(error: unknown): void {
    logger.error("A request failed unexpectedly: {error}", { error: errorText(error) });
    this.#refuse(500, "internal error");
  }

  #refuse(status: number, text: string): void {
    this.#answer.start(status, TEXT_TYPE);
    void this.#answer.write(encoder.encode(`${text}\n`));
    this.#answer.end();
  }

  async #send(response: Response): Promise<void> {
    const { status, headers, body } = response;
    const hasNoBody = body === null || this.#head.method === "HEAD" || BODILESS.has(status);
    if (hasNoBody || this.#hasLeft) await body?.cancel().catch(() => {});
    if (this.#hasLeft) return;
    this.#answer.start(status, [...headers]);
    if (hasNoBody) return this.#answer.end();
    try {
      if (isShort(headers.get("content-length"))) await this.#copyWhole(response);
      else await this.#copy(body.getReader());
    } catch (error) {
      this.#broken(error);
    }
  }

  #broken(error: unknown): void {
    if (this.#hasLeft) return;
    logger.error("An answer broke off unexpectedly: {error}", { error: errorText(error) });
    this.#answer.abort();
  }

  /** Without a reader for the body, which costs more than all the rest. */
  async #copyWhole(response: Response): Promise<void> {
    const bytes = await response.bytes();
    if (this.#hasLeft) return;
    void this.#answer.write(bytes);
    this.#answer.end();
  }

  async #copy(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    this.#reader = reader;
    for (;;) {
      const { done, value } = await reader.read();
      if (this.#hasLeft) return;
      if (done) return this.#answer.end();
      await this.#answer.write(value);
    }
  }
}

/**
 * The path of an absolute URL. The web's URLs resolve dots and turn backslashes, so that `/a/../b` would be
 * served as `/b`: a proxy that allows only some paths would be deceived.
 */
function pathOf(url: string): string {
  return withoutQuery(url.slice(url.indexOf("/", url.indexOf("://") + 3)));
}

function withoutQuery(target: string): string {
  const queryMark = target.indexOf("?");
  return queryMark < 0 ? target : target.slice(0, queryMark);
}

function isShort(length: string | null): boolean {
  return length !== null && Number(length) <= SHORT_BYTES_MAX;
}

/**
 * The body of a request: bytes if it is all there when the handler begins, else a stream that is fed as bytes
 * come and holds the sender back while nobody reads.
 */
class WebBody {
  /** What came before {@linkcode open}. */
  #early: Uint8Array<ArrayBuffer>[] = [];
  #earlyBytes = 0;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  #isOver = false;
  #goOn: (() => void) | undefined;

  /** The body for a `Request`; called once. */
  open(): Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> {
    const early = this.#early;
    this.#early = [];
    if (this.#isOver) return early.length === 1 ? early[0]! : joinChunks(early, this.#earlyBytes);
    return new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
        for (const bytes of early) controller.enqueue(bytes);
      },
      pull: () => this.#release(),
      cancel: () => this.#close(),
    }, { highWaterMark: QUEUED_BYTES_MAX, size: (bytes) => bytes.length });
  }

  /** Takes a copy of `bytes`, unless nobody reads any more; a promise resolves when more is wanted. */
  add(bytes: Uint8Array): void | Promise<void> {
    if (this.#isOver) return undefined;
    if (this.#controller === undefined) {
      this.#early.push(bytes.slice());
      this.#earlyBytes += bytes.length;
      if (this.#earlyBytes < QUEUED_BYTES_MAX) return undefined;
    } else {
      this.#controller.enqueue(bytes.slice());
      if ((this.#controller.desiredSize ?? 0) > 0) return undefined;
    }
    return new Promise((resolve) => this.#goOn = resolve);
  }

  end(): void {
    if (this.#isOver) return;
    this.#close();
    this.#controller?.close();
  }

  /** The rest will not come. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#close();
    this.#controller?.error(error);
  }

  #close(): void {
    this.#isOver = true;
    this.#release();
  }

  #release(): void {
    const goOn = this.#goOn;
    this.#goOn = undefined;
    goOn?.();
  }
}
