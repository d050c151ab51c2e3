/**
 * The messages of the hot path between the client's plain data and protobuf's binary form. The generated code
 * does the same, at several times the cost; `codec_test.ts` holds both equal on random messages. Fields that
 * are unknown here are passed over when read.
 *
 * @module
 */

import { bigVarintSize, fieldSize, VARINT, varintSize, WireReader, WireWriter } from "./wire.ts";

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
  | { readonly kind: "version"; readonly version: number };

/** One change of one key. `ttlMs` 0: never expires. */
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
  };

/** Number on the wire of each consistency. */
export const CONSISTENCY_NUMBER = { linearizable: 0, follower: 1, stale: 2 } as const;

/** How fresh a read must be. */
export type Consistency = keyof typeof CONSISTENCY_NUMBER;

/** One result of a `WriteBatch`. */
export interface DecodedWriteResult {
  readonly version: number;
  readonly existed: boolean;
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

// ---- requests ----

/** A `WriteBatchRequest`. */
export function encodeWriteBatch(
  mutations: readonly EncodableMutation[],
  requestId: ClientRequestId,
): Uint8Array<ArrayBuffer> {
  const idSize = requestIdSize(requestId);
  let size = fieldSize(idSize);
  for (const mutation of mutations) size += fieldSize(mutationSize(mutation));
  const writer = new WireWriter(size);
  for (const mutation of mutations) {
    writer.open({ field: 1, length: mutationSize(mutation) });
    writeMutation(writer, mutation);
  }
  writeRequestId(writer, { field: 2, length: idSize, requestId });
  return writer.finish();
}

/** A `PutRequest` or a `DeleteRequest`, by the kind of `mutation`. */
export function encodeMutationRequest(
  mutation: EncodableMutation,
  requestId: ClientRequestId,
): Uint8Array<ArrayBuffer> {
  const idSize = requestIdSize(requestId);
  const condition = mutation.precondition;
  const conditionField = condition === undefined ? 0 : fieldSize(preconditionSize(condition));
  const writer = new WireWriter(bodySize(mutation) + conditionField + fieldSize(idSize));
  writeBody(writer, mutation);
  const isPut = mutation.kind === "put";
  if (condition !== undefined) writePrecondition(writer, isPut ? 4 : 2, condition);
  writeRequestId(writer, { field: isPut ? 5 : 3, length: idSize, requestId });
  return writer.finish();
}

/** A `GetManyRequest`. */
export function encodeGetMany(
  keys: readonly Uint8Array[],
  consistency: Consistency,
): Uint8Array<ArrayBuffer> {
  const number = CONSISTENCY_NUMBER[consistency];
  let size = numberFieldSize(number);
  for (const key of keys) size += fieldSize(key.length);
  const writer = new WireWriter(size);
  for (const key of keys) writer.bytes(1, key);
  writeNumber(writer, { field: 2, value: number });
  return writer.finish();
}

/** A `GetRequest`. */
export function encodeGet(
  key: Uint8Array,
  { consistency, maxStalenessMs }: { readonly consistency: Consistency; readonly maxStalenessMs: number },
): Uint8Array<ArrayBuffer> {
  const number = CONSISTENCY_NUMBER[consistency];
  const size = bytesFieldSize(key) + numberFieldSize(number) + numberFieldSize(maxStalenessMs);
  const writer = new WireWriter(size);
  writeBytes(writer, 1, key);
  writeNumber(writer, { field: 2, value: number });
  writeNumber(writer, { field: 3, value: maxStalenessMs });
  return writer.finish();
}

function mutationSize(mutation: EncodableMutation): number {
  const condition = mutation.precondition;
  const conditionField = condition === undefined ? 0 : fieldSize(preconditionSize(condition));
  return fieldSize(bodySize(mutation)) + conditionField;
}

function writeMutation(writer: WireWriter, mutation: EncodableMutation): void {
  writer.open({ field: mutation.kind === "put" ? 1 : 2, length: bodySize(mutation) });
  writeBody(writer, mutation);
  if (mutation.precondition !== undefined) writePrecondition(writer, 3, mutation.precondition);
}

/** Key, value and TTL: the fields that `Mutation.Put` and `PutRequest` number alike. */
function bodySize(mutation: EncodableMutation): number {
  const keySize = bytesFieldSize(mutation.key);
  if (mutation.kind === "delete") return keySize;
  return keySize + bytesFieldSize(mutation.value) + numberFieldSize(mutation.ttlMs);
}

function writeBody(writer: WireWriter, mutation: EncodableMutation): void {
  writeBytes(writer, 1, mutation.key);
  if (mutation.kind === "delete") return;
  writeBytes(writer, 2, mutation.value);
  writeNumber(writer, { field: 3, value: mutation.ttlMs });
}

/** Members of a `oneof` are written even when they are zero. */
function preconditionSize(precondition: EncodablePrecondition): number {
  return precondition.kind === "absent" ? 2 : 1 + varintSize(precondition.version);
}

function writePrecondition(writer: WireWriter, field: number, precondition: EncodablePrecondition): void {
  writer.open({ field, length: preconditionSize(precondition) });
  writer.tag(precondition.kind === "absent" ? 1 : 2, VARINT);
  writer.varint(precondition.kind === "absent" ? 1 : precondition.version);
}

function requestIdSize({ clientId, sequence, acknowledgedBelow }: ClientRequestId): number {
  return 1 + bigVarintSize(clientId) + numberFieldSize(sequence) + numberFieldSize(acknowledgedBelow);
}

function writeRequestId(
  writer: WireWriter,
  { field, length, requestId }: {
    readonly field: number;
    readonly length: number;
    readonly requestId: ClientRequestId;
  },
): void {
  writer.open({ field, length });
  writer.tag(1, VARINT);
  writer.bigVarint(requestId.clientId);
  writeNumber(writer, { field: 2, value: requestId.sequence });
  writeNumber(writer, { field: 3, value: requestId.acknowledgedBelow });
}

/** proto3 leaves out fields that have their default value. */
function numberFieldSize(value: number): number {
  return value === 0 ? 0 : 1 + varintSize(value);
}

function writeNumber(
  writer: WireWriter,
  { field, value }: { readonly field: number; readonly value: number },
): void {
  if (value === 0) return;
  writer.tag(field, VARINT);
  writer.varint(value);
}

function bytesFieldSize(value: Uint8Array): number {
  return value.length === 0 ? 0 : fieldSize(value.length);
}

function writeBytes(writer: WireWriter, field: number, value: Uint8Array): void {
  if (value.length > 0) writer.bytes(field, value);
}

// ---- responses ----

/** The results of a `WriteBatchResponse`. */
export function decodeWriteBatch(response: Uint8Array): readonly DecodedWriteResult[] {
  const reader = new WireReader(response);
  const results: DecodedWriteResult[] = [];
  while (reader.more()) {
    const tag = reader.varint();
    if (tag === 0x0a) results.push(decodeWriteResult(reader, reader.fieldEnd()));
    else reader.skip(tag);
  }
  return results;
}

function decodeWriteResult(reader: WireReader, end: number): DecodedWriteResult {
  let version = 0;
  let existed = false;
  let error = NO_ERROR;
  while (reader.more(end)) {
    const tag = reader.varint();
    if (tag === 0x08) version = reader.varint();
    else if (tag === 0x12) error = decodeError(reader, reader.fieldEnd());
    else if (tag === 0x18) existed = reader.varint() !== 0;
    else reader.skip(tag);
  }
  reader.leave(end);
  return { version, existed, errorCode: error.code, errorMessage: error.message };
}

const NO_ERROR = { code: "", message: "" };

function decodeError(reader: WireReader, end: number): { readonly code: string; readonly message: string } {
  // An error without a code is still an error.
  let code = "unknown";
  let message = "";
  while (reader.more(end)) {
    const tag = reader.varint();
    if (tag === 0x0a) code = reader.text();
    else if (tag === 0x12) message = reader.text();
    else reader.skip(tag);
  }
  reader.leave(end);
  return { code, message };
}

/** A `PutResponse` or `DeleteResponse`; a put leaves `existed` at false. */
export function decodeMutationResponse(response: Uint8Array, kind: "put" | "delete"): DecodedWriteResult {
  const reader = new WireReader(response);
  let version = 0;
  let existed = false;
  while (reader.more()) {
    const tag = reader.varint();
    if (tag === (kind === "put" ? 0x08 : 0x10)) version = reader.varint();
    else if (kind === "delete" && tag === 0x08) existed = reader.varint() !== 0;
    else reader.skip(tag);
  }
  return { version, existed, errorCode: "", errorMessage: "" };
}

/** The results of a `GetManyResponse`. */
export function decodeGetMany(response: Uint8Array): readonly DecodedEntry[] {
  const reader = new WireReader(response);
  const entries: DecodedEntry[] = [];
  while (reader.more()) {
    const tag = reader.varint();
    if (tag === 0x0a) entries.push(decodeEntry(reader, reader.fieldEnd()));
    else reader.skip(tag);
  }
  return entries;
}

/** A `GetResponse`. */
export function decodeGet(response: Uint8Array): DecodedEntry {
  return decodeEntry(new WireReader(response), response.length);
}

function decodeEntry(reader: WireReader, end: number): DecodedEntry {
  let value: Uint8Array | undefined;
  let version = 0;
  let expiresAtMs: number | undefined;
  while (reader.more(end)) {
    const tag = reader.varint();
    if (tag === 0x0a) value = reader.copy();
    else if (tag === 0x10) version = reader.varint();
    else if (tag === 0x18) expiresAtMs = reader.varint();
    else reader.skip(tag);
  }
  reader.leave(end);
  return { value, version, expiresAtMs };
}
