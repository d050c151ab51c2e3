/**
 * Makes frames and judges them. A frame is {header, records, padding, directory of groups}; see
 * `../FORMAT.md`. The host writes records to the stage and the numbers of the header; this file adds what
 * must agree with them.
 *
 * @module
 */

import { crc32c } from "./crc32c";
import {
  ANY_GROUP,
  FORMAT_VERSION,
  FRAME_ALIGNMENT,
  FRAME_BODY_CRC,
  FRAME_DIRECTORY_BYTES,
  FRAME_FLAGS,
  FRAME_HEADER_BYTES,
  FRAME_HEADER_CRC,
  FRAME_LENGTH,
  FRAME_RECORD_COUNT,
  FRAME_SEGMENT,
  FRAME_VERSION,
  GROUP_LIST,
  GROUP_LIST_MAX,
  PAYLOAD_BYTES_MAX,
  STAGE_BYTES,
} from "./layout";

/** No frame of this segment begins here. */
export const VERDICT_NONE: u32 = 0;
/** A frame begins here and is longer than the bytes at hand. */
export const VERDICT_SHORT: u32 = 1;
/** The header is sound, what follows is not. */
export const VERDICT_DAMAGED: u32 = 2;
/** Every byte is as it was written. */
export const VERDICT_VALID: u32 = 3;

/** A directory's CRC and count. */
const DIRECTORY_HEAD_BYTES: u32 = 8;

// @ts-ignore: AssemblyScript decorator
@inline
function align(value: u32): u32 {
  return (value + FRAME_ALIGNMENT - 1) & ~(FRAME_ALIGNMENT - 1);
}

/**
 * Completes the frame at `frame`: pads the records that end at `recordsEnd`, adds the directory of the first
 * `groupCount` words of the group list (or "any group" if there are more than the list holds), then length,
 * version and CRCs, which start from the segment's seeds. Flags, record count, segment, sequence, synced,
 * oldest and previous CRC are the host's. Returns the length of the frame.
 */
export function sealFrame(
  frame: u32,
  recordsEnd: u32,
  groupCount: u32,
  headerSeed: u32,
  bodySeed: u32,
): u32 {
  const directory = align(recordsEnd);
  memory.fill(recordsEnd, 0, directory - recordsEnd);
  const listed: u32 = groupCount <= GROUP_LIST_MAX ? groupCount : 0;
  const directoryBytes = align(DIRECTORY_HEAD_BYTES + (listed << 2));
  store<u64>(directory + directoryBytes - 8, 0);
  store<u32>(directory, groupCount <= GROUP_LIST_MAX ? groupCount : ANY_GROUP, 4);
  memory.copy(directory + DIRECTORY_HEAD_BYTES, GROUP_LIST, listed << 2);
  store<u32>(directory, crc32c(directory + 4, directoryBytes - 4, bodySeed));
  const length = directory + directoryBytes - frame;
  store<u32>(frame, length, FRAME_LENGTH);
  store<u8>(frame, FORMAT_VERSION as u8, FRAME_VERSION);
  store<u32>(frame, directoryBytes, FRAME_DIRECTORY_BYTES);
  store<u32>(
    frame,
    crc32c(frame + FRAME_HEADER_BYTES, length - FRAME_HEADER_BYTES, bodySeed),
    FRAME_BODY_CRC,
  );
  store<u32>(frame, crc32c(frame + 4, FRAME_HEADER_BYTES - 4, headerSeed), FRAME_HEADER_CRC);
  return length;
}

/** Whether a sound header of a frame of `segment` lies at `frame`; 64 bytes must be readable there. */
// @ts-ignore: AssemblyScript decorator
@inline
function isHeader(frame: u32, segment: u64, seed: u32): bool {
  if (load<u64>(frame, FRAME_SEGMENT) != segment) return false;
  if (load<u32>(frame, FRAME_HEADER_CRC) != crc32c(frame + 4, FRAME_HEADER_BYTES - 4, seed)) return false;
  const length = load<u32>(frame, FRAME_LENGTH);
  const directoryBytes = load<u32>(frame, FRAME_DIRECTORY_BYTES);
  return load<u8>(frame, FRAME_VERSION) == FORMAT_VERSION &&
    load<u8>(frame, FRAME_FLAGS) <= 1 &&
    length % FRAME_ALIGNMENT == 0 && length <= STAGE_BYTES &&
    directoryBytes % FRAME_ALIGNMENT == 0 && directoryBytes >= DIRECTORY_HEAD_BYTES &&
    directoryBytes <= DIRECTORY_HEAD_BYTES + 4 * GROUP_LIST_MAX &&
    length >= FRAME_HEADER_BYTES + directoryBytes;
}

/** Judges what lies at `frame`, of which `available` bytes can be read. */
export function verifyFrame(
  frame: u32,
  available: u32,
  segmentLow: u32,
  segmentHigh: u32,
  headerSeed: u32,
  bodySeed: u32,
): u32 {
  const segment = (segmentLow as u64) | ((segmentHigh as u64) << 32);
  if (available < FRAME_HEADER_BYTES || !isHeader(frame, segment, headerSeed)) return VERDICT_NONE;
  const length = load<u32>(frame, FRAME_LENGTH);
  if (length > available) return VERDICT_SHORT;
  const crc = crc32c(frame + FRAME_HEADER_BYTES, length - FRAME_HEADER_BYTES, bodySeed);
  if (crc != load<u32>(frame, FRAME_BODY_CRC)) return VERDICT_DAMAGED;
  return isDirectory(frame, bodySeed) && areRecords(frame) ? VERDICT_VALID : VERDICT_DAMAGED;
}

/**
 * Whether the directory of the frame at `frame`, whose header is sound and which is all there, can be
 * believed.
 */
export function isDirectory(frame: u32, bodySeed: u32): bool {
  const bytes = load<u32>(frame, FRAME_DIRECTORY_BYTES);
  const directory = frame + load<u32>(frame, FRAME_LENGTH) - bytes;
  if (load<u32>(directory) != crc32c(directory + 4, bytes - 4, bodySeed)) return false;
  const count = load<u32>(directory, 4);
  const listed: u32 = count == ANY_GROUP ? 0 : count;
  return listed <= GROUP_LIST_MAX && bytes == align(DIRECTORY_HEAD_BYTES + (listed << 2));
}

/** Whether the promised number of records fills the place between header and directory. */
function areRecords(frame: u32): bool {
  const end = frame + load<u32>(frame, FRAME_LENGTH) - load<u32>(frame, FRAME_DIRECTORY_BYTES);
  let pointer = frame + FRAME_HEADER_BYTES;
  for (let left = load<u32>(frame, FRAME_RECORD_COUNT); left > 0; left--) {
    pointer = recordEnd(pointer, end);
    if (pointer == 0) return false;
  }
  return end - pointer < FRAME_ALIGNMENT;
}

/** Where the record at `pointer` ends, 0 if not at or before `end`. */
// @ts-ignore: AssemblyScript decorator
@inline
function recordEnd(pointer: u32, end: u32): u32 {
  for (let bytes = 1;; bytes++) {
    if (pointer >= end) return 0;
    const byte = load<u8>(pointer++);
    if (bytes == 5 && byte > 15) return 0;
    if (byte < 128) break;
  }
  pointer++;
  let length: u32 = 0;
  let bits: u32 = 0;
  while (true) {
    if (pointer >= end || bits == 28) return 0;
    const byte = load<u8>(pointer++) as u32;
    length |= (byte & 127) << bits;
    bits += 7;
    if (byte < 128) break;
  }
  return length <= PAYLOAD_BYTES_MAX && length <= end - pointer ? pointer + length : 0;
}

/**
 * The first place from `pointer` on, in steps of eight bytes, where a sound header of a frame of the segment
 * lies, or `end` rounded down to a step if there is none before.
 */
export function findFrame(
  pointer: u32,
  end: u32,
  segmentLow: u32,
  segmentHigh: u32,
  headerSeed: u32,
): u32 {
  const segment = (segmentLow as u64) | ((segmentHigh as u64) << 32);
  while (pointer + FRAME_HEADER_BYTES <= end) {
    if (isHeader(pointer, segment, headerSeed)) return pointer;
    pointer += FRAME_ALIGNMENT;
  }
  return pointer;
}
