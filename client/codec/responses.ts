/**
 * The responses of the hot path, from protobuf's binary form to the client's plain data. The generated code
 * does the same, at several times the cost; `codec_test.ts` holds both equal on random messages. Fields that
 * are unknown here are passed over.
 *
 * Every function throws `RangeError` for bytes that are no such message.
 *
 * @module
 */

import { WireReader } from "../../proto/mod.ts";

/** One result of a `WriteBatch`. */
export interface DecodedWriteResult {
  readonly version: number;
  readonly existed: boolean;
  /** Of an increment: the new number. */
  readonly number: bigint | undefined;
  /** Empty: the mutation was applied. */
  readonly errorCode: string;
  readonly errorMessage: string;
}

/** What a key holds; `value` is `undefined` when there is no such key. */
export interface DecodedEntry {
  readonly value: Uint8Array | undefined;
  readonly version: number;
  readonly expiresAtMs: number | undefined;
}

interface WriteError {
  readonly code: string;
  readonly message: string;
}

const NO_ERROR: WriteError = { code: "", message: "" };

/** The results of a `WriteBatchResponse`. */
export function decodeWriteBatchResponse(response: Uint8Array): readonly DecodedWriteResult[] {
  const reader = new WireReader(response);
  const results: DecodedWriteResult[] = [];
  while (reader.next()) if (reader.field === 1) results.push(reader.message(readWriteResult));
  return results;
}

function readWriteResult(reader: WireReader): DecodedWriteResult {
  let version = 0;
  let existed = false;
  let number: bigint | undefined;
  let error = NO_ERROR;
  while (reader.next()) {
    if (reader.field === 1) version = reader.number();
    else if (reader.field === 2) error = reader.message(readError);
    else if (reader.field === 3) existed = reader.boolean();
    else if (reader.field === 4) number = reader.signedBigint();
  }
  return { version, existed, number, errorCode: error.code, errorMessage: error.message };
}

function readError(reader: WireReader): WriteError {
  // An error without a code is still an error.
  let code = "unknown";
  let message = "";
  while (reader.next()) {
    if (reader.field === 1) code = reader.text();
    else if (reader.field === 2) message = reader.text();
  }
  return { code, message };
}

/** A `PutResponse`, `DeleteResponse` or `IncrementResponse`; only a delete may have `existed`. */
export function decodeMutationResponse(
  response: Uint8Array,
  kind: "put" | "delete" | "increment",
): DecodedWriteResult {
  const reader = new WireReader(response);
  let version = 0;
  let existed = false;
  // The answer leaves out what is 0.
  let number = kind === "increment" ? 0n : undefined;
  while (reader.next()) {
    if (reader.field === (kind === "put" ? 1 : 2)) version = reader.number();
    else if (reader.field !== 1) continue;
    else if (kind === "delete") existed = reader.boolean();
    else if (kind === "increment") number = reader.signedBigint();
  }
  return { version, existed, number, errorCode: "", errorMessage: "" };
}

/** The results of a `GetManyResponse`. */
export function decodeGetManyResponse(response: Uint8Array): readonly DecodedEntry[] {
  const reader = new WireReader(response);
  const entries: DecodedEntry[] = [];
  while (reader.next()) if (reader.field === 1) entries.push(reader.message(readEntry));
  return entries;
}

/** A `GetResponse`. */
export function decodeGetResponse(response: Uint8Array): DecodedEntry {
  return readEntry(new WireReader(response));
}

function readEntry(reader: WireReader): DecodedEntry {
  let value: Uint8Array | undefined;
  let version = 0;
  let expiresAtMs: number | undefined;
  while (reader.next()) {
    if (reader.field === 1) value = reader.copy();
    else if (reader.field === 2) version = reader.number();
    else if (reader.field === 3) expiresAtMs = reader.number();
  }
  return { value, version, expiresAtMs };
}
