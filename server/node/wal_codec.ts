/**
 * The border between what the core wants durable and the records of the log, in both directions.
 *
 * ```
 * entry record       kind 1   head: index varint · term varint · entry kind u8    body: the entry's bytes
 * hard state record  kind 2   head: term varint · vote varint · commit varint     body: empty
 * promise record     kind 3   head: node, term, index, term of the entry: varints   body: empty
 * point record       kind 4   head: index, term, membership's index, segment and offset of the floor: varints
 *                             body: membership
 * ```
 *
 * An entry whose index is not above the last one of its group replaces everything from that index on; the
 * last hard state of a group counts, and the last promise of each other node (`raft/promises.ts`). Whoever
 * writes hard states again, to let go of a segment, writes promises again. Entries stand before the hard
 * state of the same batch, promises behind it.
 *
 * A point says that a store has held all up to it, so that what lies before may have been let go of. If the
 * store does not hold it any more, its state is lost.
 *
 * @module
 */

import { varintSize, WireReader, WireWriter } from "../../proto/mod.ts";
import {
  decodeEntryKind,
  type Entry,
  type GroupId,
  type HardState,
  type PeerPromise,
} from "../../raft/mod.ts";
import type { LogPoint, WrittenGroup } from "../state/mod.ts";
import type { WalRecord } from "../../wal-wasm/mod.ts";
import { passingBytes } from "../kv/mod.ts";

/** Kinds of records this node writes. */
export const RecordKind = { entry: 1, hardState: 2, promise: 3, point: 4 } as const;

const NO_BYTES = new Uint8Array(0);

/** The records of a turn. */
export function encodeRecords(persist: readonly WrittenGroup[]): WalRecord[] {
  const records: WalRecord[] = [];
  for (const { group, entries, hardState, promises, point } of persist) {
    for (const entry of entries) records.push(encodeEntry(group, entry));
    if (hardState !== undefined) records.push(encodeHardState(group, hardState));
    for (const promise of promises ?? []) records.push(encodePromise(group, promise));
    if (point !== undefined) records.push(encodePoint(group, point));
  }
  return records;
}

/** What a record says. */
export type DecodedRecord =
  | { readonly kind: "entry"; readonly entry: Entry }
  | { readonly kind: "hardState"; readonly hardState: HardState }
  | { readonly kind: "promise"; readonly promise: PeerPromise }
  | { readonly kind: "point"; readonly point: LogPoint };

/**
 * The meaning of one recovered record; an entry's bytes are a view of `payload`.
 *
 * @throws {RangeError} when it is none of this node's records
 */
export function decodeRecord(kind: number, payload: Uint8Array): DecodedRecord {
  const reader = new WireReader(payload);
  if (kind === RecordKind.entry) {
    const entry = {
      index: reader.varint(),
      term: reader.varint(),
      kind: decodeEntryKind(reader.byte()),
      data: reader.rest(),
    };
    return { kind: "entry", entry };
  }
  if (kind === RecordKind.hardState) {
    const hardState = { term: reader.varint(), vote: reader.varint(), commit: reader.varint() };
    reader.mustEnd();
    return { kind: "hardState", hardState };
  }
  if (kind === RecordKind.promise) {
    const [node, term] = [reader.varint(), reader.varint()];
    const promise = { node, term, index: reader.varint(), indexTerm: reader.varint() };
    reader.mustEnd();
    return { kind: "promise", promise };
  }
  if (kind === RecordKind.point) {
    const [index, term, membershipIndex] = [reader.varint(), reader.varint(), reader.varint()];
    const logFloor = { segment: reader.varint(), offset: reader.varint() };
    return { kind: "point", point: { index, term, membershipIndex, logFloor, membership: reader.rest() } };
  }
  throw new RangeError(`Cannot decode a log record of kind ${kind}`);
}

function encodeEntry(group: GroupId, entry: Entry): WalRecord {
  const writer = new WireWriter(passingBytes(varintSize(entry.index) + varintSize(entry.term) + 1));
  writer.varint(entry.index);
  writer.varint(entry.term);
  writer.byte(entry.kind);
  return { group, kind: RecordKind.entry, head: writer.finishMeasured(), body: entry.data };
}

function encodeHardState(group: GroupId, { term, vote, commit }: HardState): WalRecord {
  const writer = new WireWriter(passingBytes(varintSize(term) + varintSize(vote) + varintSize(commit)));
  writer.varint(term);
  writer.varint(vote);
  writer.varint(commit);
  return { group, kind: RecordKind.hardState, head: writer.finishMeasured(), body: NO_BYTES };
}

function encodePromise(group: GroupId, { node, term, index, indexTerm }: PeerPromise): WalRecord {
  const values = [node, term, index, indexTerm];
  const writer = new WireWriter(passingBytes(values.reduce((sum, value) => sum + varintSize(value), 0)));
  for (const value of values) writer.varint(value);
  return { group, kind: RecordKind.promise, head: writer.finishMeasured(), body: NO_BYTES };
}

function encodePoint(group: GroupId, point: LogPoint): WalRecord {
  const { index, term, membershipIndex, logFloor: { segment, offset }, membership } = point;
  const values = [index, term, membershipIndex, segment, offset];
  const writer = new WireWriter(passingBytes(values.reduce((sum, value) => sum + varintSize(value), 0)));
  for (const value of values) writer.varint(value);
  return { group, kind: RecordKind.point, head: writer.finishMeasured(), body: membership };
}
