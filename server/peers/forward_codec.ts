/**
 * The border between forwarded calls and `ForwardedCall` and `ForwardedReply` of `raft.proto`, in both
 * directions.
 *
 * @module
 */

import type { WireReader, WireWriter } from "../../proto/mod.ts";
import type { Failure, ReadResult } from "../api/mod.ts";
import { decodeOutcome, encodeOutcome } from "../kv/mod.ts";
import type { ForwardedCall, ForwardedReply } from "../ports/mod.ts";

const CALL_FIELD = 3;
const REPLY_FIELD = 4;
const NO_BYTES = new Uint8Array(0);

/** Writes one `ForwardedCall` of a `PeerBatch`. */
export function encodeCall(writer: WireWriter, call: ForwardedCall): void {
  const start = writer.beginMessage(CALL_FIELD);
  writer.number(1, call.callId);
  writer.number(2, call.timeoutMs);
  const body = writer.beginMessage(call.kind === "write" ? 3 : 4);
  writer.number(1, call.group);
  if (call.kind === "write") writer.bytes(2, call.command);
  else for (const key of call.keys) writer.bytes(2, key);
  writer.endMessage(body);
  writer.endMessage(start);
}

/** Reads one `ForwardedCall`; command and keys are views. */
export function decodeCall(reader: WireReader): ForwardedCall {
  const envelope = { callId: 0, timeoutMs: 0 };
  let body: ForwardedBody | undefined;
  while (reader.next()) {
    if (reader.field === 1) envelope.callId = reader.number();
    else if (reader.field === 2) envelope.timeoutMs = reader.number();
    else if (reader.field === 3) body = reader.message(decodeWrite);
    else if (reader.field === 4) body = reader.message(decodeRead);
  }
  if (body === undefined) {
    throw new RangeError("Cannot decode a forwarded call that neither writes nor reads");
  }
  return { ...envelope, ...body };
}

type ForwardedBody =
  | { readonly kind: "write"; readonly group: number; readonly command: Uint8Array }
  | { readonly kind: "read"; readonly group: number; readonly keys: readonly Uint8Array[] };

function decodeWrite(reader: WireReader): ForwardedBody {
  let group = 0;
  let command: Uint8Array = NO_BYTES;
  while (reader.next()) {
    if (reader.field === 1) group = reader.number();
    else if (reader.field === 2) command = reader.bytes();
  }
  return { kind: "write", group, command };
}

function decodeRead(reader: WireReader): ForwardedBody {
  let group = 0;
  const keys: Uint8Array[] = [];
  while (reader.next()) {
    if (reader.field === 1) group = reader.number();
    else if (reader.field === 2) keys.push(reader.bytes());
  }
  return { kind: "read", group, keys };
}

/** Writes one `ForwardedReply` of a `PeerBatch`. */
export function encodeReply(writer: WireWriter, reply: ForwardedReply): void {
  const start = writer.beginMessage(REPLY_FIELD);
  writer.number(1, reply.callId);
  if (reply.kind === "outcome") writer.bytes(2, encodeOutcome(reply.outcome));
  else if (reply.kind === "values") { for (const value of reply.values) encodeValue(writer, value); }
  else encodeFailure(writer, reply);
  writer.endMessage(start);
}

/** Reads one `ForwardedReply`; values are views. */
export function decodeReply(reader: WireReader): ForwardedReply {
  let callId = 0;
  let outcome: Uint8Array | undefined;
  let failed: { failure: Failure; message: string } | undefined;
  const values: ReadResult[] = [];
  while (reader.next()) {
    if (reader.field === 1) callId = reader.number();
    else if (reader.field === 2) outcome = reader.bytes();
    else if (reader.field === 3) values.push(reader.message(decodeValue));
    else if (reader.field === 4) failed = reader.message(decodeFailure);
  }
  if (failed !== undefined) return { kind: "failed", callId, ...failed };
  if (outcome !== undefined) return { kind: "outcome", callId, outcome: decodeOutcome(outcome) };
  return { kind: "values", callId, values };
}

function encodeValue(writer: WireWriter, value: ReadResult): void {
  const start = writer.beginMessage(3);
  if (value !== undefined) {
    writer.boolean(1, true);
    writer.bytes(2, value.value);
    writer.number(3, value.version);
    if (value.expiresInMs !== undefined) writer.number(4, value.expiresInMs);
  }
  writer.endMessage(start);
}

function decodeValue(reader: WireReader): ReadResult {
  let found = false;
  const item: { value: Uint8Array; version: number; expiresInMs?: number } = { value: NO_BYTES, version: 0 };
  while (reader.next()) {
    if (reader.field === 1) found = reader.boolean();
    else if (reader.field === 2) item.value = reader.bytes();
    else if (reader.field === 3) item.version = reader.number();
    else if (reader.field === 4) item.expiresInMs = reader.number();
  }
  return found ? item : undefined;
}

function encodeFailure(writer: WireWriter, reply: Extract<ForwardedReply, { kind: "failed" }>): void {
  const start = writer.beginMessage(4);
  writer.text(1, reply.failure.kind);
  writer.text(2, reply.message);
  if (reply.failure.kind === "notLeader") {
    writer.number(3, reply.failure.leaderId);
    writer.number(4, reply.failure.term);
  }
  writer.endMessage(start);
}

function decodeFailure(reader: WireReader): { failure: Failure; message: string } {
  const fields = { kind: "", message: "", leaderId: 0, term: 0 };
  while (reader.next()) {
    if (reader.field === 1) fields.kind = reader.text();
    else if (reader.field === 2) fields.message = reader.text();
    else if (reader.field === 3) fields.leaderId = reader.number();
    else if (reader.field === 4) fields.term = reader.number();
  }
  return { failure: failureOfKind(fields), message: fields.message };
}

/** Only failures that a leader can answer a forwarded call with; a kind from a newer node is `internal`. */
function failureOfKind({ kind, leaderId, term }: { kind: string; leaderId: number; term: number }): Failure {
  switch (kind) {
    case "notLeader":
      return { kind, leaderId, leaderAddress: "", term, epoch: 0 };
    case "invalidArgument":
    case "unavailable":
    case "overloaded":
    case "outcomeUnknown":
    case "deadline":
    case "dataLoss":
      return { kind };
    default:
      return { kind: "internal" };
  }
}
