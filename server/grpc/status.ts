/**
 * How a gRPC call ended, as header fields: `grpc-status`, and when it failed `grpc-message` and
 * `grpc-status-details-bin`. Codes are the numbers of Connect's codes, which are gRPC's; details are the same
 * messages that Connect's errors carry, in a `google.rpc.Status`.
 *
 * ```
 * google.rpc.Status   code = 1 int32, message = 2 string, details = 3 repeated Any
 * Any                 type_url = 1 string, value = 2 bytes
 * ```
 *
 * Source: gRPC over HTTP/2, "Status" and "Status-Message".
 *
 * @module
 */

import { create, toBinary } from "@bufbuild/protobuf";
import { base64Encode, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { ConnectError } from "@connectrpc/connect";
import type { HeaderPairs } from "../http/mod.ts";

/** The end of a call that succeeded. */
export const STATUS_OK: HeaderPairs = [["grpc-status", "0"]];

const TYPE_URL_PREFIX = "type.googleapis.com/";
const SPACE = 0x20;
const TILDE = 0x7e;
const PERCENT = 0x25;

/** The end of a call that failed with `error`. */
export function grpcStatusOf(error: ConnectError): HeaderPairs {
  const fields: [string, string][] = [["grpc-status", String(error.code)]];
  if (error.rawMessage !== "") fields.push(["grpc-message", percentEncode(error.rawMessage)]);
  const details = detailsOf(error);
  if (details.length > 0) {
    fields.push(["grpc-status-details-bin", base64Encode(statusMessage(error, details), "std_raw")]);
  }
  return fields;
}

/** UTF-8; whatever is not a printable character of ASCII, and the percent sign, as `%` and two digits. */
export function percentEncode(text: string): string {
  let encoded = "";
  for (const byte of new TextEncoder().encode(text)) {
    const isPlain = byte >= SPACE && byte <= TILDE && byte !== PERCENT;
    encoded += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

/** One detail. */
interface AnyMessage {
  readonly type: string;
  readonly value: Uint8Array;
}

function detailsOf({ details }: ConnectError): readonly AnyMessage[] {
  return details.map((detail) =>
    "desc" in detail
      ? { type: detail.desc.typeName, value: toBinary(detail.desc, create(detail.desc, detail.value)) }
      : detail
  );
}

function statusMessage({ code, rawMessage }: ConnectError, details: readonly AnyMessage[]): Uint8Array {
  const status = new BinaryWriter();
  status.tag(1, WireType.Varint).int32(code);
  status.tag(2, WireType.LengthDelimited).string(rawMessage);
  for (const { type, value } of details) {
    status.tag(3, WireType.LengthDelimited).fork();
    status.tag(1, WireType.LengthDelimited).string(TYPE_URL_PREFIX + type);
    status.tag(2, WireType.LengthDelimited).bytes(value).join();
  }
  return status.finish();
}
