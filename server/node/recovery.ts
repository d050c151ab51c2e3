/**
 * From the log on disk to the replicas it belongs to: what the core is restored from.
 *
 * @module
 */

import {
  type Entry,
  type GroupId,
  type HardState,
  type Membership,
  type NodeId,
  type PeerPromise,
  type Restored,
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
  type WalTimer,
} from "../../wal-wasm/mod.ts";
import { type DataDirectory, DataDirectoryError, lostLog, rememberLog } from "../data/mod.ts";
import type { Clock } from "../ports/mod.ts";
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
  readonly entries: Entry[];
  readonly promises: Map<NodeId, PeerPromise>;
}

/** Collects records, oldest first, and gives each group what is left of them. */
export class RecoveryCollector {
  readonly #groups = new Map<GroupId, CollectedGroup>();
  #gap: RangeError | undefined;

  /**
   * Takes the next record of the log. An entry before which others are missing is passed over: whether the
   * log is damaged, and where, is known only when all of it has been read.
   */
  take(record: RecoveredRecord): void {
    const decoded = decodeRecord(record.kind, record.payload);
    const state = this.#group(record.group);
    switch (decoded.kind) {
      case "hardState":
        state.hardState = decoded.hardState;
        return;
      case "promise":
        state.promises.set(decoded.promise.node, decoded.promise);
        return;
      case "entry":
        this.#gap ??= tryAppendEntry(state.entries, decoded.entry);
        return;
      default:
        return unreachable(decoded);
    }
  }

  /** @throws {RangeError} when entries are missing */
  mustHaveNoGap(): void {
    if (this.#gap !== undefined) throw this.#gap;
  }

  /** Groups of which the log holds anything. */
  groups(): readonly GroupId[] {
    return [...this.#groups.keys()];
  }

  /** What the replica of `group` here is restored from; `initial` is its membership before any change. */
  restore(group: GroupId, initial: Membership): Restored {
    const { hardState, entries, promises } = this.#groups.get(group) ?? newGroup();
    const commit = Math.min(hardState.commit, entries.at(-1)?.index ?? 0);
    const snapshot = { index: 0, term: 0, membership: initial, membershipIndex: 0 };
    return { hardState: { ...hardState, commit }, snapshot, entries, promises: [...promises.values()] };
  }

  #group(group: GroupId): CollectedGroup {
    let state = this.#groups.get(group);
    if (state === undefined) {
      state = newGroup();
      this.#groups.set(group, state);
    }
    return state;
  }
}

function newGroup(): CollectedGroup {
  return { hardState: INITIAL_HARD_STATE, entries: [], promises: new Map() };
}

/**
 * An entry replaces all that were written before at its index and above. Returns why it cannot stand here.
 */
function tryAppendEntry(entries: Entry[], entry: Entry): RangeError | undefined {
  const first = entries[0]?.index ?? 1;
  const position = entry.index - first;
  if (position < 0 || position > entries.length) {
    return new RangeError(
      `Cannot restore entry ${entry.index}: the log holds entries ${first} to ${first + entries.length - 1}`,
    );
  }
  entries.length = position;
  entries.push(entry);
  return undefined;
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

async function readLog({ data, fileSystem }: LogOptions, wal: Wal): Promise<RecoveredLog> {
  try {
    const collector = new RecoveryCollector();
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
