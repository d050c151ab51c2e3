/**
 * Everything that speaks Connect with clients: from an HTTP request to the method it names and back. Programs
 * that embed a node call the same methods without HTTP.
 *
 * **What it owns.** The table from paths to handlers. Sockets, bodies of whole requests and unread answers
 * belong to `http/`, which asks for a handler by the head of a request. Only of streams and of unusual
 * types are bodies read here: those above 64 KiB may have 256 MiB together, and each of them 30 s to arrive.
 *
 * **Several ways, one method.** Nearly all calls are binary and unary; they go from bytes to bytes without
 * streams, interceptors and copies of headers (`fast_unary.ts`). JSON goes from a whole body through the
 * Connect router to a whole answer (`json_unary.ts`), streams and gRPC-Web in JSON through the router and the
 * web's `Request` and `Response` (`connect_router.ts`), gRPC and unary gRPC-Web through `grpc/`. All end in
 * the same method of `rpc/kv`, `rpc/cluster` or `rpc/backup` (`docs/decisions/0005-…`).
 *
 * ```
 *                 ┌ POST application/proto, GET encoding=proto ─▶ fast_unary ──────┐
 * head ─▶ http ─▶ ┤ JSON ─▶ json_unary ─▶ connect_router ──────────────────────────┤
 *                 ├ streams, unusual types ─▶ connect_router ──────────────────────┼─▶ method ─▶ NodeApi
 *                 ├ gRPC, unary gRPC-Web ─▶ grpc/ ─────────────────────────────────┘
 *                 └ /prkdb.v1.RaftService/… ─▶ the peers' services, handed in
 * ```
 *
 * **Read in this order.** `call_headers.ts` and `connect_get.ts`: what headers and URLs say about a call.
 * `fast_unary.ts`, `connect_router.ts`, `json_unary.ts`, `http.ts`: the ways and the fork before them.
 * `local_caller.ts`: the same methods within one process. `request_body.ts` and `request_caller.ts`: a
 * request of the web, for the general path.
 * `served_methods.ts`: the list of methods; they themselves: `rpc/method`, `rpc/kv`, `rpc/cluster`,
 * `rpc/backup`.
 *
 * **What it never does.** It makes no decision about data: it does not know what leads where, and keeps
 * nothing between two calls. It never retries. It lets no `bigint` and no generated type through to the node.
 *
 * **Invariants**
 *
 * - No request, however malformed, makes the handler throw or reject; a defect costs its caller `internal`
 *   and the operator a line in the log.
 * - Every call of a method is counted once: a unary call when it is answered, a stream when it begins or
 *   fails.
 * - All ways answer the same request with the same code, message and details.
 * - A body is read whole and within its limits before a method sees it. What unfolds, and large answers, have
 *   room taken for them before they take memory.
 * - Answers to reads by GET may not be cached: a stored answer would not be linearizable.
 * - When the node stops, streams end, with a reason that tells clients to go elsewhere.
 *
 * @module
 */

export { RpcRouter } from "./http.ts";
export type { ExchangeRoom } from "./method/mod.ts";
export { createLocalCaller, type LocalCall } from "./local_caller.ts";
export { servedMethods } from "./served_methods.ts";
