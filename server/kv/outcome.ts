/**
 * What became of a command: the same on every replica, remembered in its session, and sent to the node that
 * took the call.
 *
 * ```
 * outcome = 0 u8 · version varint · count varint · position varint*    applied; the deletes that found a key
 *         | 1 u8 · count varint · (position varint · version varint)*  refused; what failed
 *         | 2 u8                                                       forgotten
 *         | 3 u8 · version varint · count varint · position varint* · count varint
 *           · (position varint · length varint · number)*              applied, with increments
 *         | 4 u8 · count varint · (position varint · 0 or 1 u8)*       increments that cannot be done
 * ```
 *
 * @module
 */

import { varintSize, WireReader, WireWriter } from "../../proto/mod.ts";
import { passingBytes } from "./slab.ts";
import { readNumber, writeNumber } from "./whole_number.ts";

/** One precondition that did not hold. */
export interface FailedPrecondition {
  /** Of the mutation in its command, from 0. */
  readonly position: number;
  /** Of the key, 0 when there is none. */
  readonly currentVersion: number;
}

/** What an increment came to. */
export interface NewNumber {
  /** Of the mutation in its command, from 0. */
  readonly position: number;
  /** As `whole_number.ts` has it. */
  readonly number: string;
}

/** An increment that cannot be done. */
export interface FailedIncrement {
  /** Of the mutation in its command, from 0. */
  readonly position: number;
  /** The key holds a number, and the new one would be out of range; else the key holds something else. */
  readonly isOutOfRange: boolean;
}

/** All mutations took effect. */
export interface Applied {
  readonly kind: "applied";
  readonly version: number;
  /** Positions of deletes that found a key, ascending. */
  readonly existed: readonly number[];
  /** Where the command has increments: each of them, ascending. */
  readonly numbers?: readonly NewNumber[];
}

/** The fate of a command. */
export type Outcome =
  | Applied
  /** Nothing took effect: preconditions do not hold. */
  | { readonly kind: "refused"; readonly failures: readonly FailedPrecondition[] }
  /** Nothing took effect: all preconditions hold, and some increments cannot be done. */
  | { readonly kind: "notNumbers"; readonly failures: readonly FailedIncrement[] }
  /** A late copy of a write whose outcome the client has acknowledged; not applied again. */
  | { readonly kind: "forgotten" };

/** The bytes of an outcome. */
export function encodeOutcome(outcome: Outcome): Uint8Array {
  switch (outcome.kind) {
    case "applied":
      return outcome.numbers === undefined
        ? encodeNumbers(0, [outcome.version, outcome.existed.length, ...outcome.existed])
        : encodeWithNumbers(outcome, outcome.numbers);
    case "refused":
      return encodeNumbers(1, [
        outcome.failures.length,
        ...outcome.failures.flatMap((failure) => [failure.position, failure.currentVersion]),
      ]);
    case "forgotten":
      return encodeNumbers(2, []);
    case "notNumbers":
      return encodeNumbers(4, [
        outcome.failures.length,
        ...outcome.failures.flatMap(({ position, isOutOfRange }) => [position, isOutOfRange ? 1 : 0]),
      ]);
  }
}

function encodeWithNumbers({ version, existed }: Applied, numbers: readonly NewNumber[]): Uint8Array {
  const plain = [version, existed.length, ...existed, numbers.length];
  let length = sizeOf(plain);
  for (const { position, number } of numbers) length += varintSize(position) + 1 + number.length;
  const writer = new WireWriter(passingBytes(1 + length));
  writer.byte(3);
  for (const each of plain) writer.varint(each);
  for (const { position, number } of numbers) {
    writer.varint(position);
    writeNumber(writer, number);
  }
  return writer.finishMeasured();
}

/**
 * The outcome in `bytes`.
 *
 * @throws {RangeError} when the bytes are not an outcome
 */
export function decodeOutcome(bytes: Uint8Array): Outcome {
  const reader = new WireReader(bytes);
  const kind = reader.byte();
  const outcome = readOutcome(reader, kind);
  reader.mustEnd();
  return outcome;
}

function readOutcome(reader: WireReader, kind: number): Outcome {
  switch (kind) {
    case 0:
      return readApplied(reader);
    case 1:
      return {
        kind: "refused",
        failures: readEach(reader, (position) => ({ position, currentVersion: reader.varint() })),
      };
    case 2:
      return { kind: "forgotten" };
    case 3: {
      const applied = readApplied(reader);
      const numbers = readEach(reader, (position) => ({ position, number: readNumber(reader) }));
      return { ...applied, numbers };
    }
    case 4:
      return {
        kind: "notNumbers",
        failures: readEach(reader, (position) => ({ position, isOutOfRange: reader.byte() !== 0 })),
      };
    default:
      throw new RangeError(`Cannot decode an outcome of kind ${kind}`);
  }
}

function readApplied(reader: WireReader): Applied {
  const version = reader.varint();
  return { kind: "applied", version, existed: readEach(reader, (position) => position) };
}

/** A list of things that begin with a position each. */
function readEach<T>(reader: WireReader, read: (position: number) => T): T[] {
  const count = checkedCount(reader);
  const list: T[] = [];
  for (let at = 0; at < count; at++) list.push(read(reader.varint()));
  return list;
}

/** A count of things that take at least one byte each, so that a forged one cannot claim memory. */
function checkedCount(reader: WireReader): number {
  const count = reader.varint();
  if (count > reader.left) {
    throw new RangeError(`Cannot decode ${count} positions: ${reader.left} bytes follow`);
  }
  return count;
}

function encodeNumbers(kind: number, numbers: readonly number[]): Uint8Array {
  const writer = new WireWriter(passingBytes(1 + sizeOf(numbers)));
  writer.byte(kind);
  for (const each of numbers) writer.varint(each);
  return writer.finishMeasured();
}

function sizeOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + varintSize(each), 0);
}
