/**
 * From a directory to a log that can be appended to: finds the segments, walks them, mends what a crash left
 * behind, and hands over the last segment and the spare.
 *
 * @module
 */

import { foreignSegment } from "./error.ts";
import { joinPath, type StoredFile } from "./file_system.ts";
import { SEGMENT_HEADER_BYTES } from "./layout.ts";
import type { WalOptions } from "./options.ts";
import type { RecoveredRecord } from "./record.ts";
import { type Damage, walkLog, type WalkResult } from "./recovery.ts";
import { repairLog } from "./repair.ts";
import { openSegments, type SegmentFile, type SegmentFiles } from "./segment_files.ts";
import { encodeSegmentHeader, type SegmentHeader, segmentName } from "./segment_header.ts";
import type { SegmentPool } from "./segment_pool.ts";
import { borrowModule, returnModule } from "./wasm_module.ts";

/** What recovery found. */
export interface RecoveryReport {
  readonly recordCount: number;
  readonly frameCount: number;
  /** Bytes of the frames recovered. */
  readonly byteCount: number;
  readonly segmentCount: number;
  /** Where an unfinished tail, never acknowledged, was cut off; undefined when there was none. */
  readonly tornTail: { readonly path: string; readonly offset: number } | undefined;
  /** Places where durable records were lost. */
  readonly damages: readonly Damage[];
  /** The groups that may have lost records, ascending; "any" if that cannot be known. Empty: none has. */
  readonly damagedGroups: readonly number[] | "any";
}

/** A segment that is complete but may still be needed. */
export interface OlderSegment {
  readonly id: number;
  readonly path: string;
  readonly size: number;
}

/** Where a log goes on. */
export interface LogStart {
  readonly header: SegmentHeader;
  readonly file: StoredFile;
  /** Where the next frame goes. */
  readonly end: number;
  /** Sequence and CRC of the last frame. */
  readonly sequence: number;
  readonly lastCrc: number;
  /** Oldest first. */
  readonly older: readonly OlderSegment[];
}

/** What starting a log works with. */
export interface StartContext {
  readonly pool: SegmentPool;
  /** Called with each record that is found, oldest first. */
  readonly visit: (record: RecoveredRecord) => void;
}

/** A log that can be appended to, and what was found on the way. */
export interface StartedLog {
  readonly start: LogStart;
  readonly report: RecoveryReport;
}

interface FoundFiles extends StartContext {
  readonly files: SegmentFiles;
}

interface WalkedFiles {
  readonly walked: WalkResult;
  readonly leftovers: readonly string[];
}

/** Recovers what is there, or makes a new log. The spare, if there is one, goes to `pool`. */
export async function startLog(
  options: WalOptions,
  context: StartContext,
): Promise<StartedLog> {
  const files = await openSegments(options.fileSystem, {
    directory: options.directory,
    identity: options,
    logId: options.logId,
  });
  if (files.segments.length === 0) return await makeLog(options, context.pool);
  try {
    return await recoverLog(options, { ...context, files });
  } catch (error) {
    for (const { file } of files.segments) file.close();
    throw error;
  }
}

async function makeLog(options: WalOptions, pool: SegmentPool): Promise<StartedLog> {
  const word = options.randomWord ?? (() => crypto.getRandomValues(new Uint32Array(1))[0]!);
  const header: SegmentHeader = {
    id: 1,
    segmentBytes: options.segmentBytes,
    clusterId: options.clusterId,
    nodeId: options.nodeId,
    salt: [word() >>> 0, word() >>> 0],
    firstSequence: 1,
    oldest: 1,
    previousId: 0,
    previousEnd: 0,
    previousCrc: 0,
  };
  const file = await pool.makeFirst(encodeSegmentHeader(header));
  const start: LogStart = { header, file, end: SEGMENT_HEADER_BYTES, sequence: 0, lastCrc: 0, older: [] };
  const report: RecoveryReport = {
    recordCount: 0,
    frameCount: 0,
    byteCount: 0,
    segmentCount: 1,
    tornTail: undefined,
    damages: [],
    damagedGroups: [],
  };
  return { start, report };
}

async function recoverLog(options: WalOptions, context: FoundFiles): Promise<StartedLog> {
  const { segments, leftovers } = context.files;
  const walked = walk(segments, context.visit);
  checkNothingMissing(segments, { walked, leftovers, directory: options.directory });
  await repairLog(segments, walked);
  await removeUnused(options, { segments, leftovers, walked });
  const { end } = walked;
  const spare = segments[end.index + 1];
  if (spare !== undefined && spare.size === options.segmentBytes) context.pool.adopt(spare.file);
  const older = segments.slice(0, end.index);
  for (const { file } of older) file.close();
  const active = segments[end.index]!;
  const header = walked.headers.get(end.index) ??
    (active.verdict.kind === "valid" ? active.verdict.header : undefined);
  if (header === undefined) {
    throw foreignSegment(
      { path: active.path, offset: 0 },
      "its header is lost and no frame tells what it said",
    );
  }
  const start: LogStart = {
    header,
    file: active.file,
    end: end.offset,
    sequence: walked.sequence,
    lastCrc: walked.lastCrc,
    older: older.map(({ id, path, size }) => ({ id, path, size })),
  };
  return { start, report: makeReport(segments, walked) };
}

function walk(segments: readonly SegmentFile[], visit: (record: RecoveredRecord) => void): WalkResult {
  const module = borrowModule();
  try {
    return walkLog(segments, { module, visit });
  } finally {
    returnModule(module);
  }
}

function checkNothingMissing(
  segments: readonly SegmentFile[],
  found: WalkedFiles & Pick<WalOptions, "directory">,
): void {
  const first = segments[0]!.id;
  if (first <= found.walked.oldest) return;
  const missing = found.leftovers.length > 0 ? first - 1 : Math.max(1, found.walked.oldest);
  const path = joinPath(found.directory, segmentName(missing));
  throw foreignSegment({ path, offset: 0 }, "this segment is needed and missing");
}

/** Removes segments that were given up and all prepared ones but the first, if that has the right size. */
async function removeUnused(
  options: WalOptions,
  found: WalkedFiles & Pick<SegmentFiles, "segments">,
): Promise<void> {
  const { fileSystem, directory, segmentBytes } = options;
  const next = found.walked.end.index + 1;
  const keeps = found.segments[next]?.size === segmentBytes ? 1 : 0;
  const unused = found.segments.slice(next + keeps).toReversed();
  for (const { file, path } of unused) {
    file.close();
    await fileSystem.remove(path);
  }
  for (const path of found.leftovers) await fileSystem.remove(path);
  // Even with nothing removed: a process that was killed may have named the spare without making its name
  // durable.
  await fileSystem.syncDirectory(directory);
}

function makeReport(segments: readonly SegmentFile[], walked: WalkResult): RecoveryReport {
  const { end, stale, damages } = walked;
  const groups = new Set(damages.flatMap((damage) => damage.groups === "any" ? [] : damage.groups));
  const isAny = damages.some((damage) => damage.groups === "any");
  return {
    recordCount: walked.recordCount,
    frameCount: walked.frameCount,
    byteCount: walked.byteCount,
    segmentCount: end.index + 1,
    tornTail: stale.length > 0 ? { path: segments[end.index]!.path, offset: end.offset } : undefined,
    damages,
    damagedGroups: isAny ? "any" : [...groups].sort((left, right) => left - right),
  };
}
