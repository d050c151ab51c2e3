/**
 * Spans around handlers, with a tracer that writes down what it is told: each request has one, it ends once
 * and however the request does, and handlers see and are seen as without.
 *
 * @module
 */

import type { Attributes, Span, SpanContext, SpanOptions, SpanStatus, Tracer } from "@opentelemetry/api";
import { type Context, trace } from "@opentelemetry/api";
import { assert, suite } from "../../../tests/harness.ts";
import { type FakeRequest, headOf, OpenExchange } from "../../../tests/support/fake_exchange.ts";
import {
  type AnswerStream,
  type BodySink,
  type HttpRouter,
  type RequestLabel,
  type StreamHandler,
  webHandler,
  type WholeAnswer,
  type WholeHandler,
} from "../mod.ts";
import { activeTracer, TracedRouter } from "./traced_router.ts";

const test = suite("traced router");
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";
const CALLER = `00-${TRACE}-${PARENT}-01`;
const PUT: RequestLabel = { route: "/a.b.Kv/Put", protocol: "connect" };
const NO_BYTES = new Uint8Array(0);

/** A span as it was told. */
class WrittenSpan {
  readonly name: string;
  readonly options: SpanOptions;
  readonly parent: SpanContext | undefined;
  readonly attributes: Attributes;
  status: SpanStatus | undefined;
  ends = 0;

  constructor(name: string, options: SpanOptions, parent: SpanContext | undefined) {
    this.name = name;
    this.options = options;
    this.parent = parent;
    this.attributes = { ...options.attributes };
  }

  setAttribute(name: string, value: string): this {
    if (this.ends > 0) throw new Error("an attribute came behind the end");
    this.attributes[name] = value;
    return this;
  }

  setStatus(status: SpanStatus): this {
    this.status = status;
    return this;
  }

  end(): void {
    this.ends++;
  }
}

/** A router of one handler, and the spans it causes. */
function traced(handler: WholeHandler | StreamHandler): { router: HttpRouter; spans: WrittenSpan[] } {
  const spans: WrittenSpan[] = [];
  const tracer: Pick<Tracer, "startSpan"> = {
    startSpan: (name: string, options: SpanOptions = {}, context?: Context) => {
      const span = new WrittenSpan(name, options, context && trace.getSpanContext(context));
      spans.push(span);
      return span as unknown as Span;
    },
  };
  return { router: new TracedRouter({ route: () => handler }, tracer as Tracer), spans };
}

function whole(answer: WholeHandler["answer"], more: Partial<WholeHandler> = {}): WholeHandler {
  const refuse = (): WholeAnswer => ({ status: 413, headers: [], body: NO_BYTES });
  return { kind: "whole", label: PUT, bodyLimitBytes: 10, answer, refuse, ...more };
}

function ok(): WholeAnswer {
  return { status: 200, headers: [["content-type", "application/proto"]], body: NO_BYTES };
}

function asked(more: Partial<FakeRequest> = {}): FakeRequest {
  return { path: "/a.b.Kv/Put", headers: { traceparent: CALLER }, version: "1.1", ...more };
}

/** What a whole handler answers behind `router`. */
function answerOf(router: HttpRouter, request: FakeRequest): WholeAnswer | Promise<WholeAnswer> {
  const head = headOf(request);
  const handler = router.route(head);
  assert.ok(handler.kind === "whole");
  return handler.answer(head, NO_BYTES, { hasLeft: false, onLeave: undefined });
}

test("nobody traces unless somebody has been registered", () => {
  assert.is(activeTracer("tests", "1"), undefined);
});

test("a call has a span with its caller's as parent, named and described by convention", () => {
  const { router, spans } = traced(whole(ok));
  const before = Date.now();
  const headers = { traceparent: CALLER, tracestate: "a=1", "user-agent": "tests/1" };
  assert.equal(answerOf(router, asked({ headers, path: "/a.b.Kv/Put?secret=1" })), ok());
  const [span] = spans;
  assert.is(spans.length, 1);
  assert.is(span!.name, "a.b.Kv/Put");
  assert.is(span!.options.kind, 1);
  assert.ok((span!.options.startTime as number) >= before);
  assert.equal([span!.parent?.traceId, span!.parent?.spanId], [TRACE, PARENT]);
  assert.is(span!.parent?.traceState?.serialize(), "a=1");
  assert.equal(span!.attributes, {
    "http.request.method": "POST",
    "http.response.status_code": 200,
    "http.route": "/a.b.Kv/Put",
    "url.scheme": "http",
    "url.path": "/a.b.Kv/Put",
    "server.address": "node.test",
    "server.port": 50_051,
    "network.protocol.name": "http",
    "network.protocol.version": "1.1",
    "user_agent.original": "tests/1",
    "rpc.system": "connect_rpc",
    "rpc.service": "a.b.Kv",
    "rpc.method": "Put",
  });
  assert.equal([span!.status, span!.ends], [undefined, 1]);
});

test("without a caller's span, or with a malformed one, a trace begins", async () => {
  for (const headers of [{}, { traceparent: `${CALLER}x` }, { tracestate: "a=1" }]) {
    const { router, spans } = traced(whole(() => Promise.resolve(ok())));
    await answerOf(router, asked({ headers: headers as Record<string, string> }));
    assert.is(spans[0]!.parent, undefined);
    assert.is(spans[0]!.ends, 1);
  }
});

test("whether a caller records is left to the sampler; streams between nodes have no spans", async () => {
  const { router, spans } = traced(whole(ok));
  await answerOf(router, asked({ headers: { traceparent: `00-${TRACE}-${PARENT}-00` } }));
  assert.equal(spans.map(({ parent }) => parent?.traceFlags), [0]);
  const peers = webHandler(() => new Response(), { isPatient: true });
  assert.is(traced(peers).router.route(headOf(asked())), peers);
});

test("what the call's status says is an error or not, by the rules of its protocol", async () => {
  const cases: readonly (readonly [RequestLabel["protocol"], Partial<WholeAnswer>, string | undefined])[] = [
    ["grpc", { trailers: [["grpc-status", "0"]] }, undefined],
    ["grpc", { trailers: [["grpc-status", "9"]] }, undefined],
    ["grpc", { headers: [["grpc-status", "12"]] }, "12"],
    ["grpc", { trailers: [["grpc-status", "14"]] }, "14"],
    ["connect", { status: 400, body: new TextEncoder().encode('{"code":"not_found"}') }, "not_found"],
    ["connect", { status: 503, body: new TextEncoder().encode("full") }, "503"],
    [undefined, { status: 404 }, undefined],
    [undefined, { status: 500 }, "500"],
  ];
  for (const [protocol, answer, fault] of cases) {
    const label = protocol === undefined ? {} : { protocol };
    const { router, spans } = traced(whole(() => ({ ...ok(), ...answer }), { label }));
    await answerOf(router, asked());
    const [span] = spans;
    assert.equal([span!.attributes["error.type"], span!.status?.code], [fault, fault && 2]);
  }
});

test("names have few values, whatever callers make up", async () => {
  const nameOf = async (label: RequestLabel, method: string) => {
    const { router, spans } = traced(whole(ok, { label }));
    await answerOf(router, asked({ method, path: "/made/up" }));
    return [spans[0]!.name, spans[0]!.attributes["http.request.method"]];
  };
  assert.equal(await nameOf({ route: "/metrics" }, "GET"), ["GET /metrics", "GET"]);
  assert.equal(await nameOf({}, "GET"), ["GET", "GET"]);
  assert.equal(await nameOf({ protocol: "grpc" }, "POST"), ["POST", "POST"]);
  assert.equal(await nameOf({ route: "/metrics" }, "BREW"), ["HTTP /metrics", "_OTHER"]);
});

test("refusals have spans, whether a body has come or not", () => {
  const refuseHead = () => ({ ...ok(), status: 403 });
  const { router, spans } = traced(whole(ok, { refuseHead }));
  const head = headOf(asked());
  const handler = router.route(head);
  assert.ok(handler.kind === "whole");
  assert.is(handler.refuse(head, "tooLarge").status, 413);
  assert.is(handler.refuseHead!(head)!.status, 403);
  assert.equal(spans.map(({ attributes }) => attributes["http.response.status_code"]), [413, 403]);
  const { router: sound, spans: none } = traced(whole(ok, { refuseHead: () => undefined }));
  const waiting = sound.route(head);
  assert.ok(waiting.kind === "whole");
  assert.is(waiting.refuseHead!(head), undefined);
  assert.is(none.length, 0);
  assert.is((traced(whole(ok)).router.route(head) as WholeHandler).refuseHead, undefined);
});

test("a handler that throws or rejects does so as without, and its span has an error", async () => {
  const throwing = traced(whole(() => {
    throw new Error("broken");
  }));
  assert.throws(() => answerOf(throwing.router, asked()), /broken/);
  const rejecting = traced(whole(() => Promise.reject(new Error("broken"))));
  const failure = await Promise.resolve(answerOf(rejecting.router, asked())).catch((error) => String(error));
  assert.is(failure, "Error: broken");
  const unopened = traced(streaming(() => {
    throw new Error("broken");
  }));
  assert.throws(() => new OpenExchange(unopened.router, asked()), /broken/);
  for (const { spans } of [throwing, rejecting, unopened]) {
    assert.equal([spans[0]!.ends, spans[0]!.status?.code], [1, 2]);
  }
});

function streaming(open: (answer: AnswerStream) => BodySink): StreamHandler {
  return {
    kind: "stream",
    label: { ...PUT, protocol: "grpc" },
    isPatient: false,
    open: (_, answer) => open(answer),
  };
}

/** A stream that takes everything and answers when it is told to. */
function openStream(): {
  answer: AnswerStream;
  exchange: OpenExchange;
  spans: WrittenSpan[];
  taken: string[];
} {
  const taken: string[] = [];
  let given: AnswerStream | undefined;
  const { router, spans } = traced(streaming((answer) => {
    given = answer;
    return {
      chunk: (bytes) => void taken.push(`${bytes.length}`),
      end: () => void taken.push("end"),
      abort: () => void taken.push("abort"),
    };
  }));
  const exchange = new OpenExchange(router, asked());
  return { answer: given!, exchange, spans, taken };
}

test("a stream has its span until its answer is complete", async () => {
  const { answer, exchange, spans, taken } = openStream();
  await exchange.send(new Uint8Array(3));
  exchange.finish();
  assert.equal(taken, ["3", "end"]);
  answer.start(200, []);
  void answer.write(new Uint8Array(2));
  assert.is(spans[0]!.ends, 0);
  answer.end([["grpc-status", "13"]]);
  const { trailers, body } = await exchange.ended;
  assert.equal([trailers.get("grpc-status"), body.length], ["13", 2]);
  const [span] = spans;
  assert.equal([span!.ends, span!.attributes["rpc.grpc.status_code"], span!.status?.code], [1, 13, 2]);
});

test("a stream whose caller leaves is cancelled, without an error, and ends once", () => {
  const { answer, exchange, spans, taken } = openStream();
  answer.start(200, []);
  exchange.leave();
  answer.end([["grpc-status", "1"]]);
  assert.equal(taken, ["abort"]);
  const [span] = spans;
  assert.equal([span!.ends, span!.attributes["rpc.grpc.status_code"], span!.status], [1, 1, undefined]);
});

test("an answer that breaks off is an error", () => {
  const { answer, spans } = openStream();
  answer.start(200, []);
  assert.throws(() => answer.abort(), /ends with its status/);
  assert.equal([spans[0]!.ends, spans[0]!.attributes["error.type"]], [1, "_OTHER"]);
});

test.run();
