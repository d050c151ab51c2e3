/**
 * A log as it lies on the disk, for those who only look: its segments, what its frames hold, and what is
 * damaged. Nothing is locked, mended, cut or removed, and whose log it is does not matter.
 *
 * A node may be writing meanwhile. Then the end is that of some moment, a frame that is just being written
 * looks like a torn tail, and what was read of it before and after its neighbours may even look like damage:
 * whoever finds damage looks again, since what is truly damaged stays so.
 *
 * @module
 */

import type { RecoveredRecord } from "./record.ts";
import { type Damage, walkLog, type WalkResult } from "./recovery.ts";
import { findSegments, type SegmentFile, type SegmentFiles, type SegmentPlace } from "./segment_files.ts";
import { logIdOf, type SegmentHeader } from "./segment_header.ts";
import { borrowModule, returnModule } from "./wasm_module.ts";

/** One file of the log. */
export interface InspectedSegment {
  readonly id: number;
  readonly path: string;
  /** Of the file. */
  readonly bytes: number;
  /** `spare`: made ahead, or begun by nothing that counts. `given up`: not needed any more. */
  readonly use: "in use" | "spare" | "given up";
}

/** What is in the log. */
export interface InspectedLog {
  /** Of the node that wrote it; absent when there are no segments. */
  readonly owner?: Pick<SegmentHeader, "clusterId" | "nodeId"> & { readonly logId: string };
  /** Oldest first. */
  readonly segments: readonly InspectedSegment[];
  /** Paths of older segments behind a gap, which the log has given up. */
  readonly leftovers: readonly string[];
  readonly frames: number;
  readonly records: number;
  /** Of the frames. */
  readonly frameBytes: number;
  /** Where the last frame ends. */
  readonly end?: { readonly path: string; readonly offset: number };
  /** Whether something behind the end was begun and never finished. */
  readonly isTorn: boolean;
  /** Places where durable records were lost. */
  readonly damages: readonly Damage[];
}

/**
 * Reads the log in a directory.
 *
 * @param visit called with each record, oldest first
 * @throws {WalError} when the segments are not those of one log, or none has a sound header
 * @throws what the file system throws
 */
export async function inspectLog(
  place: SegmentPlace,
  visit: (record: RecoveredRecord) => void,
): Promise<InspectedLog> {
  const files = await findSegments(place.fileSystem, { directory: place.directory });
  if (files.segments.length === 0) return EMPTY;
  const module = borrowModule();
  try {
    return describe(files, walkLog(files.segments, { module, visit }));
  } finally {
    returnModule(module);
    for (const { file } of files.segments) file.close();
  }
}

const EMPTY: InspectedLog = {
  segments: [],
  leftovers: [],
  frames: 0,
  records: 0,
  frameBytes: 0,
  isTorn: false,
  damages: [],
};

function describe({ segments, leftovers }: SegmentFiles, walked: WalkResult): InspectedLog {
  const { end, oldest } = walked;
  const useOf = ({ id }: SegmentFile, at: number) => {
    if (at > end.index) return "spare";
    return id < oldest ? "given up" : "in use";
  };
  const found = segments.map((each, at) => (
    { id: each.id, path: each.path, bytes: each.size, use: useOf(each, at) } as const
  ));
  return {
    ...ownerOf(segments),
    segments: found,
    leftovers,
    frames: walked.frameCount,
    records: walked.recordCount,
    frameBytes: walked.byteCount,
    end: { path: segments[end.index]!.path, offset: end.offset },
    isTorn: walked.stale.length > 0,
    damages: walked.damages,
  };
}

function ownerOf(segments: readonly SegmentFile[]): Pick<InspectedLog, "owner"> {
  const sound = segments.find(({ verdict }) => verdict.kind === "valid")?.verdict;
  if (sound?.kind !== "valid") return {};
  const { clusterId, nodeId, salt } = sound.header;
  return { owner: { clusterId, nodeId, logId: logIdOf(salt) } };
}
