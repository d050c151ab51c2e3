/**
 * Handlers that do what others do, each request within a span. What is called when is the same as without;
 * errors go through as they came.
 *
 * @module
 */

import type {
  AnswerStream,
  BodySink,
  HeaderPairs,
  RequestHead,
  StreamHandler,
  WholeAnswer,
  WholeHandler,
} from "../mod.ts";
import { OutcomeReader } from "./request_outcome.ts";
import { RequestSpan, type SpanStart } from "./request_span.ts";

/** `handler`, its one request traced. */
export function tracedWhole(handler: WholeHandler, start: SpanStart): WholeHandler {
  const { refuseHead } = handler;
  return {
    ...handler,
    answer: (head, body, caller) => answered(head, start, () => handler.answer(head, body, caller)),
    refuse: (head, refusal) => {
      const answer = handler.refuse(head, refusal);
      noteWhole(new RequestSpan(head, start), start, answer);
      return answer;
    },
    ...(refuseHead === undefined ? {} : {
      refuseHead: (head) => {
        const answer = refuseHead(head);
        if (answer !== undefined) noteWhole(new RequestSpan(head, start), start, answer);
        return answer;
      },
    }),
  };
}

/** `handler`, its one request traced. */
export function tracedStream(handler: StreamHandler, start: SpanStart): StreamHandler {
  return {
    kind: "stream",
    isPatient: handler.isPatient,
    open: (head, answer) => {
      const span = new RequestSpan(head, start);
      const traced = new TracedAnswer(answer, span, new OutcomeReader(start.label));
      try {
        return new TracedSink(span.run(() => handler.open(head, traced)), traced);
      } catch (error) {
        traced.break();
        throw error;
      }
    },
  };
}

function answered(
  head: RequestHead,
  start: SpanStart,
  ask: () => WholeAnswer | Promise<WholeAnswer>,
): WholeAnswer | Promise<WholeAnswer> {
  const span = new RequestSpan(head, start);
  const note = (answer: WholeAnswer) => {
    noteWhole(span, start, answer);
    return answer;
  };
  const fail = (error: unknown): never => {
    span.end(new OutcomeReader(start.label).broken());
    throw error;
  };
  try {
    const answer = span.run(ask);
    return answer instanceof Promise ? answer.then(note, fail) : note(answer);
  } catch (error) {
    return fail(error);
  }
}

function noteWhole(span: RequestSpan, { label }: SpanStart, answer: WholeAnswer): void {
  const reader = new OutcomeReader(label);
  reader.head(answer.status, answer.headers);
  reader.bytes(answer.body);
  span.end(reader.end(answer.trailers));
}

/** Reads along what is answered. */
class TracedAnswer implements AnswerStream {
  readonly #answer: AnswerStream;
  readonly #reader: OutcomeReader;
  #span: RequestSpan | undefined;

  constructor(answer: AnswerStream, span: RequestSpan, reader: OutcomeReader) {
    this.#answer = answer;
    this.#span = span;
    this.#reader = reader;
  }

  start(status: number, headers: HeaderPairs): void {
    this.#reader.head(status, headers);
    this.#answer.start(status, headers);
  }

  write(bytes: Uint8Array): void | Promise<void> {
    this.#reader.bytes(bytes);
    return this.#answer.write(bytes);
  }

  end(trailers?: HeaderPairs): void {
    this.#takeSpan()?.end(this.#reader.end(trailers));
    this.#answer.end(trailers);
  }

  trust(): void {
    this.#answer.trust();
  }

  abort(): void {
    this.break();
    this.#answer.abort();
  }

  /** The answer will not be complete. */
  break(): void {
    this.#takeSpan()?.end(this.#reader.broken());
  }

  /** The caller has left. */
  leave(): void {
    this.#takeSpan()?.end(this.#reader.left());
  }

  /** A span is ended once, by what comes first. */
  #takeSpan(): RequestSpan | undefined {
    const span = this.#span;
    this.#span = undefined;
    return span;
  }
}

/** Hands the body on, and hears of callers who leave. */
class TracedSink implements BodySink {
  readonly #sink: BodySink;
  readonly #answer: TracedAnswer;

  constructor(sink: BodySink, answer: TracedAnswer) {
    this.#sink = sink;
    this.#answer = answer;
  }

  chunk(bytes: Uint8Array): void | Promise<void> {
    return this.#sink.chunk(bytes);
  }

  end(): void {
    this.#sink.end();
  }

  abort(reason: unknown): void {
    this.#answer.leave();
    this.#sink.abort(reason);
  }
}
