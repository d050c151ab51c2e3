/**
 * The border between the messages of `kv.proto` and the domain, in both directions. Whatever passes is valid:
 * every limit of the contract is checked here, 64-bit numbers become safe integers, and an error names the
 * field, the limit and what was there. Nothing is copied: keys and values are those of the message.
 *
 * @module
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  BATCH_BYTES_MAX,
  BATCH_MUTATIONS_MAX,
  Consistency as WireConsistency,
  type DeleteResponseSchema,
  type GetManyResponseSchema,
  type GetResponseSchema,
  KEY_BYTES_MAX,
  type Mutation as MutationMessage,
  type Precondition as PreconditionMessage,
  type PutResponseSchema,
  type RequestId as RequestIdMessage,
  VALUE_BYTES_MAX,
  type WriteBatchResponseSchema,
} from "../../../proto/mod.ts";
import {
  DomainError,
  invalidArgument,
  type ReadConsistency,
  type ReadResult,
  type WriteResult,
} from "../../api/mod.ts";
import type { Mutation, Precondition, RequestId } from "../../kv/mod.ts";
import { resultCode } from "../method/mod.ts";

const BYTE_LIMITS = { KEY_BYTES_MAX, VALUE_BYTES_MAX, BATCH_BYTES_MAX } as const;
const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** A mutation that was applied. */
export type Written = WriteResult & { readonly ok: true };

/** How a read wants to be served. */
export interface Freshness {
  readonly consistency: ReadConsistency;
  readonly maxStalenessMs: number;
}

/**
 * @param field where the key stands in the request, for the message
 * @throws {DomainError} `invalidArgument` unless it has 1 to 4,096 bytes
 */
export function checkKey(key: Uint8Array, field: string): Uint8Array {
  if (key.length === 0) {
    throw invalidArgument(`Cannot accept ${field}: it must have at least 1 byte, it is empty`);
  }
  checkBytes(key.length, "KEY_BYTES_MAX", field);
  return key;
}

/**
 * The keys of a read.
 *
 * @throws {DomainError} `invalidArgument` for more than 10,000 keys or a bad one
 */
export function checkKeys(keys: readonly Uint8Array[]): readonly Uint8Array[] {
  checkCount("keys", keys.length);
  for (let at = 0; at < keys.length; at++) {
    const { length } = keys[at]!;
    if (length === 0 || length > KEY_BYTES_MAX) checkKey(keys[at]!, `keys[${at}]`);
  }
  return keys;
}

/** The fields of a put, alone or in a batch. */
export interface PutFields {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly ttlMs: bigint;
}

/**
 * A put; `path` stands before the names of its fields in messages, as `mutations[3].put.`.
 *
 * @throws {DomainError} `invalidArgument`, or `unimplemented` for a time to live
 */
export function toPut(put: PutFields, precondition: PreconditionMessage | undefined, path = ""): Mutation {
  const { key, value } = put;
  checkKey(key, `${path}key`);
  checkBytes(value.length, "VALUE_BYTES_MAX", `${path}value`);
  const ttlMs = toNumber(put.ttlMs, `${path}ttl_ms`);
  if (ttlMs > 0) {
    throw new DomainError(
      { kind: "unimplemented" },
      `Cannot accept ${path}ttl_ms = ${ttlMs}: keys do not expire yet`,
    );
  }
  return { kind: "put", key, value, ttlMs, precondition: toPrecondition(precondition, path) };
}

/** A delete; `path` as in {@linkcode toPut}. */
export function toDelete(
  key: Uint8Array,
  precondition: PreconditionMessage | undefined,
  path = "",
): Mutation {
  checkKey(key, `${path}key`);
  return { kind: "delete", key, precondition: toPrecondition(precondition, path) };
}

/**
 * The mutations of a batch.
 *
 * @throws {DomainError} `invalidArgument` for more than 10,000 of them, more than 8 MiB together, or a bad
 *   one
 */
export function toMutations(messages: readonly MutationMessage[]): readonly Mutation[] {
  checkCount("mutations", messages.length);
  let bytes = 0;
  const mutations = messages.map((message, at) => {
    const mutation = toMutation(message, at);
    bytes += mutation.key.length + (mutation.kind === "put" ? mutation.value.length : 0);
    return mutation;
  });
  checkBytes(bytes, "BATCH_BYTES_MAX", "mutations");
  return mutations;
}

function toMutation({ kind, precondition }: MutationMessage, at: number): Mutation {
  switch (kind.case) {
    case "put":
      return isPlain(kind.value, precondition)
        ? { kind: "put", key: kind.value.key, value: kind.value.value, ttlMs: 0, precondition: undefined }
        : toPut(kind.value, precondition, `mutations[${at}].`);
    case "delete":
      return toDelete(kind.value.key, precondition, `mutations[${at}].`);
    case undefined:
      throw invalidArgument(`Cannot accept mutations[${at}]: it must be a put or a delete, it is neither`);
  }
}

/** Most puts of most batches; saves naming their fields. */
function isPlain({ key, value, ttlMs }: PutFields, precondition: PreconditionMessage | undefined): boolean {
  return precondition === undefined && ttlMs === 0n && key.length > 0 && key.length <= KEY_BYTES_MAX &&
    value.length <= VALUE_BYTES_MAX;
}

function toPrecondition(message: PreconditionMessage | undefined, path: string): Precondition | undefined {
  if (message === undefined) return undefined;
  const { expected } = message;
  switch (expected.case) {
    case "absent":
      if (expected.value) return { kind: "absent" };
      throw invalidArgument(`Cannot accept ${path}precondition.absent: it must be true, it is false`);
    case "version":
      return { kind: "version", version: toNumber(expected.value, `${path}precondition.version`) };
    case undefined:
      throw invalidArgument(
        `Cannot accept ${path}precondition: it must expect \`absent\` or a version, it is empty`,
      );
  }
}

/** @throws {DomainError} `invalidArgument` if one of its numbers is out of range */
export function toRequestId(message: RequestIdMessage | undefined): RequestId | undefined {
  if (message === undefined) return undefined;
  if (message.clientId === 0n) throw invalidArgument("Cannot accept request_id.client_id: it must not be 0");
  const sequence = toNumber(message.sequence, "request_id.sequence");
  if (sequence === 0) {
    throw invalidArgument("Cannot accept request_id.sequence: it must be at least 1, it is 0");
  }
  const acknowledgedBelow = toNumber(message.acknowledgedBelow, "request_id.acknowledged_below");
  if (acknowledgedBelow > sequence) {
    throw invalidArgument(
      `Cannot accept request_id.acknowledged_below: it must be at most sequence = ${sequence}, it is ${acknowledgedBelow}`,
    );
  }
  return { clientId: message.clientId.toString(16).padStart(16, "0"), sequence, acknowledgedBelow };
}

/**
 * @throws {DomainError} `invalidArgument` for a value that has no name, or an age limit where none applies
 */
export function toFreshness(consistency: WireConsistency, maxStaleness: bigint): Freshness {
  const maxStalenessMs = toNumber(maxStaleness, "max_staleness_ms");
  if (maxStalenessMs > 0 && consistency !== WireConsistency.STALE) {
    throw invalidArgument(
      `Cannot accept max_staleness_ms = ${maxStalenessMs}: it goes with consistency STALE only`,
    );
  }
  return { consistency: toConsistency(consistency), maxStalenessMs };
}

function toConsistency(consistency: WireConsistency): ReadConsistency {
  switch (consistency) {
    case WireConsistency.LINEARIZABLE:
      return "linearizable";
    case WireConsistency.FOLLOWER:
      return "follower";
    case WireConsistency.STALE:
      return "stale";
    default:
      // The sender is newer than this node, or broken: an enum field may hold any number.
      throw invalidArgument(
        `Cannot accept consistency: it must be 0, 1 or 2, it is ${consistency as number}`,
      );
  }
}

/** Answer of a put. */
export function toPutResponse(result: Written): MessageInitShape<typeof PutResponseSchema> {
  return { version: BigInt(result.version), partitionId: result.partitionId };
}

/** Answer of a delete. */
export function toDeleteResponse(result: Written): MessageInitShape<typeof DeleteResponseSchema> {
  return { existed: result.existed, version: BigInt(result.version), partitionId: result.partitionId };
}

/** Answer of a get, or one of many. */
export function toGetResponse(result: ReadResult): MessageInitShape<typeof GetResponseSchema> {
  return result === undefined ? {} : { value: result.value, version: BigInt(result.version) };
}

/** Answer of a read of many keys. */
export function toGetManyResponse(
  results: readonly ReadResult[],
): MessageInitShape<typeof GetManyResponseSchema> {
  return { results: results.map(toGetResponse) };
}

/** Answer of a batch. */
export function toWriteBatchResponse(
  results: readonly WriteResult[],
): MessageInitShape<typeof WriteBatchResponseSchema> {
  return {
    results: results.map((result) =>
      result.ok
        ? { version: BigInt(result.version), existed: result.existed }
        : { error: { code: resultCode(result.error), message: result.error.message } }
    ),
  };
}

function checkCount(field: string, count: number): void {
  if (count > BATCH_MUTATIONS_MAX) {
    throw invalidArgument(
      `Cannot accept ${field}: BATCH_MUTATIONS_MAX allows ${BATCH_MUTATIONS_MAX}, there are ${count}`,
    );
  }
}

function toNumber(value: bigint, field: string): number {
  if (value > SAFE_MAX) {
    throw invalidArgument(`Cannot accept ${field}: it must be at most 2^53-1, it is ${value}`);
  }
  return Number(value);
}

function checkBytes(bytes: number, limit: keyof typeof BYTE_LIMITS, field: string): void {
  if (bytes <= BYTE_LIMITS[limit]) return;
  throw invalidArgument(
    `Cannot accept ${field}: ${limit} allows ${BYTE_LIMITS[limit]} bytes, it has ${bytes}`,
  );
}
