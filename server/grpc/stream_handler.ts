/**
 * Streaming calls: messages come and go one by one, and either side may be the slower one.
 *
 * The headers of the answer leave at once, because its first message may be hours away
 * (`docs/decisions/0013-…`). What the head of a request tells is judged before: such a refusal is a
 * trailers-only answer, after which clients may retry by themselves.
 *
 * A stream ends in one of five ways: its method is done or fails, its caller leaves, its deadline passes, or
 * the node stops. For the last three one signal fires, with the reason.
 *
 * @module
 */

import { create, toBinary } from "@bufbuild/protobuf";
import { DomainError, invalidArgument } from "../api/mod.ts";
import type { AnswerStream, BodySink, RequestHead, StreamHandler, WholeHandler } from "../http/mod.ts";
import {
  checkCluster,
  CLUSTER_HEADER,
  decodeGenerated,
  type NotedCall,
  noteFailure,
  noteSuccess,
  type StreamMethod,
  streamStopped,
  toConnectError,
} from "../rpc/method/mod.ts";
import { answerHeaders } from "./call_type.ts";
import { type Compression, foldAnswer, readCompression } from "./compression.ts";
import { RequestMessages } from "./request_messages.ts";
import { grpcStatusOf, STATUS_OK } from "./status.ts";
import { parseGrpcTimeout, startDeadline } from "./timeout.ts";
import { type GrpcContext, refusalOf } from "./unary_handler.ts";

/** A stream of either kind, bytes in and bytes out. */
export interface GrpcStream {
  /** The label of its metrics. */
  readonly name: string;
  /** As in `/prkdb.v1.ClusterService/WatchChanges`. */
  readonly path: string;
  /** The signal's reason is a `DomainError`; the stream must end when it fires. */
  readonly answer: (requests: AsyncIterable<Uint8Array>, signal: AbortSignal) => AsyncIterable<Uint8Array>;
}

/** What streaming takes. */
export interface StreamContext extends GrpcContext {
  /** Fires when the node stops: streams end. */
  readonly closing: AbortSignal;
}

/** A method with one message in and many out, as Connect serves it, too. */
export function serverStream({ desc, answerMessages }: StreamMethod): GrpcStream {
  return {
    name: desc.name,
    path: `/${desc.parent.typeName}/${desc.name}`,
    answer: async function* (requests, signal) {
      const input = decodeGenerated(desc.input, await onlyOne(requests));
      for await (const message of answerMessages(input, signal)) {
        yield toBinary(desc.output, create(desc.output, message));
      }
    },
  };
}

async function onlyOne(requests: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  let only: Uint8Array | undefined;
  for await (const message of requests) {
    if (only !== undefined) throw notOne("it has more than one message");
    only = message;
  }
  if (only === undefined) throw notOne("it has no message");
  return only;
}

function notOne(found: string): DomainError {
  return invalidArgument(`Cannot read the request: ${found}: send one message, flags and length in front`);
}

/**
 * Serves `stream` to the caller with this head.
 *
 * @returns a handler that says why not, when the head alone tells that the call cannot be served
 */
export function streamHandler(
  stream: GrpcStream,
  { context, head }: StreamRequest,
): StreamHandler | WholeHandler {
  const call = { requests: context.requests, method: stream.name, startedMs: performance.now() };
  try {
    const { headers } = head;
    checkCluster(headers.get(CLUSTER_HEADER), context.node);
    const compression = readCompression(headers);
    const timeoutMs = parseGrpcTimeout(headers.get("grpc-timeout"));
    if (timeoutMs === 0) throw deadlinePassed();
    if (context.closing.aborted) throw streamStopped();
    return {
      kind: "stream",
      label: { route: stream.path, protocol: "grpc" },
      // A request that never comes to its end must not keep its place for ever.
      isPatient: false,
      open: (_, answer) => new StreamCall({ stream, context, call, head, answer, compression, timeoutMs }),
    };
  } catch (error) {
    return refusalOf(call, error, stream.path);
  }
}

/** Who asks for a stream. */
export interface StreamRequest {
  readonly context: StreamContext;
  readonly head: RequestHead;
}

interface StreamCallOptions {
  readonly stream: GrpcStream;
  readonly context: StreamContext;
  readonly call: NotedCall;
  readonly head: RequestHead;
  readonly answer: AnswerStream;
  readonly compression: Compression;
  /** `undefined` for as long as the caller likes. */
  readonly timeoutMs: number | undefined;
}

/** One stream, from its headers to its end. */
class StreamCall implements BodySink {
  readonly #options: StreamCallOptions;
  readonly #messages: RequestMessages;
  readonly #ending = new AbortController();
  /** It is told to the observer when it begins or fails; how long it lasts says nothing. */
  #isNoted = false;

  constructor(options: StreamCallOptions) {
    const { answer, compression, context: { room: { bodies } }, head } = options;
    this.#options = options;
    answer.start(200, answerHeaders(head, compression.isAnswerGzip));
    this.#messages = new RequestMessages({ compression, bodies });
    void this.#serve();
  }

  chunk(bytes: Uint8Array): void | Promise<void> {
    return this.#messages.push(bytes);
  }

  end(): void {
    this.#messages.end();
  }

  abort(): void {
    this.#stop(
      new DomainError({ kind: "cancelled" }, "Cannot go on with the stream: the caller has left"),
    );
  }

  #stop(reason: DomainError): void {
    this.#ending.abort(reason);
    this.#messages.fail(reason);
  }

  /** Never rejects. */
  async #serve(): Promise<void> {
    const { timeoutMs, context: { closing } } = this.#options;
    const stopDeadline = startDeadline(timeoutMs, () => this.#stop(deadlinePassed()));
    const onClosing = () => this.#stop(streamStopped());
    closing.addEventListener("abort", onClosing);
    if (closing.aborted) onClosing();
    try {
      await this.#answerAll();
      // A method may end quietly when its signal fires.
      this.#ending.signal.throwIfAborted();
      this.#finish();
    } catch (error) {
      this.#fail(this.#ending.signal.aborted ? this.#ending.signal.reason : error);
    } finally {
      closing.removeEventListener("abort", onClosing);
      stopDeadline();
      this.#messages.fail(streamStopped());
    }
  }

  async #answerAll(): Promise<void> {
    const { signal } = this.#ending;
    const answers = this.#options.stream.answer(this.#messages, signal)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { done, value } = await orAborted(answers.next(), signal);
        if (done) return;
        this.#note();
        await this.#write(value);
      }
    } finally {
      // A method that stands at a message is told that no more are wanted; one that has ended does not mind.
      void answers.return?.().catch(() => {});
    }
  }

  async #write(message: Uint8Array): Promise<void> {
    const { answer, compression } = this.#options;
    const written = answer.write(await foldAnswer(message, compression));
    if (written !== undefined) await orAborted(written, this.#ending.signal);
  }

  #note(): void {
    if (this.#isNoted) return;
    this.#isNoted = true;
    noteSuccess(this.#options.call);
  }

  #finish(): void {
    this.#note();
    this.#options.answer.end(STATUS_OK);
  }

  #fail(error: unknown): void {
    const { answer, call } = this.#options;
    answer.end(grpcStatusOf(this.#isNoted ? toConnectError(error) : noteFailure(call, error)));
  }
}

/** `pending`, unless `signal` fires first: then rejects with its reason. Leaves nothing behind. */
function orAborted<Value>(pending: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort);
    void pending.then(resolve, reject).then(() => signal.removeEventListener("abort", onAbort));
  });
}

function deadlinePassed(): DomainError {
  return new DomainError(
    { kind: "deadline" },
    "Cannot go on with the stream: its deadline has passed: allow it more time, or begin anew",
  );
}
