/**
 * The requests of the hot path, from the client's plain data to protobuf's binary form. The generated code
 * does the same, at several times the cost; `codec_test.ts` holds both equal on random messages.
 *
 * Each message is measured first, then written, because a length stands before what it counts.
 *
 * @module
 */

import {
  bigVarintSize,
  bytesFieldSize,
  numberFieldSize,
  signedFieldSize,
  varintSize,
  WireWriter,
} from "../../proto/mod.ts";

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
  | { readonly kind: "version"; readonly version: number }
  | { readonly kind: "exists" };

/** One change of one key. `ttlMs` 0: a put never expires, an increment leaves it as it is. */
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
  }
  | {
    readonly kind: "increment";
    readonly key: Uint8Array;
    /** From −2^63 to 2^63−1. */
    readonly by: bigint;
    readonly ttlMs: number;
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

/** A `PutRequest`, a `DeleteRequest` or an `IncrementRequest`, by the kind of `mutation`. */
export function encodeMutationRequest(mutation: EncodableMutation, requestId: ClientRequestId): Bytes {
  const { precondition } = mutation;
  const lastOfBody = mutation.kind === "delete" ? 1 : 3;
  const size = bodySize(mutation) + preconditionFieldSize(precondition) +
    bytesFieldSize(requestIdSize(requestId));
  const writer = measuredWriter(size);
  writeBody(writer, mutation);
  if (precondition !== undefined) writePrecondition(writer, lastOfBody + 1, precondition);
  writeRequestId(writer, lastOfBody + 2, requestId);
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
const MUTATION_FIELDS: Readonly<Record<EncodableMutation["kind"], number>> = {
  put: 1,
  delete: 2,
  increment: 4,
};

/** In `Mutation`. */
const PRECONDITION_FIELD = 3;

function mutationSize(mutation: EncodableMutation): number {
  return bytesFieldSize(bodySize(mutation)) + preconditionFieldSize(mutation.precondition);
}

function writeMutation(writer: WireWriter, mutation: EncodableMutation): void {
  const { kind, precondition } = mutation;
  const field = MUTATION_FIELDS[kind];
  // Fields stand in the order of their numbers, as the generated code writes them.
  const isFirst = field > PRECONDITION_FIELD;
  if (isFirst && precondition !== undefined) writePrecondition(writer, PRECONDITION_FIELD, precondition);
  writer.open(field, bodySize(mutation));
  writeBody(writer, mutation);
  if (!isFirst && precondition !== undefined) writePrecondition(writer, PRECONDITION_FIELD, precondition);
}

/** The fields up to the TTL, which each kind numbers alike in its message and in `Mutation`. */
function bodySize(mutation: EncodableMutation): number {
  const keySize = optionalBytesSize(mutation.key);
  if (mutation.kind === "delete") return keySize;
  const contentSize = mutation.kind === "put" ? optionalBytesSize(mutation.value) : bySize(mutation.by);
  return keySize + contentSize + numberFieldSize(mutation.ttlMs);
}

function bySize(by: bigint): number {
  return by === 0n ? 0 : signedFieldSize(by);
}

function writeBody(writer: WireWriter, mutation: EncodableMutation): void {
  writeOptionalBytes(writer, 1, mutation.key);
  if (mutation.kind === "delete") return;
  if (mutation.kind === "put") writeOptionalBytes(writer, 2, mutation.value);
  else if (mutation.by !== 0n) writer.signedBigint(2, mutation.by);
  writer.number(3, mutation.ttlMs);
}

/** Members of a `oneof` are written even when they are zero. */
function preconditionSize(precondition: EncodablePrecondition): number {
  return precondition.kind === "version" ? 1 + varintSize(precondition.version) : 2;
}

function preconditionFieldSize(precondition: EncodablePrecondition | undefined): number {
  return precondition === undefined ? 0 : bytesFieldSize(preconditionSize(precondition));
}

function writePrecondition(writer: WireWriter, field: number, precondition: EncodablePrecondition): void {
  writer.open(field, preconditionSize(precondition));
  if (precondition.kind === "version") writer.explicitNumber(2, precondition.version);
  else writer.explicitNumber(precondition.kind === "absent" ? 1 : 3, 1);
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
