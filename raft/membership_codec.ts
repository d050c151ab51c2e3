/**
 * The bytes of a membership entry: the whole membership that takes effect with it, so that the last such
 * entry of a log says everything.
 *
 * ```
 * voters · votersOutgoing · learners · learnersNext
 * each: count varint · first id varint · distances varint …
 * if replicas are named: count varint, then for each distance of its node varint · its id varint
 * ```
 *
 * The room imports no other, so it has varints of its own, which insist on the shortest form besides.
 *
 * Valid if and only if there is a voter, every list ascends without duplicates, ids are 1 to 2^32−1, numbers
 * are in their shortest form, nothing follows, no voter is a learner, and named replicas are on members.
 *
 * @module
 */

import { violated } from "./invariant.ts";
import type { Membership, NodeId, ReplicaId } from "./types.ts";

const NODE_ID_MAX = 2 ** 32 - 1;
const REPLICA_ID_MAX = 2 ** 32 - 1;
/** Of a number below 2^35. */
const VARINT_BYTES_MAX = 5;

type NamedReplicas = NonNullable<Membership["replicaIds"]>;

/** `membership` as bytes. */
export function encodeMembership(membership: Membership): Uint8Array {
  const { voters, votersOutgoing, learners, learnersNext, replicaIds = [] } = membership;
  const bytes: number[] = [];
  for (const list of [voters, votersOutgoing, learners, learnersNext]) {
    writeVarint(bytes, list.length);
    let previous = 0;
    for (const node of list) {
      writeVarint(bytes, node - previous);
      previous = node;
    }
  }
  if (replicaIds.length > 0) writeReplicas(bytes, replicaIds);
  return Uint8Array.from(bytes);
}

/**
 * What `bytes` say.
 *
 * @throws {InvariantViolation} when they are no membership: a committed entry cannot be ignored
 */
export function decodeMembership(bytes: Uint8Array): Membership {
  return tryDecodeMembership(bytes) ??
    violated("a membership entry can be decoded", { bytes: bytes.join(" ") });
}

/** What `bytes` say, `undefined` when they are no membership. */
export function tryDecodeMembership(bytes: Uint8Array): Membership | undefined {
  const cursor: Cursor = { bytes, at: 0 };
  const voters = readList(cursor);
  const votersOutgoing = readList(cursor);
  const learners = readList(cursor);
  const learnersNext = readList(cursor);
  if (voters === undefined || votersOutgoing === undefined) return undefined;
  if (learners === undefined || learnersNext === undefined) return undefined;
  const isVoting = (node: NodeId) => voters.includes(node) || votersOutgoing.includes(node);
  const isNamed = cursor.at < bytes.length;
  const replicaIds = isNamed ? readReplicas(cursor) : [];
  if (replicaIds === undefined) return undefined;
  const isHere = (node: NodeId) => isVoting(node) || learners.includes(node);
  const isSound = voters.length > 0 && cursor.at === bytes.length &&
    replicaIds.every(([node]) => isHere(node)) && !learners.some(isVoting) &&
    learnersNext.every((node) => votersOutgoing.includes(node) && !voters.includes(node));
  if (!isSound) return undefined;
  const lists = { voters, votersOutgoing, learners, learnersNext };
  return isNamed ? { ...lists, replicaIds } : lists;
}

interface Cursor {
  readonly bytes: Uint8Array;
  at: number;
}

function writeVarint(bytes: number[], value: number): void {
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
}

function writeReplicas(bytes: number[], replicaIds: NamedReplicas): void {
  writeVarint(bytes, replicaIds.length);
  let previous = 0;
  for (const [node, id] of replicaIds) {
    writeVarint(bytes, node - previous);
    writeVarint(bytes, id);
    previous = node;
  }
}

function readReplicas(cursor: Cursor): NamedReplicas | undefined {
  const count = readVarint(cursor);
  if (count === undefined || count === 0 || count > cursor.bytes.length - cursor.at) return undefined;
  const named: (readonly [NodeId, ReplicaId])[] = [];
  for (let read = 0; read < count; read++) {
    const distance = readVarint(cursor);
    const id = readVarint(cursor);
    if (distance === undefined || distance === 0 || id === undefined) return undefined;
    if (id === 0 || id > REPLICA_ID_MAX) return undefined;
    named.push([(named.at(-1)?.[0] ?? 0) + distance, id]);
  }
  return named;
}

function readVarint(cursor: Cursor): number | undefined {
  let value = 0;
  for (let place = 0; place < VARINT_BYTES_MAX; place++) {
    const byte = cursor.bytes[cursor.at++];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 0x80 ** place;
    // A last byte of zero would be a longer form of a number.
    if (byte < 0x80) return byte === 0 && place > 0 ? undefined : value;
  }
  return undefined;
}

function readList(cursor: Cursor): readonly NodeId[] | undefined {
  const count = readVarint(cursor);
  // Every id takes a byte at least, so no count can ask for more than is there.
  if (count === undefined || count > cursor.bytes.length - cursor.at) return undefined;
  const nodes: NodeId[] = [];
  for (let read = 0; read < count; read++) {
    const distance = readVarint(cursor);
    const node = (nodes.at(-1) ?? 0) + (distance ?? 0);
    if (distance === undefined || distance === 0 || node > NODE_ID_MAX) return undefined;
    nodes.push(node);
  }
  return nodes;
}
