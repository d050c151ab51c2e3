/**
 * From the log on disk to the replicas it belongs to: what the core is restored from.
 *
 * @module
 */

import {
  type Entry,
  type GroupId,
  type HardState,
  type LogIndex,
  type Membership,
  NO_NODE,
  NO_REPLICA,
  type NodeId,
  type PeerPromise,
  type ReplicaId,
  type Restored,
  type SnapshotMeta,
  unreachable,
} from "../../raft/mod.ts";
import {
  type FileSystem,
  type RecoveredRecord,
  type RecoveryReport,
  type SyncPolicy,
  Wal,
  WalError,
  type WalErrorCode,
  type WalPosition,
  type WalTimer,
} from "../../wal-wasm/mod.ts";
import { type DataDirectory, DataDirectoryError, lostLog, rememberLog } from "../data/mod.ts";
import type { Clock } from "../ports/mod.ts";
import { EntryPlaces, type LogPoint, metaOfPoint } from "../state/mod.ts";
import { decodeRecord } from "./wal_codec.ts";

const INITIAL_HARD_STATE: HardState = { term: 0, vote: 0, commit: 0 };

/** The log that the directory had is not there. */
const LOST_LOG: ReadonlySet<WalErrorCode> = new Set(["WAL_MISSING", "WAL_OTHER_LOG"]);

/** Which log to open, and how it is written from then on. */
export interface LogOptions {
  readonly data: DataDirectory;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly walSync: SyncPolicy;
  readonly walSegmentBytes: number;
  /** For the salt of a new log, 32 bits that cannot be guessed; the system's by default. */
  readonly randomWord?: () => number;
  /** Up to where the log is in the store of a group; `undefined` for a group without a store. */
  readonly pointOf: (group: GroupId) => LogPoint | undefined;
}

/** A log that can be written, and what it held. */
export interface RecoveredLog {
  readonly wal: Wal;
  readonly collector: RecoveryCollector;
}

/**
 * Opens the node's log and reads it.
 *
 * @throws {DataDirectoryError} when it cannot be opened or is damaged; it is closed then
 */
export async function recoverLog(options: LogOptions): Promise<RecoveredLog> {
  try {
    return await readLog(options, await openLog(options));
  } catch (error) {
    if (error instanceof WalError && LOST_LOG.has(error.code)) throw lostLog(options.data);
    // A log that cannot be opened is a data directory that cannot be used.
    throw error instanceof WalError ? new DataDirectoryError(error.message) : error;
  }
}

/** What has been read of one group. */
interface CollectedGroup {
  hardState: HardState;
  /** Contiguous, above the point. */
  entries: FoundEntry[];
  readonly promises: Map<NodeId, PeerPromise>;
  /** Of the store, or what the log says that it was if that is higher. */
  point: LogPoint | undefined;
  /** Whether the store does not hold what it has held. */
  isLost: boolean;
  replicaId: ReplicaId;
  /** Replicas up to this one have left. */
  goneThrough: ReplicaId;
}

/** An entry, and where it lies. */
interface FoundEntry {
  readonly entry: Entry;
  readonly position: WalPosition;
}

/**
 * Collects records, oldest first, and gives each group what is left of them. What the store of a group holds
 * is not taken, nor what lies before the place in the log from which on a snapshot has replaced it.
 *
 * Of a log whose beginning was let go of, the first entries of a group may lack those before them, until the
 * copies follow that were written in their place.
 *
 * A point in the log that lies above that of the store shows that the store was lost: the log is still all
 * that the replica has promised, and its state has to come from another one.
 */
export class RecoveryCollector {
  readonly #groups = new Map<GroupId, CollectedGroup>();
  readonly #pointOf: LogOptions["pointOf"];
  /** Where the entries were found. */
  readonly places = new EntryPlaces();

  constructor(pointOf: LogOptions["pointOf"]) {
    this.#pointOf = pointOf;
  }

  /**
   * Takes the next record of the log. Whether entries are missing is known only when all of it has been read.
   */
  take(record: RecoveredRecord): void {
    const decoded = decodeRecord(record.kind, record.payload);
    const state = this.#group(record.group);
    switch (decoded.kind) {
      case "hardState":
        state.hardState = decoded.hardState;
        return;
      case "replica":
        state.replicaId = decoded.replicaId;
        return;
      case "gone":
        return this.#forget(record.group, decoded.replicaId);
      case "promise":
        state.promises.set(decoded.promise.node, decoded.promise);
        return;
      case "entry":
        takeEntry(state, { entry: decoded.entry, position: record.position });
        this.places.note({
          group: record.group,
          index: decoded.entry.index,
          segment: record.position.segment,
        });
        return;
      case "point":
        return raisePoint(state, decoded.point);
      default:
        return unreachable(decoded);
    }
  }

  /** Up to where the log of `group` was let go of for a store that does not hold it any more. */
  lostPoint(group: GroupId): LogPoint | undefined {
    const { isLost, point } = this.#group(group);
    return isLost ? point : undefined;
  }

  /**
   * A commit index is written with the entries up to there, or behind them.
   *
   * @throws {RangeError} when entries are missing, in the middle or at the end
   */
  mustHaveNoGap(): void {
    for (const [group, { entries, hardState: { commit }, point }] of this.#groups) {
      const [first, wanted] = [entries[0]?.entry.index ?? 0, indexOf(point) + 1];
      if (first > wanted) {
        throw new RangeError(
          `Cannot restore group ${group}: the log holds entries from ${first} on, and its store those below ` +
            `${wanted}`,
        );
      }
      const last = entries.at(-1)?.entry.index ?? indexOf(point);
      if (last >= commit) continue;
      throw new RangeError(
        `Cannot restore group ${group}: entries up to ${commit} were committed here, and log and store hold ` +
          `those up to ${last}`,
      );
    }
  }

  /** Groups of which the log holds anything, but for those whose replicas have left. */
  groups(): readonly GroupId[] {
    return [...this.#groups.keys()].filter((group) => !this.hasLeft(group));
  }

  /** By group, the last replica that has left. */
  gone(): ReadonlyMap<GroupId, ReplicaId> {
    const left = [...this.#groups].filter(([, { goneThrough }]) => goneThrough !== NO_REPLICA);
    return new Map(left.map(([group, { goneThrough }]) => [group, goneThrough]));
  }

  /** Whether the replica that was here has left, and no other one has come. */
  hasLeft(group: GroupId): boolean {
    const state = this.#groups.get(group);
    return state !== undefined && state.goneThrough > state.replicaId;
  }

  /** Whether the log says that the replica of `group` here was in a term. */
  hasTerm(group: GroupId): boolean {
    return (this.#groups.get(group)?.hardState.term ?? 0) > 0;
  }

  /** What the replica of `group` here is restored from; `initial` is its membership before any change. */
  restore(group: GroupId, initial: Membership): Restored {
    const { hardState: { term, vote, commit }, promises, point, replicaId, ...found } = this.#group(group);
    const entries = found.entries.map(({ entry }) => entry);
    const snapshot = snapshotAt(point, initial);
    const last = entries.at(-1)?.index ?? snapshot.index;
    const hardState = {
      // A snapshot may be of a term in which this replica has promised nothing.
      term: Math.max(term, snapshot.term),
      vote: snapshot.term > term ? NO_NODE : vote,
      commit: Math.max(snapshot.index, Math.min(commit, last)),
    };
    return { hardState, snapshot, entries, promises: [...promises.values()], replicaId };
  }

  /** What was read of the group is a replica's that has left. */
  #forget(group: GroupId, goneThrough: ReplicaId): void {
    const state = this.#group(group);
    if (goneThrough < state.replicaId) return;
    state.goneThrough = goneThrough;
    state.replicaId = NO_REPLICA;
    state.hardState = INITIAL_HARD_STATE;
    state.entries.length = 0;
    state.promises.clear();
    // What the log says of a store is of another one's.
    state.point = this.#pointOf(group);
    state.isLost = false;
    this.places.forget(group);
  }

  #group(group: GroupId): CollectedGroup {
    let state = this.#groups.get(group);
    if (state === undefined) {
      const point = this.#pointOf(group);
      state = {
        hardState: INITIAL_HARD_STATE,
        entries: [],
        promises: new Map(),
        point,
        isLost: false,
        replicaId: NO_REPLICA,
        goneThrough: NO_REPLICA,
      };
      this.#groups.set(group, state);
    }
    return state;
  }
}

/** An entry replaces all that were written before at its index and above. */
function takeEntry({ entries, point }: CollectedGroup, found: FoundEntry): void {
  if (isBefore(found.position, point?.logFloor)) return;
  const { index } = found.entry;
  const place = index - (entries[0]?.entry.index ?? index);
  // Those before a gap are of no use: nothing that follows can belong to them.
  entries.length = place < 0 || place > entries.length ? 0 : place;
  if (index > indexOf(point)) entries.push(found);
}

/** The log was let go of up to `point`, which a store has held. */
function raisePoint(state: CollectedGroup, point: LogPoint): void {
  if (point.index <= indexOf(state.point)) return;
  state.point = point;
  state.isLost = true;
  state.entries = state.entries.filter(({ entry, position }) =>
    entry.index > point.index && !isBefore(position, point.logFloor)
  );
}

function indexOf(point: LogPoint | undefined): LogIndex {
  return point?.index ?? 0;
}

/** Where the state stands before any entry of the log. */
function snapshotAt(point: LogPoint | undefined, initial: Membership): SnapshotMeta {
  if (point === undefined || point.index === 0) {
    return { index: 0, term: 0, membership: initial, membershipIndex: 0 };
  }
  return metaOfPoint(point);
}

function isBefore(position: WalPosition, floor: WalPosition | undefined): boolean {
  if (floor === undefined) return false;
  return position.segment < floor.segment ||
    (position.segment === floor.segment && position.offset < floor.offset);
}

function openLog(options: LogOptions): Promise<Wal> {
  const { data: { identity, logId, walDirectory }, fileSystem, clock, randomWord } = options;
  return Wal.open({
    fileSystem,
    directory: walDirectory,
    clusterId: identity.clusterId,
    nodeId: identity.nodeId,
    logId,
    segmentBytes: options.walSegmentBytes,
    sync: options.walSync,
    timer: walTimer(clock),
    ...(randomWord === undefined ? {} : { randomWord }),
  });
}

async function readLog({ data, fileSystem, pointOf }: LogOptions, wal: Wal): Promise<RecoveredLog> {
  try {
    const collector = new RecoveryCollector(pointOf);
    refuseDamage(await wal.recover((record) => collector.take(record)));
    collector.mustHaveNoGap();
    if (data.logId === undefined) await rememberLog(fileSystem, data, wal.logId);
    return { wal, collector };
  } catch (error) {
    await wal.close();
    throw error;
  }
}

/** TODO(repair): a replica with a damaged log is to be repaired from its leader instead. */
function refuseDamage(report: RecoveryReport): void {
  const lost = report.damages.filter(({ groups }) => groups === "any" || groups.length > 0);
  if (lost.length === 0) return;
  const places = lost.map(({ path, offset, bytes }) => `${bytes} bytes at offset ${offset} of "${path}"`);
  throw new DataDirectoryError(
    `Cannot recover the log, which is damaged: ${places.join("; ")}; replace this node by a new one`,
  );
}

function walTimer(clock: Clock): WalTimer {
  return {
    now: () => clock.monotonicMs(),
    after: (delayMs, callback) => {
      const timer = clock.after(delayMs, callback);
      return () => timer.cancel();
    },
  };
}
