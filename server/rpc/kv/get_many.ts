/**
 * `GetMany`: reads many keys; the results stand in the order of the keys.
 *
 * @module
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  bytesFieldSize,
  type GetManyRequest,
  type GetManyResponseSchema,
  KEY_BYTES_MAX,
  KvService,
  type WireReader,
  WireWriter,
} from "../../../proto/mod.ts";
import { defineUnary } from "../method/mod.ts";
import { decodeOrGiveUp, giveUp, readConsistency } from "./fast_decode.ts";
import { checkCount, checkKey, toFreshness } from "./fields.ts";
import { getResponseSize, toGetResponse, writeGetResponse } from "./get.ts";
import { discardValues, type Found, readMany } from "./node_calls.ts";

/** See the module comment. */
export const getManyMethod = defineUnary({
  desc: KvService.method.getMany,
  answer: (node) => (message, options) => {
    checkKeys(message.keys);
    return readMany(node, message.keys, { ...options, ...toFreshness(message.consistency, 0n) });
  },
  reply: toGetManyResponse,
  decode: (bytes) => decodeOrGiveUp(bytes, readGetManyRequest),
  encode: encodeGetManyResponse,
});

/** @throws {DomainError} `invalidArgument` for too many keys or a bad one */
function checkKeys(keys: readonly Uint8Array[]): void {
  checkCount(keys.length, "keys");
  for (let at = 0; at < keys.length; at++) {
    const { length } = keys[at]!;
    // Naming every field would cost more than looking at it.
    if (length === 0 || length > KEY_BYTES_MAX) checkKey(keys[at]!, `keys[${at}]`);
  }
}

function toGetManyResponse(results: readonly Found[]): MessageInitShape<typeof GetManyResponseSchema> {
  return { results: results.map(toGetResponse) };
}

function readGetManyRequest(reader: WireReader): GetManyRequest {
  const get: GetManyRequest = { $typeName: "prkdb.v1.GetManyRequest", keys: [], consistency: 0 };
  while (reader.next()) {
    if (reader.field === 1) get.keys.push(reader.bytes());
    else if (reader.field === 2) get.consistency = readConsistency(reader);
    else giveUp();
  }
  return get;
}

function encodeGetManyResponse(results: readonly Found[]): Uint8Array<ArrayBuffer> {
  let size = 0;
  for (const result of results) size += bytesFieldSize(getResponseSize(result));
  const writer = new WireWriter(new Uint8Array(size));
  for (const result of results) {
    writer.open(1, getResponseSize(result));
    writeGetResponse(writer, result);
  }
  discardValues(results);
  return writer.finishMeasured();
}
