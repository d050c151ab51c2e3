/**
 * The requests of the hot path, from the client's plain data to protobuf's binary form. The generated code
 * does the same, at several times the cost; `codec_test.ts` holds both equal on random messages.
 *
 * Each message is measured first, then written, because a length stands before what it counts.
 *
 * @module
 */

import { bigVarintSize, bytesFieldSize, numberFieldSize, varintSize, WireWriter } from "../../proto/mod.ts";

/** The request id of one write, as it goes on the wire. */
export interface ClientRequestId {
  /** Not 0. */
  readonly clientId: bigint;
  /** From 1. */
  readonly sequence: number;
  /** At most `sequence`. */
  readonly acknowledgedBelow: number;
}

/** Under which condition a write may be applied. */
export type EncodablePrecondition =
  | { readonly kind: "absent" }
  /** A safe integer; 0 means the same as `absent`. */
  | { readonly kind: "version"; readonly version: number };

/** One change of one key. `ttlMs` 0: never expires. */
export type EncodableMutation =
  | {
    readonly kind: "put";
    readonly key: Uint8Array;
    readonly value: Uint8Array;
    readonly ttlMs: number;
    readonly precondition: EncodablePrecondition | undefined;
  }
  | {
    readonly kind: "delete";
    readonly key: Uint8Array;
    readonly precondition: EncodablePrecondition | undefined;
  };

/** Number on the wire of each consistency. */
export const CONSISTENCY_NUMBER = { linearizable: 0, follower: 1, stale: 2 } as const;

/** How fresh a read must be. */
export type Consistency = keyof typeof CONSISTENCY_NUMBER;

/** How one key is to be read. */
export interface EncodableReadMode {
  readonly consistency: Consistency;
  /** With `stale`: milliseconds, 0 for any age. */
  readonly maxStalenessMs: number;
}

type Bytes = Uint8Array<ArrayBuffer>;

/** A `WriteBatchRequest`. */
export function encodeWriteBatchRequest(
  mutations: readonly EncodableMutation[],
  requestId: ClientRequestId,
): Bytes {
  let size = bytesFieldSize(requestIdSize(requestId));
  for (const mutation of mutations) size += bytesFieldSize(mutationSize(mutation));
  const writer = measuredWriter(size);
  for (const mutation of mutations) {
    writer.open(1, mutationSize(mutation));
    writeMutation(writer, mutation);
  }
  writeRequestId(writer, 2, requestId);
  return writer.finishMeasured();
}

/** A `PutRequest` or a `DeleteRequest`, by the kind of `mutation`. */
export function encodeMutationRequest(mutation: EncodableMutation, requestId: ClientRequestId): Bytes {
  const { precondition } = mutation;
  const isPut = mutation.kind === "put";
  const size = bodySize(mutation) + preconditionFieldSize(precondition) +
    bytesFieldSize(requestIdSize(requestId));
  const writer = measuredWriter(size);
  writeBody(writer, mutation);
  if (precondition !== undefined) writePrecondition(writer, isPut ? 4 : 2, precondition);
  writeRequestId(writer, isPut ? 5 : 3, requestId);
  return writer.finishMeasured();
}

/** A `GetManyRequest`. */
export function encodeGetManyRequest(keys: readonly Uint8Array[], consistency: Consistency): Bytes {
  const number = CONSISTENCY_NUMBER[consistency];
  let size = numberFieldSize(number);
  for (const key of keys) size += bytesFieldSize(key.length);
  const writer = measuredWriter(size);
  for (const key of keys) writer.bytes(1, key);
  writer.number(2, number);
  return writer.finishMeasured();
}

/** A `GetRequest`. */
export function encodeGetRequest(key: Uint8Array, { consistency, maxStalenessMs }: EncodableReadMode): Bytes {
  const number = CONSISTENCY_NUMBER[consistency];
  const writer = measuredWriter(
    optionalBytesSize(key) + numberFieldSize(number) + numberFieldSize(maxStalenessMs),
  );
  writeOptionalBytes(writer, 1, key);
  writer.number(2, number);
  writer.number(3, maxStalenessMs);
  return writer.finishMeasured();
}

function measuredWriter(size: number): WireWriter {
  return new WireWriter(new Uint8Array(size));
}

/** Field of each kind in the `oneof` of `Mutation`. */
const MUTATION_FIELDS: Readonly<Record<EncodableMutation["kind"], number>> = { put: 1, delete: 2 };

function mutationSize(mutation: EncodableMutation): number {
  return bytesFieldSize(bodySize(mutation)) + preconditionFieldSize(mutation.precondition);
}

function writeMutation(writer: WireWriter, mutation: EncodableMutation): void {
  writer.open(MUTATION_FIELDS[mutation.kind], bodySize(mutation));
  writeBody(writer, mutation);
  const { precondition } = mutation;
  if (precondition !== undefined) writePrecondition(writer, 3, precondition);
}

/** Key, value and TTL: the fields that `Mutation.Put` and `PutRequest` number alike. */
function bodySize(mutation: EncodableMutation): number {
  const keySize = optionalBytesSize(mutation.key);
  if (mutation.kind === "delete") return keySize;
  return keySize + optionalBytesSize(mutation.value) + numberFieldSize(mutation.ttlMs);
}

function writeBody(writer: WireWriter, mutation: EncodableMutation): void {
  writeOptionalBytes(writer, 1, mutation.key);
  if (mutation.kind === "delete") return;
  writeOptionalBytes(writer, 2, mutation.value);
  writer.number(3, mutation.ttlMs);
}

/** Members of a `oneof` are written even when they are zero. */
function preconditionSize(precondition: EncodablePrecondition): number {
  return precondition.kind === "absent" ? 2 : 1 + varintSize(precondition.version);
}

function preconditionFieldSize(precondition: EncodablePrecondition | undefined): number {
  return precondition === undefined ? 0 : bytesFieldSize(preconditionSize(precondition));
}

function writePrecondition(writer: WireWriter, field: number, precondition: EncodablePrecondition): void {
  writer.open(field, preconditionSize(precondition));
  if (precondition.kind === "absent") writer.explicitNumber(1, 1);
  else writer.explicitNumber(2, precondition.version);
}

function requestIdSize({ clientId, sequence, acknowledgedBelow }: ClientRequestId): number {
  return 1 + bigVarintSize(clientId) + numberFieldSize(sequence) + numberFieldSize(acknowledgedBelow);
}

function writeRequestId(writer: WireWriter, field: number, requestId: ClientRequestId): void {
  writer.open(field, requestIdSize(requestId));
  writer.bigint(1, requestId.clientId);
  writer.number(2, requestId.sequence);
  writer.number(3, requestId.acknowledgedBelow);
}

/** proto3 leaves out fields that have their default value. */
function optionalBytesSize(value: Uint8Array): number {
  return value.length === 0 ? 0 : bytesFieldSize(value.length);
}

function writeOptionalBytes(writer: WireWriter, field: number, value: Uint8Array): void {
  if (value.length > 0) writer.bytes(field, value);
}
