/**
 * Looks at the frames of one segment through a window in the memory of the WebAssembly module. The window
 * moves forward over the file, so a segment of any size is read in bounded memory.
 *
 * @module
 */

import type { StoredFile } from "./file_system.ts";
import {
  ANY_GROUP,
  DIRECTORY_BYTES_MIN,
  FLAG_CONTINUES,
  FRAME_ALIGNMENT,
  FRAME_HEADER_BYTES,
  FrameField,
  FrameVerdict,
  STAGE,
  STAGE_BYTES,
} from "./layout.ts";
import type { SegmentSeeds } from "./segment_header.ts";
import type { WalModule } from "./wasm_module.ts";

/** Bytes read at a time, unless a frame is longer. */
const WINDOW_BYTES = 1024 * 1024;

/** What a sound frame header says. */
export interface FrameHeader {
  readonly crc: number;
  readonly length: number;
  readonly continues: boolean;
  readonly recordCount: number;
  readonly directoryBytes: number;
  readonly sequence: number;
  readonly synced: number;
  readonly oldest: number;
  readonly previousCrc: number;
}

/** What lies at an offset. `header` is there unless nothing of this segment is. */
export type FrameFinding =
  | { readonly kind: "none" }
  | { readonly kind: "damaged"; readonly header: FrameHeader }
  | { readonly kind: "valid"; readonly header: FrameHeader };

const NONE: FrameFinding = { kind: "none" };

/** Which bytes of a file are wanted. */
interface WindowPlace {
  readonly offset: number;
  /** That must be in memory, from `offset` on. */
  readonly bytes: number;
  /** Of the file, as far as it counts. */
  readonly size: number;
}

/** The part of one file that is in the memory of a module. All readers of a log share one. */
export class StageWindow {
  readonly module: WalModule;
  #file: StoredFile | undefined;
  #start = 0;
  #end = 0;

  constructor(module: WalModule) {
    this.module = module;
  }

  /** Where in memory the window ends. */
  get limit(): number {
    return STAGE + this.#end - this.#start;
  }

  /** Where in memory `place` of `file` lies, once its bytes are there. */
  pointer(
    file: StoredFile,
    place: WindowPlace,
  ): number {
    const { offset, bytes } = place;
    const isThere = file === this.#file && offset >= this.#start && offset + bytes <= this.#end;
    if (!isThere) this.#move(file, place);
    return STAGE + offset - this.#start;
  }

  #move(
    file: StoredFile,
    { offset, bytes, size }: WindowPlace,
  ): void {
    const wanted = Math.min(Math.max(bytes, WINDOW_BYTES), size - offset, STAGE_BYTES);
    this.#file = undefined;
    const count = file.readSync(this.module.bytes.subarray(STAGE, STAGE + wanted), offset);
    if (count !== wanted) {
      throw new Error(`Cannot read ${wanted} bytes of ${file.path} at ${offset}: got ${count}`);
    }
    this.#file = file;
    this.#start = offset;
    this.#end = offset + count;
  }
}

/** Which segment is read. */
export interface SegmentReaderOptions {
  readonly file: StoredFile;
  readonly id: number;
  /** Bytes of the file that count. */
  readonly size: number;
  readonly seeds: SegmentSeeds;
}

/** See the module comment. */
export class SegmentReader {
  readonly #module: WalModule;
  readonly #window: StageWindow;
  readonly #file: StoredFile;
  readonly #id: { readonly low: number; readonly high: number };
  readonly #seeds: SegmentSeeds;
  /** Bytes of the file that count. */
  readonly #size: number;

  constructor(
    window: StageWindow,
    options: SegmentReaderOptions,
  ) {
    this.#module = window.module;
    this.#window = window;
    this.#file = options.file;
    this.#id = { low: options.id % 2 ** 32, high: Math.floor(options.id / 2 ** 32) };
    this.#seeds = options.seeds;
    this.#size = options.size;
  }

  /** Judges what lies at `offset`, a multiple of eight. */
  look(offset: number): FrameFinding {
    if (offset + FRAME_HEADER_BYTES > this.#size) return NONE;
    let verdict = this.#verify(offset, FRAME_HEADER_BYTES);
    if (verdict === FrameVerdict.none) return NONE;
    const { length } = this.#header(offset);
    if (offset + length > this.#size) return NONE;
    if (verdict === FrameVerdict.short) verdict = this.#verify(offset, length);
    const header = this.#header(offset);
    return { kind: verdict === FrameVerdict.valid ? "valid" : "damaged", header };
  }

  /**
   * The first offset from `from` on where a frame header of this segment lies; `undefined` if there is none.
   */
  find(from: number): number | undefined {
    let offset = Math.ceil(from / FRAME_ALIGNMENT) * FRAME_ALIGNMENT;
    while (offset + FRAME_HEADER_BYTES <= this.#size) {
      const pointer = this.#pointer(offset, FRAME_HEADER_BYTES);
      const end = this.#window.limit;
      const { low, high } = this.#id;
      const found = this.#module.exports.findFrame(pointer, end, low, high, this.#seeds.header) >>> 0;
      offset += found - pointer;
      if (found + FRAME_HEADER_BYTES <= end) return offset;
    }
    return undefined;
  }

  /** A copy of the bytes of the valid frame at `offset`. */
  copy(offset: number, length: number): Uint8Array {
    const pointer = this.#pointer(offset, length);
    return this.#module.bytes.slice(pointer, pointer + length);
  }

  /** The groups of the damaged frame at `offset`, if its directory is sound. */
  directory(offset: number, header: FrameHeader): readonly number[] | undefined {
    const pointer = this.#pointer(offset, header.length);
    if (this.#module.exports.isDirectory(pointer, this.#seeds.body) === 0) return undefined;
    const { view } = this.#module;
    const start = pointer + header.length - header.directoryBytes;
    const count = view.getUint32(start + 4, true);
    if (count === ANY_GROUP) return undefined;
    return Array.from(
      { length: count },
      (_, index) => view.getUint32(start + DIRECTORY_BYTES_MIN + 4 * index, true),
    );
  }

  #verify(offset: number, bytes: number): FrameVerdict {
    const pointer = this.#pointer(offset, bytes);
    const available = this.#window.limit - pointer;
    const { low, high } = this.#id;
    const { header, body } = this.#seeds;
    return this.#module.exports.verifyFrame(pointer, available, low, high, header, body) as FrameVerdict;
  }

  #header(offset: number): FrameHeader {
    const pointer = this.#pointer(offset, FRAME_HEADER_BYTES);
    const { view } = this.#module;
    const word = (field: number) => view.getUint32(pointer + field, true);
    const number = (field: number) => word(field) + word(field + 4) * 2 ** 32;
    return {
      crc: word(FrameField.headerCrc),
      length: word(FrameField.length),
      continues: (view.getUint8(pointer + FrameField.flags) & FLAG_CONTINUES) !== 0,
      recordCount: word(FrameField.recordCount),
      directoryBytes: word(FrameField.directoryBytes),
      sequence: number(FrameField.sequence),
      synced: number(FrameField.synced),
      oldest: number(FrameField.oldest),
      previousCrc: word(FrameField.previousCrc),
    };
  }

  #pointer(offset: number, bytes: number): number {
    return this.#window.pointer(this.#file, { offset, bytes, size: this.#size });
  }
}
