/**
 * Lets go of the log: of entries in memory that are applied and that no follower within reach needs, and of
 * segments on the disk that hold nothing any more which a restart would need.
 *
 * ```
 *              point                                        last
 *   ─────────────┼────────────────────────────────────────────┤   entries of a group
 *   in its store │ read from the log at the next start
 *
 *   segment 5     segment 6     segment 7 (written now)
 *   ───────────┬─────────────┬────────────┄
 *              └ the entry behind the point lies here: 5 may go once the group's hard state, and what
 *                others have promised, is written again in 7
 * ```
 *
 * A group whose entry behind the point lies in the oldest segment is flushed. One that has nothing to flush
 * and still holds the segment, because entries of it wait to be committed there, has *all* its entries above
 * the point written again: a few of them alone would cut off those that follow when the log is read.
 *
 * Everything that is written again is in one batch, with the point, and durable before anything is let go of.
 *
 * @module
 */

import {
  type FollowerProgress,
  type GroupId,
  type GroupPersist,
  type LogIndex,
  type MultiRaft,
  NO_REPLICA,
  type RaftStatus,
  type ReplicaId,
} from "../../raft/mod.ts";
import type { WalPosition, WalRecord, WalStats } from "../../wal-wasm/mod.ts";
import type { HostedReplica } from "../calls/mod.ts";
import type { LogPoint } from "../storage/mod.ts";
import type { StateBudget } from "./budget.ts";
import type { EntryPlaces } from "./entry_places.ts";
import type { Flusher } from "./flusher.ts";
import type { ReplicaSnapshots } from "./replica_snapshots.ts";
import type { StateStores } from "./state_stores.ts";

/** Ticks between two looks. */
const LOOK_EVERY_TICKS = 4;
/** Entries that followers need are kept up to so many times the budget; then they get a snapshot. */
const KEPT_FOR_FOLLOWERS = 2;

/** The log on the disk. */
export interface ReleasableLog {
  readonly stats: Pick<WalStats, "segmentCount" | "oldestSegment">;
  groupsHoldingBack(): readonly GroupId[];
  hasRoomFor(bytes: number): boolean;
  append(records: readonly WalRecord[]): Promise<WalPosition>;
  releaseBefore(group: GroupId, position: WalPosition): void;
}

/** What it works with. */
export interface LogReleaseOptions {
  readonly wal: ReleasableLog;
  readonly multiRaft: MultiRaft;
  readonly stores: StateStores;
  readonly flusher: Flusher;
  readonly snapshots: Pick<ReplicaSnapshots, "switched">;
  readonly replicas: ReadonlyMap<GroupId, Pick<HostedReplica, "baseIndex">>;
  readonly places: EntryPlaces;
  readonly budget: StateBudget;
  /** The records of what is to be durable. */
  readonly encode: (persist: readonly WrittenGroup[]) => WalRecord[];
  /** The record that says that replicas of the group up to this one are gone. */
  readonly encodeGone: (group: GroupId, replicaId: ReplicaId) => WalRecord;
  /** They know of which groups a snapshot is made, or on its way from here, and where it ends. */
  readonly holders: readonly { heldIndex(group: GroupId): LogIndex | undefined }[];
}

/** A group whose records before a segment are not needed once `persist` is durable. */
interface Release {
  readonly group: GroupId;
  /** Of the first entry that is needed; `undefined` if all that is needed is in `persist`. */
  readonly segment: number | undefined;
  readonly persist?: GroupPersist;
  readonly records: readonly WalRecord[];
}

/** What of a group is written to the log. */
export interface WrittenGroup extends GroupPersist {
  /** Up to where the log is let go of, which the store holds. */
  readonly point?: LogPoint;
}

/** See the module comment. */
export class LogRelease {
  readonly #options: LogReleaseOptions;
  #ticks = 0;
  #isWriting = false;
  /** Groups whose older records were let go of since the start. */
  releases = 0;

  constructor(options: LogReleaseOptions) {
    this.#options = options;
  }

  /**
   * Called at the beginning of a turn, when all that was handed out has been given to the log.
   *
   * @returns what is being written again, if anything is; it rejects when the log fails
   */
  tick(): Promise<void> | undefined {
    if (this.#ticks++ % LOOK_EVERY_TICKS !== 0) return undefined;
    this.#compactAll();
    return this.#isWriting ? undefined : this.#maybeRelease();
  }

  #compactAll(): void {
    const { budget, multiRaft, stores } = this.#options;
    if (multiRaft.logBytes <= budget.logBytes / 2) return;
    for (const state of stores.all.values()) {
      const status = multiRaft.status(state.group);
      if (status !== undefined) multiRaft.compact(state.group, this.#compactableIndex(status));
    }
  }

  /**
   * Up to where entries of the group are given up in memory. Those that are in no table are on the disk; a
   * follower that needs them gets a snapshot, which is flushed for it.
   */
  #compactableIndex({ applied, followers, group }: RaftStatus): LogIndex {
    const { budget, holders, multiRaft, replicas } = this.#options;
    // What waits to be applied counts as memory of the log as long as it is in the log.
    const base = replicas.get(group)?.baseIndex ?? 0;
    const isFull = multiRaft.logBytes > budget.heldLogBytes;
    const held = isFull ? [] : holders.flatMap((holder) => holder.heldIndex(group) ?? []);
    const isRoomy = multiRaft.logBytes <= budget.logBytes;
    const isTight = multiRaft.logBytes > budget.logBytes * KEPT_FOR_FOLLOWERS;
    const needed = isTight ? [] : followers.filter((follower) => isRoomy || isWithinReach(follower));
    return Math.min(applied, base, ...held, ...needed.map(({ matchIndex }) => matchIndex));
  }

  #maybeRelease(): Promise<void> | undefined {
    const { budget, snapshots, wal } = this.#options;
    if (snapshots.switched.size > 0) return this.#writePoints();
    if (wal.stats.segmentCount <= budget.segments) return undefined;
    const releases = wal.groupsHoldingBack().flatMap((group) => this.#releaseOf(group) ?? []);
    return releases.length === 0 ? undefined : this.#write(releases);
  }

  #releaseOf(group: GroupId): Release | undefined {
    const { encode, flusher, multiRaft, places, stores, wal } = this.#options;
    const state = stores.all.get(group);
    const status = multiRaft.status(group);
    if (state === undefined || status === undefined) return this.#releaseOfGone(group);
    // A snapshot that is being switched to may count no entry that is in the log by now: behind that place
    // none of them must be written again.
    if (state.isInstalling) return undefined;
    const point = state.lost ?? state.store.point;
    const { index } = point;
    places.forgetBefore(group, index + 1);
    const segment = status.lastIndex > index ? places.segmentFrom(group, index + 1) : undefined;
    const isInOldest = segment !== undefined && segment <= wal.stats.oldestSegment;
    if (isInOldest && status.applied > index) return void flusher.want(group);
    const above = isInOldest ? index : status.lastIndex;
    const persist = multiRaft.persistAgain(group, above);
    if (persist === undefined) return undefined;
    const records = encode([{ ...persist, point }]);
    return { group, segment: isInOldest ? undefined : segment, persist, records };
  }

  /** Of a replica that has left, what is needed is that it has. */
  #releaseOfGone(group: GroupId): Release | undefined {
    const { encodeGone, multiRaft } = this.#options;
    const replicaId = multiRaft.goneThrough(group);
    if (replicaId === NO_REPLICA) return undefined;
    return { group, segment: undefined, records: [encodeGone(group, replicaId)] };
  }

  /** The log says where the states stand that have come as snapshots, in case their stores are lost. */
  async #writePoints(): Promise<void> {
    const { encode, snapshots, stores, wal } = this.#options;
    const groups = [...snapshots.switched];
    const records = encode(
      groups.map((group) => ({ group, entries: [], point: stores.get(group).store.point })),
    );
    if (!wal.hasRoomFor(bytesOf(records))) return;
    this.#isWriting = true;
    try {
      await wal.append(records);
      for (const group of groups) snapshots.switched.delete(group);
    } finally {
      this.#isWriting = false;
    }
  }

  async #write(releases: readonly Release[]): Promise<void> {
    const { multiRaft, places, wal } = this.#options;
    const records = releases.flatMap((release) => release.records);
    if (!wal.hasRoomFor(bytesOf(records))) return;
    this.#isWriting = true;
    try {
      const position = await wal.append(records);
      for (const { group, segment, persist } of releases) {
        const first = persist?.entries[0];
        const isHere = multiRaft.replicaId(group) === (persist?.replicaId ?? NO_REPLICA);
        if (first !== undefined && isHere) {
          places.note({ group, index: first.index, segment: position.segment });
        }
        const needed = Math.min(segment ?? position.segment, position.segment);
        wal.releaseBefore(group, { segment: needed, offset: 0 });
        this.releases++;
      }
      // Segments go when a durable frame says that they are not needed; of a quiet node there is no other.
      await wal.append([]);
    } finally {
      this.#isWriting = false;
    }
  }
}

/** Of a frame and of the head of a record, at most. */
const FRAME_BYTES = 256;
const RECORD_BYTES = 32;

function bytesOf(records: readonly WalRecord[]): number {
  return records.reduce((sum, { head, body }) => sum + RECORD_BYTES + head.length + body.length, FRAME_BYTES);
}

/** Whether it is up and gets entries, so that a snapshot would only take longer. */
function isWithinReach({ active, state }: FollowerProgress): boolean {
  return active && state !== "snapshot";
}
