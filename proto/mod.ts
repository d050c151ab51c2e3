/**
 * The contract between clients and nodes: services and messages generated from `prkdb/v1/*.proto`, the
 * limits, the way from a key to its partition, and the wire format by hand for the hot paths. Imports no
 * other room.
 *
 * @module
 */

export * from "./gen/prkdb/v1/kv_pb.ts";
export * from "./gen/prkdb/v1/cluster_pb.ts";
export * from "./gen/prkdb/v1/backup_pb.ts";
export * from "./gen/prkdb/v1/cluster_log_pb.ts";
export * from "./gen/prkdb/v1/raft_pb.ts";
export * from "./gen/grpc/health/v1/health_pb.ts";
export * from "./gen/grpc/reflection/v1/reflection_pb.ts";
export { isBlockedPort } from "./blocked_ports.ts";
export * from "./limits.ts";
export * from "./partition_key.ts";
export { bigVarintSize, bytesFieldSize, numberFieldSize, signedFieldSize, varintSize } from "./varint.ts";
export { WireReader } from "./wire_reader.ts";
export { WireWriter } from "./wire_writer.ts";
