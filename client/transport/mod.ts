/**
 * How the client reaches nodes, and how calls may end. This is the lowest room of the client: all others
 * speak to nodes through what stands here.
 *
 * It owns three ports, each of them small enough for a test or a simulator to replace: `UnaryCaller` and
 * `StreamCaller` (`caller.ts`) carry encoded requests to one node and bring encoded answers back;
 * `ClientClock` (`clock.ts`) is the only time the client has. `fetch_caller.ts` and `stream.ts` are the
 * callers over HTTP, for Deno, Node.js and browsers alike; `connect_transport.ts` puts Connect's `Transport`
 * on top, for programs that prefer the generated services.
 *
 * It also owns the ends of a call. `failure.ts` sorts whatever a caller rejected with into `CallFailure`, by
 * what the client does about it: the client's half of the contract's error table. `error.ts` has what the
 * user of the client meets in the end, `PrkDbError` with a stable code. `abort.ts` lets any number of calls
 * wait for one signal.
 *
 * What it never does: it does not choose a node, repeat a call, or look into a request or an answer (but for
 * the details of errors). Routes are `client/routing`, retries are `client/pipeline`, messages
 * `client/codec`.
 *
 * Read `caller`, `fetch_caller`, `failure`, `error`.
 *
 * @module
 */

export { onAbort, orAborted } from "./abort.ts";
export type { StreamCall, StreamCaller, UnaryCall, UnaryCaller } from "./caller.ts";
export { type ClientClock, sleep, systemClock } from "./clock.ts";
export { createPrkDbTransport, type TransportOptions } from "./connect_transport.ts";
export {
  atCaller,
  closedError,
  type ErrorCode,
  NotANumberError,
  NotFoundedError,
  PreconditionError,
  PrkDbError,
} from "./error.ts";
export {
  type CallFailure,
  deadlineError,
  errorOf,
  failureOf,
  failureOfCode,
  type LeaderHint,
  tellingOf,
} from "./failure.ts";
export { fetchCaller, type FetchCallerOptions, type FetchFunction, STARTING_WORDS } from "./fetch_caller.ts";
