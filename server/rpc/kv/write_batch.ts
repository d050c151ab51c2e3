/**
 * `WriteBatch`: applies many mutations, all or none of those that fall into one partition.
 *
 * @module
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  BATCH_BYTES_MAX,
  bytesFieldSize,
  KEY_BYTES_MAX,
  KvService,
  type Mutation as MutationMessage,
  type Mutation_Delete,
  type Mutation_Put,
  numberFieldSize,
  type Precondition,
  signedFieldSize,
  VALUE_BYTES_MAX,
  type WireReader,
  WireWriter,
  type WriteBatchRequest,
  type WriteBatchResponseSchema,
} from "../../../proto/mod.ts";
import { type DomainError, invalidArgument, type WriteResult, type WrittenResult } from "../../api/mod.ts";
import type { Mutation } from "../../kv/mod.ts";
import { defineUnary, resultCode } from "../method/mod.ts";
import { toDeleteMutation } from "./delete.ts";
import { decodeOrGiveUp, giveUp, NO_BYTES, readPrecondition, readRequestId } from "./fast_decode.ts";
import { checkCount, toRequestId } from "./fields.ts";
import { readIncrement, toIncrementMutation } from "./increment.ts";
import { numberOf, writeMany } from "./node_calls.ts";
import { type PutFields, toPutMutation } from "./put.ts";

/** See the module comment. */
export const writeBatchMethod = defineUnary({
  desc: KvService.method.writeBatch,
  answer: (node) => (message, options) => {
    const mutations = toMutations(message.mutations);
    return writeMany(node, mutations, { ...options, requestId: toRequestId(message.requestId) });
  },
  reply: toWriteBatchResponse,
  decode: (bytes) => decodeOrGiveUp(bytes, readWriteBatchRequest),
  encode: encodeWriteBatchResponse,
});

// ---- validate and translate ----

/** @throws {DomainError} `invalidArgument` for too many mutations, too many bytes, or a bad mutation */
function toMutations(messages: readonly MutationMessage[]): readonly Mutation[] {
  checkCount(messages.length, "mutations");
  let bytes = 0;
  const mutations = messages.map((message, at) => {
    const mutation = toMutation(message, at);
    bytes += mutation.key.length + (mutation.kind === "put" ? mutation.value.length : 0);
    return mutation;
  });
  if (bytes > BATCH_BYTES_MAX) throw tooLarge(bytes);
  return mutations;
}

function tooLarge(bytes: number): DomainError {
  return invalidArgument(
    `Cannot accept these mutations: their keys and values have ${bytes} bytes, the limit is ` +
      `${BATCH_BYTES_MAX} (BATCH_BYTES_MAX): send several batches`,
  );
}

function toMutation({ kind, precondition }: MutationMessage, at: number): Mutation {
  switch (kind.case) {
    case "put":
      return isPlain(kind.value, precondition)
        ? { kind: "put", key: kind.value.key, value: kind.value.value, ttlMs: 0, precondition: undefined }
        : toPutMutation(kind.value, precondition, `mutations[${at}].`);
    case "delete":
      return toDeleteMutation(kind.value.key, precondition, `mutations[${at}].`);
    case "increment":
      return toIncrementMutation(kind.value, precondition, `mutations[${at}].`);
    case undefined:
      throw invalidArgument(
        `Cannot accept mutations[${at}]: it is empty: make it a put, a delete or an increment`,
      );
  }
}

/** Most puts of most batches; saves naming their fields. */
function isPlain({ key, value, ttlMs }: PutFields, precondition: Precondition | undefined): boolean {
  return precondition === undefined && ttlMs === 0n && key.length > 0 && key.length <= KEY_BYTES_MAX &&
    value.length <= VALUE_BYTES_MAX;
}

function toWriteBatchResponse(
  results: readonly WriteResult[],
): MessageInitShape<typeof WriteBatchResponseSchema> {
  return {
    results: results.map((result) =>
      result.ok
        ? { version: BigInt(result.version), existed: result.existed, ...valueOf(result) }
        : { error: { code: resultCode(result.error), message: result.error.message } }
    ),
  };
}

function valueOf(result: WrittenResult): { readonly value?: bigint } {
  return result.number === undefined ? {} : { value: numberOf(result) };
}

// ---- fast decode ----

function readWriteBatchRequest(reader: WireReader): WriteBatchRequest {
  const batch: WriteBatchRequest = { $typeName: "prkdb.v1.WriteBatchRequest", mutations: [] };
  while (reader.next()) {
    if (reader.field === 1) batch.mutations.push(reader.message(readMutation));
    else if (reader.field === 2 && batch.requestId === undefined) {
      batch.requestId = reader.message(readRequestId);
    } else giveUp();
  }
  return batch;
}

function readMutation(reader: WireReader): MutationMessage {
  const mutation: MutationMessage = { $typeName: "prkdb.v1.Mutation", kind: { case: undefined } };
  while (reader.next()) {
    if (reader.field === 1 && mutation.kind.case === undefined) {
      mutation.kind = { case: "put", value: reader.message(readPut) };
    } else if (reader.field === 2 && mutation.kind.case === undefined) {
      mutation.kind = { case: "delete", value: reader.message(readDelete) };
    } else if (reader.field === 3 && mutation.precondition === undefined) {
      mutation.precondition = reader.message(readPrecondition);
    } else if (reader.field === 4 && mutation.kind.case === undefined) {
      mutation.kind = { case: "increment", value: reader.message(readIncrement) };
    } else giveUp();
  }
  return mutation;
}

function readPut(reader: WireReader): Mutation_Put {
  const put: Mutation_Put = { $typeName: "prkdb.v1.Mutation.Put", key: NO_BYTES, value: NO_BYTES, ttlMs: 0n };
  while (reader.next()) {
    if (reader.field === 1) put.key = reader.bytes();
    else if (reader.field === 2) put.value = reader.bytes();
    else if (reader.field === 3) put.ttlMs = reader.bigint();
    else giveUp();
  }
  return put;
}

function readDelete(reader: WireReader): Mutation_Delete {
  const mutation: Mutation_Delete = { $typeName: "prkdb.v1.Mutation.Delete", key: NO_BYTES };
  while (reader.next()) {
    if (reader.field === 1) mutation.key = reader.bytes();
    else giveUp();
  }
  return mutation;
}

// ---- fast encode ----

type Bytes = Uint8Array<ArrayBuffer>;

/** Mutations of one partition share one error, which is encoded once. */
type EncodedErrors = ReadonlyMap<WriteResult, Bytes>;

const textEncoder = new TextEncoder();

function encodeWriteBatchResponse(results: readonly WriteResult[]): Bytes {
  const errors = new Map<WriteResult, Bytes>();
  let size = 0;
  for (const result of results) {
    if (!result.ok && !errors.has(result)) errors.set(result, encodeError(result));
    size += bytesFieldSize(resultSize(result, errors));
  }
  const writer = new WireWriter(new Uint8Array(size));
  for (const result of results) {
    writer.open(1, resultSize(result, errors));
    writeResult(writer, result, errors);
  }
  return writer.finishMeasured();
}

function resultSize(result: WriteResult, errors: EncodedErrors): number {
  if (!result.ok) return bytesFieldSize(errors.get(result)!.length);
  const valueSize = result.number === undefined ? 0 : signedFieldSize(numberOf(result));
  return numberFieldSize(result.version) + (result.existed ? 2 : 0) + valueSize;
}

function writeResult(writer: WireWriter, result: WriteResult, errors: EncodedErrors): void {
  if (!result.ok) return writer.bytes(2, errors.get(result)!);
  writer.number(1, result.version);
  writer.boolean(3, result.existed);
  if (result.number !== undefined) writer.signedBigint(4, numberOf(result));
}

function encodeError({ error }: WriteResult & { readonly ok: false }): Bytes {
  const code = textEncoder.encode(resultCode(error));
  const message = textEncoder.encode(error.message);
  const messageSize = message.length === 0 ? 0 : bytesFieldSize(message.length);
  const writer = new WireWriter(new Uint8Array(bytesFieldSize(code.length) + messageSize));
  writer.bytes(1, code);
  if (message.length > 0) writer.bytes(2, message);
  return writer.finishMeasured();
}
