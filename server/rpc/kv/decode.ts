/**
 * Decoders of the hot requests, two to three times as fast as the generated ones, which know the schema only
 * at run time (a batch of 500 puts: 76 instead of 197 µs). They read what clients normally send and give up
 * on everything else (unknown or repeated fields, broken bytes) with `undefined`: then the generated decoder
 * decides, so that there is one opinion about every input. Bytes fields are views.
 *
 * A tag is compared whole, field number and wire type together: `field << 3 | type`, type 0 for numbers, 2
 * for what has a length.
 *
 * Source: Protocol Buffers encoding, "Message Structure".
 *
 * @module
 */

import { BinaryReader } from "@bufbuild/protobuf/wire";
import type {
  GetManyRequest,
  GetRequest,
  Mutation,
  Mutation_Delete,
  Mutation_Put,
  Precondition,
  PutRequest,
  RequestId,
  WriteBatchRequest,
} from "../../../proto/mod.ts";

const NO_BYTES = new Uint8Array(0);

/** Tags of fields 1 to 5, as number and as length-delimited. */
const NUMBER = { field1: 8, field2: 16, field3: 24 } as const;
const BYTES = { field1: 10, field2: 18, field3: 26, field4: 34, field5: 42 } as const;

/** Thrown inside this file where the generated decoder must take over. */
class Unusual extends Error {}

/** A `PutRequest`, or `undefined` to give up. */
export function decodePut(bytes: Uint8Array): PutRequest | undefined {
  return decodeWhole(bytes, readPutRequest);
}

/** A `GetRequest`, or `undefined` to give up. */
export function decodeGet(bytes: Uint8Array): GetRequest | undefined {
  return decodeWhole(bytes, readGetRequest);
}

/** A `GetManyRequest`, or `undefined` to give up. */
export function decodeGetMany(bytes: Uint8Array): GetManyRequest | undefined {
  return decodeWhole(bytes, readGetManyRequest);
}

/** A `WriteBatchRequest`, or `undefined` to give up. */
export function decodeWriteBatch(bytes: Uint8Array): WriteBatchRequest | undefined {
  return decodeWhole(bytes, readWriteBatchRequest);
}

/** Reads the fields of one message, which ends at `end`. */
type Read<T> = (reader: BinaryReader, end: number) => T;

function decodeWhole<T>(bytes: Uint8Array, read: Read<T>): T | undefined {
  try {
    const reader = new BinaryReader(bytes);
    const message = read(reader, bytes.length);
    return reader.pos === bytes.length ? message : undefined;
  } catch {
    // Whatever was wrong, the generated decoder says it in its words, or copes with it.
    return undefined;
  }
}

function readNested<T>(reader: BinaryReader, read: Read<T>): T {
  const end = reader.uint32() + reader.pos;
  const message = read(reader, end);
  if (reader.pos !== end) throw new Unusual();
  return message;
}

function readPutRequest(reader: BinaryReader, end: number): PutRequest {
  const put: PutRequest = { $typeName: "prkdb.v1.PutRequest", key: NO_BYTES, value: NO_BYTES, ttlMs: 0n };
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === BYTES.field1) put.key = reader.bytes();
    else if (tag === BYTES.field2) put.value = reader.bytes();
    else if (tag === NUMBER.field3) put.ttlMs = readBigint(reader);
    else if (tag === BYTES.field4 && put.precondition === undefined) {
      put.precondition = readNested(reader, readPrecondition);
    } else if (tag === BYTES.field5 && put.requestId === undefined) {
      put.requestId = readNested(reader, readRequestId);
    } else throw new Unusual();
  }
  return put;
}

function readGetRequest(reader: BinaryReader, end: number): GetRequest {
  const get: GetRequest = {
    $typeName: "prkdb.v1.GetRequest",
    key: NO_BYTES,
    consistency: 0,
    maxStalenessMs: 0n,
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === BYTES.field1) get.key = reader.bytes();
    else if (tag === NUMBER.field2) get.consistency = reader.int32();
    else if (tag === NUMBER.field3) get.maxStalenessMs = readBigint(reader);
    else throw new Unusual();
  }
  return get;
}

function readGetManyRequest(reader: BinaryReader, end: number): GetManyRequest {
  const get: GetManyRequest = { $typeName: "prkdb.v1.GetManyRequest", keys: [], consistency: 0 };
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === BYTES.field1) get.keys.push(reader.bytes());
    else if (tag === NUMBER.field2) get.consistency = reader.int32();
    else throw new Unusual();
  }
  return get;
}

function readWriteBatchRequest(reader: BinaryReader, end: number): WriteBatchRequest {
  const batch: WriteBatchRequest = { $typeName: "prkdb.v1.WriteBatchRequest", mutations: [] };
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === BYTES.field1) batch.mutations.push(readNested(reader, readMutation));
    else if (tag === BYTES.field2 && batch.requestId === undefined) {
      batch.requestId = readNested(reader, readRequestId);
    } else throw new Unusual();
  }
  return batch;
}

function readMutation(reader: BinaryReader, end: number): Mutation {
  const mutation: Mutation = { $typeName: "prkdb.v1.Mutation", kind: { case: undefined } };
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === BYTES.field1 && mutation.kind.case === undefined) {
      mutation.kind = { case: "put", value: readNested(reader, readPut) };
    } else if (tag === BYTES.field2 && mutation.kind.case === undefined) {
      mutation.kind = { case: "delete", value: readNested(reader, readDelete) };
    } else if (tag === BYTES.field3 && mutation.precondition === undefined) {
      mutation.precondition = readNested(reader, readPrecondition);
    } else throw new Unusual();
  }
  return mutation;
}

function readPut(reader: BinaryReader, end: number): Mutation_Put {
  const put: Mutation_Put = { $typeName: "prkdb.v1.Mutation.Put", key: NO_BYTES, value: NO_BYTES, ttlMs: 0n };
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === BYTES.field1) put.key = reader.bytes();
    else if (tag === BYTES.field2) put.value = reader.bytes();
    else if (tag === NUMBER.field3) put.ttlMs = readBigint(reader);
    else throw new Unusual();
  }
  return put;
}

function readDelete(reader: BinaryReader, end: number): Mutation_Delete {
  const mutation: Mutation_Delete = { $typeName: "prkdb.v1.Mutation.Delete", key: NO_BYTES };
  while (reader.pos < end) {
    if (reader.uint32() !== BYTES.field1) throw new Unusual();
    mutation.key = reader.bytes();
  }
  return mutation;
}

function readPrecondition(reader: BinaryReader, end: number): Precondition {
  const precondition: Precondition = { $typeName: "prkdb.v1.Precondition", expected: { case: undefined } };
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === NUMBER.field1) precondition.expected = { case: "absent", value: reader.bool() };
    else if (tag === NUMBER.field2) precondition.expected = { case: "version", value: readBigint(reader) };
    else throw new Unusual();
  }
  return precondition;
}

function readRequestId(reader: BinaryReader, end: number): RequestId {
  const id: RequestId = {
    $typeName: "prkdb.v1.RequestId",
    clientId: 0n,
    sequence: 0n,
    acknowledgedBelow: 0n,
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === NUMBER.field1) id.clientId = readBigint(reader);
    else if (tag === NUMBER.field2) id.sequence = readBigint(reader);
    else if (tag === NUMBER.field3) id.acknowledgedBelow = readBigint(reader);
    else throw new Unusual();
  }
  return id;
}

function readBigint(reader: BinaryReader): bigint {
  return BigInt(reader.uint64());
}
