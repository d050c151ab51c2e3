/**
 * All that the rest of the server may know of a node: the interface `NodeApi`, the data it takes and returns,
 * and the errors it may fail with. `rpc/` is written against this room and does not know `node/`, so it can
 * be tested with a node that only pretends; a program that embeds a node is served through the same
 * interface.
 *
 * **What it owns.** Types, one error class, and the version of the build. No state, no files, no sockets, no
 * functions but the making of errors.
 *
 * **Read in this order.** `error.ts`: the closed list of what can go wrong, each kind with what its caller
 * needs to go on (`notLeader` carries the leader's address). `node_api.ts`: writes, reads, metadata, status,
 * changes of the cluster. `version.ts`.
 *
 * **What it never does.** It contains no wire types, no Connect codes and no `bigint`:
 * `rpc/method/connect_error.ts` gives each failure its code in one table, which does not compile when a kind
 * is missing. It validates nothing: arguments are checked where they come in, against the limits of
 * `proto/limits.ts`. It does not say how a node does its work: no log, no group, no term except where a
 * caller has to see one.
 *
 * **Invariants**
 *
 * - `write` never rejects: it resolves with one result per mutation, in the order of the mutations, and each
 *   result is a version or an error. Mutations of one partition take effect together or not at all.
 * - `read` resolves with one result per key, in the order of the keys, or rejects with one `DomainError`.
 * - Each failure tells whether something may have happened: `unavailable`, `overloaded` and `notLeader` mean
 *   that nothing has, `outcomeUnknown` and `deadline` that a write may have. Clients decide by it whether
 *   they may try again.
 * - Keys and values are handed through without being copied; the caller must not change them afterwards.
 * - Everything else that is thrown is a defect of the node.
 *
 * A new method of the node begins here, with its types and its failures; a new kind of failure does, too.
 *
 * @module
 */

export {
  DomainError,
  type Failure,
  invalidArgument,
  type RefusalMeters,
  refusalReason,
  type RefusedBy,
} from "./error.ts";
export type {
  BackupFileInfo,
  CallerPresence,
  ClusterMetadata,
  NodeApi,
  NodeCallOptions,
  NodeReadOptions,
  NodeStatus,
  NodeWriteOptions,
  OpenBackup,
  PeerStatus,
  ReadConsistency,
  ReadResult,
  ReplicaStatus,
  WriteResult,
  WrittenResult,
} from "./node_api.ts";
export { type NodeTrouble, type Readiness, readinessOf, type TroubleKind } from "./trouble.ts";
export type { MemoryLimits, ServerMemoryLimits } from "./memory.ts";
export { VERSION } from "./version.ts";
