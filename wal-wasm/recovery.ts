/**
 * Walks a log from its oldest frame to its newest and decides where it ends. Frames form a chain: each names
 * its own sequence, the CRC of the frame before and the sequence up to which the log was durable when it was
 * made. Where the chain breaks there are two cases, and telling them apart is what this file is for:
 *
 * - No later frame claims that the missing one was durable. It is a *torn tail*, never acknowledged: the log
 *   ends here.
 * - A later frame does. It is *corruption*: the log goes on behind the damage, and the groups with records in
 *   the damaged place are named, as far as the directory of the damaged frame can be believed; else any group
 *   may have lost records.
 *
 * A batch cut into several frames is delivered when its last frame has been seen, so that it survives whole
 * or not at all. Memory is bounded by one window and one batch.
 *
 * @module
 */

import { foreignSegment, walInvariant } from "./error.ts";
import { type FrameCopy, visitRecords } from "./frame_records.ts";
import { SEGMENT_HEADER_BYTES } from "./layout.ts";
import type { RecoveredRecord } from "./record.ts";
import type { SegmentFile } from "./segment_files.ts";
import { type SegmentHeader, segmentSeeds } from "./segment_header.ts";
import { type FrameFinding, type FrameHeader, SegmentReader, StageWindow } from "./segment_reader.ts";
import type { WalModule } from "./wasm_module.ts";

/** Records were durable here and are lost. */
export interface Damage {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
  /** The groups with records in this place; "any" when it cannot be known. Empty: no record was lost. */
  readonly groups: readonly number[] | "any";
}

/** A place in the log by number of the segment in the list. */
export interface LogPlace {
  readonly index: number;
  readonly offset: number;
}

/** Where the log ends, and what the next frame must know. */
export interface WalkResult {
  readonly end: LogPlace;
  /** Sequence of the last frame. */
  readonly sequence: number;
  readonly lastCrc: number;
  /** Headers that must be written again, by number of the segment in the list. */
  readonly headers: ReadonlyMap<number, SegmentHeader>;
  /** Segments, by number in the list, with bytes behind the end that could be taken for the log's. */
  readonly stale: readonly number[];
  /** From here on no frame is claimed to be durable. */
  readonly unsyncedFrom: LogPlace;
  /** The oldest segment the log says it needs. */
  readonly oldest: number;
  readonly damages: readonly Damage[];
  readonly frameCount: number;
  readonly recordCount: number;
  /** Bytes of the frames that were recovered. */
  readonly byteCount: number;
}

/** How far apart the places are that are remembered for `unsyncedFrom`. */
const MARK_DISTANCE_BYTES = 64 * 1024;

interface Mark extends LogPlace {
  readonly sequence: number;
}

/** Where a held batch began. */
interface HeldBatch {
  readonly start: LogPlace;
  readonly expected: number;
  readonly lastCrc: number | undefined;
  readonly frames: FrameCopy[];
}

/** What a walk works with. */
export interface WalkOptions {
  readonly module: WalModule;
  /** Called with each record, oldest first. */
  readonly visit: (record: RecoveredRecord) => void;
}

/** Walks `segments`, which are contiguous; `visit` is called with each record. Nothing is changed on disk. */
export function walkLog(
  segments: readonly SegmentFile[],
  options: WalkOptions,
): WalkResult {
  return new Walk(segments, options).run();
}

class Walk {
  readonly #segments: readonly SegmentFile[];
  /** Any sound header; what it says of the log holds for all. */
  readonly #model: SegmentHeader;
  readonly #readers: readonly (() => SegmentReader)[];
  readonly #visit: (record: RecoveredRecord) => void;
  readonly #damages: Damage[] = [];
  readonly #marks: Mark[] = [];
  readonly #headers = new Map<number, SegmentHeader>();
  #previousEnd = 0;
  #held: HeldBatch | undefined;
  /** Sequence of the frame that must come next. */
  #expected = 1;
  /** CRC of the frame before; `undefined` behind damage. */
  #lastCrc: number | undefined = 0;
  /** The highest sequence any frame has claimed to be durable. */
  #durable = 0;
  #oldest = 0;
  #frameCount = 0;
  #recordCount = 0;
  #byteCount = 0;

  constructor(
    segments: readonly SegmentFile[],
    options: WalkOptions,
  ) {
    this.#segments = segments;
    this.#visit = options.visit;
    const model = segments.map(headerOf).find((header) => header !== undefined);
    walInvariant(model !== undefined, "a log without any sound segment header is walked");
    this.#model = model;
    const window = new StageWindow(options.module);
    this.#readers = segments.map(({ file, id, size }) => () =>
      new SegmentReader(window, { file, id, size, seeds: segmentSeeds(id, model.salt) })
    );
  }

  run(): WalkResult {
    let end: LogPlace | undefined;
    for (let index = 0; index < this.#segments.length && end === undefined; index++) {
      this.#enter(index);
      const offset = this.#walkSegment(index);
      if (offset !== undefined) end = { index, offset };
    }
    walInvariant(end !== undefined, "the last segment of a log has no end");
    if (this.#held !== undefined) end = this.#dropHeld(this.#held);
    return {
      end,
      sequence: this.#expected - 1,
      // Behind damage the chain is open, so that whatever follows is accepted.
      lastCrc: this.#lastCrc ?? 0,
      headers: this.#headers,
      stale: this.#stale(end),
      unsyncedFrom: this.#unsyncedFrom(end),
      oldest: this.#oldest,
      damages: this.#damages,
      frameCount: this.#frameCount,
      recordCount: this.#recordCount,
      byteCount: this.#byteCount,
    };
  }

  /** Takes from the header what the chain cannot tell: where it begins, and what is needed. */
  #enter(index: number): void {
    const segment = this.#segments[index]!;
    const header = headerOf(segment);
    if (header === undefined) {
      this.#noteHeaderDamage(segment);
      if (index === 0) this.#lastCrc = undefined;
      return;
    }
    if (segment.verdict.kind === "valid" && !segment.verdict.intact) {
      this.#noteHeaderDamage(segment);
      this.#headers.set(index, header);
    }
    this.#oldest = Math.max(this.#oldest, header.oldest);
    if (index > 0 && this.#lastCrc !== undefined) return;
    this.#expected = Math.max(this.#expected, header.firstSequence);
    this.#lastCrc = header.previousCrc;
  }

  /** Takes the frames of one segment; returns where the log ends if it ends in this segment. */
  #walkSegment(index: number): number | undefined {
    const reader = this.#readers[index]!();
    let offset: number | undefined = SEGMENT_HEADER_BYTES;
    while (offset !== undefined) {
      const finding = reader.look(offset);
      if (finding.kind === "valid" && this.#isNext(finding.header)) {
        this.#mendHeader(finding.header, { index, offset });
        this.#accept(reader, finding.header, { index, offset });
        offset += finding.header.length;
      } else if (this.#goesOn(index, offset)) {
        this.#previousEnd = offset;
        return undefined;
      } else if (this.#isClaimed(index, offset)) {
        offset = this.#skip(reader, finding, { index, offset });
      } else {
        return offset;
      }
    }
    return undefined;
  }

  /** The first frame of a segment tells what the segment's lost header said. */
  #mendHeader(frame: FrameHeader, { index, offset }: LogPlace): void {
    const { id, size, verdict } = this.#segments[index]!;
    const isFirst = offset === SEGMENT_HEADER_BYTES && (index === 0 || this.#lastCrc !== undefined);
    if (verdict.kind === "valid" || !isFirst) return;
    this.#headers.set(index, {
      ...this.#model,
      id,
      segmentBytes: size,
      firstSequence: frame.sequence,
      oldest: frame.oldest,
      previousId: id - 1,
      previousEnd: this.#previousEnd,
      previousCrc: frame.previousCrc,
    });
  }

  #isNext(header: FrameHeader): boolean {
    if (this.#lastCrc === undefined) return header.sequence >= this.#expected;
    return header.sequence === this.#expected && header.previousCrc === this.#lastCrc;
  }

  #accept(reader: SegmentReader, header: FrameHeader, place: LogPlace): void {
    if (this.#held === undefined && header.continues) {
      this.#held = { start: place, expected: this.#expected, lastCrc: this.#lastCrc, frames: [] };
    }
    this.#mark(header.sequence, place);
    this.#follow(header);
    const position = { segment: this.#segments[place.index]!.id, offset: place.offset };
    const copy = {
      bytes: reader.copy(place.offset, header.length),
      recordCount: header.recordCount,
      position,
    };
    this.#byteCount += header.length;
    this.#frameCount++;
    if (this.#held !== undefined) {
      this.#held.frames.push(copy);
      if (!header.continues) this.#deliverHeld();
    } else {
      this.#deliver(copy);
    }
  }

  /** Makes `header` the last link of the chain. */
  #follow(header: FrameHeader): void {
    walInvariant(
      header.sequence >= this.#expected,
      `frame ${header.sequence} follows where ${this.#expected} is due`,
    );
    this.#expected = header.sequence + 1;
    this.#lastCrc = header.crc;
    this.#oldest = Math.max(this.#oldest, header.oldest);
    this.#claim(header.synced);
  }

  #claim(synced: number): void {
    if (synced <= this.#durable) return;
    this.#durable = synced;
    while (this.#marks.length > 1 && this.#marks[1]!.sequence <= synced + 1) this.#marks.shift();
  }

  #mark(sequence: number, place: LogPlace): void {
    const last = this.#marks.at(-1);
    const near = last !== undefined && last.index === place.index &&
      place.offset - last.offset < MARK_DISTANCE_BYTES && last.sequence > this.#durable;
    if (!near) this.#marks.push({ ...place, sequence });
  }

  #unsyncedFrom(end: LogPlace): LogPlace {
    const mark = this.#marks.find(({ sequence }) => sequence <= this.#expected - 1);
    return mark === undefined || isBefore(end, mark) ? end : { index: mark.index, offset: mark.offset };
  }

  #stale(end: LogPlace): number[] {
    const stale: number[] = [];
    for (let index = end.index; index < this.#segments.length; index++) {
      const isBegun = index > end.index && this.#segments[index]!.verdict.kind !== "blank";
      const from = index === end.index ? end.offset : SEGMENT_HEADER_BYTES;
      if (isBegun || this.#readers[index]!().find(from) !== undefined) stale.push(index);
    }
    return stale;
  }

  #deliver(copy: FrameCopy): void {
    this.#recordCount += copy.recordCount;
    visitRecords(copy, this.#visit);
  }

  #deliverHeld(): void {
    const held = this.#held;
    this.#held = undefined;
    for (const copy of held?.frames ?? []) this.#deliver(copy);
  }

  /** The log ends within a batch: it ends before the batch. */
  #dropHeld(held: HeldBatch): LogPlace {
    this.#expected = held.expected;
    this.#lastCrc = held.lastCrc;
    this.#frameCount -= held.frames.length;
    for (const { bytes } of held.frames) this.#byteCount -= bytes.length;
    return held.start;
  }

  /**
   * Whether the segment is complete at `offset` and the next one takes up the chain.
   *
   * @throws {WalError} when the next segment contradicts what has been read of this one
   */
  #goesOn(index: number, offset: number): boolean {
    const next = this.#segments[index + 1];
    if (next === undefined) return false;
    const header = headerOf(next);
    if (header === undefined) {
      const first = this.#readers[index + 1]!().look(SEGMENT_HEADER_BYTES);
      return first.kind === "valid" && this.#lastCrc !== undefined && this.#isNext(first.header);
    }
    if (header.previousEnd > offset) return false;
    const follows = header.previousEnd === offset && header.firstSequence === this.#expected &&
      (this.#lastCrc === undefined || header.previousCrc === this.#lastCrc);
    if (follows) return true;
    throw foreignSegment(
      { path: next.path, offset: 0 },
      `the segment before it must end at ${header.previousEnd} with frame ${header.firstSequence - 1}: ` +
        `it goes on to ${offset} with frame ${this.#expected - 1}`,
    );
  }

  /** Whether any frame behind the place claims that the expected frame was durable. */
  #isClaimed(index: number, offset: number): boolean {
    if (this.#durable >= this.#expected) return true;
    for (let each = index; each < this.#segments.length; each++) {
      const claim = this.#findClaim(this.#readers[each]!(), each === index ? offset : SEGMENT_HEADER_BYTES);
      if (claim === undefined) continue;
      this.#claim(claim);
      return true;
    }
    return false;
  }

  #findClaim(reader: SegmentReader, from: number): number | undefined {
    let offset = reader.find(from);
    while (offset !== undefined) {
      const finding = reader.look(offset);
      if (finding.kind === "valid" && finding.header.synced >= this.#expected) return finding.header.synced;
      offset = reader.find(finding.kind === "valid" ? offset + finding.header.length : offset + 8);
    }
    return undefined;
  }

  /** Notes what was lost at `place` and returns where to go on, `undefined` for the next segment. */
  #skip(reader: SegmentReader, finding: FrameFinding, place: LogPlace): number | undefined {
    this.#deliverHeld();
    if (finding.kind === "damaged" && this.#isNext(finding.header)) {
      const skipped = finding.header.sequence > this.#expected;
      const groups = skipped ? undefined : reader.directory(place.offset, finding.header);
      this.#noteDamage(place, { bytes: finding.header.length, groups: groups ?? "any" });
      this.#follow(finding.header);
      return place.offset + finding.header.length;
    }
    this.#lastCrc = undefined;
    const found = this.#findLater(reader, finding.kind === "none" ? place.offset + 8 : place.offset);
    const next = this.#segments[place.index + 1];
    const nextHeader = next && headerOf(next);
    const end = found ?? nextHeader?.previousEnd ?? this.#segments[place.index]!.size;
    this.#noteDamage(place, { bytes: end - place.offset, groups: "any" });
    return found;
  }

  /** The next place with a sound header of a frame that is not older than the expected one. */
  #findLater(reader: SegmentReader, from: number): number | undefined {
    for (let offset = reader.find(from); offset !== undefined; offset = reader.find(offset + 8)) {
      const finding = reader.look(offset);
      if (finding.kind !== "none" && finding.header.sequence >= this.#expected) return offset;
    }
    return undefined;
  }

  #noteHeaderDamage(segment: SegmentFile): void {
    this.#damages.push({ path: segment.path, offset: 0, bytes: SEGMENT_HEADER_BYTES, groups: [] });
  }

  #noteDamage(place: LogPlace, lost: Pick<Damage, "bytes" | "groups">): void {
    const { path } = this.#segments[place.index]!;
    this.#damages.push({ path, offset: place.offset, bytes: lost.bytes, groups: lost.groups });
  }
}

/** Whether `left` lies before `right` in the log. */
function isBefore(left: LogPlace, right: LogPlace): boolean {
  if (left.index === right.index) return left.offset < right.offset;
  return left.index < right.index;
}

function headerOf(segment: SegmentFile): SegmentHeader | undefined {
  return segment.verdict.kind === "valid" ? segment.verdict.header : undefined;
}
