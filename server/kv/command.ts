/**
 * The border between commands and bytes, in both directions. A command is all that one client call wants done
 * in one partition; it is encoded once, by the node that took the call, stamped by the leader with replicated
 * time (`replicated_clock.ts`), and the same bytes go into every replica's log.
 *
 * ```
 * command  = version u8 (1 or 2) · flags u8 · time u48 LE (ms) · [request] · count varint · mutation*
 * request  = client id 8 bytes · sequence varint · acknowledged below varint          if flags has bit 0
 * mutation = tag u8 · [version varint] · key length varint · key · [ttl varint]
 *            · [length varint · value of a put, or what an increment adds, in decimal text]
 * tag      = bit 0: delete · bits 1–2: precondition (0 none, 1 absent, 2 version, 3 exists)
 *            · bit 3: has a ttl · bit 4: increment · bit 5, and no other: expire
 * ```
 *
 * Version 2 is that of commands in which a mutation has a ttl, 1 to `TTL_MS_MAX`, or is an expire; all others
 * are of version 1, so that nodes that do not know of expiry go on reading them. What they would make of
 * these is worse than not to read them: they pass over a ttl, and their state would differ from that of other
 * replicas without a word. For the same reason a ttl in version 1 means nothing.
 *
 * A command without mutations is a clock entry: all it does is to carry a time. Every version reads it.
 *
 * Increments, and the precondition `exists`, came after the first version: a node that does not know them
 * refuses the command, and as the log may hold it by then, ends. They may be sent once all nodes know them.
 *
 * @module
 */

import { TTL_MS_MAX, varintSize, WireReader, WireWriter } from "../../proto/mod.ts";
import { keptBytes } from "./slab.ts";
import type { Mutation, Precondition, RequestId } from "./types.ts";
import { readNumber, writeNumber } from "./whole_number.ts";

const PLAIN_VERSION = 1;
/** Of commands by which keys expire. */
const EXPIRY_VERSION = 2;
const FLAG_REQUEST = 1;
const TAG_DELETE = 1;
/** Each kind of mutation has its bits. */
const TAG_INCREMENT = 1 << 4;
const TAG_EXPIRE = 1 << 5;
const KIND_TAGS: Readonly<Record<Mutation["kind"], number>> = {
  put: 0,
  delete: TAG_DELETE,
  increment: TAG_INCREMENT,
  expire: TAG_EXPIRE,
};
const PRECONDITION_TAGS: Readonly<Record<Precondition["kind"], number>> = {
  absent: 1 << 1,
  version: 2 << 1,
  exists: 3 << 1,
};
const TAG_PRECONDITION = 3 << 1;
const TAG_TTL = 1 << 3;
/** The bits of all but an expire, which has none of them. */
const TAG_KNOWN = TAG_DELETE | TAG_PRECONDITION | TAG_TTL | TAG_INCREMENT;
const TIME_AT = 2;
const TIME_BYTES = 6;
const CLIENT_ID_BYTES = 8;
/** Every byte as two hexadecimal digits. */
const HEX = Array.from({ length: 0x100 }, (_, byte) => byte.toString(16).padStart(2, "0"));
/** Of the smallest mutation: tag, key length, one byte of key. Bounds what a forged count can claim. */
const MUTATION_BYTES_MIN = 3;

/** All that one call wants done in one partition, atomically. */
export interface Command {
  /** Replicated time by the leader that proposed it, in milliseconds; 0 before it was stamped. */
  readonly timeMs: number;
  readonly requestId: RequestId | undefined;
  readonly mutations: readonly Mutation[];
}

/**
 * The bytes of a command, not yet stamped.
 *
 * @throws {RangeError} when a time to live is above `TTL_MS_MAX`
 */
export function encodeCommand(mutations: readonly Mutation[], requestId: RequestId | undefined): Uint8Array {
  const writer = new WireWriter(keptBytes(commandLength(mutations, requestId)));
  writer.byte(versionFor(mutations));
  writer.byte(requestId === undefined ? 0 : FLAG_REQUEST);
  writer.skip(TIME_BYTES);
  if (requestId !== undefined) writeRequestId(writer, requestId);
  writer.varint(mutations.length);
  for (const mutation of mutations) writeMutation(writer, mutation);
  return writer.finishMeasured();
}

/** The bytes of a command that removes those of `keys` that have expired by then; not yet stamped. */
export function encodeExpireCommand(keys: readonly Uint8Array[]): Uint8Array {
  return encodeCommand(keys.map((key) => ({ kind: "expire", key })), undefined);
}

/** Writes the time, whole milliseconds below 2^48, into an encoded command, in place. */
export function stampCommand(bytes: Uint8Array, timeMs: number): void {
  let rest = timeMs;
  for (let at = TIME_AT; at < TIME_AT + TIME_BYTES; at++) {
    bytes[at] = rest % 0x100;
    rest = Math.floor(rest / 0x100);
  }
}

/**
 * The command in `bytes`; keys and values are views of it.
 *
 * @throws {RangeError} when the bytes are not a command
 */
export function decodeCommand(bytes: Uint8Array): Command {
  const reader = new WireReader(bytes);
  const version = reader.byte();
  if (version !== PLAIN_VERSION && version !== EXPIRY_VERSION) {
    throw new RangeError(`Cannot decode a command of version ${version}`);
  }
  const flags = reader.byte();
  if (flags > FLAG_REQUEST) throw new RangeError(`Cannot decode a command with flags ${flags}`);
  const timeMs = readTime(reader);
  const requestId = flags === FLAG_REQUEST ? readRequestId(reader) : undefined;
  const count = reader.varint();
  if (count * MUTATION_BYTES_MIN > bytes.length) throw new RangeError(`Cannot decode ${count} mutations`);
  const mutations: Mutation[] = [];
  for (let position = 0; position < count; position++) {
    mutations.push(readMutation(reader, version));
  }
  reader.mustEnd();
  return { timeMs, requestId, mutations };
}

/** Whether the command in `bytes` adds nothing: it has deletes, expires, or nothing at all. */
export function onlyDeletes(bytes: Uint8Array): boolean {
  return decodeCommand(bytes).mutations.every(({ kind }) => kind === "delete" || kind === "expire");
}

/** Whether the command in `bytes` is a leader's own: it has expires, or nothing at all. */
export function isUpkeep(bytes: Uint8Array): boolean {
  return decodeCommand(bytes).mutations.every(({ kind }) => kind === "expire");
}

/** Whether the command in `bytes` has an expire, which no client may send. */
export function hasExpire(bytes: Uint8Array): boolean {
  return decodeCommand(bytes).mutations.some(({ kind }) => kind === "expire");
}

function versionFor(mutations: readonly Mutation[]): number {
  for (let position = 0; position < mutations.length; position++) {
    const mutation = mutations[position]!;
    if (mutation.kind === "expire" || ttlOf(mutation) > 0) return EXPIRY_VERSION;
  }
  return PLAIN_VERSION;
}

function ttlOf(mutation: Mutation): number {
  return mutation.kind === "put" || mutation.kind === "increment" ? mutation.ttlMs : 0;
}

function commandLength(mutations: readonly Mutation[], requestId: RequestId | undefined): number {
  let length = TIME_AT + TIME_BYTES + varintSize(mutations.length);
  if (requestId !== undefined) {
    length += CLIENT_ID_BYTES + varintSize(requestId.sequence) + varintSize(requestId.acknowledgedBelow);
  }
  for (const mutation of mutations) length += mutationLength(mutation);
  return length;
}

function mutationLength(mutation: Mutation): number {
  const { key, precondition } = mutation;
  let length = 1 + varintSize(key.length) + key.length;
  if (precondition?.kind === "version") length += varintSize(precondition.version);
  if (mutation.kind === "delete" || mutation.kind === "expire") return length;
  if (mutation.ttlMs > 0) length += varintSize(mutation.ttlMs);
  const content = mutation.kind === "put" ? mutation.value : mutation.by;
  return length + varintSize(content.length) + content.length;
}

function writeMutation(writer: WireWriter, mutation: Mutation): void {
  const { precondition } = mutation;
  const ttlMs = ttlOf(mutation);
  if (ttlMs > TTL_MS_MAX) throw new RangeError(`Cannot encode a time to live of ${ttlMs} ms`);
  const conditionTag = precondition === undefined ? 0 : PRECONDITION_TAGS[precondition.kind];
  writer.byte(KIND_TAGS[mutation.kind] | conditionTag | (ttlMs > 0 ? TAG_TTL : 0));
  if (precondition?.kind === "version") writer.varint(precondition.version);
  writer.lengthPrefixed(mutation.key);
  if (ttlMs > 0) writer.varint(ttlMs);
  if (mutation.kind === "put") writer.lengthPrefixed(mutation.value);
  else if (mutation.kind === "increment") writeNumber(writer, mutation.by);
}

function readMutation(reader: WireReader, version: number): Mutation {
  const tag = reader.byte();
  if (!isKnown(tag, version)) throw new RangeError(`Cannot decode a mutation with tag ${tag}`);
  if (tag === TAG_EXPIRE) return { kind: "expire", key: reader.lengthPrefixed() };
  const precondition = readPrecondition(reader, tag & TAG_PRECONDITION);
  const key = reader.lengthPrefixed();
  if ((tag & TAG_DELETE) !== 0) return { kind: "delete", key, precondition };
  const ttlMs = (tag & TAG_TTL) === 0 ? 0 : readTtl(reader, version);
  if ((tag & TAG_INCREMENT) !== 0) {
    return { kind: "increment", key, by: readNumber(reader), ttlMs, precondition };
  }
  return { kind: "put", key, value: reader.lengthPrefixed(), ttlMs, precondition };
}

function isKnown(tag: number, version: number): boolean {
  if (tag === TAG_EXPIRE) return version === EXPIRY_VERSION;
  if ((tag & ~TAG_KNOWN) !== 0) return false;
  return (tag & TAG_DELETE) === 0 || (tag & (TAG_TTL | TAG_INCREMENT)) === 0;
}

function readTtl(reader: WireReader, version: number): number {
  const ttlMs = reader.varint();
  if (version === PLAIN_VERSION) return 0;
  if (ttlMs < 1 || ttlMs > TTL_MS_MAX) throw new RangeError(`Cannot decode a time to live of ${ttlMs} ms`);
  return ttlMs;
}

function readPrecondition(reader: WireReader, tag: number): Precondition | undefined {
  if (tag === 0) return undefined;
  if (tag === PRECONDITION_TAGS.absent) return { kind: "absent" };
  if (tag === PRECONDITION_TAGS.exists) return { kind: "exists" };
  return { kind: "version", version: reader.varint() };
}

function writeRequestId(writer: WireWriter, requestId: RequestId): void {
  writeHalf(writer, parseInt(requestId.clientId.slice(0, 8), 16));
  writeHalf(writer, parseInt(requestId.clientId.slice(8), 16));
  writer.varint(requestId.sequence);
  writer.varint(requestId.acknowledgedBelow);
}

/** Half of a client id: four bytes, the highest first. */
function writeHalf(writer: WireWriter, value: number): void {
  writer.byte(value >>> 24);
  writer.byte((value >>> 16) & 0xff);
  writer.byte((value >>> 8) & 0xff);
  writer.byte(value & 0xff);
}

function readRequestId(reader: WireReader): RequestId {
  const clientId = readHalf(reader) + readHalf(reader);
  return { clientId, sequence: reader.varint(), acknowledgedBelow: reader.varint() };
}

function readHalf(reader: WireReader): string {
  return HEX[reader.byte()]! + HEX[reader.byte()]! + HEX[reader.byte()]! + HEX[reader.byte()]!;
}

function readTime(reader: WireReader): number {
  let timeMs = 0;
  let scale = 1;
  for (let count = 0; count < TIME_BYTES; count++) {
    timeMs += reader.byte() * scale;
    scale *= 0x100;
  }
  return timeMs;
}
