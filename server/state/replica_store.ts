/**
 * The store of one replica, as its state machine sees it, and how all of the state gets into it: what the
 * machine has in memory is written as rows in the moment in which the store is flushed, at the entry that is
 * applied then.
 *
 * @module
 */

import {
  decodeMembership,
  encodeMembership,
  type GroupId,
  type Membership,
  type SnapshotMeta,
} from "../../raft/mod.ts";
import type { HostedReplica } from "../calls/mod.ts";
import { NO_MEMBERS } from "../cluster/mod.ts";
import { type StateChange, StateReadError, type StateRow, type StateStore } from "../kv/mod.ts";
import { type LogPoint, StorageError, type Store } from "../storage/mod.ts";

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
  /** Up to where the log was let go of for a store that is lost: the state comes from elsewhere. */
  lost: LogPoint | undefined;
  #damage: string | undefined;
  #tableBytes = 0;
  /** Pieces that are still to be written before a flush; `undefined` while none is prepared. */
  #piecesLeft: number | undefined;

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

  /** What of the state cannot be read here any more, with file and offset; `undefined` while all can. */
  get damage(): string | undefined {
    return this.#damage ??
      (this.lost && `its store does not hold it any more, up to entry ${this.lost.index}`);
  }

  /** Where entries of the log begin to count for what is here. */
  get logFloor(): LogPoint["logFloor"] {
    return (this.lost ?? this.store.point).logFloor;
  }

  /** Takes note of what a read has met: damage stays until another state takes the place of this one. */
  noteError(error: unknown): void {
    const isDamage = error instanceof StorageError && error.code === "STORAGE_DAMAGED";
    if (isDamage) this.#damage ??= error.message;
  }

  /**
   * Makes a replica stand where its log begins. If the state up to there is lost, or what its machine has to
   * know of it cannot be read any more, it waits for another one.
   *
   * @throws {StateReadError} when it cannot be read at the moment
   */
  restoreTo(replica: HostedReplica, snapshot: SnapshotMeta): void {
    if (this.lost !== undefined) return replica.lose(snapshot);
    try {
      replica.restore(snapshot);
    } catch (error) {
      if (!(error instanceof StateReadError) || !error.isDamaged) throw error;
      this.lose(replica, snapshot);
    }
  }

  /** What the machine has to know of its store cannot be read: the replica waits for another state. */
  lose(replica: HostedReplica, snapshot: SnapshotMeta): void {
    this.lost = this.store.point;
    replica.lose(snapshot);
  }

  /** Another state has taken the place of this one. */
  noteReplaced(): void {
    this.#damage = undefined;
    this.lost = undefined;
  }

  /** Looks how much memory its tables take; that changes rarely, and costs something to know. */
  noteTables(): void {
    this.#tableBytes = this.store.tableMemoryBytes;
  }

  get(key: Uint8Array): Pick<StateRow, "value" | "version"> | undefined {
    try {
      return this.store.get(key);
    } catch (error) {
      throw this.#readError(error);
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
      throw this.#readError(error);
    } finally {
      cursor.close();
    }
  }

  /**
   * Writes some of what the machine has in memory, if there is much of it, so that a flush does not hold up
   * the node. What changes meanwhile does not put off the flush.
   *
   * @returns whether a flush may begin
   */
  prepareFlush({ machine }: FlushedReplica): boolean {
    this.#piecesLeft ??= Math.ceil(machine.unsavedCount / UNSAVED_AT_ONCE) - 1;
    if (this.#piecesLeft <= 0 || machine.unsavedCount <= UNSAVED_AT_ONCE) {
      this.#piecesLeft = undefined;
      return true;
    }
    this.#piecesLeft--;
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

  #readError(error: unknown): unknown {
    this.noteError(error);
    if (!(error instanceof StorageError) || error.code === "STORAGE_STATE") return error;
    return new StateReadError(error.message, { isDamaged: error.code === "STORAGE_DAMAGED", cause: error });
  }

  #pointOf({ appliedTerm, machine, membership }: FlushedReplica): LogPoint {
    return {
      index: machine.appliedIndex,
      term: appliedTerm,
      membership: pointMembership(membership.membership),
      membershipIndex: membership.index,
      logFloor: this.logFloor,
    };
  }
}

/**
 * The bytes of a membership in a point; none for that of nobody, which a replica has that is fed from its
 * group's first entry on, until the entry comes that takes it in.
 */
export function pointMembership(membership: Membership): Uint8Array {
  return membership.voters.length === 0 ? new Uint8Array(0) : encodeMembership(membership);
}

/** Where a state stands that is in a store up to its point. */
export function metaOfPoint({ index, term, membership, membershipIndex }: LogPoint): SnapshotMeta {
  const members = membership.length === 0 ? NO_MEMBERS : decodeMembership(membership);
  return { index, term, membership: members, membershipIndex };
}

function beginsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  return key.length >= prefix.length && prefix.every((byte, at) => key[at] === byte);
}
