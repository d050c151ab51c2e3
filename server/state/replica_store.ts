/**
 * The store of one replica, as its state machine sees it, and how all of the state gets into it: what the
 * machine has in memory is written as rows in the moment in which the store is flushed, at the entry that is
 * applied then.
 *
 * @module
 */

import type { GroupId } from "../../raft/mod.ts";
import type { HostedReplica } from "../calls/mod.ts";
import { type StateChange, StateReadError, type StateRow, type StateStore } from "../kv/mod.ts";
import { type LogPoint, StorageError, type Store } from "../storage/mod.ts";
import { pointMembership } from "./point_membership.ts";

/** Rows of what a machine has in memory that are written within one turn: a millisecond or two. */
const UNSAVED_AT_ONCE = 1_000;

/** What of a replica is flushed. */
export type FlushedReplica = Pick<HostedReplica, "machine" | "appliedTerm" | "membership">;

/** See the module comment. */
export class ReplicaStore implements StateStore {
  readonly group: GroupId;
  readonly store: Store;
  /** Whether another state is taking its place: nothing is written meanwhile. */
  isInstalling = false;
  /** Whether its replica is about to leave: nothing is begun with it any more. */
  isLeaving = false;
  #tableBytes = 0;

  constructor(group: GroupId, store: Store) {
    this.group = group;
    this.store = store;
  }

  get rowCount(): number {
    return this.store.estimate.keys;
  }

  get rowBytes(): number {
    return this.store.estimate.valueAndKeyBytes;
  }

  get memoryBytes(): number {
    return this.store.memtableBytes + this.#tableBytes;
  }

  /** Looks how much memory its tables take; that changes rarely, and costs something to know. */
  noteTables(): void {
    this.#tableBytes = this.store.tableMemoryBytes;
  }

  get(key: Uint8Array): Pick<StateRow, "value" | "version"> | undefined {
    try {
      return this.store.get(key);
    } catch (error) {
      throw asReadError(error);
    }
  }

  write(changes: readonly StateChange[], version: number): void {
    this.store.write(changes, version);
  }

  *rows(prefix: Uint8Array): Generator<StateRow> {
    const cursor = this.store.rows(this.store.lastVersion);
    try {
      for (cursor.seek(prefix); cursor.isValid; cursor.next()) {
        const { key, keyStart, keyEnd, value, valueStart, valueEnd, version } = cursor.entry;
        const row = key.slice(keyStart, keyEnd);
        if (!beginsWith(row, prefix)) return;
        yield { key: row, value: value.slice(valueStart, valueEnd), version };
      }
    } catch (error) {
      throw asReadError(error);
    } finally {
      cursor.close();
    }
  }

  /**
   * Writes some of what the machine has in memory, if there is much of it, so that a flush does not hold up
   * the node.
   *
   * @returns whether a flush may begin
   */
  prepareFlush({ machine }: FlushedReplica): boolean {
    if (machine.unsavedCount <= UNSAVED_AT_ONCE) return true;
    this.write(machine.takeUnsaved(UNSAVED_AT_ONCE), machine.appliedIndex);
    return false;
  }

  /**
   * Makes all that is applied durable in the store, whose point is then the last entry applied. What is
   * written meanwhile is not part of it.
   *
   * @throws {StorageError} `STORAGE_WRITE_FAILED`: nothing is lost, it can be tried again
   */
  flush(replica: FlushedReplica): Promise<void> {
    const { machine } = replica;
    // Before anything is applied there is nothing to say of it.
    if (machine.appliedIndex === 0) return Promise.resolve();
    return this.store.flush(this.#pointOf(replica), machine.takeUnsaved(Infinity));
  }

  #pointOf({ appliedTerm, machine, membership }: FlushedReplica): LogPoint {
    return {
      index: machine.appliedIndex,
      term: appliedTerm,
      membership: pointMembership(membership.membership),
      membershipIndex: membership.index,
      logFloor: this.store.point.logFloor,
    };
  }
}

function asReadError(error: unknown): unknown {
  if (!(error instanceof StorageError) || error.code === "STORAGE_STATE") return error;
  return new StateReadError(error.message, { isDamaged: error.code === "STORAGE_DAMAGED", cause: error });
}

function beginsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  return key.length >= prefix.length && prefix.every((byte, at) => key[at] === byte);
}
