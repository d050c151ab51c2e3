/**
 * From the head of a gRPC request to whoever answers it: unary methods and streams of the node's services,
 * health, reflection. What is no call that gRPC could answer is refused by an HTTP status, with a text for
 * people: another version of HTTP (415, 405, 505); a method that is not there is answered as a call.
 *
 * @module
 */

import type { DescService } from "@bufbuild/protobuf";
import { Health, ServerReflection } from "../../proto/mod.ts";
import { DomainError, type Readiness } from "../api/mod.ts";
import type { HeaderPairs, HttpRouter, RequestHead, StreamHandler, WholeHandler } from "../http/mod.ts";
import type { ServedMethods } from "../rpc/method/mod.ts";
import { GRPC_TYPES, isGrpcProto } from "./call_type.ts";
import { healthMethods } from "./health.ts";
import { reflectionStreams } from "./reflection.ts";
import { type GrpcStream, serverStream, type StreamContext, streamHandler } from "./stream_handler.ts";
import { type GrpcUnary, refusalOf, REFUSED_BYTES_MAX, unaryHandler } from "./unary_handler.ts";

const UTF8_TEXT = "text/plain; charset=utf-8";

/** What is served, and whom it tells. */
export interface GrpcRouterOptions extends StreamContext {
  readonly methods: ServedMethods;
  /** What health says. */
  readonly readiness: () => Readiness;
  /** Milliseconds between two looks of a watch of the health; a second unless given. */
  readonly healthPollMs?: number;
}

/** See the module comment. Takes requests for which `isGrpc` holds. */
export class GrpcRouter implements HttpRouter {
  readonly #context: StreamContext;
  readonly #unary: ReadonlyMap<string, WholeHandler>;
  readonly #streams: ReadonlyMap<string, GrpcStream>;

  constructor(options: GrpcRouterOptions) {
    const { unary, streams } = allMethods(options);
    this.#context = options;
    this.#unary = new Map(unary.map((method) => [method.path, unaryHandler(method, options)]));
    this.#streams = new Map(streams.map((stream) => [stream.path, stream]));
  }

  route(head: RequestHead): WholeHandler | StreamHandler {
    const refusal = refuseHttp(head);
    if (refusal !== undefined) return refusal;
    const path = pathOfTarget(head.target);
    const unary = this.#unary.get(path);
    if (unary !== undefined) return unary;
    const stream = this.#streams.get(path);
    return stream === undefined
      ? this.#unknownMethod(path)
      : streamHandler(stream, { context: this.#context, head });
  }

  #unknownMethod(path: string): WholeHandler {
    const error = new DomainError(
      { kind: "unimplemented" },
      `Cannot find ${path}: this node has no such method: see proto/prkdb/v1 for those it has, or ask its ` +
        "reflection service",
    );
    const call = { requests: this.#context.requests, method: "unknown", startedMs: performance.now() };
    return refusalOf(call, error);
  }
}

function pathOfTarget(target: string): string {
  const query = target.indexOf("?");
  return query < 0 ? target : target.slice(0, query);
}

/** Methods of the services, and those of gRPC's own. */
interface GrpcMethods {
  readonly unary: readonly GrpcUnary[];
  readonly streams: readonly GrpcStream[];
}

function allMethods({ methods, readiness, healthPollMs }: GrpcRouterOptions): GrpcMethods {
  const services = servicesOf(methods);
  const health = healthMethods({
    readiness,
    services: services.map(({ typeName }) => typeName),
    pollMs: healthPollMs,
  });
  return {
    unary: [...methods.unary, health.check],
    streams: [...methods.streams.map(serverStream), health.watch, ...reflectionStreams(services)],
  };
}

/** Each service once, gRPC's own included. */
function servicesOf({ unary, streams }: ServedMethods): readonly DescService[] {
  const ours = [...unary, ...streams].map(({ desc }) => desc.parent);
  return [...new Set([...ours, Health, ServerReflection])];
}

/** Why a request is no call at all; `undefined` if it is one. */
function refuseHttp({ version, method, headers }: RequestHead): WholeHandler | undefined {
  if (version !== "2") {
    return refusal(
      505,
      `Cannot serve gRPC over HTTP/${version}: it ends its answers with trailers: use HTTP/2`,
    );
  }
  if (method !== "POST") {
    return refusal(405, `Cannot serve ${method} here: the method must be POST`, [["allow", "POST"]]);
  }
  const type = headers.get("content-type") ?? "none";
  if (isGrpcProto(type)) return undefined;
  const accepted = GRPC_TYPES.join(", ");
  const text = `Cannot read content type ${type}: it must be one of ${accepted}`;
  return refusal(415, text, [["accept-post", accepted]]);
}

function refusal(status: number, text: string, headers: HeaderPairs = []): WholeHandler {
  const answer = {
    status,
    headers: [["content-type", UTF8_TEXT], ...headers] as const,
    body: new TextEncoder().encode(`${text}\n`),
  };
  return {
    kind: "whole",
    bodyLimitBytes: REFUSED_BYTES_MAX,
    answer: () => answer,
    refuse: () => answer,
    refuseHead: () => answer,
  };
}
