/**
 * `Increment`: adds to a key that holds a number.
 *
 * @module
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type IncrementRequest,
  type IncrementResponseSchema,
  KvService,
  type Mutation_Increment,
  numberFieldSize,
  type Precondition,
  signedFieldSize,
  type WireReader,
  WireWriter,
} from "../../../proto/mod.ts";
import { type Mutation, passingBytes } from "../../kv/mod.ts";
import { defineUnary } from "../method/mod.ts";
import { decodeOrGiveUp, giveUp, NO_BYTES, readPrecondition, readRequestId } from "./fast_decode.ts";
import { checkKey, toPrecondition, toRequestId, toTtl } from "./fields.ts";
import { numberOf, writeOne, type Written } from "./node_calls.ts";

/** See the module comment. */
export const incrementMethod = defineUnary({
  desc: KvService.method.increment,
  answer: (node) => (message, options) => {
    const mutation = toIncrementMutation(message, message.precondition);
    return writeOne(node, mutation, { ...options, requestId: toRequestId(message.requestId) });
  },
  reply: toIncrementResponse,
  decode: (bytes) => decodeOrGiveUp(bytes, readIncrementRequest),
  encode: encodeIncrementResponse,
});

/** The fields of an increment, alone or in a batch. */
export interface IncrementFields {
  readonly key: Uint8Array;
  readonly by: bigint;
  readonly ttlMs: bigint;
}

/**
 * An increment, valid; `path` stands before the names of its fields in messages, as `mutations[3].`.
 *
 * @throws {DomainError} `invalidArgument`
 */
export function toIncrementMutation(
  { key, by, ttlMs }: IncrementFields,
  precondition: Precondition | undefined,
  path = "",
): Mutation {
  checkKey(key, `${path}key`);
  return {
    kind: "increment",
    key,
    by: by.toString(),
    ttlMs: toTtl(ttlMs, path),
    precondition: toPrecondition(precondition, path),
  };
}

/** An increment of a batch. */
export function readIncrement(reader: WireReader): Mutation_Increment {
  const increment: Mutation_Increment = {
    $typeName: "prkdb.v1.Mutation.Increment",
    key: NO_BYTES,
    by: 0n,
    ttlMs: 0n,
  };
  while (reader.next()) {
    if (reader.field === 1) increment.key = reader.bytes();
    else if (reader.field === 2) increment.by = reader.signedBigint();
    else if (reader.field === 3) increment.ttlMs = reader.bigint();
    else giveUp();
  }
  return increment;
}

function toIncrementResponse(written: Written): MessageInitShape<typeof IncrementResponseSchema> {
  const { version, partitionId } = written;
  return { value: numberOf(written), version: BigInt(version), partitionId };
}

function readIncrementRequest(reader: WireReader): IncrementRequest {
  const increment: IncrementRequest = {
    $typeName: "prkdb.v1.IncrementRequest",
    key: NO_BYTES,
    by: 0n,
    ttlMs: 0n,
  };
  while (reader.next()) {
    if (reader.field === 1) increment.key = reader.bytes();
    else if (reader.field === 2) increment.by = reader.signedBigint();
    else if (reader.field === 3) increment.ttlMs = reader.bigint();
    else if (reader.field === 4 && increment.precondition === undefined) {
      increment.precondition = reader.message(readPrecondition);
    } else if (reader.field === 5 && increment.requestId === undefined) {
      increment.requestId = reader.message(readRequestId);
    } else giveUp();
  }
  return increment;
}

function encodeIncrementResponse(written: Written): Uint8Array<ArrayBuffer> {
  const { version, partitionId } = written;
  const value = numberOf(written);
  const valueSize = value === 0n ? 0 : signedFieldSize(value);
  const writer = new WireWriter(
    passingBytes(valueSize + numberFieldSize(version) + numberFieldSize(partitionId)),
  );
  if (value !== 0n) writer.signedBigint(1, value);
  writer.number(2, version);
  writer.number(3, partitionId);
  return writer.finishMeasured();
}
