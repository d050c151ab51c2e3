/**
 * The HTTP face of a node: from a request to the method it names, on the path that suits it. The caller owns
 * the listening socket and hands every request in.
 *
 * ```
 *                    ┌ POST application/proto, GET encoding=proto ─→ fast_unary ─┐
 * request ─→ path ─→ ┤                                                           ├─→ unary method ─→ NodeApi
 *                    ├ JSON, gRPC-Web, streams ─→ connect_router ────────────────┘
 *                    ├ /prkdb.v1.RaftService/Deliver ─→ the peers' service
 *                    └ else: 404, 405, 415
 * ```
 *
 * No request, however malformed, makes the handler throw.
 *
 * @module
 */

import { Code, ConnectError } from "@connectrpc/connect";
import { RaftService } from "../../proto/mod.ts";
import type { NodeApi } from "../api/mod.ts";
import { CorsPolicy } from "../http/mod.ts";
import { clusterMethods, clusterStreams } from "./cluster/mod.ts";
import { type GetQuery, parseGetQuery } from "./connect_get.ts";
import {
  type RoutedHandler,
  routedHandlers,
  type RoutingContext,
  type ServedMethods,
} from "./connect_router.ts";
import { errorResponse, serveGet, servePost } from "./fast_unary.ts";
import { kvMethods, kvStreams } from "./kv/mod.ts";
import type { UnaryMethod } from "./method/mod.ts";
import { BodyReader } from "./request_body.ts";
import { noteFailure, type RequestObserver } from "./request_observer.ts";

/** Behind `http://` and `https:/`, where the host begins. */
const SCHEME_LENGTH_MIN = 7;
const DELIVER_PATH = `/${RaftService.typeName}/${RaftService.method.deliver.name}`;
const WEB_TYPES = ["application/grpc-web+proto", "application/grpc-web+json"];
const UNARY_TYPES = ["application/proto", "application/json", ...WEB_TYPES];
const STREAM_TYPES = ["application/connect+proto", "application/connect+json", ...WEB_TYPES];

/** What the handler serves and whom it tells. */
export interface HttpHandlerOptions {
  readonly node: NodeApi;
  /** Origins whose pages may call, `*` for all; loopback origins if `undefined`. */
  readonly corsOrigins: readonly string[] | undefined;
  readonly requests: RequestObserver;
  /** Fires when the node stops, so that streams end and nobody waits for them; never unless given. */
  readonly closing?: AbortSignal;
  /** Answers the peers' calls. */
  readonly streaming: { deliver(request: Request): Promise<Response> };
}

/** Of a node that is not stopped before its process ends. */
const NEVER = new AbortController().signal;

/** One path. */
interface Route {
  readonly routed: RoutedHandler;
  /** `undefined` for streaming methods, which have no fast path. */
  readonly method: UnaryMethod | undefined;
  readonly allow: string;
}

/** What the general path needs of it. */
type GeneralRoute = Pick<Route, "method" | "routed">;

/** A handler for `Deno.serve`. It never throws and never rejects. */
export function createHttpHandler(
  options: HttpHandlerOptions,
): (request: Request) => Response | Promise<Response> {
  const server = new HttpServer(options);
  return (request) => server.handle(request);
}

/** The routes of one node. */
class HttpServer {
  readonly #node: NodeApi;
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #bodies = new BodyReader();
  readonly #cors: CorsPolicy;
  readonly #requests: RequestObserver;
  readonly #streaming: HttpHandlerOptions["streaming"];

  constructor({ node, corsOrigins, requests, streaming, closing = NEVER }: HttpHandlerOptions) {
    const unary = [...kvMethods(node), ...clusterMethods(node)];
    const streams = [...kvStreams(node), ...clusterStreams(node)];
    this.#node = node;
    this.#routes = buildRoutes({ unary, streams }, { node, requests, bodies: this.#bodies, closing });
    this.#cors = new CorsPolicy(corsOrigins);
    this.#requests = requests;
    this.#streaming = streaming;
  }

  handle(request: Request): Response | Promise<Response> {
    const origin = request.headers.get("origin");
    if (origin === null) return this.#answer(request);
    return Promise.resolve(this.#answer(request)).then((response) => this.#cors.admit(response, origin));
  }

  /** The fast path never rejects, so only what is not on it pays for a guard. */
  #answer(request: Request): Response | Promise<Response> {
    try {
      return this.#dispatch(request);
    } catch (error) {
      return this.#defect(error);
    }
  }

  #defect(error: unknown): Response {
    const call = { requests: this.#requests, method: "unknown", startedMs: performance.now() };
    return errorResponse(noteFailure(call, error));
  }

  #dispatch(request: Request): Response | Promise<Response> {
    const { url, method } = request;
    const pathStart = url.indexOf("/", SCHEME_LENGTH_MIN + 1);
    const queryMark = url.indexOf("?", pathStart);
    const path = url.slice(pathStart, queryMark < 0 ? undefined : queryMark);
    const route = this.#routes.get(path);
    if (route === undefined) return this.#dispatchOther(request, path);
    switch (method) {
      case "POST":
        return this.#post(route, request);
      case "GET":
        return this.#get(route, request, queryMark < 0 ? "" : url.slice(queryMark + 1));
      case "OPTIONS":
        return this.#cors.preflight(request, route.allow);
      default:
        return refuseMethod(route.allow, method);
    }
  }

  #post({ method, routed }: Route, request: Request): Promise<Response> {
    if (method !== undefined && request.headers.get("content-type") === "application/proto") {
      const context = { method, node: this.#node, requests: this.#requests, bodies: this.#bodies };
      return servePost(context, request);
    }
    return this.#general({ method, routed }, request);
  }

  #get({ method, routed, allow }: Route, request: Request, queryText: string): Response | Promise<Response> {
    if (method === undefined || !method.isSafe) return refuseMethod(allow, "GET");
    const query = parseGetQuery(queryText);
    if (query.encoding === "proto") {
      return serveGet({ method, node: this.#node, requests: this.#requests, query }, request);
    }
    return this.#general({ method, routed }, request, query);
  }

  async #general({ method, routed }: GeneralRoute, request: Request, query?: GetQuery): Promise<Response> {
    try {
      const response = await routed(request, query);
      return response.status === 415 ? explainMediaType(request, method === undefined) : response;
    } catch (error) {
      return this.#defect(error);
    }
  }

  #dispatchOther(request: Request, path: string): Response | Promise<Response> {
    if (path !== DELIVER_PATH) {
      return httpError(
        404,
        new ConnectError(
          `Cannot find ${path}: this node has no such method: see proto/prkdb/v1 for those it has`,
          Code.Unimplemented,
        ),
      );
    }
    if (request.method !== "POST") return refuseMethod("POST", request.method);
    return this.#streaming.deliver(request).catch((error) => this.#defect(error));
  }
}

function buildRoutes(methods: ServedMethods, context: RoutingContext): ReadonlyMap<string, Route> {
  const byPath = new Map(methods.unary.map((method) => [method.path, method]));
  const routes = new Map<string, Route>();
  for (const [path, routed] of routedHandlers(methods, context)) {
    const method = byPath.get(path);
    routes.set(path, {
      routed,
      method,
      allow: method?.isSafe === true ? "GET, POST, OPTIONS" : "POST, OPTIONS",
    });
  }
  return routes;
}

function refuseMethod(allow: string, method: string): Response {
  const error = new ConnectError(
    `Cannot serve ${method} here: the method must be one of ${allow}`,
    Code.Unimplemented,
  );
  return httpError(405, error, ["allow", allow]);
}

/** The router refuses content types that do not fit the method without a word. */
function explainMediaType(request: Request, isStream: boolean): Response {
  const found = request.headers.get("content-type") ?? "none";
  const accepted = (isStream ? STREAM_TYPES : UNARY_TYPES).join(", ");
  const why = isStream ? "this method streams its answers, and every message stands in an envelope; " : "";
  const message = `Cannot read content type ${found}: ${why}it must be one of ${accepted}`;
  return httpError(415, new ConnectError(message, Code.Unimplemented), ["accept-post", accepted]);
}

/** An error outside the protocol, in the same form, so that people and programs can read it. */
function httpError(status: number, error: ConnectError, header?: readonly [string, string]): Response {
  const response = errorResponse(error);
  const headers = new Headers(response.headers);
  if (header !== undefined) headers.set(...header);
  return new Response(response.body, { status, headers });
}
