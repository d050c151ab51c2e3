/**
 * Turns records into frames. Records are copied straight from the callers' arrays into the memory of the
 * WebAssembly module, which completes the frame and computes its CRCs in one call; the frame is then written
 * from that memory. Nothing is allocated for a record.
 *
 * A frame is staged and sealed within one synchronous call of the log, so all logs share one module.
 *
 * @module
 */

import { walInvariant } from "./error.ts";
import {
  DIRECTORY_BYTES_MIN,
  FLAG_CONTINUES,
  FRAME_ALIGNMENT,
  FRAME_HEADER_BYTES,
  FrameField,
  GROUP_LIST,
  GROUP_LIST_MAX,
  GROUP_MAX,
  KIND_MAX,
  PAYLOAD_BYTES_MAX,
  RECORD_OVERHEAD_BYTES_MAX,
  STAGE,
  STAGE_BYTES,
} from "./layout.ts";
import type { WalRecord } from "./record.ts";
import type { SegmentSeeds } from "./segment_header.ts";
import { sharedModule } from "./wasm_module.ts";

/**
 * Frames are closed when they reach this size, however many records are waiting: what is staged, summed and
 * written should still be in the processor's cache. A single larger record makes a larger frame.
 */
export const FRAME_BYTES_TARGET = 1024 * 1024;

/** Where records begin. */
const RECORDS = STAGE + FRAME_HEADER_BYTES;

/** What the host knows of a frame before it is sealed. */
export interface FrameStamp {
  readonly segment: number;
  readonly sequence: number;
  /** All frames up to this sequence were durable. */
  readonly synced: number;
  /** The oldest segment that is needed. */
  readonly oldest: number;
  readonly previousCrc: number;
  /** The batch goes on in the next frame. */
  readonly continues: boolean;
  readonly seeds: SegmentSeeds;
}

/** A frame, in the module's memory until the next one is staged. */
export interface SealedFrame {
  readonly bytes: Uint8Array;
  /** Its header CRC, which the next frame repeats. */
  readonly crc: number;
}

/** See the module comment. */
export class FrameEncoder {
  /** The groups of the staged frame, without duplicates. */
  readonly groups = new Set<number>();
  readonly #module = sharedModule();
  #recordsEnd = RECORDS;
  #recordCount = 0;

  /**
   * Stages records from index `from` on, as many as fit a frame of `capacityBytes` and its target size;
   * returns the index of the first one that was left, `from` if none fits.
   */
  stage(records: readonly WalRecord[], options: { from: number; capacityBytes: number }): number {
    const { bytes } = this.#module;
    const capacity = Math.min(options.capacityBytes, STAGE_BYTES);
    let limit = STAGE + capacity - DIRECTORY_BYTES_MIN - 2 * FRAME_ALIGNMENT;
    const target = STAGE + FRAME_BYTES_TARGET;
    this.groups.clear();
    let group = -1;
    let pointer = RECORDS;
    let index = options.from;
    for (; index < records.length && pointer < target; index++) {
      const record = records[index]!;
      const { head, body } = record;
      const payload = head.length + body.length;
      if (pointer + payload + RECORD_OVERHEAD_BYTES_MAX + 4 > limit) break;
      if (record.group !== group) {
        group = record.group;
        limit -= this.#noteGroup(group);
      }
      if (group < 128) bytes[pointer++] = group;
      else pointer = writeVarint(bytes, pointer, group);
      bytes[pointer++] = record.kind;
      if (payload < 128) bytes[pointer++] = payload;
      else pointer = writeVarint(bytes, pointer, payload);
      bytes.set(head, pointer);
      pointer += head.length;
      bytes.set(body, pointer);
      pointer += body.length;
    }
    this.#recordsEnd = pointer;
    this.#recordCount = index - options.from;
    return index;
  }

  /** Completes the staged frame. */
  seal(stamp: FrameStamp): SealedFrame {
    const { exports, bytes, view } = this.#module;
    view.setUint32(STAGE + FrameField.version, stamp.continues ? FLAG_CONTINUES << 8 : 0, true);
    view.setUint32(STAGE + FrameField.recordCount, this.#recordCount, true);
    this.#setNumber(FrameField.segment, stamp.segment);
    this.#setNumber(FrameField.sequence, stamp.sequence);
    this.#setNumber(FrameField.synced, stamp.synced);
    this.#setNumber(FrameField.oldest, stamp.oldest);
    view.setUint32(STAGE + FrameField.previousCrc, stamp.previousCrc, true);
    view.setUint32(STAGE + FrameField.previousCrc + 4, 0, true);
    const { header, body } = stamp.seeds;
    const length = exports.sealFrame(STAGE, this.#recordsEnd, this.groups.size, header, body);
    walInvariant(length <= STAGE_BYTES, `a frame of ${length} bytes in a stage of ${STAGE_BYTES}`);
    return { bytes: bytes.subarray(STAGE, STAGE + length), crc: view.getUint32(STAGE, true) };
  }

  /** Returns how many bytes the group adds to the directory. */
  #noteGroup(group: number): number {
    const count = this.groups.size;
    this.groups.add(group);
    if (this.groups.size === count || count >= GROUP_LIST_MAX) return 0;
    this.#module.view.setUint32(GROUP_LIST + 4 * count, group, true);
    return 4;
  }

  #setNumber(field: number, value: number): void {
    const { view } = this.#module;
    view.setUint32(STAGE + field, value % 2 ** 32, true);
    view.setUint32(STAGE + field + 4, Math.floor(value / 2 ** 32), true);
  }
}

/** Returns where the varint ends. Plain arguments, as an object here would be one for each record. */
function writeVarint(bytes: Uint8Array, start: number, value: number): number {
  let pointer = start;
  let rest = value;
  while (rest > 127) {
    bytes[pointer++] = (rest & 127) | 128;
    rest = rest >>> 7;
  }
  bytes[pointer++] = rest;
  return pointer;
}

/** Bytes of the smallest frame that can hold a record with this payload. */
export function frameBytesFor(payloadBytes: number): number {
  return FRAME_HEADER_BYTES + payloadBytes + RECORD_OVERHEAD_BYTES_MAX + 8 + DIRECTORY_BYTES_MIN +
    2 * FRAME_ALIGNMENT;
}

/**
 * Refuses records no frame of `capacityBytes` can hold, before any of them is written.
 *
 * @throws {RangeError} for a group, kind or size outside its range
 */
export function checkRecords(records: readonly WalRecord[], capacityBytes: number): void {
  const payloadMax = Math.min(PAYLOAD_BYTES_MAX, capacityBytes - frameBytesFor(0));
  for (let index = 0; index < records.length; index++) {
    const { group, kind, head, body } = records[index]!;
    if (group >>> 0 !== group) {
      throw new RangeError(`Cannot append a record as its group must be 0 to ${GROUP_MAX}: it is ${group}`);
    }
    if ((kind & KIND_MAX) !== kind) {
      throw new RangeError(`Cannot append a record as its kind must be 0 to ${KIND_MAX}: it is ${kind}`);
    }
    if (head.length + body.length > payloadMax) {
      const bytes = head.length + body.length;
      throw new RangeError(`Cannot append a record as it may have ${payloadMax} bytes: it has ${bytes}`);
    }
  }
}
