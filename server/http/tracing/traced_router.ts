/**
 * A router that makes a span of every request that another one routes: around its handlers, from outside, by
 * what goes in and what comes out. Where nobody traces there is no such router, and nothing it could cost.
 *
 * A span reaches from the head of the request to the end of its answer. Requests whose body is read first get
 * theirs when they are answered, with the time at which they began, so that one whose body never comes leaves
 * nothing behind. There is none of patient handlers, whose streams are between nodes and last for as long as
 * both of them, and none of what HTTP itself refuses before there is a request (400, 408, 431).
 *
 * @module
 */

import { ProxyTracerProvider, trace, type Tracer } from "@opentelemetry/api";
import type { HttpRouter, RequestHead, StreamHandler, WholeHandler } from "../mod.ts";
import { readTraceContext } from "./trace_context.ts";
import { tracedStream, tracedWhole } from "./traced_handlers.ts";

/**
 * What makes spans in this process, `undefined` if nobody records any.
 *
 * @param scope the name under which traces know who made a span
 */
export function activeTracer(scope: string, version: string): Tracer | undefined {
  const provider = trace.getTracerProvider();
  const isNobody = provider instanceof ProxyTracerProvider &&
    provider.getDelegateTracer(scope, version) === undefined;
  return isNobody ? undefined : provider.getTracer(scope, version);
}

/** See the module comment. */
export class TracedRouter implements HttpRouter {
  readonly #router: HttpRouter;
  readonly #tracer: Tracer;

  constructor(router: HttpRouter, tracer: Tracer) {
    this.#router = router;
    this.#tracer = tracer;
  }

  route(head: RequestHead): WholeHandler | StreamHandler {
    const startedMs = Date.now();
    const handler = this.#router.route(head);
    const parent = readTraceContext(head.headers);
    const start = { tracer: this.#tracer, label: handler.label ?? {}, parent, startedMs };
    if (handler.kind === "whole") return tracedWhole(handler, start);
    return handler.isPatient ? handler : tracedStream(handler, start);
  }
}
