/**
 * Traces: a span of every request, by `@opentelemetry/api`, as a continuation of what `traceparent` and
 * `tracestate` say of the caller's trace (W3C Trace Context).
 *
 * ```
 * head ─→ TracedRouter ─→ HttpRouter ─→ handler ─→ answer
 *           │ readTraceContext            │ runs with the span as the active one
 *           └─ RequestSpan ←─ OutcomeReader ─┴─ status of HTTP, and that of the call
 * ```
 *
 * **What it owns.** Nothing but spans that have begun and not ended. It stands around a router and its
 * handlers, and reads what they are given and give; neither they nor the versions of HTTP know of it. Who
 * records spans and where they go is the business of whatever is registered with `@opentelemetry/api`: in a
 * node that is the runtime, when it is started with `OTEL_DENO=true`. Which traces are recorded is the choice
 * of its sampler, and the caller's where that asks for it.
 *
 * **Read in this order.** `traced_router`, `traced_handlers`: where spans begin and end. `trace_context`: the
 * caller's fields. `request_span`: names and attributes. `request_outcome`, `last_envelope`: how a request
 * ended, and a call in it.
 *
 * **Invariants**
 *
 * - Without anybody who records spans there is no `TracedRouter`, so that a request costs the same.
 * - A request has one span at most, and it ends, however the request does.
 * - No content of keys, values, queries and tokens gets into a span.
 *
 * @module
 */

export { activeTracer, TracedRouter } from "./traced_router.ts";
