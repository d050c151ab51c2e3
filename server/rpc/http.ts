/**
 * The HTTP face of a node: from a request to the method it names, on the path that suits it. The caller owns
 * the listening socket and hands every request in.
 *
 * ```
 *                 ┌ POST application/proto, GET encoding=proto ─→ fast_unary ─┐
 * head ─→ path ─→ ┤                                                           ├─→ unary method ─→ NodeApi
 *                 ├ JSON ─→ json_unary ─→ connect_router ─────────────────────┤
 *                 ├ streams, unusual types ─→ connect_router ─────────────────┤
 *                 ├ gRPC, unary gRPC-Web ─→ grpc ─────────────────────────────┘
 *                 ├ /prkdb.v1.RaftService/Deliver ─→ the peers' service, ReadSnapshot beside it
 *                 └ else: 404, 405, 415
 * ```
 *
 * No request, however malformed, makes a handler throw.
 *
 * @module
 */

import { Code, ConnectError } from "@connectrpc/connect";
import { RaftService } from "../../proto/mod.ts";
import type { NodeApi, Readiness } from "../api/mod.ts";
import {
  answerWebText,
  GrpcRouter,
  isGrpc,
  isGrpcWebText,
  isWebProto,
  unaryHandler,
  WEB_FORM,
} from "../grpc/mod.ts";
import {
  type HttpRouter,
  type RequestHead,
  type RequestLabel,
  type StreamHandler,
  type WebFetch,
  type WebHandler,
  webHandler,
  type WholeHandler,
} from "../http/mod.ts";
import { type GetQuery, parseGetQuery } from "./connect_get.ts";
import { routedHandlers, type RoutedMethod, type RoutingContext } from "./connect_router.ts";
import { errorResponse, getHandler, postHandler } from "./fast_unary.ts";
import { isJsonUnary, jsonHandler } from "./json_unary.ts";
import {
  type ExchangeRoom,
  noteFailure,
  type RequestObserver,
  type ServedMethods,
  type UnaryMethod,
} from "./method/mod.ts";
import { BodyReader } from "./request_body.ts";
import { servedMethods } from "./served_methods.ts";

const DELIVER_PATH = `/${RaftService.typeName}/${RaftService.method.deliver.name}`;
const SNAPSHOT_PATH = `/${RaftService.typeName}/${RaftService.method.readSnapshot.name}`;
const WEB_TYPES = ["application/grpc-web+proto", "application/grpc-web+json", "application/grpc-web-text"];
const UNARY_TYPES = ["application/proto", "application/json", ...WEB_TYPES];
const GRPC_WEB = /^application\/grpc-web/i;
const STREAM_TYPES = ["application/connect+proto", "application/connect+json", ...WEB_TYPES];

/** What the router serves and whom it tells. */
export interface RpcRouterOptions {
  readonly node: NodeApi;
  /** What gRPC's health says. */
  readonly readiness: () => Readiness;
  /** Room for requests that arrive and answers that wait to be read. */
  readonly room: ExchangeRoom;
  readonly requests: RequestObserver;
  /** Fires when the node stops, so that streams end and nobody waits for them; never unless given. */
  readonly closing?: AbortSignal;
  /** Answers the peers' calls. */
  readonly peers: StreamHandler;
  /** Answers peers that ask for snapshots; nothing is there unless given. */
  readonly snapshots?: WholeHandler;
}

/** Of a node that is not stopped before its process ends. */
const NEVER = new AbortController().signal;

/** One path. */
interface Route {
  readonly routed: RoutedMethod;
  /** `undefined` for streaming methods, which have no fast path. */
  readonly method: UnaryMethod | undefined;
  /** Answers POSTs of unary methods: binary ones, those in JSON and by gRPC-Web. */
  readonly post: WholeHandler | undefined;
  readonly postJson: WholeHandler | undefined;
  readonly postWeb: WholeHandler | undefined;
  readonly allow: string;
}

/** What the general path needs of it. */
type GeneralRoute = Pick<Route, "method" | "routed">;

/** The routes of one node. */
export class RpcRouter implements HttpRouter {
  readonly #node: NodeApi;
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #requests: RequestObserver;
  readonly #room: ExchangeRoom;
  readonly #peers: StreamHandler;
  readonly #snapshots: WholeHandler | undefined;
  readonly #grpc: GrpcRouter;
  readonly #fetch: WebFetch = (request) => this.#answer(request);
  /** For what is not there. */
  readonly #unknown: WebHandler = webHandler(this.#fetch);

  constructor({ node, readiness, requests, room, peers, snapshots, closing = NEVER }: RpcRouterOptions) {
    const methods = servedMethods(node);
    this.#node = node;
    this.#requests = requests;
    this.#peers = peers;
    this.#snapshots = snapshots;
    const context = { node, requests, bodies: new BodyReader(room.bodies), room, closing };
    this.#room = room;
    this.#routes = buildRoutes(methods, context);
    this.#grpc = new GrpcRouter({ methods, node, readiness, requests, room, closing });
  }

  route(head: RequestHead): StreamHandler | WholeHandler {
    const { method, target, headers } = head;
    const queryMark = target.indexOf("?");
    const path = queryMark < 0 ? target : target.slice(0, queryMark);
    if (path === DELIVER_PATH && method === "POST") return this.#peers;
    if (path === SNAPSHOT_PATH && method === "POST") return this.#snapshots ?? this.#unknown;
    if (isGrpc(head)) return this.#grpc.route(head);
    const route = this.#routes.get(path);
    if (route === undefined) return this.#unknown;
    if (method === "POST") return this.#routePost(route, headers);
    if (method !== "GET") return webHandler(this.#fetch, { label: { route: path } });
    if (route.method?.isSafe !== true) return this.#general(route);
    const query = parseGetQuery(queryMark < 0 ? "" : target.slice(queryMark + 1));
    const context = { node: this.#node, requests: this.#requests, room: this.#room };
    if (query.encoding === "proto") return getHandler({ ...context, method: route.method }, query);
    return query.encoding === "json"
      ? jsonHandler({ ...context, method: route.routed }, query)
      : this.#general(route);
  }

  /** The path to everything; of it, `protocol` is the one that the call asks for. */
  #general({ routed }: Route, protocol: RequestLabel["protocol"] = "connect"): WebHandler {
    return webHandler(this.#fetch, { label: { route: routed.path, protocol } });
  }

  #routePost(route: Route, headers: RequestHead["headers"]): StreamHandler | WholeHandler {
    const contentType = headers.get("content-type");
    const { post, postJson, postWeb } = route;
    if (post !== undefined && contentType === "application/proto") return post;
    if (postJson !== undefined && isJsonUnary(contentType)) return postJson;
    // A field of Connect in a call of gRPC-Web is rare, and judged by the general path.
    const isWeb = isWebProto(contentType) && headers.get("connect-protocol-version") === null;
    if (postWeb !== undefined && isWeb) return postWeb;
    return this.#general(route, GRPC_WEB.test(contentType ?? "") ? "grpcWeb" : "connect");
  }

  /** Whatever is not on the fast path. Never rejects. */
  async #answer(request: Request): Promise<Response> {
    try {
      return await this.#dispatch(request);
    } catch (error) {
      return this.#defect(error);
    }
  }

  #defect(error: unknown): Response {
    const call = { requests: this.#requests, method: "unknown", startedMs: performance.now() };
    return errorResponse(noteFailure(call, error));
  }

  #dispatch(request: Request): Response | Promise<Response> {
    const { method } = request;
    const { path, query } = partsOf(request.url);
    const route = this.#routes.get(path);
    if (route === undefined) return refuseOther(path, method);
    switch (method) {
      case "POST":
        return this.#routed(route, request);
      case "GET":
        return this.#get(route, request, query);
      case "OPTIONS":
        return new Response(null, { status: 204, headers: [["allow", route.allow]] });
      default:
        return refuseMethod(route.allow, method);
    }
  }

  #get({ method, routed, allow }: Route, request: Request, queryText: string): Response | Promise<Response> {
    if (method === undefined || !method.isSafe) return refuseMethod(allow, "GET");
    return this.#routed({ method, routed }, request, parseGetQuery(queryText));
  }

  async #routed({ method, routed }: GeneralRoute, request: Request, query?: GetQuery): Promise<Response> {
    try {
      const isText = isGrpcWebText(request.headers.get("content-type"));
      const response = isText
        ? await answerWebText(request, (plain) => routed.fetch(plain))
        : await routed.fetch(request, query);
      if (response.status !== 415) return response;
      return query === undefined ? explainMediaType(request, method === undefined) : explainEncoding(query);
    } catch (error) {
      return this.#defect(error);
    }
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
      post: method === undefined ? undefined : postHandler({ ...context, method }),
      postJson: method === undefined ? undefined : jsonHandler({ ...context, method: routed }),
      postWeb: method === undefined ? undefined : unaryHandler(method, context, WEB_FORM),
      allow: method?.isSafe === true ? "GET, POST, OPTIONS" : "POST, OPTIONS",
    });
  }
  return routes;
}

/** Path and query of a URL as the runtime writes it, without taking it apart further. */
export function partsOf(url: string): { readonly path: string; readonly query: string } {
  const pathStart = url.indexOf("/", url.indexOf("://") + 3);
  const queryMark = url.indexOf("?", pathStart);
  const path = url.slice(pathStart, queryMark < 0 ? undefined : queryMark);
  return { path, query: queryMark < 0 ? "" : url.slice(queryMark + 1) };
}

function refuseOther(path: string, method: string): Response {
  if (path === DELIVER_PATH || (path === SNAPSHOT_PATH && method !== "POST")) {
    return refuseMethod("POST", method);
  }
  return httpError(
    404,
    new ConnectError(
      `Cannot find ${path}: this node has no such method: see proto/prkdb/v1 for those it has`,
      Code.Unimplemented,
    ),
  );
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

/** Of a GET: its message stands in the query, and so does what it is written in. */
function explainEncoding({ encoding }: GetQuery): Response {
  const found = encoding === "" ? "it is missing" : `it is ${encoding}`;
  const message = `Cannot read the query: encoding must be proto or json, ${found}`;
  return httpError(415, new ConnectError(message, Code.Unimplemented));
}

/** An error outside the protocol, in the same form, so that people and programs can read it. */
function httpError(status: number, error: ConnectError, header?: readonly [string, string]): Response {
  const response = errorResponse(error);
  const headers = new Headers(response.headers);
  if (header !== undefined) headers.set(...header);
  return new Response(response.body, { status, headers });
}
