/**
 * The client of prkdb, for Deno, Node.js from 20 and browsers: `PrkDbClient`, its options and errors, and a
 * Connect transport for programs that want the generated services instead.
 *
 * Any node takes any call and forwards it. What this client adds is that it need not: it computes a key's
 * partition itself, sends the call to the node that leads it, joins calls that are made at the same time, and
 * repeats what failed under one request id, so that a write takes effect once.
 *
 * ```
 * client ─▶ arguments    checked, in the form that is sent
 *        ─▶ pipeline     pending item ─▶ lane of its leader ─▶ partition batches ─▶ attempts, backoff
 *             │  └─▶ codec      bytes of the contract
 *             └────▶ routing    partition ─▶ leader, as nodes tell it
 *        ─▶ cluster      changes of the cluster: asked for, watched, waited for
 *                └──▶ transport  one call to one node; errors; the clock
 * ```
 *
 * Imports go down only: `transport` and `codec` know nothing of the rest. `cli/` is the
 * command line on top of this module, `npm/` makes the package for Node.js and browsers out of it.
 *
 * It never decides anything about data: order, versions and conditions are the nodes'. It keeps nothing but
 * routes, and its client id and sequence numbers, for as long as it is open. Memory is bounded: calls that
 * wait for an answer have a limit (`pipeline/pending.ts`). Protobuf's types end here, and so does
 * `bigint`, but for the numbers of increments.
 *
 * @module
 */

export { type DeleteResult, PrkDbClient, type PutResult, type VersionedValue } from "./client.ts";
export type {
  Addresses,
  AppliedResult,
  BatchMutation,
  BatchResult,
  Bytes,
  CallOptions,
  ClientOptions,
  DeleteOptions,
  GetOptions,
  IncrementOptions,
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
  NotANumberError,
  NotFoundedError,
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
  type LeadershipMove,
  type NewNode,
  type NodeReport,
  type NodeView,
  type PartitionFile,
  type PartitionPart,
  type PartitionView,
  type PeerView,
  type ReadPartitionOptions,
  type ReplicaMove,
  type ReplicaView,
  type TroubleView,
  type WaitOptions,
  type WatchOptions,
} from "./cluster/mod.ts";
export type { Consistency } from "./codec/mod.ts";
