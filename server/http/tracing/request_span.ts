/**
 * The span of one request, by the semantic conventions of OpenTelemetry for HTTP and for remote calls, as of
 * their version 1.37, which is what tools look for today.
 *
 * | request             | named                     | attributes beside those of HTTP               |
 * | ------------------- | ------------------------- | --------------------------------------------- |
 * | gRPC, gRPC-Web      | `prkdb.v1.KvService/Put`  | `rpc.system` = `grpc`, `rpc.grpc.status_code` |
 * | Connect             | the same                  | `connect_rpc`, `rpc.connect_rpc.error_code`   |
 * | anything else       | `GET /metrics`            |                                               |
 * | what is not there   | `GET`, `POST`             |                                               |
 *
 * Names have few values, because tools group by them: what callers make up stands in attributes only. What is
 * said of keys and values (queries, bodies) is left out.
 *
 * @module
 */

import {
  type Attributes,
  type Context,
  context,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import type { RequestHead, RequestLabel } from "../mod.ts";
import { CANCELLED, type RequestOutcome } from "./request_outcome.ts";

/** Others, which anybody may make up, are one. */
const METHODS: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "DELETE",
  "CONNECT",
  "OPTIONS",
  "TRACE",
  "PATCH",
]);
const OTHER = "_OTHER";
/** A host, in brackets or not, and a port. */
const AUTHORITY = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/;
const SERVER_ERROR_MIN = 500;
/** Those that are the server's fault: unknown, deadline, unimplemented, internal, unavailable, data loss. */
const GRPC_FAULTS: ReadonlySet<number> = new Set([2, 4, 12, 13, 14, 15]);

/** What is known of a span before its request is handed on. */
export interface SpanStart {
  readonly tracer: Tracer;
  readonly label: RequestLabel;
  /** The span of the caller. */
  readonly parent: SpanContext | undefined;
  /** When the head was there, by the machine's clock. */
  readonly startedMs: number;
}

/** See the module comment. */
export class RequestSpan {
  readonly #span: Span;
  readonly #context: Context;

  constructor(head: RequestHead, { tracer, label, parent, startedMs }: SpanStart) {
    const before = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
    const options = {
      kind: SpanKind.SERVER,
      startTime: startedMs,
      attributes: { ...attributesOf(head), ...callAttributes(label) },
    };
    this.#span = tracer.startSpan(nameOf(head, label), options, before);
    this.#context = trace.setSpan(before, this.#span);
  }

  /** Runs `action` and what it leads to with this span as the active one. */
  run<Result>(action: () => Result): Result {
    return context.with(this.#context, action);
  }

  /** The answer is complete, or there will be none. Called once. */
  end(outcome: RequestOutcome): void {
    const { status, grpcStatus, connectCode } = outcome;
    if (status !== undefined) this.#span.setAttribute("http.response.status_code", status);
    if (grpcStatus !== undefined) this.#span.setAttribute("rpc.grpc.status_code", grpcStatus);
    if (connectCode !== undefined) this.#span.setAttribute("rpc.connect_rpc.error_code", connectCode);
    const fault = faultOf(outcome);
    if (fault !== undefined) {
      this.#span.setAttribute("error.type", fault);
      this.#span.setStatus({ code: SpanStatusCode.ERROR });
    }
    this.#span.end();
  }
}

function nameOf({ method }: RequestHead, { route, protocol }: RequestLabel): string {
  if (route !== undefined && protocol !== undefined) return route.slice(1);
  // `HTTP` stands for all methods that the conventions do not know.
  const verb = METHODS.has(method) ? method : "HTTP";
  return route === undefined ? verb : `${verb} ${route}`;
}

function attributesOf({ version, method, target, authority, scheme, headers }: RequestHead): Attributes {
  const isKnown = METHODS.has(method);
  const [, host, port] = AUTHORITY.exec(authority) ?? [];
  const queryMark = target.indexOf("?");
  return withoutMissing({
    "http.request.method": isKnown ? method : OTHER,
    "http.request.method_original": isKnown ? undefined : method,
    "url.scheme": scheme,
    "url.path": queryMark < 0 ? target : target.slice(0, queryMark),
    "server.address": host === "" ? undefined : host?.replace(/^\[|\]$/g, ""),
    "server.port": port === undefined ? undefined : Number(port),
    "network.protocol.name": "http",
    "network.protocol.version": version,
    "user_agent.original": headers.get("user-agent") ?? undefined,
  });
}

function callAttributes({ route, protocol }: RequestLabel): Attributes {
  if (protocol === undefined) return withoutMissing({ "http.route": route });
  const [, service, method] = route?.split("/") ?? [];
  return withoutMissing({
    "http.route": route,
    "rpc.system": protocol === "connect" ? "connect_rpc" : "grpc",
    "rpc.service": service,
    "rpc.method": method,
  });
}

function withoutMissing(attributes: Attributes): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));
}

/** What makes the request one that failed, `undefined` if it did not or if that was its caller's choice. */
function faultOf({ status, grpcStatus, connectCode, isBrokenOff }: RequestOutcome): string | undefined {
  if (connectCode !== undefined) return connectCode === CANCELLED ? undefined : connectCode;
  if (grpcStatus !== undefined) return GRPC_FAULTS.has(grpcStatus) ? String(grpcStatus) : undefined;
  if (isBrokenOff === true) return OTHER;
  return status !== undefined && status >= SERVER_ERROR_MIN ? String(status) : undefined;
}
