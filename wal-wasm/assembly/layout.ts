/**
 * Where everything lies: in the module's memory, in a frame. The host compares these numbers with its own at
 * load (`../layout.ts`), so the two cannot drift apart. Their meaning is in `../FORMAT.md`.
 *
 * ```
 * 0        the null page, unused
 * 1024     CRC tables, filled once at start
 * 32768    group list of the frame being made
 * 65536    stage: the frame being made, or the bytes being verified
 * ```
 *
 * @module
 */

/** Version of the frame format, byte 12 of every frame. */
export const FORMAT_VERSION: u32 = 1;

/** Sixteen tables of 256 words for slicing by 16. */
export const CRC_TABLES: u32 = 1024;
/** Three sets of four tables of 256 words that move a CRC over blocks. */
export const SHIFT_TABLES: u32 = CRC_TABLES + 16 * 1024;

/** Half tables, sixteen by sixteen bytes twice, and sixteen registers of `crc32c_lanes.ts`. */
export const LANE_SCRATCH: u32 = SHIFT_TABLES + 12 * 1024;

/** One word per group; the host writes it, `sealFrame` copies it into the frame. */
export const GROUP_LIST: u32 = 32768;
/** More groups than this in one frame are recorded as "any group". */
export const GROUP_LIST_MAX: u32 = 1024;

/** Start of the stage. */
export const STAGE: u32 = 65536;
/** One record of the largest payload, its frame header and a full directory of groups. */
export const STAGE_BYTES: u32 = 16 * 1024 * 1024 + 65536;
/** All memory there will ever be, in pages of 64 KiB. */
export const MEMORY_PAGES: u32 = (STAGE + STAGE_BYTES) / 65536;

/** Size of a frame's header. */
export const FRAME_HEADER_BYTES: u32 = 64;
/** Frames begin and end at multiples of this. */
export const FRAME_ALIGNMENT: u32 = 8;
/** Largest payload of a record. */
export const PAYLOAD_BYTES_MAX: u32 = 16 * 1024 * 1024;
/** In a directory's count: there were too many groups to list. */
export const ANY_GROUP: u32 = 0xffffffff;

/** Offsets in a frame header. */
export const FRAME_HEADER_CRC: u32 = 0;
export const FRAME_BODY_CRC: u32 = 4;
export const FRAME_LENGTH: u32 = 8;
export const FRAME_VERSION: u32 = 12;
export const FRAME_FLAGS: u32 = 13;
export const FRAME_DIRECTORY_BYTES: u32 = 16;
export const FRAME_RECORD_COUNT: u32 = 20;
export const FRAME_SEGMENT: u32 = 24;
export const FRAME_SEQUENCE: u32 = 32;
export const FRAME_SYNCED: u32 = 40;
export const FRAME_OLDEST: u32 = 48;
export const FRAME_PREVIOUS_CRC: u32 = 56;
