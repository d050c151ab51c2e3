/**
 * The rows that the state machine keeps beside those of users, in both directions; `state_store.ts` has their
 * grammar, and sessions have a file of their own.
 *
 * @module
 */

import { varintSize, WireReader, WireWriter } from "../../proto/mod.ts";
import { EXPIRY_ROWS, rowKey, type StateChange, type StateRow, TIME_ROW } from "./state_store.ts";

const TIME_FORMAT = 1;

/** When a key expires. */
interface ExpiringKey {
  readonly key: Uint8Array;
  /** Replicated time. */
  readonly expiresAtMs: number;
}

/** The change by which `key` expires at a time, or with `undefined` never. */
export function expiryChange(key: Uint8Array, expiresAtMs: number | undefined): StateChange {
  const row = rowKey(EXPIRY_ROWS, key);
  return { key: row, value: expiresAtMs === undefined ? undefined : encodeTime([], expiresAtMs) };
}

/** @throws {RangeError} when the row is none of a time of expiry */
export function expiryOf({ key, value }: Pick<StateRow, "key" | "value">): ExpiringKey {
  const reader = new WireReader(value);
  const expiresAtMs = reader.varint();
  reader.mustEnd();
  return { key: key.subarray(EXPIRY_ROWS.length), expiresAtMs };
}

/** The change by which the state stands at a replicated time. */
export function timeChange(timeMs: number): StateChange {
  return { key: TIME_ROW, value: encodeTime([TIME_FORMAT], timeMs) };
}

/** @throws {RangeError} when the value is none that {@linkcode timeChange} has made */
export function timeIn(value: Uint8Array): number {
  const reader = new WireReader(value);
  const format = reader.byte();
  if (format !== TIME_FORMAT) throw new RangeError(`Cannot read the state's time of format ${format}`);
  const timeMs = reader.varint();
  reader.mustEnd();
  return timeMs;
}

function encodeTime(head: readonly number[], timeMs: number): Uint8Array {
  const writer = new WireWriter(new Uint8Array(head.length + varintSize(timeMs)));
  for (const byte of head) writer.byte(byte);
  writer.varint(timeMs);
  return writer.finishMeasured();
}
