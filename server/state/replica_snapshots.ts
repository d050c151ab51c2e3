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
import { metaOfPoint, type ReplicaStore } from "./replica_store.ts";
import type { StateStores } from "./state_stores.ts";

/** Between two looks whether the log is written, or the new state can be read. */
const LOOK_MS = 5;
/** So long a replica is restored before others have their turn. */
const SLICE_MS = 5;

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

/** A state that is received. */
export type ReceivedState = Pick<StoreInstall, "missing" | "write" | "abandon">;

/** A state that is given away. */
export interface HeldState extends Pick<StoreSnapshot, "point" | "tables" | "read" | "release"> {
  readonly description: Uint8Array;
}

/** See the module comment. */
export class ReplicaSnapshots {
  readonly #options: ReplicaSnapshotsOptions;
  /** Groups that are flushed for a snapshot, and the entry up to which. */
  readonly #opening = new Map<GroupId, LogIndex>();
  readonly #installs = new Map<GroupId, StoreInstall>();
  #isClosed = false;
  /** Replicas that were switched since the start, and those of them that were damaged. */
  installed = 0;
  repaired = 0;
  /** Groups that were switched and of which the log does not say so yet. */
  readonly switched = new Set<GroupId>();

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
    if (state === undefined || state.isLeaving) return undefined;
    const snapshot = state.store.openSnapshot();
    const description = encodeSnapshotDescription(snapshot);
    return {
      point: snapshot.point,
      tables: snapshot.tables,
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
  async begin(group: GroupId, description: Uint8Array): Promise<ReceivedState | undefined> {
    const { replicas, stores } = this.#options;
    const snapshot = decodeSnapshotDescription(description);
    const replica = replicas.get(group);
    const { damage, isLeaving } = stores.get(group);
    const isDamaged = damage !== undefined;
    if (isLeaving || replica === undefined || !isWanted(snapshot.point, { replica, isDamaged })) {
      return undefined;
    }
    await this.#installs.get(group)?.abandon();
    // What is applied from now on is no more than the snapshot has.
    if (isDamaged) replica.hold();
    try {
      const install = await stores.get(group).store.beginInstall(snapshot);
      this.#installs.set(group, install);
      return { ...bound(install), abandon: () => this.#abandon(group, install) };
    } catch (error) {
      this.#letGoOn(group);
      throw error;
    }
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
      // A node that stops takes no further step: what is on its disk says the same. Nor does a replica whose
      // store holds what cannot be taken up, and nothing else any more.
      const isStranded = !isSwitched && this.#options.replicas.get(group)?.isReplaced === true;
      if (!this.#isClosed && !isStranded) {
        multiRaft.resume(group, isSwitched ? metaOfPoint(point) : undefined);
        this.#letGoOn(group);
      }
      inbox.push({ kind: "installed", group });
    }
  }

  /** Whether a state of the group is being given away, or taken up. */
  isBusy(group: GroupId): boolean {
    return this.#opening.has(group) || this.#options.stores.all.get(group)?.isInstalling === true;
  }

  /** The replica leaves, and nothing of it is under way. */
  forget(group: GroupId): void {
    this.switched.delete(group);
    this.#installs.delete(group);
  }

  #isFree(group: GroupId): boolean {
    const state = this.#options.stores.all.get(group);
    return state !== undefined && state.damage === undefined && !state.isInstalling && !state.isLeaving;
  }

  #noteSwitched(state: ReplicaStore): void {
    this.installed++;
    if (state.damage !== undefined) this.repaired++;
    state.noteReplaced();
    this.switched.add(state.group);
    void this.#options.stores.removeFormer(state.group);
  }

  async #abandon(group: GroupId, install: StoreInstall): Promise<void> {
    await install.abandon();
    if (this.#installs.get(group) !== install) return;
    this.#installs.delete(group);
    this.#letGoOn(group);
  }

  /** A replica that was held for a snapshot goes on with what it has, if it has anything. */
  #letGoOn(group: GroupId): void {
    if (this.#isClosed || this.#options.stores.get(group).lost !== undefined) return;
    this.#options.replicas.get(group)?.goOn();
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
    const state = stores.get(group);
    // What was handed out before it was suspended may have brought it as far.
    if (!isWanted(point, { replica, isDamaged: state.damage !== undefined })) {
      await install.abandon();
      return false;
    }
    await install.finish(isHeld ? state.logFloor : wal.end, () => replica.noteReplaced());
    if (!isHeld) places.forget(group);
    this.#noteSwitched(state);
    await this.#read(state, { replica, meta: metaOfPoint(point) });
    return true;
  }

  /** From now on the store is another one: there is no way back, and what cannot be read is tried again. */
  async #read(state: ReplicaStore, { replica, meta }: RestoredReplica): Promise<void> {
    for (;;) {
      try {
        return await this.#restore(replica, meta);
      } catch (error) {
        if (!(error instanceof StateReadError)) throw error;
        // Damaged since it was verified: another one has to come. One that leaves needs none.
        if (error.isDamaged || state.isLeaving) return state.lose(replica, meta);
        await this.#pause();
      }
    }
  }

  /** Of many sessions, and keys that expire, it takes seconds; the other groups of the node go on. */
  async #restore(replica: HostedReplica, meta: SnapshotMeta): Promise<void> {
    const { clock } = this.#options;
    const pieces = replica.restoring(meta);
    try {
      let startedMs = clock.monotonicMs();
      while (pieces.next().done !== true) {
        if (clock.monotonicMs() - startedMs < SLICE_MS) continue;
        await this.#pause();
        startedMs = clock.monotonicMs();
      }
    } finally {
      pieces.return(undefined);
    }
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => void this.#options.clock.after(LOOK_MS, resolve));
    if (this.#isClosed) throw new Error("the node stops");
  }
}

/** A replica whose store is another one. */
interface RestoredReplica {
  readonly replica: HostedReplica;
  readonly meta: SnapshotMeta;
}

/** A replica that may be switched. */
interface Candidate {
  readonly replica: Pick<HostedReplica, "baseIndex" | "takenIndex">;
  readonly isDamaged: boolean;
}

/** Whether a replica is better off with the state of `point`: it is ahead, or replaces what is damaged. */
function isWanted(point: LogPoint, { replica, isDamaged }: Candidate): boolean {
  return isDamaged ? point.index >= replica.baseIndex : point.index > replica.takenIndex;
}

function bound(install: StoreInstall): Pick<StoreInstall, "missing" | "write"> {
  return {
    missing: install.missing,
    write: (fileNumber, offset, bytes) => install.write(fileNumber, offset, bytes),
  };
}

/** A replica on its way to a snapshot. */
interface Switch {
  readonly group: GroupId;
  readonly point: LogPoint;
  readonly install: StoreInstall;
}
