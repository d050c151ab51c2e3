/**
 * What a log is opened with, and the check of it.
 *
 * @module
 */

import type { FileSystem } from "./file_system.ts";
import { SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, SEGMENT_HEADER_BYTES } from "./layout.ts";
import type { WalTimer } from "./timer.ts";

/**
 * When `append` resolves and the log is synced: after the sync; at once, with a sync at least every `ms`
 * milliseconds; or at once and never synced but where the log's own order needs it.
 */
export type SyncPolicy =
  | { readonly kind: "always" }
  | { readonly kind: "interval"; readonly ms: number }
  | { readonly kind: "never" };

/** What a log is opened with. */
export interface WalOptions {
  readonly fileSystem: FileSystem;
  /** Made if it is missing; locked while the log is open. */
  readonly directory: string;
  /** 32 hexadecimal digits. */
  readonly clusterId: string;
  /** 1 to 2^32−1. */
  readonly nodeId: number;
  /** 8 KiB to 2 GiB, a multiple of 4 KiB; 64 MiB is usual. Existing segments keep their size. */
  readonly segmentBytes: number;
  /** The log that must be there, as `Wal.logId` named it; unless given, one is made where there is none. */
  readonly logId?: string | undefined;
  readonly sync: SyncPolicy;
  /** The machine's own by default. */
  readonly timer?: WalTimer;
  /** An unpredictable whole number of 32 bits; the system's by default. Asked only when a log is made. */
  readonly randomWord?: () => number;
}

/**
 * Refuses options that make no sense.
 *
 * @throws {RangeError} for a number or cluster id outside its range
 */
export function checkOptions(options: WalOptions): void {
  const { clusterId, nodeId, segmentBytes, sync } = options;
  if (!/^[0-9a-f]{32}$/.test(clusterId)) {
    throw new RangeError(
      `Cannot open a log as clusterId must be 32 hexadecimal digits: it is "${clusterId}"`,
    );
  }
  if (nodeId >>> 0 !== nodeId || nodeId === 0) {
    throw new RangeError(`Cannot open a log as nodeId must be 1 to 2^32−1: it is ${nodeId}`);
  }
  const inRange = segmentBytes >= SEGMENT_BYTES_MIN && segmentBytes <= SEGMENT_BYTES_MAX;
  if (!inRange || segmentBytes % SEGMENT_HEADER_BYTES !== 0) {
    throw new RangeError(
      `Cannot open a log as segmentBytes must be ${SEGMENT_BYTES_MIN} to ${SEGMENT_BYTES_MAX} ` +
        `and a multiple of ${SEGMENT_HEADER_BYTES}: it is ${segmentBytes}`,
    );
  }
  if (sync.kind === "interval" && !(sync.ms > 0)) {
    throw new RangeError(`Cannot open a log as its sync interval must be above 0 ms: it is ${sync.ms}`);
  }
}
