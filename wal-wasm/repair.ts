/**
 * Brings the files into the state that recovery found the log to be in, so that appending may begin.
 * Everything here may be interrupted and done again: a cut erases younger bytes before older ones, and
 * nothing that is part of the log changes.
 *
 * @module
 */

import type { StoredFile } from "./file_system.ts";
import type { WalkResult } from "./recovery.ts";
import type { SegmentFile } from "./segment_files.ts";
import { encodeSegmentHeader } from "./segment_header.ts";

/** Bytes read and written at a time. */
const PIECE_BYTES = 1024 * 1024;

/** Does all of the module comment. */
export async function repairLog(segments: readonly SegmentFile[], walked: WalkResult): Promise<void> {
  await eraseStale(segments, walked);
  for (const [index, header] of walked.headers) {
    if (index > walked.end.index) continue;
    const { file } = segments[index]!;
    file.writeSync(encodeSegmentHeader(header), 0);
    await file.syncData();
  }
  await rewriteUnsynced(segments, walked);
}

/**
 * Erases what follows the end, youngest segment first. Frames left there could be taken for the log's own
 * once new frames have been written in front of them.
 */
async function eraseStale(segments: readonly SegmentFile[], { stale, end }: WalkResult): Promise<void> {
  for (const index of stale.toReversed()) {
    const { file, size } = segments[index]!;
    const zeros = new Uint8Array(PIECE_BYTES);
    await forEachPiece(
      file,
      { from: index === end.index ? end.offset : 0, to: size },
      async (piece, position) => {
        if (piece.some((byte) => byte !== 0)) await file.write(zeros.subarray(0, piece.length), position);
      },
    );
    await file.syncData();
  }
}

/**
 * Writes the frames nobody claims to be durable once more and syncs them. A sync that failed may have left
 * them in the system's memory only, marked as clean; read back they look sound, and only writing makes the
 * next sync true.
 */
async function rewriteUnsynced(segments: readonly SegmentFile[], walked: WalkResult): Promise<void> {
  const { unsyncedFrom, end } = walked;
  for (let index = unsyncedFrom.index; index <= end.index; index++) {
    const { file, size } = segments[index]!;
    const from = index === unsyncedFrom.index ? unsyncedFrom.offset : 0;
    const to = index === end.index ? end.offset : size;
    await forEachPiece(file, { from, to }, (piece, position) => file.write(piece, position));
    await file.syncData();
  }
}

/** From `from` up to, but not including, `to`. */
interface ByteRange {
  readonly from: number;
  readonly to: number;
}

async function forEachPiece(
  file: StoredFile,
  range: ByteRange,
  use: (piece: Uint8Array, position: number) => Promise<void>,
): Promise<void> {
  const buffer = new Uint8Array(Math.min(PIECE_BYTES, Math.max(0, range.to - range.from)));
  for (let position = range.from; position < range.to; position += buffer.length) {
    const piece = buffer.subarray(0, Math.min(buffer.length, range.to - position));
    const count = file.readSync(piece, position);
    if (count !== piece.length) {
      throw new Error(`Cannot read ${piece.length} bytes of ${file.path} at ${position}: got ${count}`);
    }
    await use(piece, position);
  }
}
