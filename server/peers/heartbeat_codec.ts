/**
 * The heartbeats that one node sends another in a turn, of all groups together: columns instead of messages,
 * so that a heartbeat of a thousand groups is one message of a few bytes a group.
 *
 * ```
 * group 3 4 7 …   term 5 5 6 …   commit 81 90 12 …   readRound 0 0 2 …   sentAt 0 0 0 …   …
 * ```
 *
 * Valid if and only if `group` and `term` are of equal length, and each other column is of that length or
 * empty, which stands for zeros. The order of heartbeats among themselves is kept; against other messages of
 * the batch it is not, and need not be.
 *
 * @module
 */

import type { WireReader, WireWriter } from "../../proto/mod.ts";
import {
  type HeartbeatRequest,
  type HeartbeatResponse,
  type Message,
  NO_REPLICA,
  type NodeId,
} from "../../raft/mod.ts";

/** Messages that travel as columns. */
export type Heartbeat = HeartbeatRequest | HeartbeatResponse;

const Field = {
  group: 1,
  term: 2,
  commit: 3,
  readRound: 4,
  sentAt: 5,
  fromReplica: 6,
  toReplica: 7,
} as const;

/** Whether `message` travels in columns. */
export function isHeartbeat(message: Message): message is Heartbeat {
  return message.kind === "heartbeatRequest" || message.kind === "heartbeatResponse";
}

/** Writes all heartbeats of one kind as the nested message `field`; nothing if there are none. */
export function encodeHeartbeats(writer: WireWriter, field: number, heartbeats: readonly Heartbeat[]): void {
  if (heartbeats.length === 0) return;
  const start = writer.beginMessage(field);
  writer.numbers(Field.group, heartbeats.map(({ group }) => group));
  writer.numbers(Field.term, heartbeats.map(({ term }) => term));
  encodeColumn(writer, Field.commit, heartbeats.map((each) => "commit" in each ? each.commit : 0));
  encodeColumn(writer, Field.readRound, heartbeats.map(({ readRound }) => readRound));
  encodeColumn(writer, Field.sentAt, heartbeats.map(({ sentAt }) => sentAt));
  encodeColumn(writer, Field.fromReplica, heartbeats.map((each) => each.fromReplica ?? NO_REPLICA));
  encodeColumn(writer, Field.toReplica, heartbeats.map((each) => each.toReplica ?? NO_REPLICA));
  writer.endMessage(start);
}

/** Sender and receiver of a batch; the messages themselves do not repeat them. */
export interface PeerRoute {
  readonly from: NodeId;
  readonly to: NodeId;
}

/** Columns by the number of their field. */
export type HeartbeatColumns = readonly (readonly number[])[];

/** Heartbeats of one kind, as they travelled. */
export interface ReceivedHeartbeats {
  readonly kind: Heartbeat["kind"];
  readonly route: PeerRoute;
  readonly columns: HeartbeatColumns;
}

/** Reads the columns of a nested message. */
export function readColumns(reader: WireReader): HeartbeatColumns {
  const columns: (readonly number[])[] = [[], [], [], [], [], [], [], []];
  while (reader.next()) {
    if (reader.field <= Field.toReplica) columns[reader.field] = reader.numbers();
  }
  return columns;
}

/**
 * Adds heartbeats to `messages`.
 *
 * @throws {RangeError} when the columns do not fit together
 */
export function addHeartbeats(messages: Message[], { kind, route, columns }: ReceivedHeartbeats): void {
  const groups = columns[Field.group]!;
  mustFit(columns, groups.length);
  const valueAt = (field: number, position: number) => columns[field]![position] ?? 0;
  for (let position = 0; position < groups.length; position++) {
    const common = {
      group: groups[position]!,
      from: route.from,
      to: route.to,
      fromReplica: valueAt(Field.fromReplica, position),
      toReplica: valueAt(Field.toReplica, position),
      term: valueAt(Field.term, position),
      readRound: valueAt(Field.readRound, position),
      sentAt: valueAt(Field.sentAt, position),
    };
    if (kind === "heartbeatResponse") messages.push({ kind, ...common });
    else messages.push({ kind, ...common, commit: valueAt(Field.commit, position) });
  }
}

function encodeColumn(writer: WireWriter, field: number, values: readonly number[]): void {
  if (values.some((value) => value !== 0)) writer.numbers(field, values);
}

function mustFit(columns: HeartbeatColumns, length: number): void {
  columns.forEach((column, field) => {
    const mayBeEmpty = field !== Field.group && field !== Field.term;
    if (column.length === length || (mayBeEmpty && column.length === 0)) return;
    throw new RangeError(
      `Cannot read heartbeats of ${length} groups: column ${field} has ${column.length} values`,
    );
  });
}
