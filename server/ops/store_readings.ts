/**
 * Figures of what keeps the state on the disk, the log short and replicas fed: of the node, and of the store
 * of each partition.
 *
 * @module
 */

import type { StateFigures, StoreFigures } from "../node/mod.ts";
import {
  ALL,
  describe,
  type PartitionDetail,
  type ShownFigure,
  type Together,
  togetherOf,
} from "./series.ts";

/** One figure of each store. */
interface StoreReading extends ShownFigure<StoreFigures> {
  readonly together: Together;
}

/** Figures of the node. */
export const STATE_READINGS: readonly ShownFigure<StateFigures>[] = [
  {
    name: "prkdb_store_flushes_total",
    help: "Memtables that were written as tables",
    valueOf: ({ flushes }) => flushes,
  },
  {
    name: "prkdb_store_compactions_total",
    help: "Times that tables were merged, or moved to the next level",
    valueOf: ({ compactions }) => compactions,
  },
  {
    name: "prkdb_store_cache_hits_total",
    help: "Blocks of tables that were read and were in memory",
    valueOf: ({ cache }) => cache.hits,
  },
  {
    name: "prkdb_store_cache_misses_total",
    help: "Blocks of tables that were read from their files",
    valueOf: ({ cache }) => cache.misses,
  },
  {
    name: "prkdb_store_cache_bytes",
    help: "Bytes of memory that blocks of tables take",
    valueOf: ({ cache }) => cache.bytes,
  },
  {
    name: "prkdb_wal_releases_total",
    help: "Times that a group's older records in the log were let go of",
    valueOf: ({ releases }) => releases,
  },
  {
    name: "prkdb_snapshots_sent_total",
    help: "Snapshots that a receiver was done with",
    valueOf: ({ snapshotsSent }) => snapshotsSent,
  },
  {
    name: "prkdb_snapshots_sent_bytes_total",
    help: "Bytes of snapshots that were sent",
    valueOf: ({ snapshotBytesSent }) => snapshotBytesSent,
  },
  {
    name: "prkdb_snapshots_received_total",
    help: "Snapshots that came whole",
    valueOf: ({ receiving }) => receiving.received,
  },
  {
    name: "prkdb_snapshots_received_bytes_total",
    help: "Bytes of snapshots that were received",
    valueOf: ({ receiving }) => receiving.bytesReceived,
  },
  {
    name: "prkdb_snapshots_installed_total",
    help: "Replicas that were switched to a snapshot",
    valueOf: ({ installed }) => installed,
  },
  {
    name: "prkdb_snapshots_failed_total",
    help: "Snapshots that could not be had, and were or will be asked for again",
    valueOf: ({ receiving }) => receiving.failed,
  },
  {
    name: "prkdb_snapshots_receiving",
    help: "Snapshots on their way to this node",
    valueOf: ({ receiving }) => receiving.underWay,
  },
];

const STORE_READINGS: readonly StoreReading[] = [
  {
    name: "prkdb_store_memtable_bytes",
    help: "Bytes of memory of what is in no table yet",
    valueOf: ({ memtableBytes }) => memtableBytes,
    together: "sum",
  },
  {
    name: "prkdb_store_table_memory_bytes",
    help: "Bytes of memory of filters and indexes of tables",
    valueOf: ({ tableMemoryBytes }) => tableMemoryBytes,
    together: "sum",
  },
  {
    name: "prkdb_store_fullness",
    help: "How full the fullest level is: from 1 on there is something to merge",
    valueOf: ({ fullness }) => fullness,
    together: "max",
  },
  {
    name: "prkdb_store_flushed_bytes_total",
    help: "Bytes that memtables took as tables",
    valueOf: ({ flushedBytes }) => flushedBytes,
    together: "sum",
  },
  {
    name: "prkdb_store_compacted_bytes_total",
    help: "Bytes that were written when tables were merged",
    valueOf: ({ compactedBytes }) => compactedBytes,
    together: "sum",
  },
];

type LevelFigures = StoreFigures["levels"][number];

const LEVEL_READINGS: readonly ShownFigure<LevelFigures>[] = [
  { name: "prkdb_store_tables", help: "Tables by level", valueOf: ({ tables }) => tables },
  { name: "prkdb_store_table_bytes", help: "Bytes of tables by level", valueOf: ({ bytes }) => bytes },
];

/** Stores, and which of them are shown. */
export interface ShownStores {
  readonly stores: readonly StoreFigures[];
  /** Those with a series of their own; a total is of all, so that it does not fall when one moves away. */
  readonly here: ReadonlySet<number>;
  readonly detail: PartitionDetail;
}

/** Figures of stores: a series each, or one for all. */
export function showStores(lines: string[], { stores, here, detail }: ShownStores): void {
  const labelled = detail === "aggregate"
    ? [{ partition: ALL, members: stores }]
    : stores.filter(({ partitionId }) => here.has(partitionId))
      .map((store) => ({ partition: `${store.partitionId}`, members: [store] }));
  for (const reading of STORE_READINGS) {
    describe(lines, reading);
    for (const { partition, members } of labelled) {
      const value = togetherOf(reading.together, members.map(reading.valueOf));
      lines.push(`${reading.name}{partition="${partition}"} ${value}`);
    }
  }
  for (const reading of LEVEL_READINGS) {
    describe(lines, reading);
    for (const { partition, members } of labelled) {
      for (const [level, value] of levelSums(members, reading).entries()) {
        lines.push(`${reading.name}{partition="${partition}",level="${level}"} ${value}`);
      }
    }
  }
}

/** By level, up to the last one that any of the stores has. */
function levelSums(
  stores: readonly StoreFigures[],
  { valueOf }: ShownFigure<LevelFigures>,
): readonly number[] {
  const sums: number[] = [];
  for (const { levels } of stores) {
    for (const [level, figures] of levels.entries()) sums[level] = (sums[level] ?? 0) + valueOf(figures);
  }
  return sums;
}
