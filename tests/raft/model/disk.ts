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
  NodeId,
  PeerPromise,
  Restored,
  SnapshotMeta,
} from "../../../raft/mod.ts";

/** The durable part of one replica. */
export interface DiskGroup {
  hardState: HardState;
  readonly snapshot: SnapshotMeta;
  entries: Entry[];
  readonly promises: Map<NodeId, PeerPromise>;
}

/** See the module comment. */
export class Disk {
  readonly groups = new Map<GroupId, DiskGroup>();

  /** Puts down what a replica is to be restored from. */
  format(group: GroupId, restored: Restored): void {
    const { hardState, snapshot, entries } = restored;
    this.groups.set(group, { hardState, snapshot, entries: [...entries], promises: new Map() });
  }

  restored(group: GroupId): Restored {
    const { hardState, snapshot, entries, promises } = this.group(group);
    return { hardState, snapshot, entries: [...entries], promises: [...promises.values()] };
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
}
