/**
 * How a replica that is gone for good leaves its node. Nobody needs it any more, but it may be in the middle
 * of something.
 *
 * ```
 * want ─▶ nothing new begins ─▶ flush, merge, snapshot under way have ended
 *                                   │
 *          at the next tick ────────┘  out of the core, its callers told
 *                                   ├─▶ "gone" is in the log, behind all its records
 *                                   ├─▶ its segments are let go of
 *                                   └─▶ its files are removed: now another one may come
 * ```
 *
 * Until "gone" is durable a restart finds the replica as it was, and gives it up again. From then on it finds
 * files of a replica that the log does not know, and removes them.
 *
 * @module
 */

import type { GroupId, MultiRaft, ReplicaId } from "../../raft/mod.ts";
import type { WalPosition, WalRecord } from "../../wal-wasm/mod.ts";
import type { Clock } from "../ports/mod.ts";
import type { SnapshotReceiver, SnapshotSender } from "../snapshot/mod.ts";
import type { EntryPlaces } from "./entry_places.ts";
import type { Flusher } from "./flusher.ts";
import type { ReleasableLog } from "./log_release.ts";
import type { Repair } from "./repair.ts";
import type { ReplicaSnapshots } from "./replica_snapshots.ts";
import type { ReplicaStore } from "./replica_store.ts";
import type { StateStores } from "./state_stores.ts";

/** Between two looks whether what is under way has ended. */
const LOOK_MS = 10;
/** Pause before files that could not be removed are tried again. */
const RETRY_MS = 500;
/** Room in the log for one record, its frame included. */
const RECORD_BYTES = 512;

/** What it works with. */
export interface ReplicaDropsOptions {
  readonly stores: StateStores;
  readonly multiRaft: MultiRaft;
  readonly wal: Pick<ReleasableLog, "append" | "hasRoomFor" | "releaseBefore">;
  readonly places: EntryPlaces;
  readonly flusher: Flusher;
  readonly snapshots: ReplicaSnapshots;
  readonly sender: SnapshotSender;
  readonly receiver: SnapshotReceiver;
  readonly repair: Pick<Repair, "forget">;
  readonly clock: Clock;
  /** The record that says that replicas of the group up to this one are gone. */
  readonly encodeGone: (group: GroupId, replicaId: ReplicaId) => WalRecord;
  /** The replica is about to leave the core: takes it off the node's list, and sees to its callers. */
  readonly leave: (group: GroupId) => void;
  /** Told when another replica of the group may come. */
  readonly inbox: { push(input: { readonly kind: "storeOpened" }): void };
}

/** See the module comment. */
export class ReplicaDrops {
  readonly #options: ReplicaDropsOptions;
  /** Groups whose replica is to go, and whether nothing of it is under way any more. */
  readonly #leaving = new Map<GroupId, boolean>();
  readonly #removals = new Set<Promise<void>>();
  #isClosed = false;
  #removalFailure: string | undefined;
  /** Replicas that have left since the start. */
  drops = 0;

  constructor(options: ReplicaDropsOptions) {
    this.#options = options;
  }

  /** Why files of a replica that has left could not be removed lately. */
  get trouble(): string | undefined {
    return this.#removalFailure;
  }

  /** Whether the replica of the group is on its way out. */
  isLeaving(group: GroupId): boolean {
    return this.#leaving.has(group);
  }

  /** The replica of the group is to go. It is nobody's leader, and nobody needs its vote any more. */
  want(group: GroupId): void {
    if (this.#isClosed || this.#leaving.has(group)) return;
    this.#leaving.set(group, false);
    void this.#comeToRest(group);
  }

  /**
   * Called at the beginning of a turn, when all that was handed out has been given to the log.
   *
   * @returns what is on its way to the log, if anything is; it rejects when the log fails
   */
  tick(): Promise<void> | undefined {
    const { wal } = this.#options;
    const removals: Promise<void>[] = [];
    if (this.#isClosed) return undefined;
    for (const [group, isAtRest] of this.#leaving) {
      if (isAtRest && wal.hasRoomFor(RECORD_BYTES)) removals.push(this.#drop(group));
    }
    return removals.length === 0 ? undefined : Promise.all(removals).then(() => {});
  }

  /** Nothing is begun any more; resolves when the stores of replicas that have left are closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#removals);
  }

  async #comeToRest(group: GroupId): Promise<void> {
    const { flusher, receiver, sender, snapshots, stores } = this.#options;
    const state = stores.get(group);
    state.isLeaving = true;
    sender.forget(group);
    await receiver.forget(group);
    while (!this.#isClosed && (flusher.isBusy(group) || snapshots.isBusy(group))) {
      await this.#pause(LOOK_MS);
    }
    this.#leaving.set(group, true);
  }

  #drop(group: GroupId): Promise<void> {
    const { encodeGone, flusher, leave, multiRaft, places, repair, snapshots, stores, wal } = this.#options;
    const replicaId = multiRaft.replicaId(group);
    this.#leaving.delete(group);
    leave(group);
    multiRaft.removeGroup(group);
    multiRaft.setGone(group, replicaId);
    places.forget(group);
    flusher.forget(group);
    snapshots.forget(group);
    repair.forget(group);
    const state = stores.take(group);
    const durable = wal.append([encodeGone(group, replicaId)]);
    const removal = this.#remove(state, durable);
    this.#removals.add(removal);
    removal.finally(() => this.#removals.delete(removal)).catch(() => {});
    // How long its files take is nobody's business but theirs.
    return durable.then(() => {});
  }

  async #remove(state: ReplicaStore, durable: Promise<WalPosition>): Promise<void> {
    const { inbox, stores, wal } = this.#options;
    const { group, store } = state;
    try {
      wal.releaseBefore(group, await durable);
      // Segments go when a durable frame says that they are not needed.
      await wal.append([]);
    } finally {
      await store.close();
    }
    while (!await this.#tryToRemove(group)) {
      if (this.#isClosed) return;
      await this.#pause(RETRY_MS);
    }
    stores.noteRemoved(group);
    this.drops++;
    inbox.push({ kind: "storeOpened" });
  }

  async #tryToRemove(group: GroupId): Promise<boolean> {
    try {
      await this.#options.stores.removeFiles(group);
      this.#removalFailure = undefined;
      return true;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#removalFailure = `the store of group ${group}, which has left, cannot be removed: ${why}`;
      return false;
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#options.clock.after(delayMs, resolve));
  }
}
