/**
 * What became of a command: the same on every replica, remembered in its session, and sent to the node that
 * took the call.
 *
 * ```
 * outcome = 0 u8 · version varint · count varint · position varint*    applied; the deletes that found a key
 *         | 1 u8 · count varint · (position varint · version varint)*  refused; what failed
 *         | 2 u8                                                       forgotten
 * ```
 *
 * @module
 */

import { varintSize, WireReader, WireWriter } from "../../proto/mod.ts";
import { allocateBytes } from "./slab.ts";

/** One precondition that did not hold. */
export interface FailedPrecondition {
  /** Of the mutation in its command, from 0. */
  readonly position: number;
  /** Of the key, 0 when there is none. */
  readonly currentVersion: number;
}

/** The fate of a command. */
export type Outcome =
  /** All mutations took effect; `existed` holds the positions of deletes that found a key, ascending. */
  | { readonly kind: "applied"; readonly version: number; readonly existed: readonly number[] }
  /** Nothing took effect. */
  | { readonly kind: "refused"; readonly failures: readonly FailedPrecondition[] }
  /** A late copy of a write whose outcome the client has acknowledged; not applied again. */
  | { readonly kind: "forgotten" };

/** The bytes of an outcome. */
export function encodeOutcome(outcome: Outcome): Uint8Array {
  switch (outcome.kind) {
    case "applied":
      return encodeNumbers(0, [outcome.version, outcome.existed.length, ...outcome.existed]);
    case "refused":
      return encodeNumbers(1, [
        outcome.failures.length,
        ...outcome.failures.flatMap((failure) => [failure.position, failure.currentVersion]),
      ]);
    case "forgotten":
      return encodeNumbers(2, []);
  }
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
  if (kind === 0) {
    const version = reader.varint();
    const count = checkedCount(reader);
    return { kind: "applied", version, existed: Array.from({ length: count }, () => reader.varint()) };
  }
  if (kind === 1) {
    const count = checkedCount(reader);
    const failures = Array.from(
      { length: count },
      () => ({ position: reader.varint(), currentVersion: reader.varint() }),
    );
    return { kind: "refused", failures };
  }
  if (kind === 2) return { kind: "forgotten" };
  throw new RangeError(`Cannot decode an outcome of kind ${kind}`);
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
  const length = numbers.reduce((sum, each) => sum + varintSize(each), 1);
  const writer = new WireWriter(allocateBytes(length));
  writer.byte(kind);
  for (const each of numbers) writer.varint(each);
  return writer.finishMeasured();
}
