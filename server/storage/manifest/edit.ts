/**
 * Changes of a store as plain data, and as bytes. See `../FORMAT.md`, "Manifest".
 *
 * @module
 */

import { WireReader, WireWriter } from "../../../proto/mod.ts";
import { decodeIdentity, encodeIdentity, IDENTITY_BYTES, type TableSummary } from "../table/mod.ts";

/** How far the log is in the tables. */
export interface LogPoint {
  /** Every entry up to this index is. */
  readonly index: number;
  /** Of that entry. */
  readonly term: number;
  /** In force at that index; what it is, the store does not know. */
  readonly membership: Uint8Array;
  /** Of the entry that brought it into force. */
  readonly membershipIndex: number;
  readonly logFloor: LogFloor;
}

/**
 * A place in the node's log: the group's entries in records before it do not count any more. All of them
 * count from `{ segment: 0, offset: 0 }` on.
 */
export interface LogFloor {
  readonly segment: number;
  /** Bytes from the start of the segment. */
  readonly offset: number;
}

/** A table of the store. */
export interface TableRecord {
  /** Where it is: 0 for what was flushed, then ten times as much in each. */
  readonly level: number;
  readonly fileNumber: number;
  readonly summary: TableSummary;
}

/** A change; what is absent stays as it is. */
export interface StoreEdit {
  readonly point?: LogPoint;
  /** Numbers from this one on are free. */
  readonly nextFile?: number;
  /** File numbers of tables that are not part of the store any more. */
  readonly gone: readonly number[];
  readonly tables: readonly TableRecord[];
}

/** An edit that this version of the program does not know. */
export class UnknownEditError extends Error {
  override readonly name = "UnknownEditError";
  readonly tag: number;

  constructor(tag: number) {
    super(`Cannot read an edit with tag ${tag}`);
    this.tag = tag;
  }
}

/** No store has more; a level holds ten times as much as the one above. */
export const LEVELS_MAX = 7;

const Tag = { point: 1, nextFile: 2, gone: 3, table: 4 } as const;

/** The body of an edit's frame. */
export function encodeEdit({ point, nextFile, gone, tables }: StoreEdit): Uint8Array {
  const writer = new WireWriter();
  if (point !== undefined) writePoint(writer, point);
  if (nextFile !== undefined) {
    writer.byte(Tag.nextFile);
    writer.varint(nextFile);
  }
  for (const fileNumber of gone) {
    writer.byte(Tag.gone);
    writer.varint(fileNumber);
  }
  for (const table of tables) writeTable(writer, table);
  return writer.finish();
}

/**
 * Reads the body of an edit's frame; copies what it keeps.
 *
 * @throws {RangeError} when the bytes are no edit
 * @throws {UnknownEditError} when a later version of the program wrote them
 */
export function decodeEdit(body: Uint8Array): StoreEdit {
  const reader = new WireReader(body);
  const gone: number[] = [];
  const tables: TableRecord[] = [];
  let edit: StoreEdit = { gone, tables };
  while (reader.left > 0) {
    const tag = reader.byte();
    if (tag === Tag.point) edit = { ...edit, point: readPoint(reader) };
    else if (tag === Tag.nextFile) edit = { ...edit, nextFile: reader.varint() };
    else if (tag === Tag.gone) gone.push(reader.varint());
    else if (tag === Tag.table) tables.push(readTable(reader));
    else throw new UnknownEditError(tag);
  }
  return edit;
}

function writePoint(writer: WireWriter, point: LogPoint): void {
  const { index, term, membership, membershipIndex, logFloor } = point;
  writer.byte(Tag.point);
  writer.varint(index);
  writer.varint(term);
  writer.varint(membershipIndex);
  writer.lengthPrefixed(membership);
  writer.varint(logFloor.segment);
  writer.varint(logFloor.offset);
}

function readPoint(reader: WireReader): LogPoint {
  const index = reader.varint();
  const term = reader.varint();
  const membershipIndex = reader.varint();
  const membership = reader.lengthPrefixed().slice();
  const logFloor: LogFloor = { segment: reader.varint(), offset: reader.varint() };
  return { index, term, membershipIndex, membership, logFloor };
}

function writeTable(writer: WireWriter, { level, fileNumber, summary }: TableRecord): void {
  writer.byte(Tag.table);
  writer.varint(level);
  writer.varint(fileNumber);
  writer.raw(encodeIdentity(summary.identity));
  writer.varint(summary.fileBytes);
  writer.varint(summary.entries);
  writer.varint(summary.tombstones);
  writer.varint(summary.lowestVersion);
  writer.varint(summary.highestVersion);
  writer.varint(summary.keyBytes);
  writer.varint(summary.valueBytes);
  writer.lengthPrefixed(summary.smallestKey);
  writer.lengthPrefixed(summary.largestKey);
}

function readTable(reader: WireReader): TableRecord {
  const level = reader.varint();
  if (level >= LEVELS_MAX) throw new RangeError(`Cannot read a table of level ${level}`);
  const fileNumber = reader.varint();
  const identity = decodeIdentity(Uint8Array.from({ length: IDENTITY_BYTES }, () => reader.byte()));
  const summary: TableSummary = {
    identity,
    fileBytes: reader.varint(),
    entries: reader.varint(),
    tombstones: reader.varint(),
    lowestVersion: reader.varint(),
    highestVersion: reader.varint(),
    keyBytes: reader.varint(),
    valueBytes: reader.varint(),
    smallestKey: reader.lengthPrefixed().slice(),
    largestKey: reader.lengthPrefixed().slice(),
  };
  return { level, fileNumber, summary };
}
