/**
 * A request whose body and answer go through in pieces, both at the same time if the handler likes.
 *
 * @module
 */

import {
  type AnswerStream,
  type BodySink,
  cutBytes,
  handlerFailed,
  type HeaderPairs,
  type StreamHandler,
} from "../mod.ts";
import type { AnswerLength } from "./answer_head.ts";
import type { ExchangeHost, ExchangeRequest, Http1Exchange } from "./exchange_host.ts";

/** A chunk is copied behind its size and before its end up to here; larger ones are sent where they lie. */
const COPIED_BYTES_MAX = 16_384;
const LAST_CHUNK = Uint8Array.of(0x30, 0x0d, 0x0a, 0x0d, 0x0a);
const CHUNK_END = Uint8Array.of(0x0d, 0x0a);

/** How far the answer is. */
type AnswerPhase = "none" | "promised" | "started" | "over";

/** See the module comment. */
export class Http1StreamExchange implements Http1Exchange, AnswerStream {
  readonly #handler: StreamHandler;
  readonly #request: ExchangeRequest;
  readonly #host: ExchangeHost;
  #sink: BodySink | undefined;
  #phase: AnswerPhase = "none";
  #promised: { readonly status: number; readonly headers: HeaderPairs } | undefined;
  #length: AnswerLength = { kind: "untold" };
  /** Bytes that a known length still promises. */
  #owedBytes = 0;
  #hasNoBody = false;
  #leaving: { readonly reason: unknown } | undefined;

  constructor(handler: StreamHandler, request: ExchangeRequest, host: ExchangeHost) {
    this.#handler = handler;
    this.#request = request;
    this.#host = host;
  }

  get isPatient(): boolean {
    return this.#handler.isPatient;
  }

  get hasStarted(): boolean {
    return this.#phase !== "none";
  }

  /** Hands the request to its handler. */
  open(): void {
    try {
      this.#sink = this.#handler.open(this.#request.head, this);
    } catch (error) {
      return this.#failed(error);
    }
    if (this.#leaving !== undefined) this.#abortSink(this.#leaving.reason);
  }

  takeBody(piece: Uint8Array): void | Promise<void> {
    try {
      const held = this.#sink?.chunk(piece);
      return held instanceof Promise ? held.catch((error) => this.#failed(error)) : undefined;
    } catch (error) {
      this.#failed(error);
    }
  }

  endBody(): void {
    try {
      this.#sink?.end();
    } catch (error) {
      this.#failed(error);
    }
  }

  leave(reason: unknown): void {
    if (this.#phase === "over") return;
    this.#phase = "over";
    this.#leaving = { reason };
    this.#abortSink(reason);
  }

  start(status: number, headers: HeaderPairs): void {
    if (this.#phase !== "none") return;
    this.#phase = "promised";
    this.#promised = { status, headers };
    // An answer that is over at once tells its length; any other's head goes out with this turn.
    queueMicrotask(() => this.#host.guarded(() => this.#sendHead(undefined)));
  }

  write(bytes: Uint8Array): void | Promise<void> {
    return this.#host.guarded(() => this.#write(bytes));
  }

  end(): void {
    this.#host.guarded(() => this.#end());
  }

  trust(): void {
    this.#host.trust();
  }

  abort(): void {
    if (this.#phase === "over") return;
    this.#phase = "over";
    this.#host.broken();
  }

  #write(bytes: Uint8Array): void | Promise<void> {
    this.#sendHead(undefined);
    if (this.#phase !== "started" || this.#hasNoBody || bytes.length === 0) return undefined;
    if (this.#length.kind === "known") {
      if (bytes.length > this.#owedBytes) return this.abort();
      this.#owedBytes -= bytes.length;
    }
    const isSent = this.#length.kind === "chunked" ? this.#sendChunk(bytes) : this.#host.send(bytes);
    return isSent ? this.#host.room() : undefined;
  }

  #end(): void {
    if (this.#phase === "none" || this.#phase === "over") return;
    this.#sendHead(0);
    if (this.#owedBytes > 0) return this.abort();
    if (this.#isOver()) return;
    if (this.#length.kind === "chunked") this.#host.send(LAST_CHUNK);
    if (this.#isOver()) return;
    this.#phase = "over";
    this.#host.ended(this.#hasNoBody || this.#length.kind !== "untold");
  }

  /** A handler that answers while it opens may lose its caller before there is a sink to be told. */
  #abortSink(reason: unknown): void {
    try {
      this.#sink?.abort(reason);
    } catch {
      // There is nobody left to be told.
    }
  }

  /** A handler has thrown, against its promise. */
  #failed(error: unknown): void {
    const { status, headers, body } = handlerFailed(error);
    if (this.#phase !== "none") return this.abort();
    this.start(status, headers);
    void this.write(body);
    this.end();
  }

  /** Asked behind a function because sending may end the exchange. */
  #isOver(): boolean {
    return this.#phase === "over";
  }

  /** @param bodyBytes of the whole body, if it is known without the handler's word */
  #sendHead(bodyBytes: number | undefined): void {
    if (this.#phase !== "promised" || this.#promised === undefined) return;
    const answer = this.#promised;
    this.#promised = undefined;
    this.#phase = "started";
    const { method } = this.#request.head;
    this.#hasNoBody = method === "HEAD" || answer.status === 204 || answer.status === 304;
    this.#length = this.#lengthOf(answer, bodyBytes);
    if (this.#length.kind === "known") this.#owedBytes = this.#length.bytes;
    const connection = this.#connectionOption();
    this.#host.sendHead(answer, { length: this.#length, connection });
  }

  #lengthOf(
    { status, headers }: { readonly status: number; readonly headers: HeaderPairs },
    bodyBytes: number | undefined,
  ): AnswerLength {
    if (this.#hasNoBody) return { kind: status === 204 ? "none" : "untold" };
    const declared = headers.find(([name]) => name === "content-length")?.[1];
    if (declared !== undefined && /^\d{1,15}$/.test(declared)) {
      return { kind: "known", bytes: Number(declared) };
    }
    if (bodyBytes !== undefined) return { kind: "known", bytes: bodyBytes };
    // Chunks came with HTTP/1.1: for an older client the end of the connection ends the body.
    return { kind: this.#request.head.version === "1.0" ? "untold" : "chunked" };
  }

  #connectionOption(): "close" | "keep-alive" | undefined {
    if (!this.#hasNoBody && this.#length.kind === "untold") return "close";
    return this.#host.connectionOption();
  }

  #sendChunk(bytes: Uint8Array): boolean {
    const size = `${bytes.length.toString(16)}\r\n`;
    if (bytes.length > COPIED_BYTES_MAX) {
      return this.#host.send(encodeAscii(size, 0)) && this.#host.send(bytes) && this.#host.send(CHUNK_END);
    }
    const chunk = encodeAscii(size, bytes.length + CHUNK_END.length);
    chunk.set(bytes, size.length);
    chunk.set(CHUNK_END, size.length + bytes.length);
    return this.#host.send(chunk);
  }
}

/** `text` with `room` bytes behind it. */
function encodeAscii(text: string, room: number): Uint8Array {
  const bytes = cutBytes(text.length + room);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}
