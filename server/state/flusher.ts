/**
 * Decides when the stores of a node are flushed and their tables merged: one at a time, so that the disk has
 * something left for the log.
 *
 * ```
 * memtables above their budget ──▶ the largest                                 ┐
 * a segment that is to go ───────▶ the groups whose entries it holds (`want`)  ├─▶ flush ─▶ compactions
 * a snapshot is asked for ───────▶ its group (`flushNow`)                      ┘
 * ```
 *
 * What the disk refuses is tried again after a pause; nothing is lost meanwhile, and memory fills. A group
 * that cannot be flushed or merged now holds up no other one, nor does what it has in memory count: whatever
 * is flushed instead would only become many small tables.
 *
 * @module
 */

import type { GroupId } from "../../raft/mod.ts";
import type { HostedReplica } from "../calls/mod.ts";
import type { Clock } from "../ports/mod.ts";
import type { StateBudget } from "./budget.ts";
import { GroupRests } from "./group_rests.ts";
import type { FlushedReplica, ReplicaStore } from "./replica_store.ts";
import type { StateStores } from "./state_stores.ts";

/** Between two pieces of what is written before a flush, so that others have their turn. */
const PIECE_PAUSE_MS = 2;

/** What a flusher works with. */
export interface FlusherOptions {
  readonly stores: StateStores;
  readonly replicas: ReadonlyMap<GroupId, HostedReplica>;
  readonly clock: Clock;
  readonly budget: StateBudget;
}

/** See the module comment. */
export class Flusher {
  readonly #options: FlusherOptions;
  /** Asked for, in the order in which they are to be flushed. */
  readonly #wanted = new Set<GroupId>();
  #flushing: GroupId | undefined;
  #flushEnded: Promise<void> = Promise.resolve();
  #compacting: GroupId | undefined;
  readonly #flushRests: GroupRests;
  readonly #compactionRests: GroupRests;
  #isClosed = false;
  /** Flushes and merges that were done since the start. */
  flushes = 0;
  compactions = 0;

  constructor(options: FlusherOptions) {
    this.#options = options;
    this.#flushRests = new GroupRests(options.clock);
    this.#compactionRests = new GroupRests(options.clock);
  }

  /** Why a store could not be flushed, or its tables not merged, lately; `undefined` while all can. */
  get trouble(): string | undefined {
    return this.#flushRests.reason ?? this.#compactionRests.reason;
  }

  /** Whether the store of the group is being flushed or merged. */
  isBusy(group: GroupId): boolean {
    return this.#flushing === group || this.#compacting === group;
  }

  /** The group is to be flushed, as soon as it is its turn. */
  want(group: GroupId): void {
    this.#wanted.add(group);
  }

  /** The replica of the group has left: what failed with it was another one's. */
  forget(group: GroupId): void {
    this.#wanted.delete(group);
    this.#flushRests.forget(group);
    this.#compactionRests.forget(group);
  }

  /** Begins what is due. Called at the beginning of a turn, when all that was handed out has been applied. */
  tick(): void {
    if (this.#isClosed) return;
    this.#maybeFlush();
    this.#maybeCompact();
  }

  /**
   * Flushes the group now, behind what is under way.
   *
   * @throws {StorageError} when the disk refuses it
   */
  async flushNow(group: GroupId): Promise<void> {
    for (;;) {
      while (this.#flushing !== undefined) await this.#flushEnded;
      const replica = this.#flushable(group);
      if (replica === undefined) return;
      const state = this.#options.stores.get(group);
      if (state.prepareFlush(replica)) return await this.#begin(state, replica);
      await new Promise<void>((resolve) => void this.#options.clock.after(PIECE_PAUSE_MS, resolve));
    }
  }

  /** Nothing is begun any more; stores are closed elsewhere. */
  close(): void {
    this.#isClosed = true;
  }

  #maybeFlush(): void {
    if (this.#flushing !== undefined || !this.#flushRests.mayTry) return;
    const state = this.#nextState();
    const replica = state && this.#flushable(state.group);
    // What fails is seen in `trouble`, and tried again.
    if (replica !== undefined && state!.prepareFlush(replica)) this.#begin(state!, replica).catch(() => {});
  }

  #begin(state: ReplicaStore, replica: FlushedReplica): Promise<void> {
    this.#flushing = state.group;
    this.#wanted.delete(state.group);
    const flush = this.#flush(state, replica).finally(() => this.#flushing = undefined);
    this.#flushEnded = flush.catch(() => {});
    return flush;
  }

  async #flush(state: ReplicaStore, replica: FlushedReplica): Promise<void> {
    try {
      await state.flush(replica);
      this.flushes++;
      this.#flushRests.noteSuccess(state.group);
    } catch (error) {
      if (!this.#isClosed) this.#flushRests.noteFailure(state.group, error);
      this.#wanted.add(state.group);
      throw error;
    }
  }

  #nextState(): ReplicaStore | undefined {
    const { budget, stores } = this.#options;
    const isReady = ({ group }: ReplicaStore) =>
      !this.#flushRests.isResting(group) && this.#flushable(group) !== undefined;
    const states = [...stores.all.values()].filter(isReady);
    const memtableBytes = states.reduce((sum, { store }) => sum + store.memtableBytes, 0);
    if (memtableBytes > budget.memtableBytes) return largestOf(states, ({ store }) => store.memtableBytes);
    for (const group of this.#wanted) {
      const state = states.find((each) => each.group === group);
      if (state !== undefined) return state;
    }
    return undefined;
  }

  /** One that cannot apply what it was handed does not stand where its membership does. */
  #flushable(group: GroupId): HostedReplica | undefined {
    const { replicas, stores } = this.#options;
    const [replica, state] = [replicas.get(group), stores.all.get(group)];
    const isOccupied = state === undefined || state.isInstalling || state.isLeaving;
    return replica?.stallReason === undefined && !isOccupied ? replica : undefined;
  }

  #maybeCompact(): void {
    if (this.#compacting !== undefined || !this.#compactionRests.mayTry) return;
    const states = [...this.#options.stores.all.values()].filter(({ isLeaving }) => !isLeaving);
    for (const state of states) {
      state.noteTables();
      // A snapshot may have taken the place of what could not be merged.
      if (state.store.backlog.fullness < 1) this.#compactionRests.forget(state.group);
    }
    // Where a table is damaged a merge fails at it.
    const others = states.filter(({ damage, group }) =>
      damage === undefined && !this.#compactionRests.isResting(group)
    );
    const fullest = largestOf(others, ({ store }) => store.backlog.fullness);
    if (fullest !== undefined && fullest.store.backlog.fullness >= 1) void this.#compact(fullest);
  }

  async #compact(state: ReplicaStore): Promise<void> {
    const { group, store } = state;
    this.#compacting = group;
    try {
      if (await store.compact()) this.compactions++;
      this.#compactionRests.noteSuccess(group);
    } catch (error) {
      state.noteError(error);
      if (!this.#isClosed) this.#compactionRests.noteFailure(group, error);
    } finally {
      this.#compacting = undefined;
    }
  }
}

/** The one of the largest size, if any is above 0; of equals the first. */
function largestOf(
  states: readonly ReplicaStore[],
  sizeOf: (state: ReplicaStore) => number,
): ReplicaStore | undefined {
  let found: ReplicaStore | undefined;
  let most = 0;
  for (const state of states) {
    const size = sizeOf(state);
    if (size > most) [found, most] = [state, size];
  }
  return found;
}
