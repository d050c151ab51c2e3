/**
 * TODO(header): client/transport
 *
 * @module
 */

export type { StreamCall, StreamCaller, UnaryCall, UnaryCaller } from "./caller.ts";
export { type ClientClock, sleep, systemClock } from "./clock.ts";
export { closedError, type ErrorCode, PreconditionError, PrkDbError } from "./error.ts";
export {
  type CallFailure,
  deadlineError,
  errorOf,
  failureOf,
  failureOfCode,
  type LeaderHint,
  tellingOf,
} from "./failure.ts";
export {
  createPrkDbTransport,
  fetchCaller,
  type FetchCallerOptions,
  type FetchFunction,
  type TransportOptions,
} from "./fetch_caller.ts";
