/**
 * What one node of a test cluster would find after a crash: exactly what was persisted.
 *
 * @module
 */

import type {
  Entry,
  GroupId,
  GroupPersist,
  HardState,
  LogIndex,
  NodeId,
  PeerPromise,
  ReplicaId,
  Restored,
  SnapshotMeta,
} from "../../../raft/mod.ts";

/** The durable part of one replica. */
export interface DiskGroup {
  hardState: HardState;
  snapshot: SnapshotMeta;
  /** The state machine as the snapshot has it: all entries that it ever applied. */
  state: readonly Entry[];
  /** What the log holds above the snapshot. */
  entries: Entry[];
  readonly promises: Map<NodeId, PeerPromise>;
  /** Of the replica; 0 if it has none. */
  replicaId: ReplicaId;
}

/** A state as a whole, as it is kept and as it travels. */
export interface ModelSnapshot {
  readonly meta: SnapshotMeta;
  readonly state: readonly Entry[];
}

/** See the module comment. */
export class Disk {
  readonly groups = new Map<GroupId, DiskGroup>();

  /** Puts down what a replica is to be restored from. */
  format(group: GroupId, restored: Restored): void {
    const { hardState, snapshot, entries, replicaId = 0 } = restored;
    const promises = new Map<NodeId, PeerPromise>();
    this.groups.set(group, { hardState, snapshot, state: [], entries: [...entries], promises, replicaId });
  }

  restored(group: GroupId): Restored {
    const { hardState, snapshot, entries, promises, replicaId } = this.group(group);
    return { hardState, snapshot, entries: [...entries], promises: [...promises.values()], replicaId };
  }

  group(group: GroupId): DiskGroup {
    const found = this.groups.get(group);
    if (found === undefined) throw new Error(`The test has no group ${group} on this disk`);
    return found;
  }

  /**
   * Writes as the contract of `GroupPersist` says: a first index that is already there replaces all from it
   * on.
   */
  persist(persist: GroupPersist): void {
    const found = this.group(persist.group);
    if (persist.replicaId !== undefined) found.replicaId = persist.replicaId;
    if (persist.hardState !== undefined) found.hardState = persist.hardState;
    for (const promise of persist.promises ?? []) found.promises.set(promise.node, promise);
    const first = persist.entries[0];
    if (first === undefined) return;
    const kept = first.index - found.snapshot.index - 1;
    if (kept < 0 || kept > found.entries.length) {
      throw new Error(`Entries from ${first.index} on leave a gap after ${found.entries.at(-1)?.index}`);
    }
    found.entries.splice(kept, Infinity, ...persist.entries);
  }

  /** The state machine as it is now is kept; the log is needed only from there on. */
  flush(group: GroupId, { meta, state }: ModelSnapshot): void {
    const found = this.group(group);
    found.entries = found.entries.filter(({ index }) => index > meta.index);
    found.snapshot = meta;
    found.state = state;
  }

  /** Another state takes the place of this one, and of the log, unless that goes on behind it. */
  install(group: GroupId, { meta, state, isLogKept }: ModelSnapshot & { readonly isLogKept: boolean }): void {
    if (!isLogKept) this.group(group).entries = [];
    this.flush(group, { meta, state });
  }

  /** All records of the group that were written so far are let go. */
  release(group: GroupId): void {
    const found = this.group(group);
    found.hardState = { term: 0, vote: 0, commit: 0 };
    found.entries = [];
    found.promises.clear();
    found.replicaId = 0;
  }

  /** What is known of the entry at `index`: it is in the log or in the state. */
  entryAt(group: GroupId, index: LogIndex): Entry | undefined {
    const { snapshot, state, entries } = this.group(group);
    return entries[index - snapshot.index - 1] ?? state[index - (snapshot.index - state.length) - 1];
  }
}
