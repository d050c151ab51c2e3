/**
 * Finds and opens the segments of a log and refuses those that cannot be its own. What their frames hold is
 * not looked at here.
 *
 * @module
 */

import { foreignSegment, WalError } from "./error.ts";
import { type FileSystem, joinPath, type StoredFile } from "./file_system.ts";
import { SEGMENT_HEADER_BYTES } from "./layout.ts";
import {
  decodeSegmentHeader,
  type HeaderVerdict,
  logIdOf,
  parseSegmentName,
  segmentName,
} from "./segment_header.ts";
import { UNFINISHED_SEGMENT } from "./segment_pool.ts";

/** The node that a log must be of. */
export interface LogIdentity {
  /** 32 lower-case hexadecimal digits. */
  readonly clusterId: string;
  readonly nodeId: number;
}

/** Where segments are looked for, and what they must be of. */
export interface SegmentSource {
  readonly directory: string;
  /** The node they must be of; any node's, all of one, unless given. */
  readonly identity?: LogIdentity;
  /** The log they must be of, if that is known. */
  readonly logId?: string | undefined;
}

/** Where a log is. */
export interface SegmentPlace {
  readonly fileSystem: FileSystem;
  readonly directory: string;
}

/** One segment on disk. */
export interface SegmentFile {
  readonly id: number;
  readonly path: string;
  readonly file: StoredFile;
  /** Bytes in the file. */
  readonly size: number;
  readonly verdict: HeaderVerdict;
}

/** What the directory holds. */
export interface SegmentFiles {
  /** Contiguous, oldest first. */
  readonly segments: readonly SegmentFile[];
  /** Older files after a gap: right only if the log says that it no longer needs what is missing. */
  readonly leftovers: readonly string[];
}

/**
 * Opens all segments in `directory`, and removes files that never became segments.
 *
 * @throws {WalError} `WAL_MISSING` or `WAL_OTHER_LOG` when it does not hold the log that it must
 * @throws {WalError} `WAL_FOREIGN_SEGMENT` when a header names another segment, node or cluster, or a file is
 *   cut short
 */
export async function openSegments(
  fileSystem: FileSystem,
  options: SegmentSource,
): Promise<SegmentFiles> {
  const found = await findSegments(fileSystem, options);
  const names = await fileSystem.list(options.directory);
  const unfinished = names.filter((name) => name.endsWith(`.wal${UNFINISHED_SEGMENT}`));
  for (const name of unfinished.sort()) await fileSystem.remove(joinPath(options.directory, name));
  return found;
}

/** Opens all segments in `directory`, and changes nothing; throws as {@linkcode openSegments} does. */
export async function findSegments(
  fileSystem: FileSystem,
  options: SegmentSource,
): Promise<SegmentFiles> {
  const names = await fileSystem.list(options.directory);
  const ids = names.map(parseSegmentName).filter((id) => id !== undefined).sort((left, right) =>
    left - right
  );
  const start = ids.findLastIndex((id, index) => ids[index - 1] !== id - 1);
  const path = (id: number) => joinPath(options.directory, segmentName(id));
  const segments: SegmentFile[] = [];
  try {
    for (const id of ids.slice(Math.max(0, start))) {
      segments.push(await openSegment(fileSystem, path(id), id));
    }
    for (const segment of segments) checkIdentity(segment, options.identity);
    checkSuccession(segments);
    checkLog(segments, options);
  } catch (error) {
    for (const { file } of segments) file.close();
    throw error;
  }
  return { segments, leftovers: ids.slice(0, Math.max(0, start)).map(path) };
}

/**
 * Changes nothing.
 *
 * @throws {WalError} `WAL_MISSING` when `directory` has no segment, or is not there
 */
export async function mustHoldSegments({ directory, fileSystem }: SegmentPlace): Promise<void> {
  const names = await listIfThere(fileSystem, directory);
  if (names.some((name) => parseSegmentName(name) !== undefined)) return;
  throw new WalError("WAL_MISSING", `Cannot open the log as ${directory} holds no segment`);
}

async function listIfThere(fileSystem: FileSystem, directory: string): Promise<readonly string[]> {
  try {
    return await fileSystem.list(directory);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function openSegment(fileSystem: FileSystem, path: string, id: number): Promise<SegmentFile> {
  const file = await fileSystem.open(path);
  try {
    const size = await file.size();
    const page = new Uint8Array(SEGMENT_HEADER_BYTES);
    if (file.readSync(page, 0) < page.length) {
      throw foreignSegment({ path, offset: size }, "the file ends within its header");
    }
    return { id, path, file, size, verdict: decodeSegmentHeader(page) };
  } catch (error) {
    file.close();
    throw error;
  }
}

function checkIdentity(segment: SegmentFile, identity: LogIdentity | undefined): void {
  if (segment.verdict.kind !== "valid") return;
  const { header } = segment.verdict;
  const refuse = (why: string) => foreignSegment({ path: segment.path, offset: 0 }, why);
  if (identity !== undefined && header.clusterId !== identity.clusterId) {
    throw refuse(`it must be of cluster ${identity.clusterId}: it is of ${header.clusterId}`);
  }
  if (identity !== undefined && header.nodeId !== identity.nodeId) {
    throw refuse(`it must be of node ${identity.nodeId}: it is of node ${header.nodeId}`);
  }
  if (header.id !== segment.id) throw refuse(`it must be segment ${segment.id}: it is segment ${header.id}`);
  if (header.segmentBytes !== segment.size) {
    throw refuse(`it must have ${header.segmentBytes} bytes: it has ${segment.size}`);
  }
}

/** Before anything is changed: what is missing may only have been put somewhere else. */
function checkLog(segments: readonly SegmentFile[], { directory, logId }: SegmentSource): void {
  if (logId === undefined) return;
  const first = segments.find(({ verdict }) => verdict.kind === "valid")?.verdict;
  if (first?.kind !== "valid") {
    throw new WalError("WAL_MISSING", `Cannot recover the log as ${directory} holds no segment of it`);
  }
  const found = logIdOf(first.header.salt);
  if (found === logId) return;
  throw new WalError("WAL_OTHER_LOG", `Cannot recover log ${logId} as ${directory} holds log ${found}`);
}

function checkSuccession(segments: readonly SegmentFile[]): void {
  const valid = segments.filter(({ verdict }) => verdict.kind === "valid");
  const salt = valid[0]?.verdict.kind === "valid" ? valid[0].verdict.header.salt : undefined;
  for (const { path, id, verdict } of valid) {
    if (verdict.kind !== "valid") continue;
    const { header } = verdict;
    if (header.salt[0] !== salt![0] || header.salt[1] !== salt![1]) {
      throw foreignSegment({ path, offset: 0 }, "it is of another log of this node");
    }
    if (header.previousId !== id - 1) {
      throw foreignSegment({ path, offset: 0 }, `segment ${header.previousId} must come before it`);
    }
  }
  if (segments.length > 0 && valid.length === 0) {
    throw new WalError("WAL_FOREIGN_SEGMENT", `Cannot recover the log as no segment has a sound header`, {
      place: { path: segments[0]!.path, offset: 0 },
    });
  }
}
