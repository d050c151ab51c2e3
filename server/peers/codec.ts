/**
 * The border between what nodes tell each other and `PeerBatch` of `raft.proto`, in both directions.
 *
 * @module
 */

import { WireReader, type WireWriter } from "../../proto/mod.ts";
import {
  decodeEntryKind,
  type Entry,
  type EntryKind,
  type GroupId,
  type Message,
  NO_REPLICA,
  type Reminder,
  type ReplicaId,
  unreachable,
} from "../../raft/mod.ts";
import type { ForwardedCall, ForwardedReply, Leadership, PeerBatch, PeerHello } from "../ports/mod.ts";
import { decodeCall, decodeReply, encodeCall, encodeReply } from "./forward_codec.ts";
import {
  addHeartbeats,
  encodeHeartbeats,
  type Heartbeat,
  isHeartbeat,
  type PeerRoute,
  readColumns,
} from "./heartbeat_codec.ts";

/** Wire number of each kind: `RaftMessageKind` of the contract. */
const KIND_NUMBERS = {
  preVoteRequest: 1,
  preVoteResponse: 2,
  voteRequest: 3,
  voteResponse: 4,
  appendRequest: 5,
  appendResponse: 6,
  readIndexRequest: 9,
  readIndexResponse: 10,
  timeoutNowRequest: 11,
  quietRequest: 12,
  nodeHeartbeat: 13,
  commitNotice: 14,
  snapshotNotice: 15,
} as const satisfies Record<Exclude<Message, Heartbeat>["kind"], number>;

const KINDS: ReadonlyMap<number, keyof typeof KIND_NUMBERS> = new Map(
  Object.entries(KIND_NUMBERS).map(([kind, number]) => [number, kind as keyof typeof KIND_NUMBERS]),
);

/** Writes a batch as one `PeerBatch` message. */
export function encodePeerBatch(writer: WireWriter, batch: PeerBatch): void {
  const heartbeats = batch.messages.filter(isHeartbeat);
  if (heartbeats.length > 0) {
    encodeHeartbeats(writer, 6, heartbeats.filter(({ kind }) => kind === "heartbeatRequest"));
    encodeHeartbeats(writer, 7, heartbeats.filter(({ kind }) => kind === "heartbeatResponse"));
  }
  for (const message of batch.messages) if (!isHeartbeat(message)) encodeMessage(writer, message);
  for (const call of batch.calls) encodeCall(writer, call);
  for (const reply of batch.replies) encodeReply(writer, reply);
  for (const { group, term } of batch.leaderships) {
    const start = writer.beginMessage(5);
    writer.number(1, group);
    writer.number(2, term);
    writer.endMessage(start);
  }
  for (const reminder of batch.reminders) encodeReminder(writer, reminder);
}

/** Writes the `PeerBatch` that opens a stream. */
export function encodeHello(writer: WireWriter, hello: PeerHello): void {
  const start = writer.beginMessage(1);
  writer.text(1, hello.clusterId);
  writer.number(2, hello.fromNode);
  writer.number(3, hello.toNode);
  writer.number(4, hello.protocolVersion);
  writer.text(5, hello.address);
  writer.text(6, hello.incarnation);
  writer.text(7, hello.expectedIncarnation);
  writer.endMessage(start);
}

/** What one `PeerBatch` says; `hello` is there in the first of a stream. */
export interface DecodedBatch {
  readonly hello: PeerHello | undefined;
  readonly batch: PeerBatch;
}

/**
 * Reads one `PeerBatch`; entries and commands are views of `bytes`.
 *
 * @param route who sent it and who receives it, which the messages themselves do not repeat
 * @throws {RangeError} when the bytes are none
 */
export function decodePeerBatch(bytes: Uint8Array, route: PeerRoute): DecodedBatch {
  const messages: Message[] = [];
  const calls: ForwardedCall[] = [];
  const replies: ForwardedReply[] = [];
  const leaderships: Leadership[] = [];
  const reminders: Reminder[] = [];
  let hello: PeerHello | undefined;
  const reader = new WireReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) hello = reader.message(decodeHello);
    else if (reader.field === 2) messages.push(decodeMessage(reader.message(readMessageFields), route));
    else if (reader.field === 3) calls.push(reader.message(decodeCall));
    else if (reader.field === 4) replies.push(reader.message(decodeReply));
    else if (reader.field === 5) leaderships.push(reader.message(decodeLeadership));
    else if (reader.field === 6) {
      addHeartbeats(messages, { kind: "heartbeatRequest", route, columns: reader.message(readColumns) });
    } else if (reader.field === 7) {
      addHeartbeats(messages, { kind: "heartbeatResponse", route, columns: reader.message(readColumns) });
    } else if (reader.field === 10) reminders.push(reader.message(decodeReminder));
  }
  return { hello, batch: { messages, calls, replies, leaderships, reminders } };
}

function encodeMessage(writer: WireWriter, message: Exclude<Message, Heartbeat>): void {
  const start = writer.beginMessage(2);
  writer.number(1, KIND_NUMBERS[message.kind]);
  writer.number(2, message.group);
  writer.number(3, message.term);
  encodeBody(writer, message);
  writer.number(15, message.fromReplica ?? NO_REPLICA);
  writer.number(16, message.toReplica ?? NO_REPLICA);
  writer.endMessage(start);
}

function encodeBody(writer: WireWriter, message: Exclude<Message, Heartbeat>): void {
  switch (message.kind) {
    case "preVoteRequest":
      return encodeLogEnd(writer, { index: message.lastLogIndex, term: message.lastLogTerm });
    case "voteRequest":
      encodeLogEnd(writer, { index: message.lastLogIndex, term: message.lastLogTerm });
      return writer.boolean(13, message.transfer);
    case "preVoteResponse":
    case "voteResponse":
      return writer.boolean(8, message.granted);
    case "appendRequest":
      encodeLogEnd(writer, { index: message.prevLogIndex, term: message.prevLogTerm });
      writer.number(6, message.commit);
      for (const entry of message.entries) encodeEntry(writer, entry);
      return;
    case "appendResponse":
      writer.boolean(8, message.success);
      writer.number(9, message.matchIndex);
      writer.number(10, message.conflictTerm);
      return writer.number(14, message.conflictIndex);
    case "readIndexRequest":
      return writer.number(11, message.readId);
    case "readIndexResponse":
      writer.boolean(8, message.granted);
      writer.number(11, message.readId);
      return writer.number(12, message.readIndex);
    case "quietRequest":
    case "commitNotice":
      return writer.number(6, message.commit);
    case "snapshotNotice":
      return writer.number(4, message.index);
    case "nodeHeartbeat":
      return writer.boolean(8, message.isAnswer);
    case "timeoutNowRequest":
      return;
    default:
      return unreachable(message);
  }
}

function encodeLogEnd(writer: WireWriter, end: { index: number; term: number }): void {
  writer.number(4, end.index);
  writer.number(5, end.term);
}

function encodeEntry(writer: WireWriter, entry: Entry): void {
  const start = writer.beginMessage(7);
  writer.number(1, entry.index);
  writer.number(2, entry.term);
  writer.number(3, entry.kind);
  if (entry.data.length > 0) writer.bytes(4, entry.data);
  writer.endMessage(start);
}

/** Every field a message may have, at its default until it is read. */
interface MessageFields {
  kind: number;
  group: GroupId;
  term: number;
  logIndex: number;
  logTerm: number;
  commit: number;
  readonly entries: Entry[];
  granted: boolean;
  matchIndex: number;
  conflictTerm: number;
  readId: number;
  readIndex: number;
  transfer: boolean;
  conflictIndex: number;
  fromReplica: ReplicaId;
  toReplica: ReplicaId;
}

type BallotKind = "preVoteRequest" | "voteRequest";

/** What a message says, and which way it came. */
interface ReceivedFields {
  readonly fields: MessageFields;
  readonly route: PeerRoute;
}

function decodeMessage(fields: MessageFields, route: PeerRoute): Message {
  const kind = KINDS.get(fields.kind);
  if (kind === undefined) throw new RangeError(`Cannot decode a Raft message of kind ${fields.kind}`);
  // Written out: spreading an object costs several times as much, and messages are many.
  const { group, term, fromReplica, toReplica } = fields;
  const { from, to } = route;
  const { granted, readId, readIndex, commit, logIndex } = fields;
  switch (kind) {
    case "preVoteRequest":
    case "voteRequest":
      return decodeBallot(kind, { fields, route });
    case "preVoteResponse":
    case "voteResponse":
      return { kind, group, from, to, fromReplica, toReplica, term, granted };
    case "appendRequest":
      return decodeAppend(fields, route);
    case "appendResponse":
      return decodeAppendAnswer(fields, route);
    case "readIndexRequest":
      return { kind, group, from, to, fromReplica, toReplica, term, readId };
    case "readIndexResponse":
      return { kind, group, from, to, fromReplica, toReplica, term, readId, readIndex, granted };
    case "quietRequest":
    case "commitNotice":
      return { kind, group, from, to, fromReplica, toReplica, term, commit };
    case "snapshotNotice":
      return { kind, group, from, to, fromReplica, toReplica, term, index: logIndex };
    case "nodeHeartbeat":
      return { kind, group, from, to, fromReplica, toReplica, term, isAnswer: granted };
    case "timeoutNowRequest":
      return { kind, group, from, to, fromReplica, toReplica, term };
    default:
      return unreachable(kind);
  }
}

/** Elections are rare. */
function decodeBallot(kind: BallotKind, { fields, route }: ReceivedFields): Message {
  const { group, term, fromReplica, toReplica, logIndex, logTerm, transfer } = fields;
  const end = { lastLogIndex: logIndex, lastLogTerm: logTerm };
  const request = { ...route, group, fromReplica, toReplica, term, ...end };
  return kind === "voteRequest" ? { kind, ...request, transfer } : { kind, ...request };
}

function decodeAppend(
  { group, term, fromReplica, toReplica, logIndex, logTerm, commit, entries }: MessageFields,
  { from, to }: PeerRoute,
): Message {
  return {
    kind: "appendRequest",
    group,
    from,
    to,
    fromReplica,
    toReplica,
    term,
    prevLogIndex: logIndex,
    prevLogTerm: logTerm,
    entries,
    commit,
  };
}

function decodeAppendAnswer(
  { group, term, fromReplica, toReplica, granted, matchIndex, conflictIndex, conflictTerm }: MessageFields,
  { from, to }: PeerRoute,
): Message {
  return {
    kind: "appendResponse",
    group,
    from,
    to,
    fromReplica,
    toReplica,
    term,
    success: granted,
    matchIndex,
    conflictIndex,
    conflictTerm,
  };
}

function readMessageFields(reader: WireReader): MessageFields {
  const fields: MessageFields = {
    kind: 0,
    group: 0,
    term: 0,
    logIndex: 0,
    logTerm: 0,
    commit: 0,
    entries: [],
    granted: false,
    matchIndex: 0,
    conflictTerm: 0,
    readId: 0,
    readIndex: 0,
    transfer: false,
    conflictIndex: 0,
    fromReplica: NO_REPLICA,
    toReplica: NO_REPLICA,
  };
  while (reader.next()) readMessageField(reader, fields);
  return fields;
}

function readMessageField(reader: WireReader, fields: MessageFields): void {
  switch (reader.field) {
    case 1:
      fields.kind = reader.number();
      return;
    case 2:
      fields.group = reader.number();
      return;
    case 3:
      fields.term = reader.number();
      return;
    case 4:
      fields.logIndex = reader.number();
      return;
    case 5:
      fields.logTerm = reader.number();
      return;
    case 6:
      fields.commit = reader.number();
      return;
    case 7:
      fields.entries.push(reader.message(decodeEntry));
      return;
    case 8:
      fields.granted = reader.boolean();
      return;
    case 9:
      fields.matchIndex = reader.number();
      return;
    case 10:
      fields.conflictTerm = reader.number();
      return;
    case 11:
      fields.readId = reader.number();
      return;
    case 12:
      fields.readIndex = reader.number();
      return;
    case 13:
      fields.transfer = reader.boolean();
      return;
    case 14:
      fields.conflictIndex = reader.number();
      return;
    case 15:
      fields.fromReplica = reader.number();
      return;
    case 16:
      fields.toReplica = reader.number();
  }
}

const NO_BYTES = new Uint8Array(0);

function decodeEntry(reader: WireReader): Entry {
  const entry: { index: number; term: number; kind: EntryKind; data: Uint8Array } = {
    index: 0,
    term: 0,
    kind: decodeEntryKind(0),
    data: NO_BYTES,
  };
  while (reader.next()) {
    if (reader.field === 1) entry.index = reader.number();
    else if (reader.field === 2) entry.term = reader.number();
    else if (reader.field === 3) entry.kind = decodeEntryKind(reader.number());
    else if (reader.field === 4) entry.data = reader.bytes();
  }
  return entry;
}

function decodeHello(reader: WireReader): PeerHello {
  const hello = {
    clusterId: "",
    fromNode: 0,
    toNode: 0,
    protocolVersion: 0,
    address: "",
    incarnation: "",
    expectedIncarnation: "",
  };
  while (reader.next()) {
    if (reader.field === 1) hello.clusterId = reader.text();
    else if (reader.field === 2) hello.fromNode = reader.number();
    else if (reader.field === 3) hello.toNode = reader.number();
    else if (reader.field === 4) hello.protocolVersion = reader.number();
    else if (reader.field === 5) hello.address = reader.text();
    else if (reader.field === 6) hello.incarnation = reader.text();
    else if (reader.field === 7) hello.expectedIncarnation = reader.text();
  }
  return hello;
}

function decodeLeadership(reader: WireReader): Leadership {
  const leadership = { group: 0, term: 0 };
  while (reader.next()) {
    if (reader.field === 1) leadership.group = reader.number();
    else if (reader.field === 2) leadership.term = reader.number();
  }
  return leadership;
}

function encodeReminder(writer: WireWriter, reminder: Reminder): void {
  const start = writer.beginMessage(10);
  writer.number(1, reminder.group);
  writer.number(2, reminder.term);
  writer.number(3, reminder.index);
  writer.number(4, reminder.indexTerm);
  writer.boolean(5, reminder.isCommitted);
  writer.number(6, reminder.replica ?? NO_REPLICA);
  writer.endMessage(start);
}

function decodeReminder(reader: WireReader): Reminder {
  const reminder = { group: 0, replica: NO_REPLICA, term: 0, index: 0, indexTerm: 0, isCommitted: false };
  while (reader.next()) {
    if (reader.field === 1) reminder.group = reader.number();
    else if (reader.field === 2) reminder.term = reader.number();
    else if (reader.field === 3) reminder.index = reader.number();
    else if (reader.field === 4) reminder.indexTerm = reader.number();
    else if (reader.field === 5) reminder.isCommitted = reader.boolean();
    else if (reader.field === 6) reminder.replica = reader.number();
  }
  return reminder;
}
