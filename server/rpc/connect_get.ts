/**
 * The request of a Connect GET: a message in the query of a URL, as base64 or percent-encoded.
 *
 * ```
 * ?connect=v1&encoding=proto&base64=1&message=CgNrZXk
 * ```
 *
 * Source: Connect protocol reference, "Unary-Get-Request".
 *
 * @module
 */

import { base64Decode } from "@bufbuild/protobuf/wire";
import { invalidArgument } from "../api/mod.ts";

const PERCENT = 0x25;
const PLUS = 0x2b;
const SPACE = 0x20;

const textEncoder = new TextEncoder();

/** The parameters that count. */
export interface GetQuery {
  /** Without its percent-encoding only once {@linkcode messageOf} has read it. */
  readonly message: string;
  readonly isBase64: boolean;
  /** `proto`, `json`, or what else the caller wrote. */
  readonly encoding: string;
  readonly compression: string;
  /** `v1`, or empty when the caller says nothing. */
  readonly version: string;
}

/** Takes a query apart, without its question mark; of a repeated parameter the first counts. */
export function parseGetQuery(query: string): GetQuery {
  const found = new Map<string, string>();
  for (const part of query.split("&")) {
    const equals = part.indexOf("=");
    const name = equals < 0 ? part : part.slice(0, equals);
    if (!found.has(name)) found.set(name, equals < 0 ? "" : part.slice(equals + 1));
  }
  return {
    message: found.get("message") ?? "",
    isBase64: found.get("base64") === "1",
    encoding: found.get("encoding") ?? "",
    compression: found.get("compression") ?? "",
    version: found.get("connect") ?? "",
  };
}

/**
 * The bytes of the message.
 *
 * @throws {DomainError} `invalidArgument` when it is not base64 though the query says so
 */
export function messageOf({ message, isBase64 }: GetQuery): Uint8Array {
  if (!isBase64) return percentDecode(message);
  const text = message.includes("%") ? new TextDecoder().decode(percentDecode(message)) : message;
  try {
    return base64Decode(text);
  } catch {
    throw invalidArgument(
      "Cannot decode the parameter message: it is not base64: encode it, or leave out base64=1",
    );
  }
}

/**
 * Any byte may stand behind a percent sign, so the result is bytes; a percent sign without digits is itself.
 */
function percentDecode(text: string): Uint8Array {
  const source = textEncoder.encode(text);
  const target = new Uint8Array(source.length);
  let length = 0;
  for (let at = 0; at < source.length; at++) {
    const byte = source[at]!;
    const decoded = byte === PERCENT ? hexByte(source, at + 1) : undefined;
    target[length++] = decoded ?? (byte === PLUS ? SPACE : byte);
    if (decoded !== undefined) at += 2;
  }
  return target.subarray(0, length);
}

function hexByte(source: Uint8Array, at: number): number | undefined {
  const high = hexDigit(source[at]);
  const low = hexDigit(source[at + 1]);
  return high === undefined || low === undefined ? undefined : high * 16 + low;
}

function hexDigit(byte: number | undefined): number | undefined {
  if (byte === undefined) return undefined;
  const value = parseInt(String.fromCharCode(byte), 16);
  return Number.isNaN(value) ? undefined : value;
}
