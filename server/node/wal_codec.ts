/**
 * The border between what the core wants durable and the records of the log, in both directions.
 *
 * ```
 * entry record       kind 1   head: index varint · term varint · entry kind u8    body: the entry's bytes
 * hard state record  kind 2   head: term varint · vote varint · commit varint     body: empty
 * promise record     kind 3   head: node, term, index, term of the entry, replica: varints   body: empty
 * point record       kind 4   head: index, term, membership's index, segment and offset of the floor: varints
 *                             body: membership
 * replica record     kind 5   head: id varint                                     body: empty
 * gone record        kind 6   head: id varint                                     body: empty
 * ```
 *
 * An entry whose index is not above the last one of its group replaces everything from that index on; the
 * last hard state of a group counts, and the last promise of each other node (`raft/promises.ts`). Whoever
 * writes hard states again, to let go of a segment, writes promises again. Entries stand before the hard
 * state of the same batch, promises behind it. The replica of a promise is left out where it is not known. A
 * replica record gives the id of the replica whose records these are, and stands before the first of them. A
 * gone record says that the replicas of the group up to that id have left: no record of theirs counts any
 * more, and none of them ever comes back.
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
  NO_REPLICA,
  type PeerPromise,
  type ReplicaId,
} from "../../raft/mod.ts";
import type { LogPoint, WrittenGroup } from "../state/mod.ts";
import type { WalRecord } from "../../wal-wasm/mod.ts";
import { passingBytes } from "../kv/mod.ts";

/** Kinds of records this node writes. */
export const RecordKind = { entry: 1, hardState: 2, promise: 3, point: 4, replica: 5, gone: 6 } as const;

const NO_BYTES = new Uint8Array(0);

/** The records of a turn. */
export function encodeRecords(persist: readonly WrittenGroup[]): WalRecord[] {
  const records: WalRecord[] = [];
  for (const { group, entries, hardState, promises, point, replicaId } of persist) {
    if (replicaId !== undefined) records.push(encodeId(RecordKind.replica, { group, replicaId }));
    for (const entry of entries) records.push(encodeEntry(group, entry));
    if (hardState !== undefined) records.push(encodeHardState(group, hardState));
    for (const promise of promises ?? []) records.push(encodePromise(group, promise));
    if (point !== undefined) records.push(encodePoint(group, point));
  }
  return records;
}

/** The record which says that the replicas of the group up to this one have left. */
export function encodeGone(group: GroupId, replicaId: ReplicaId): WalRecord {
  return encodeId(RecordKind.gone, { group, replicaId });
}

/** A replica, by its group and its own id. */
interface GroupReplica {
  readonly group: GroupId;
  readonly replicaId: ReplicaId;
}

/** What a record says. */
export type DecodedRecord =
  | { readonly kind: "entry"; readonly entry: Entry }
  | { readonly kind: "hardState"; readonly hardState: HardState }
  | { readonly kind: "promise"; readonly promise: PeerPromise }
  | { readonly kind: "point"; readonly point: LogPoint }
  | { readonly kind: "replica" | "gone"; readonly replicaId: ReplicaId };

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
    const held = { node, term, index: reader.varint(), indexTerm: reader.varint() };
    if (reader.isAtEnd) return { kind: "promise", promise: held };
    const promise = { ...held, replica: reader.varint() };
    reader.mustEnd();
    return { kind: "promise", promise };
  }
  if (kind === RecordKind.point) {
    const [index, term, membershipIndex] = [reader.varint(), reader.varint(), reader.varint()];
    const logFloor = { segment: reader.varint(), offset: reader.varint() };
    return { kind: "point", point: { index, term, membershipIndex, logFloor, membership: reader.rest() } };
  }
  if (kind === RecordKind.replica || kind === RecordKind.gone) {
    const replicaId = reader.varint();
    reader.mustEnd();
    return { kind: kind === RecordKind.gone ? "gone" : "replica", replicaId };
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

function encodePromise(group: GroupId, promise: PeerPromise): WalRecord {
  const { node, replica = NO_REPLICA, term, index, indexTerm } = promise;
  const values = [node, term, index, indexTerm, ...(replica === NO_REPLICA ? [] : [replica])];
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

function encodeId(kind: number, { group, replicaId }: GroupReplica): WalRecord {
  const writer = new WireWriter(passingBytes(varintSize(replicaId)));
  writer.varint(replicaId);
  return { group, kind, head: writer.finishMeasured(), body: NO_BYTES };
}
