/**
 * All that speaks Connect to clients. A request comes in at `http.ts`, which finds its method and the path
 * that suits it: `fast_unary.ts` for binary unary calls, `connect_router.ts` for JSON, gRPC-Web and streams.
 * Both end in the same method of `kv/` or `cluster/`, one file each, and `method/` says what a method is. The
 * embedded node calls the same methods without HTTP (`local_caller.ts`).
 *
 * The room owns the protocol: headers, bodies and their limits, deadlines, error codes. It knows a node only
 * by `NodeApi` and decides nothing about keys or the cluster; what peers say to each other goes past it to
 * the handler it is given.
 *
 * @module
 */

export { createHttpHandler } from "./http.ts";
export { createLocalCaller, type LocalCall } from "./local_caller.ts";
