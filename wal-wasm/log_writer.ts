/**
 * Writes frames to segments, one behind the other, and goes on to the next segment when one is full. Knows
 * nothing of syncs but what it is told.
 *
 * @module
 */

import { frameBytesFor, FrameEncoder } from "./encoder.ts";
import type { StoredFile } from "./file_system.ts";
import type { WalPosition, WalRecord } from "./record.ts";
import type { Retention } from "./retention.ts";
import {
  encodeSegmentHeader,
  logIdOf,
  type SegmentHeader,
  type SegmentSeeds,
  segmentSeeds,
} from "./segment_header.ts";
import type { SegmentPool } from "./segment_pool.ts";
import type { LogStart, OlderSegment } from "./start.ts";

/** Records to be written, and how far that has come. */
export interface Batch {
  readonly records: readonly WalRecord[];
  /** The first record that is not written yet. */
  next: number;
  /** Where the first frame lies, once it is written. */
  position: WalPosition | undefined;
}

/** A complete segment; its file stays open until it is durable. */
interface FullSegment extends OlderSegment {
  readonly lastSequence: number;
  file: StoredFile | undefined;
}

/** Frame `sequence` says that segments before `oldest` are not needed. */
interface Claim {
  readonly sequence: number;
  readonly oldest: number;
}

/** See the module comment. */
export class LogWriter {
  readonly #pool: SegmentPool;
  readonly #retention: Retention;
  readonly #encoder = new FrameEncoder();
  readonly #segmentBytes: number;
  #older: FullSegment[];
  #claims: Claim[] = [];
  #header: SegmentHeader;
  #seeds: SegmentSeeds;
  #file: StoredFile;
  #end: number;
  #sequence: number;
  #lastCrc: number;
  #oldest: number;
  frameCount = 0;
  frameBytes = 0;
  recordCount = 0;

  constructor(
    start: LogStart,
    options: { pool: SegmentPool; retention: Retention; segmentBytes: number },
  ) {
    this.#pool = options.pool;
    this.#retention = options.retention;
    this.#segmentBytes = options.segmentBytes;
    this.#header = start.header;
    this.#seeds = segmentSeeds(start.header.id, start.header.salt);
    this.#file = start.file;
    this.#end = start.end;
    this.#sequence = start.sequence;
    this.#lastCrc = start.lastCrc;
    this.#older = start.older.map((each) => ({ ...each, lastSequence: 0, file: undefined }));
    this.#oldest = this.oldestSegment;
    this.#pool.prepare(this.#header.id + 1);
  }

  /** Names the log. */
  get logId(): string {
    return logIdOf(this.#header.salt);
  }

  /** Sequence of the last frame written. */
  get sequence(): number {
    return this.#sequence;
  }

  /** The file the last frame was written to. */
  get file(): StoredFile {
    return this.#file;
  }

  /** Where the next frame goes, unless it goes to the next segment. */
  get end(): WalPosition {
    return { segment: this.#header.id, offset: this.#end };
  }

  /** Bytes of the current segment that hold no frame yet. */
  get restBytes(): number {
    return this.#header.segmentBytes - this.#end;
  }

  /** The oldest segment on disk. */
  get oldestSegment(): number {
    return this.#older[0]?.id ?? this.#header.id;
  }

  /** Segments in use and their bytes. */
  get size(): { readonly segmentCount: number; readonly bytesTotal: number } {
    const olderBytes = this.#older.reduce((total, { size }) => total + size, 0);
    return { segmentCount: this.#older.length + 1, bytesTotal: olderBytes + this.#header.segmentBytes };
  }

  /** Whether some frame says that segments may go that have not gone yet. */
  get hasClaims(): boolean {
    return this.#claims.length > 0;
  }

  /**
   * Writes the next frame of `batch` and advances it. False: a new segment is needed and not ready; nothing
   * was written.
   *
   * @throws what a failing write throws
   */
  writeFrame(batch: Batch, synced: number): boolean {
    if (!this.#stage(batch)) {
      if (!this.#beginSegment()) return false;
      this.#stage(batch);
    }
    const { records, next } = batch;
    const frame = this.#encoder.seal({
      segment: this.#header.id,
      sequence: this.#sequence + 1,
      synced,
      oldest: this.#claimOldest(),
      previousCrc: this.#lastCrc,
      continues: next < records.length,
      seeds: this.#seeds,
    });
    this.#file.writeSync(frame.bytes, this.#end);
    batch.position ??= this.end;
    this.#sequence++;
    this.#lastCrc = frame.crc;
    this.#end += frame.bytes.length;
    this.frameCount++;
    this.frameBytes += frame.bytes.length;
    for (const group of this.#encoder.groups) this.#retention.note(group, this.#header.id);
    return true;
  }

  /**
   * Closes files that are durable up to `durable`, and hands over segments that a durable frame has given up.
   */
  takeFreed(durable: number): readonly OlderSegment[] {
    for (const segment of this.#older) {
      if (segment.file === undefined || segment.lastSequence > durable) continue;
      segment.file.close();
      segment.file = undefined;
    }
    let oldest = 0;
    while (this.#claims.length > 0 && this.#claims[0]!.sequence <= durable) {
      oldest = this.#claims.shift()!.oldest;
    }
    const kept = this.#older.findIndex(({ id }) => id >= oldest);
    return this.#older.splice(0, kept < 0 ? this.#older.length : kept);
  }

  /** Closes all files. */
  close(): void {
    for (const { file } of this.#older) file?.close();
    this.#file.close();
  }

  /** False when not even one record fits the rest of the segment. */
  #stage(batch: Batch): boolean {
    const capacityBytes = this.#header.segmentBytes - this.#end;
    if (capacityBytes < frameBytesFor(0)) return false;
    const next = this.#encoder.stage(batch.records, { from: batch.next, capacityBytes });
    if (next === batch.next && batch.records.length > 0) return false;
    this.recordCount += next - batch.next;
    batch.next = next;
    return true;
  }

  #claimOldest(): number {
    const oldest = this.#retention.oldest(this.#header.id);
    if (oldest > this.#oldest) {
      this.#oldest = oldest;
      this.#claims.push({ sequence: this.#sequence + 1, oldest });
    }
    return this.#oldest;
  }

  #beginSegment(): boolean {
    const spare = this.#pool.tryTake();
    if (spare === undefined) return false;
    const previous = this.#header;
    const header: SegmentHeader = {
      ...previous,
      id: previous.id + 1,
      segmentBytes: this.#segmentBytes,
      firstSequence: this.#sequence + 1,
      oldest: this.#oldest,
      previousId: previous.id,
      previousEnd: this.#end,
      previousCrc: this.#lastCrc,
    };
    const page = encodeSegmentHeader(header);
    spare.writeSync(page, 0);
    const { id, segmentBytes: size } = previous;
    this.#older.push({ id, size, path: this.#file.path, lastSequence: this.#sequence, file: this.#file });
    this.#header = header;
    this.#seeds = segmentSeeds(header.id, header.salt);
    this.#file = spare;
    this.#end = page.length;
    this.#pool.prepare(header.id + 1);
    return true;
  }
}
