/**
 * TODO(header): server/api
 *
 * @module
 */

export { DomainError, type Failure, invalidArgument } from "./error.ts";
export type {
  ClusterMetadata,
  NodeApi,
  NodeCallOptions,
  NodeReadOptions,
  NodeStatus,
  NodeWriteOptions,
  PeerStatus,
  ReadConsistency,
  ReadResult,
  ReplicaStatus,
  WriteResult,
} from "./node_api.ts";
export { VERSION } from "./version.ts";
