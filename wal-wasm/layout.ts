/**
 * The numbers of `FORMAT.md` on the host's side, and the check that the WebAssembly module was built with the
 * same.
 *
 * @module
 */

/** Version of frames and segment headers. */
export const FORMAT_VERSION = 1;

/** First bytes of a segment: "PRKDBWAL". */
export const SEGMENT_MAGIC: readonly number[] = [0x50, 0x52, 0x4b, 0x44, 0x42, 0x57, 0x41, 0x4c];
/** A page of its own, so that writing frames never tears the header. */
export const SEGMENT_HEADER_BYTES = 4096;
/** The header is written twice in its page; either copy will do. */
export const SEGMENT_HEADER_COPY_BYTES = 2048;
/** Smallest segment: a header and room for small frames. Larger ones are multiples of the header's size. */
export const SEGMENT_BYTES_MIN = 8192;
/** Largest segment; offsets in it fit 32 bits. */
export const SEGMENT_BYTES_MAX = 2 ** 31;

/** Size of a frame's header. */
export const FRAME_HEADER_BYTES = 64;
/** Frames begin and end at multiples of this. */
export const FRAME_ALIGNMENT = 8;
/** A directory without groups. */
export const DIRECTORY_BYTES_MIN = 8;
/** More groups in a frame than this and its directory says "any group". */
export const GROUP_LIST_MAX = 1024;
/** The count of such a directory. */
export const ANY_GROUP = 0xffffffff;

/** Largest payload of a record, head and body together. */
export const PAYLOAD_BYTES_MAX = 16 * 1024 * 1024;
/** Five bytes of group, one of kind, four of length. */
export const RECORD_OVERHEAD_BYTES_MAX = 10;
/** Largest group number. */
export const GROUP_MAX = 0xffffffff;
/** Largest kind. */
export const KIND_MAX = 255;

/** Flag of a frame whose batch goes on in the next frame. */
export const FLAG_CONTINUES = 1;

/** Where the module stages frames, and how much fits. */
export const STAGE = 65536;
/** See {@linkcode STAGE}. */
export const STAGE_BYTES = PAYLOAD_BYTES_MAX + 65536;
/** Where the module takes the list of groups from. */
export const GROUP_LIST = 32768;
/** All memory of the module, in pages of 64 KiB. */
export const MEMORY_PAGES = (STAGE + STAGE_BYTES) / 65536;

/** Offsets in a frame's header. */
export const FrameField = {
  headerCrc: 0,
  bodyCrc: 4,
  length: 8,
  version: 12,
  flags: 13,
  directoryBytes: 16,
  recordCount: 20,
  segment: 24,
  sequence: 32,
  synced: 40,
  oldest: 48,
  previousCrc: 56,
} as const;

/** What {@linkcode ModuleExports.verifyFrame} finds. */
export const FrameVerdict = {
  /** No frame of this segment begins here. */
  none: 0,
  /** A frame begins here and is longer than the bytes at hand. */
  short: 1,
  /** The header is sound, what follows is not. */
  damaged: 2,
  /** Every byte is as it was written. */
  valid: 3,
} as const;

/** One of the values of {@linkcode FrameVerdict}. */
export type FrameVerdict = (typeof FrameVerdict)[keyof typeof FrameVerdict];

/** What the module exports; pointers, lengths and CRCs are unsigned but come back signed. */
export interface ModuleExports {
  readonly memory: WebAssembly.Memory;
  crc32c(pointer: number, length: number, seed: number): number;
  sealFrame(
    frame: number,
    recordsEnd: number,
    groupCount: number,
    headerSeed: number,
    bodySeed: number,
  ): number;
  verifyFrame(
    frame: number,
    available: number,
    segmentLow: number,
    segmentHigh: number,
    headerSeed: number,
    bodySeed: number,
  ): number;
  isDirectory(frame: number, bodySeed: number): number;
  findFrame(
    pointer: number,
    end: number,
    segmentLow: number,
    segmentHigh: number,
    headerSeed: number,
  ): number;
}

/**
 * Compares the module's constants with the host's.
 *
 * @throws {Error} when they differ: the module was not rebuilt after a change of layout
 */
export function checkLayout(exports: WebAssembly.Exports): void {
  const wanted: Readonly<Record<string, number>> = {
    FORMAT_VERSION,
    FRAME_HEADER_BYTES,
    GROUP_LIST,
    GROUP_LIST_MAX,
    MEMORY_PAGES,
    PAYLOAD_BYTES_MAX,
    STAGE,
    STAGE_BYTES,
  };
  for (const [name, value] of Object.entries(wanted)) {
    const exported = exports[name];
    const actual = exported instanceof WebAssembly.Global ? exported.value : undefined;
    if (actual !== value) {
      throw new Error(`Cannot use wal.wasm as its ${name} must be ${value}: it is ${actual}`);
    }
  }
}
