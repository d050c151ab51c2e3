/**
 * A report in words, for people.
 *
 * @module
 */

import type { GroupId } from "../../raft/mod.ts";
import { describePartition, partitionOfGroup } from "../cluster/mod.ts";
import type { DirectoryReport } from "./inspection.ts";
import type { GroupLogReport, LogReport } from "./log_report.ts";
import type { LookedStore, StoreReport } from "./store_report.ts";

/** Lines for people, without a line feed at the end. */
export function reportText(report: DirectoryReport): string {
  const { clusterId, directory, identity, log, problems, stores } = report;
  const { incarnation, nodeId, nodeIds, partitionCount } = identity;
  const origin = nodeIds.length === 0 ? "joined later" : `founded with nodes ${nodeIds.join(", ")}`;
  return [
    `${directory}  node ${nodeId} of cluster ${clusterId}, ${origin}`,
    `  ${partitionCount} partitions, incarnation ${incarnation}`,
    ...(log === undefined ? [] : logLines(log)),
    ...stores.flatMap(storeLines),
    problems.length === 0 ? "nothing is damaged, as far as it was read" : "damaged:",
    ...problems.map((problem) => `  ${problem}`),
  ].join("\n");
}

function logLines({ end, frames, groups, isTorn, leftovers, records, segments }: LogReport): string[] {
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
  const torn = isTorn ? ", then something that was begun and not finished" : "";
  const place = end === undefined ? "" : `; ends at offset ${end.offset} of ${end.path}${torn}`;
  const given = leftovers.map((path) => `  ${path}  given up`);
  return [
    `log  ${segments.length} segments, ${size(bytes)}, ${frames} frames, ${records} records${place}`,
    ...given,
    ...segments.map(({ bytes, id, records, use }) =>
      `  segment ${id}  ${size(bytes)}  ${records} records  ${use}`
    ),
    ...groups.map(groupLine),
  ];
}

function groupLine({ bytes, entries, group, hardState, records }: GroupLogReport): string {
  const range = entries === undefined
    ? "no entries"
    : `entries ${entries.first} to ${entries.last} (term ${entries.lastTerm})`;
  const state = hardState === undefined
    ? ""
    : `  term ${hardState.term}, vote ${hardState.vote || "none"}, commit ${hardState.commit}`;
  return `  ${nameOf(group)}  ${records} records  ${size(bytes)}  ${range}${state}`;
}

function storeLines(store: LookedStore): string[] {
  if ("problem" in store) return [`store of ${nameOf(store.group)}  cannot be read`];
  return wholeStoreLines(store);
}

function wholeStoreLines(store: StoreReport): string[] {
  const { bytes, checked, entries, group, levels, point, tables } = store;
  const members = point.voters.length === 0 ? "no members" : `voters ${point.voters.join(", ")}`;
  const read = checked === 0 ? "" : `, ${checked} read and sound`;
  return [
    `store of ${nameOf(group)}  up to entry ${point.index} (term ${point.term})  ${members}  ` +
    `${tables} tables${read}, ${size(bytes)}, ${entries} entries`,
    ...levels.map((level) =>
      `  level ${level.level}  ${level.tables} tables  ${size(level.bytes)}  ${level.entries} entries ` +
      `(${level.tombstones} tombstones)  versions ${level.lowestVersion} to ${level.highestVersion}`
    ),
  ];
}

/** Groups are known to operators by their partitions. */
function nameOf(group: GroupId): string {
  return describePartition(partitionOfGroup(group));
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

function size(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}
