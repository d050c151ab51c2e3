/**
 * `Put`: sets a key.
 *
 * @module
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  KvService,
  numberFieldSize,
  type Precondition,
  type PutRequest,
  type PutResponseSchema,
  VALUE_BYTES_MAX,
  type WireReader,
  WireWriter,
} from "../../../proto/mod.ts";
import type { DomainError } from "../../api/mod.ts";
import { type Mutation, passingBytes } from "../../kv/mod.ts";
import { defineUnary } from "../method/mod.ts";
import { decodeOrGiveUp, giveUp, NO_BYTES, readPrecondition, readRequestId } from "./fast_decode.ts";
import { checkKey, tooManyBytes, toPrecondition, toRequestId, toTtl } from "./fields.ts";
import { writeOne, type Written } from "./node_calls.ts";

/** See the module comment. */
export const putMethod = defineUnary({
  desc: KvService.method.put,
  answer: (node) => (message, options) => {
    const mutation = toPutMutation(message, message.precondition);
    return writeOne(node, mutation, { ...options, requestId: toRequestId(message.requestId) });
  },
  reply: toPutResponse,
  decode: (bytes) => decodeOrGiveUp(bytes, readPutRequest),
  encode: encodePutResponse,
});

/** The fields of a put, alone or in a batch. */
export interface PutFields {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly ttlMs: bigint;
}

/**
 * A put, valid; `path` stands before the names of its fields in messages, as `mutations[3].`.
 *
 * @throws {DomainError} `invalidArgument`
 */
export function toPutMutation(put: PutFields, precondition: Precondition | undefined, path = ""): Mutation {
  const { key, value } = put;
  checkKey(key, `${path}key`);
  if (value.length > VALUE_BYTES_MAX) throw tooLarge(value, `${path}value`);
  const ttlMs = toTtl(put.ttlMs, path);
  return { kind: "put", key, value, ttlMs, precondition: toPrecondition(precondition, path) };
}

function tooLarge(value: Uint8Array, field: string): DomainError {
  return tooManyBytes(value.length, {
    field,
    limit: "VALUE_BYTES_MAX",
    bytesMax: VALUE_BYTES_MAX,
    advice: "keep it in parts, under a key each",
  });
}

function toPutResponse({ version, partitionId }: Written): MessageInitShape<typeof PutResponseSchema> {
  return { version: BigInt(version), partitionId };
}

function readPutRequest(reader: WireReader): PutRequest {
  const put: PutRequest = { $typeName: "prkdb.v1.PutRequest", key: NO_BYTES, value: NO_BYTES, ttlMs: 0n };
  while (reader.next()) {
    if (reader.field === 1) put.key = reader.bytes();
    else if (reader.field === 2) put.value = reader.bytes();
    else if (reader.field === 3) put.ttlMs = reader.bigint();
    else if (reader.field === 4 && put.precondition === undefined) {
      put.precondition = reader.message(readPrecondition);
    } else if (reader.field === 5 && put.requestId === undefined) {
      put.requestId = reader.message(readRequestId);
    } else giveUp();
  }
  return put;
}

function encodePutResponse({ version, partitionId }: Written): Uint8Array<ArrayBuffer> {
  const writer = new WireWriter(passingBytes(numberFieldSize(version) + numberFieldSize(partitionId)));
  writer.number(1, version);
  writer.number(2, partitionId);
  return writer.finishMeasured();
}
