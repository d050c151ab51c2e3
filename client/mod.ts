/**
 * The client of prkdb, for Deno, Node.js from 20 and browsers: the smart client, its errors and options, and a Connect
 * transport for those who want the generated services.
 *
 * @module
 */

export { type DeleteResult, type Entry, PrkDbClient, type PutResult } from "./client.ts";
export type { Bytes, PreconditionOption } from "./argument.ts";
export type { BatchMutation, BatchResult } from "./batch.ts";
export type { StreamCall, StreamCaller, UnaryCall, UnaryCaller } from "./caller.ts";
export type { ChangeProgress } from "./change_watch.ts";
export type { Clock } from "./clock.ts";
export type { ClusterClient, WaitOptions } from "./cluster_client.ts";
export type {
  ClusterView,
  FollowerView,
  NodeView,
  PartitionView,
  PeerView,
  ReplicaView,
} from "./cluster_view.ts";
export type { Consistency } from "./codec.ts";
export { type ErrorCode, PreconditionError, PrkDbError } from "./error.ts";
export type {
  CallOptions,
  ClientOptions,
  DeleteOptions,
  GetOptions,
  PutOptions,
  ReadOptions,
} from "./options.ts";
export type { NodeReport } from "./status.ts";
export {
  createPrkDbTransport,
  fetchCaller,
  type FetchCallerOptions,
  type FetchFunction,
  type TransportOptions,
} from "./transport.ts";
