/**
 * `Get`: reads a key.
 *
 * @module
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  bytesFieldSize,
  type GetRequest,
  type GetResponseSchema,
  KvService,
  numberFieldSize,
  type WireReader,
  WireWriter,
} from "../../../proto/mod.ts";
import { passingBytes } from "../../kv/mod.ts";
import { defineUnary } from "../method/mod.ts";
import { decodeOrGiveUp, giveUp, NO_BYTES, readConsistency } from "./fast_decode.ts";
import { checkKey, toFreshness } from "./fields.ts";
import { type Found, readMany } from "./node_calls.ts";

/** See the module comment. */
export const getMethod = defineUnary({
  desc: KvService.method.get,
  answer: (node) => (message, options) => {
    checkKey(message.key, "key");
    const freshness = toFreshness(message.consistency, message.maxStalenessMs);
    return readMany(node, [message.key], { ...options, ...freshness });
  },
  reply: ([result]) => toGetResponse(result),
  decode: (bytes) => decodeOrGiveUp(bytes, readGetRequest),
  encode: ([result]) => encodeGetResponse(result),
});

/** What a key holds as a message, alone or among many. */
export function toGetResponse(result: Found): MessageInitShape<typeof GetResponseSchema> {
  if (result === undefined) return {};
  const { value, version, expiresAtMs } = result;
  const found = { value, version: BigInt(version) };
  return expiresAtMs === undefined ? found : { ...found, expiresAtMs: BigInt(expiresAtMs) };
}

function readGetRequest(reader: WireReader): GetRequest {
  const get: GetRequest = {
    $typeName: "prkdb.v1.GetRequest",
    key: NO_BYTES,
    consistency: 0,
    maxStalenessMs: 0n,
  };
  while (reader.next()) {
    if (reader.field === 1) get.key = reader.bytes();
    else if (reader.field === 2) get.consistency = readConsistency(reader);
    else if (reader.field === 3) get.maxStalenessMs = reader.bigint();
    else giveUp();
  }
  return get;
}

function encodeGetResponse(result: Found): Uint8Array<ArrayBuffer> {
  const writer = new WireWriter(passingBytes(getResponseSize(result)));
  writeGetResponse(writer, result);
  return writer.finishMeasured();
}

/** Bytes that {@linkcode writeGetResponse} writes. */
export function getResponseSize(result: Found): number {
  if (result === undefined) return 0;
  const { value, version, expiresAtMs } = result;
  const expirySize = expiresAtMs === undefined ? 0 : numberFieldSize(expiresAtMs);
  return bytesFieldSize(value.length) + numberFieldSize(version) + expirySize;
}

/** The fields of a `GetResponse`; a missing key has none. */
export function writeGetResponse(writer: WireWriter, result: Found): void {
  if (result === undefined) return;
  writer.bytes(1, result.value);
  writer.number(2, result.version);
  if (result.expiresAtMs !== undefined) writer.number(3, result.expiresAtMs);
}
