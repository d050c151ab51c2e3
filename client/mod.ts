/**
 * The client of prkdb, for Deno, Node.js from 20 and browsers: the smart client, its errors and options, and
 * a Connect transport for those who want the generated services.
 *
 * @module
 */

export { type DeleteResult, PrkDbClient, type PutResult, type VersionedValue } from "./client.ts";
export type {
  BatchMutation,
  BatchResult,
  Bytes,
  CallOptions,
  ClientOptions,
  DeleteOptions,
  GetOptions,
  PreconditionOption,
  PutOptions,
  ReadOptions,
} from "./arguments/mod.ts";
export {
  type ClientClock,
  createPrkDbTransport,
  type ErrorCode,
  fetchCaller,
  type FetchCallerOptions,
  type FetchFunction,
  PreconditionError,
  PrkDbError,
  type StreamCall,
  type StreamCaller,
  type TransportOptions,
  type UnaryCall,
  type UnaryCaller,
} from "./transport/mod.ts";
export {
  type ChangeProgress,
  ClusterClient,
  type ClusterView,
  type FollowerView,
  type NodeReport,
  type NodeView,
  type PartitionView,
  type PeerView,
  type ReplicaView,
  type WaitOptions,
} from "./cluster/mod.ts";
export type { Consistency } from "./codec/mod.ts";
