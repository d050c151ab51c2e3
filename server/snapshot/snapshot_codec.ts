/**
 * The border between what a transfer asks and is answered, and `SnapshotCall` and `SnapshotReply` of
 * `raft.proto`, in both directions. What may be large is written into a buffer of its exact size and has a
 * checksum, which is tested when it is read: a part that was changed on its way is as good as lost.
 *
 * @module
 */

import { bytesFieldSize, numberFieldSize, WireReader, WireWriter } from "../../proto/mod.ts";
import { type NodeId, unreachable } from "../../raft/mod.ts";
import { crc32c } from "../../wal-wasm/mod.ts";
import type { SnapshotAnswer, SnapshotRequest } from "../ports/mod.ts";

/** Bytes of a part at most: read in one go, and little enough to be held while it travels. */
export const SNAPSHOT_PART_BYTES_MAX = 1024 * 1024;

/** A request with its way. */
export interface SnapshotEnvelope {
  readonly clusterId: string;
  readonly from: NodeId;
  readonly to: NodeId;
  /** Where the sender serves, `host:port`. */
  readonly address: string;
  readonly request: SnapshotRequest;
}

/** Writes a `SnapshotCall`. */
export function encodeSnapshotCall({ request, ...way }: SnapshotEnvelope): Uint8Array<ArrayBuffer> {
  const writer = new WireWriter();
  writer.text(1, way.clusterId);
  writer.number(2, way.from);
  writer.number(3, way.to);
  writer.text(4, way.address);
  writer.number(5, request.group);
  const start = writer.beginMessage(KIND_FIELDS[request.kind]);
  if (request.kind !== "begin") writer.number(1, request.snapshotId);
  if (request.kind === "read") {
    writer.number(2, request.fileNumber);
    writer.number(3, request.offset);
    writer.number(4, request.bytesMax);
  }
  writer.endMessage(start);
  return writer.finish();
}

const KIND_FIELDS = { begin: 6, read: 7, end: 8 } as const;

/**
 * Reads a `SnapshotCall`.
 *
 * @throws {RangeError} when the bytes are none
 */
export function decodeSnapshotCall(bytes: Uint8Array): SnapshotEnvelope {
  const way = { clusterId: "", from: 0, to: 0, address: "" };
  let group = 0;
  let body: RequestBody | undefined;
  const reader = new WireReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) way.clusterId = reader.text();
    else if (reader.field === 2) way.from = reader.number();
    else if (reader.field === 3) way.to = reader.number();
    else if (reader.field === 4) way.address = reader.text();
    else if (reader.field === 5) group = reader.number();
    else if (reader.field === KIND_FIELDS.begin) body = { kind: "begin" };
    else if (reader.field === KIND_FIELDS.read) body = { kind: "read", ...reader.message(decodeNumbers) };
    else if (reader.field === KIND_FIELDS.end) {
      body = { kind: "end", snapshotId: reader.message(decodeNumbers).snapshotId };
    }
  }
  if (body === undefined) throw new RangeError("Cannot decode a call for a snapshot that asks for nothing");
  return { ...way, request: { ...body, group } };
}

/** A request without its group. */
type RequestBody = SnapshotRequest extends infer Request ? Request extends unknown ? Omit<Request, "group">
  : never
  : never;

function decodeNumbers(reader: WireReader) {
  const numbers = { snapshotId: 0, fileNumber: 0, offset: 0, bytesMax: 0 };
  while (reader.next()) {
    if (reader.field === 1) numbers.snapshotId = reader.number();
    else if (reader.field === 2) numbers.fileNumber = reader.number();
    else if (reader.field === 3) numbers.offset = reader.number();
    else if (reader.field === 4) numbers.bytesMax = reader.number();
  }
  return numbers;
}

/** Writes a `SnapshotReply`. */
export function encodeSnapshotAnswer(answer: SnapshotAnswer): Uint8Array<ArrayBuffer> {
  switch (answer.kind) {
    case "begun":
      return encodeChecked({ field: 1, snapshotId: answer.snapshotId, bytes: answer.description });
    case "part":
      return encodeChecked({ field: 2, snapshotId: undefined, bytes: answer.bytes });
    case "done": {
      const writer = new WireWriter();
      writer.endMessage(writer.beginMessage(3));
      return writer.finish();
    }
    case "refused": {
      const writer = new WireWriter();
      const start = writer.beginMessage(4);
      writer.text(1, answer.reason);
      writer.boolean(2, answer.isGone);
      writer.endMessage(start);
      return writer.finish();
    }
    default:
      return unreachable(answer);
  }
}

/** What has a checksum: a part, or a description, which has the snapshot's id in front. */
interface CheckedBytes {
  readonly field: 1 | 2;
  readonly snapshotId: number | undefined;
  readonly bytes: Uint8Array;
}

function encodeChecked({ field, snapshotId, bytes }: CheckedBytes): Uint8Array<ArrayBuffer> {
  const first = snapshotId === undefined ? 1 : 2;
  const crc = crc32c(bytes);
  const innerBytes = bytesFieldSize(bytes.length) + numberFieldSize(crc) + numberFieldSize(snapshotId ?? 0);
  const writer = new WireWriter(new Uint8Array(bytesFieldSize(innerBytes)));
  writer.open(field, innerBytes);
  if (snapshotId !== undefined) writer.number(1, snapshotId);
  writer.bytes(first, bytes);
  writer.number(first + 1, crc);
  return writer.finishMeasured();
}

/**
 * Reads a `SnapshotReply`; parts and descriptions are views of `bytes`.
 *
 * @throws {RangeError} when the bytes are none, or a checksum is not that of what it stands for
 */
export function decodeSnapshotAnswer(bytes: Uint8Array): SnapshotAnswer {
  let answer: SnapshotAnswer | undefined;
  const reader = new WireReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) answer = reader.message(decodeBegun);
    else if (reader.field === 2) answer = reader.message(decodePart);
    else if (reader.field === 3) answer = { kind: "done" };
    else if (reader.field === 4) answer = reader.message(decodeRefused);
  }
  if (answer === undefined) throw new RangeError("Cannot decode a reply about a snapshot that says nothing");
  return answer;
}

function decodeBegun(reader: WireReader): SnapshotAnswer {
  let snapshotId = 0;
  let description: Uint8Array = NO_BYTES;
  let crc = 0;
  while (reader.next()) {
    if (reader.field === 1) snapshotId = reader.number();
    else if (reader.field === 2) description = reader.bytes();
    else if (reader.field === 3) crc = reader.number();
  }
  mustMatch(description, crc);
  return { kind: "begun", snapshotId, description };
}

function decodePart(reader: WireReader): SnapshotAnswer {
  let bytes: Uint8Array = NO_BYTES;
  let crc = 0;
  while (reader.next()) {
    if (reader.field === 1) bytes = reader.bytes();
    else if (reader.field === 2) crc = reader.number();
  }
  mustMatch(bytes, crc);
  return { kind: "part", bytes };
}

function decodeRefused(reader: WireReader): SnapshotAnswer {
  let reason = "";
  let isGone = false;
  while (reader.next()) {
    if (reader.field === 1) reason = reader.text();
    else if (reader.field === 2) isGone = reader.boolean();
  }
  return { kind: "refused", reason, isGone };
}

const NO_BYTES = new Uint8Array(0);

function mustMatch(bytes: Uint8Array, crc: number): void {
  const found = crc32c(bytes);
  if (found === crc) return;
  throw new RangeError(`Cannot take ${bytes.length} bytes of a snapshot: their CRC is ${found}, not ${crc}`);
}
