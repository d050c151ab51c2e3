/**
 * The two ends of a snapshot at the replicas of a node: how the state of one is given away, and how one is
 * switched to the state of another.
 *
 * ```
 * install   suspend ─▶ entries under way are on the disk ─▶ the store is switched ─▶ the machine reads it
 *                                                           (one edit of its manifest)    └─▶ resume
 * ```
 *
 * If the log does not hold the snapshot's last entry, what is in it from there on is another leader's. The
 * edit that switches the store says so: entries of the group that lie before that moment's end of the log do
 * not count any more, or they would be glued behind the snapshot by the next start.
 *
 * @module
 */

import type { GroupId, LogIndex, MultiRaft, SnapshotMeta } from "../../raft/mod.ts";
import type { WalPosition } from "../../wal-wasm/mod.ts";
import type { HostedReplica } from "../calls/mod.ts";
import type { Clock } from "../ports/mod.ts";
import {
  decodeSnapshotDescription,
  encodeSnapshotDescription,
  type LogPoint,
  type StoreInstall,
  type StoreSnapshot,
} from "../storage/mod.ts";
import { StateReadError } from "../kv/mod.ts";
import type { EntryPlaces } from "./entry_places.ts";
import type { Flusher } from "./flusher.ts";
import { metaOfPoint } from "./point_membership.ts";
import type { StateStores } from "./state_stores.ts";

/** Between two looks whether the log is written, or the new state can be read. */
const LOOK_MS = 5;

/** What it works with. */
export interface ReplicaSnapshotsOptions {
  readonly stores: StateStores;
  readonly flusher: Flusher;
  readonly replicas: ReadonlyMap<GroupId, HostedReplica>;
  readonly multiRaft: MultiRaft;
  readonly wal: { readonly end: WalPosition };
  readonly places: EntryPlaces;
  readonly clock: Clock;
  /** Told when a replica stands on another state. */
  readonly inbox: { push(input: { readonly kind: "installed"; readonly group: GroupId }): void };
}

/** A state that is given away. */
export interface HeldState extends Pick<StoreSnapshot, "point" | "read" | "release"> {
  readonly description: Uint8Array;
}

/** See the module comment. */
export class ReplicaSnapshots {
  readonly #options: ReplicaSnapshotsOptions;
  /** Groups that are flushed for a snapshot, and the entry up to which. */
  readonly #opening = new Map<GroupId, LogIndex>();
  readonly #installs = new Map<GroupId, StoreInstall>();
  #isClosed = false;
  /** Replicas that were switched since the start. */
  installed = 0;

  constructor(options: ReplicaSnapshotsOptions) {
    this.#options = options;
  }

  /**
   * All that the replica has applied, held until it is released; `undefined` if there is no replica here that
   * can give it.
   *
   * @throws {StorageError} when it cannot be flushed
   */
  async openSnapshot(group: GroupId): Promise<HeldState | undefined> {
    const { flusher, replicas, stores } = this.#options;
    const replica = replicas.get(group);
    const index = replica?.machine.appliedIndex ?? 0;
    // One that cannot apply what is committed would only be asked for the next snapshot.
    const isFit = replica?.stallReason === undefined && this.#isFree(group);
    if (index === 0 || !isFit) return undefined;
    this.#opening.set(group, index);
    try {
      await flusher.flushNow(group);
    } finally {
      this.#opening.delete(group);
    }
    // It may have left meanwhile.
    const state = stores.all.get(group);
    if (state === undefined) return undefined;
    const snapshot = state.store.openSnapshot();
    const description = encodeSnapshotDescription(snapshot);
    return {
      point: snapshot.point,
      description,
      read: (fileNumber, offset, into) => snapshot.read(fileNumber, offset, into),
      release: () => snapshot.release(),
    };
  }

  /** Entries of the group above this one are kept for a snapshot that is being made. */
  heldIndex(group: GroupId): LogIndex | undefined {
    return this.#opening.get(group);
  }

  /**
   * Makes room for a snapshot beside the state of a replica; `undefined` if that does not want it.
   *
   * @throws {StorageError} when the disk refuses it
   * @throws {RangeError} when the description is none
   */
  async begin(group: GroupId, description: Uint8Array): Promise<StoreInstall | undefined> {
    const { replicas, stores } = this.#options;
    const snapshot = decodeSnapshotDescription(description);
    const replica = replicas.get(group);
    if (replica === undefined || replica.takenIndex >= snapshot.point.index) return undefined;
    if (stores.get(group).isLeaving) return undefined;
    await this.#installs.get(group)?.abandon();
    const install = await stores.get(group).store.beginInstall(snapshot);
    this.#installs.set(group, install);
    return install;
  }

  /**
   * Switches a replica to a snapshot that is here.
   *
   * @throws {StorageError} when it is not what it should be, or the disk refuses it: nothing has changed
   */
  async install(group: GroupId, description: Uint8Array): Promise<void> {
    const { inbox, multiRaft, stores } = this.#options;
    const install = this.#installs.get(group);
    if (install === undefined) {
      throw new RangeError(`Cannot install a snapshot of group ${group}: none was begun`);
    }
    const { point } = decodeSnapshotDescription(description);
    const state = stores.get(group);
    multiRaft.suspend(group);
    state.isInstalling = true;
    let isSwitched = false;
    try {
      isSwitched = await this.#switch({ group, point, install });
    } finally {
      this.#installs.delete(group);
      state.isInstalling = false;
      // A node that stops takes no further step: what is on its disk says the same.
      if (!this.#isClosed) multiRaft.resume(group, isSwitched ? metaOfPoint(point) : undefined);
      inbox.push({ kind: "installed", group });
    }
  }

  /** Whether a state of the group is being given away, or taken up. */
  isBusy(group: GroupId): boolean {
    return this.#opening.has(group) || this.#options.stores.get(group).isInstalling;
  }

  #isFree(group: GroupId): boolean {
    const state = this.#options.stores.all.get(group);
    return state !== undefined && !state.isInstalling && !state.isLeaving;
  }

  /** Nothing is switched any more. */
  close(): void {
    this.#isClosed = true;
  }

  /** @returns whether the replica stands on the snapshot now */
  async #switch({ group, point, install }: Switch): Promise<boolean> {
    const { multiRaft, places, replicas, stores, wal } = this.#options;
    let isHeld = multiRaft.holdsEntry(group, point);
    while (isHeld === undefined) {
      await this.#pause();
      isHeld = multiRaft.holdsEntry(group, point);
    }
    const replica = replicas.get(group)!;
    // What was handed out before it was suspended may have brought it as far.
    if (replica.takenIndex >= point.index) {
      await install.abandon();
      return false;
    }
    await install.finish(isHeld ? stores.get(group).store.point.logFloor : wal.end);
    if (!isHeld) places.forget(group);
    await this.#read(replica, metaOfPoint(point));
    this.installed++;
    return true;
  }

  /** From now on the store is another one: there is no way back, and what cannot be read is tried again. */
  async #read(replica: HostedReplica, meta: SnapshotMeta): Promise<void> {
    for (;;) {
      try {
        return replica.restore(meta);
      } catch (error) {
        if (!(error instanceof StateReadError)) throw error;
        await this.#pause();
      }
    }
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => void this.#options.clock.after(LOOK_MS, resolve));
    if (this.#isClosed) throw new Error("the node stops");
  }
}

/** A replica on its way to a snapshot. */
interface Switch {
  readonly group: GroupId;
  readonly point: LogPoint;
  readonly install: StoreInstall;
}
