/**
 * What a handler sees of HTTP, whichever version brought the request: a head, the body, a way to answer. A
 * whole request goes from bytes to bytes; a streamed one takes chunks as they come and answers when it likes.
 * Everything else (`Request` and `Response` of the web) is built on the latter, in `web_handler.ts`.
 *
 * @module
 */

/**
 * Names in lower case, values without the white space around them. An array that is frozen is taken to say
 * the same every time.
 */
export type HeaderPairs = readonly (readonly [name: string, value: string])[];

/** The header fields of a request. */
export interface HeaderFields {
  /**
   * The value of a field by its name in lower case, those of repeated ones joined by `", "`; `null` if there
   * is none.
   */
  get(name: string): string | null;
  /** Every field as it came, in order, without pseudo-header fields. */
  [Symbol.iterator](): Iterator<readonly [name: string, value: string]>;
}

/** A request up to its body. */
export interface RequestHead {
  readonly version: "1.0" | "1.1" | "2";
  /** As it came; methods are case-sensitive (RFC 9110, section 9.1). */
  readonly method: string;
  /** Path and query (origin-form), `*` for `OPTIONS *`. */
  readonly target: string;
  /** `host` or `host:port`, from `Host` or `:authority`; empty only in HTTP/1.0. */
  readonly authority: string;
  readonly scheme: "http" | "https";
  readonly headers: HeaderFields;
}

/** Tells whether anybody still waits for the answer. */
export interface Caller {
  /** Asked rarely: it may cost something. */
  readonly hasLeft: boolean;
  /** Called once at most, when the caller leaves before its answer is complete. Set by the handler. */
  onLeave: (() => void) | undefined;
}

/** An answer that is there as a whole. */
export interface WholeAnswer {
  readonly status: number;
  readonly headers: HeaderPairs;
  readonly body: Uint8Array;
  /** Sent in HTTP/2 only: RFC 9113, section 8.1. */
  readonly trailers?: HeaderPairs;
}

/**
 * Why there is no whole body: it is larger than it may be, the budget of bodies is used up, or it broke off
 * while its caller still listens.
 */
export type BodyRefusal = "tooLarge" | "noRoom" | "brokenOff";

/** What requests are known as in traces: few different values, whatever callers send. */
export interface RequestLabel {
  /** The path that is served, as in `/metrics`; none for what is not there. */
  readonly route?: string;
  /** The protocol of remote calls that the answer keeps to. The route is `/service/method` then. */
  readonly protocol?: "connect" | "grpc" | "grpcWeb";
}

/** Answers requests whose bodies are read to their end first: the hot path. */
export interface WholeHandler {
  readonly kind: "whole";
  readonly label?: RequestLabel;
  /** A larger body is answered by {@linkcode refuse}, as soon as that is known. */
  readonly bodyLimitBytes: number;
  /**
   * How long a body is that begins with `start`, in bytes, if that can be told. No promise: room is made for
   * it at once, within bounds.
   */
  readonly lengthOf?: (start: Uint8Array) => number | undefined;
  /** Never throws and never rejects. `body` belongs to the handler and is not written to afterwards. */
  answer(head: RequestHead, body: Uint8Array, caller: Caller): WholeAnswer | Promise<WholeAnswer>;
  /** The answer to a request whose body is not read. */
  refuse(head: RequestHead, refusal: BodyRefusal): WholeAnswer;
  /**
   * The answer, if the head alone tells that the body will not change it. Asked when the body has not come
   * with its head, so `answer` must refuse the same. Never throws.
   */
  readonly refuseHead?: (head: RequestHead) => WholeAnswer | undefined;
}

/** Takes the body of a streamed request. A promise returned by `chunk` holds further chunks back. */
export interface BodySink {
  /** `bytes` may be views into a larger chunk; what is kept of them is copied by the sink. */
  chunk(bytes: Uint8Array): void | Promise<void>;
  /** The body is complete. */
  end(): void;
  /**
   * The caller or the connection has gone before body and answer were complete. Called once at most.
   */
  abort(reason: unknown): void;
}

/** Where the answer of a streamed request is written. After `end` or `abort` everything else does nothing. */
export interface AnswerStream {
  /** The head, once, before anything else. */
  start(status: number, headers: HeaderPairs): void;
  /** Takes the bytes over; resolves when more may be written without growing memory beyond its bounds. */
  write(bytes: Uint8Array): void | Promise<void>;
  /** The answer is complete; trailers go out in HTTP/2 only. */
  end(trailers?: HeaderPairs): void;
  /**
   * The caller has shown who it is: its connection does not count against the bound of connections, and is
   * not closed for another one's sake.
   */
  trust(): void;
  /** The answer cannot be completed: the stream is reset (HTTP/2) or the connection closed (HTTP/1.1). */
  abort(): void;
}

/** Answers requests as they come, chunk by chunk. */
export interface StreamHandler {
  readonly kind: "stream";
  readonly label?: RequestLabel;
  /**
   * Without a time limit for the body, as for peers: silence is judged by the handler. Otherwise a body that
   * makes no progress for `HttpLimits.progressMs` ends its request, see `bodyProgressBytes`.
   */
  readonly isPatient: boolean;
  /** Never throws. The answer may be started at once or later, and ended before the body is. */
  open(head: RequestHead, answer: AnswerStream): BodySink;
  /** Of handlers that are made of one: the same for who has a `Request` already. */
  readonly fetch?: (request: Request) => Promise<Response>;
}

/** Chooses who answers a request, by its head alone. Never throws. */
export interface HttpRouter {
  route(head: RequestHead): WholeHandler | StreamHandler;
}

/** What a handler has thrown, as text for a log: anything may be, also what cannot be made a string. */
export function errorText(error: unknown): string {
  try {
    return String(error);
  } catch {
    return "an error that cannot be told in words";
  }
}
