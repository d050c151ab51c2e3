/**
 * Everything that speaks Connect with clients: from an HTTP request to the method it names and back. Programs
 * that embed a node call the same methods without HTTP.
 *
 * **What it owns.** The table from paths to methods, and the bodies that are being read: each may have 16
 * MiB; those above 64 KiB may have 256 MiB together, and each of them 30 s to arrive. The listening socket
 * belongs to `http/`; every request is handed in.
 *
 * **Two ways, one method.** Nearly all calls are binary and unary; they go from bytes to bytes without
 * streams, interceptors and copies of headers (`fast_unary.ts`). JSON, gRPC-Web and streams go through the
 * Connect router (`connect_router.ts`). Both end in the same method of `rpc/kv` or `rpc/cluster`
 * (`docs/decisions/0005-…`).
 *
 * ```
 *                    ┌ POST application/proto, GET encoding=proto ─▶ fast_unary ───┐
 * request ─▶ http ─▶ ┤                                                             ├─▶ method ─▶ NodeApi
 *                    ├ JSON, gRPC-Web, streams ─▶ connect_router ──────────────────┘
 *                    └ /prkdb.v1.RaftService/Deliver ─▶ the peers' service, handed in
 * ```
 *
 * **Read in this order.** `call_headers.ts` and `connect_get.ts`: what headers and URLs say about a call.
 * `request_body.ts`: reading a body within its limits. `request_observer.ts`: how each call ended, for
 * metrics and the log. `fast_unary.ts`, `connect_router.ts`, `http.ts`: the two ways and the fork before
 * them. `local_caller.ts`: the same methods within one process. The methods themselves: `rpc/method`,
 * `rpc/kv`, `rpc/cluster`.
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
 * - Both ways answer the same request with the same code, message and details.
 * - A body is read whole and within its limits before a method sees it, compressed ones as they unfold.
 * - Answers to reads by GET may not be cached: a stored answer would not be linearizable.
 * - When the node stops, streams end, with a reason that tells clients to go elsewhere.
 *
 * @module
 */

export { createHttpHandler } from "./http.ts";
export { createLocalCaller, type LocalCall } from "./local_caller.ts";
