/**
 * What a store is opened with, and what it says of itself.
 *
 * @module
 */

import type { FileSystem } from "../../wal-wasm/mod.ts";
import type { LogPoint } from "./manifest/mod.ts";
import type { BlockCache } from "./table/mod.ts";

/** What a store is opened with. */
export interface StoreOptions {
  readonly fileSystem: FileSystem;
  /** The store's own; made if it is missing. The directory around it is not synced. */
  readonly directory: string;
  /** Whose keys these are; a store of another group is refused. */
  readonly group: number;
  /** Shared by all stores of a node. */
  readonly cache: BlockCache;
  /** Awaited between slices of work, about a millisecond each. */
  readonly pause: () => Promise<void>;
  /** An unpredictable whole number of 32 bits; the system's by default. Asked only when a store is made. */
  readonly randomWord?: () => number;
  /** Tables of level 0 that are merged together, 4 unless given. */
  readonly level0Tables?: number;
  /** Bytes of level 1, 64 MiB unless given; every further level may have ten times as much. */
  readonly level1Bytes?: number;
  /** Size at which a table ends, 8 MiB unless given. */
  readonly tableBytes?: number;
  /** Size at which a block ends, 8 KiB unless given. */
  readonly blockBytes?: number;
}

/** What is chosen where nothing is said. */
export const STORE_DEFAULTS = {
  level0Tables: 4,
  level1Bytes: 64 * 1024 * 1024,
  tableBytes: 8 * 1024 * 1024,
} as const;

/** What a store has still to do. */
export interface StoreBacklog {
  /** Bytes of memory of the memtables that wait to be flushed. */
  readonly frozenBytes: number;
  /**
   * How full the fullest level is: from 1 on there is something to compact, far above it writes outrun it.
   */
  readonly fullness: number;
}

/** About how much there is in a store. */
export interface StoreEstimate {
  /** Keys that hold a value. */
  readonly keys: number;
  /** Bytes of those keys and of their values. */
  readonly valueAndKeyBytes: number;
}

/** What a store is doing, for metrics and for the node's decisions. */
export interface StoreStatus extends StoreBacklog, StoreEstimate {
  /** Up to where the log is in the tables, and need not be kept. */
  readonly point: LogPoint;
  /** Of the last write. */
  readonly lastVersion: number;
  /** Bytes of memory of all memtables. */
  readonly memtableBytes: number;
  /** Bytes of memory that filters and indexes take. */
  readonly tableMemoryBytes: number;
  /** For each level. */
  readonly levels: readonly LevelStatus[];
  /** Entries in tables: all versions and tombstones; an upper bound of the keys there. */
  readonly entries: number;
  /** Bytes written by flushes and by compactions since the store was opened. */
  readonly flushedBytes: number;
  readonly compactedBytes: number;
  /** Why the last flush, or compaction, failed; `undefined` if it did not. */
  readonly flushFailure: Error | undefined;
  readonly compactionFailure: Error | undefined;
}

/** Of one level. */
export interface LevelStatus {
  readonly tables: number;
  readonly bytes: number;
}
