/**
 * The contract for programs that speak to nodes without this project's client: the services and messages
 * generated from `prkdb/v1`, the limits, and the way from a key to its partition. What nodes say among
 * themselves is not part of it.
 *
 * ```ts
 * const kv = createClient(KvService, createPrkDbTransport({ baseUrl: "http://127.0.0.1:50051" }));
 * await kv.put({ key: new TextEncoder().encode("user:123"), value: new TextEncoder().encode("Alice") });
 * ```
 *
 * @module
 */

export * from "./gen/prkdb/v1/kv_pb.ts";
export * from "./gen/prkdb/v1/cluster_pb.ts";
export * from "./gen/prkdb/v1/backup_pb.ts";
export * from "./limits.ts";
export { HASH_SPACE, hashRangeStart, partitionOfKey } from "./partition_key.ts";
