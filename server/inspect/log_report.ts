/**
 * What the log of a node holds: its segments, and of each group the records and the entries that are in it.
 *
 * @module
 */

import {
  type GroupId,
  type LogIndex,
  NO_REPLICA,
  type ReplicaId,
  type Term,
  unreachable,
} from "../../raft/mod.ts";
import {
  type FileSystem,
  type InspectedLog,
  type InspectedSegment,
  inspectLog,
  joinPath,
  type RecoveredRecord,
} from "../../wal-wasm/mod.ts";
import { decodeRecord } from "../node/mod.ts";
import { lookAgain, type Looked } from "./again.ts";

/** One segment. */
export interface SegmentReport extends InspectedSegment {
  readonly records: number;
}

/** What the log holds of one group. */
export interface GroupLogReport {
  readonly group: GroupId;
  readonly records: number;
  readonly bytes: number;
  /** That count, from the first to the last; absent when there are none. */
  readonly entries?: { readonly first: LogIndex; readonly last: LogIndex; readonly lastTerm: Term };
  /** The last one that was written; absent when none was. */
  readonly hardState?: { readonly term: Term; readonly vote: number; readonly commit: LogIndex };
  readonly promises: number;
  /** Up to where the log was let go of, as the store held it; absent while it was not. */
  readonly releasedTo?: LogIndex;
  /** Id of the replica whose records these are; absent before the first of them, and of those without one. */
  readonly replicaId?: ReplicaId;
  /** Replicas of the group up to this id have left; absent when none has. */
  readonly goneThrough?: ReplicaId;
  /** Records that cannot be read although their frames are sound. */
  readonly unreadable: number;
}

/** All of it. */
export interface LogReport extends Omit<InspectedLog, "segments"> {
  readonly segments: readonly SegmentReport[];
  /** Ascending. */
  readonly groups: readonly GroupLogReport[];
}

/** The log below a data directory. */
export function reportLog(fileSystem: FileSystem, directory: string): Promise<Looked<LogReport>> {
  const place = { fileSystem, directory: joinPath(directory, "wal") };
  const look = async () => {
    const tally = new Tally();
    const log = await inspectLog(place, (record) => tally.take(record));
    return tally.report(log);
  };
  return lookAgain(look, ({ damages }) => damages.length === 0 ? "" : JSON.stringify(damages));
}

type GroupTally = { -readonly [Name in keyof GroupLogReport]: GroupLogReport[Name] };

class Tally {
  readonly #groups = new Map<GroupId, GroupTally>();
  readonly #segments = new Map<number, number>();

  take({ group, kind, payload, position: { segment } }: RecoveredRecord): void {
    this.#segments.set(segment, (this.#segments.get(segment) ?? 0) + 1);
    const tally = this.#groups.get(group) ?? { group, records: 0, bytes: 0, promises: 0, unreadable: 0 };
    this.#groups.set(group, tally);
    tally.records++;
    tally.bytes += payload.length;
    takeRecord(tally, kind, payload);
  }

  report(log: InspectedLog): LogReport {
    const segments = log.segments.map((each) => ({ ...each, records: this.#segments.get(each.id) ?? 0 }));
    const groups = [...this.#groups.values()].sort((left, right) => left.group - right.group);
    return { ...log, segments, groups };
  }
}

function takeRecord(tally: GroupTally, kind: number, payload: Uint8Array): void {
  let decoded;
  try {
    decoded = decodeRecord(kind, payload);
  } catch {
    tally.unreadable++;
    return;
  }
  switch (decoded.kind) {
    case "entry": {
      const { index, term } = decoded.entry;
      // An entry replaces those that were written before from its index on; behind a gap others begin.
      const goesOn = tally.entries !== undefined && index >= tally.entries.first &&
        index <= tally.entries.last + 1;
      const first = goesOn ? tally.entries!.first : index;
      tally.entries = { first, last: index, lastTerm: term };
      return;
    }
    case "hardState":
      tally.hardState = decoded.hardState;
      return;
    case "promise":
      tally.promises++;
      return;
    case "point":
      tally.releasedTo = decoded.point.index;
      return;
    case "replica":
      tally.replicaId = decoded.replicaId;
      return;
    case "gone":
      return takeGone(tally, decoded.replicaId);
    default:
      return unreachable(decoded);
  }
}

/** What was written before is that of a replica which has left. */
function takeGone(tally: GroupTally, goneThrough: ReplicaId): void {
  if (goneThrough < (tally.replicaId ?? NO_REPLICA)) return;
  tally.goneThrough = goneThrough;
  tally.promises = 0;
  delete tally.replicaId;
  delete tally.entries;
  delete tally.hardState;
  delete tally.releasedTo;
}
