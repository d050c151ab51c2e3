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
 * What the disk refuses is tried again after a pause; nothing is lost meanwhile, and memory fills.
 *
 * @module
 */

import type { GroupId } from "../../raft/mod.ts";
import type { HostedReplica } from "../calls/mod.ts";
import type { Clock } from "../ports/mod.ts";
import type { StateBudget } from "./budget.ts";
import type { FlushedReplica, ReplicaStore } from "./replica_store.ts";
import type { StateStores } from "./state_stores.ts";

/** Pause before something that failed is tried again; it doubles with every failure in a row. */
const RETRY_MS_MIN = 100;
/** A disk that has room again is noticed within this time. */
const RETRY_MS_MAX = 2_000;

/** What a flusher works with. */
export interface FlusherOptions {
  readonly stores: StateStores;
  readonly replicas: ReadonlyMap<GroupId, HostedReplica>;
  readonly clock: Clock;
  readonly budget: StateBudget;
}

/** A flush, or merging, that failed and is to be tried again. */
interface Failure {
  readonly reason: string;
  readonly retryMs: number;
  readonly notBeforeMs: number;
}

/** See the module comment. */
export class Flusher {
  readonly #options: FlusherOptions;
  /** Asked for, in the order in which they are to be flushed. */
  readonly #wanted = new Set<GroupId>();
  #flushing: GroupId | undefined;
  #flushEnded: Promise<void> = Promise.resolve();
  #compacting: GroupId | undefined;
  #flushFailure: Failure | undefined;
  #compactionFailure: Failure | undefined;
  #isClosed = false;
  /** Flushes and merges that were done since the start. */
  flushes = 0;
  compactions = 0;

  constructor(options: FlusherOptions) {
    this.#options = options;
  }

  /** Why nothing could be flushed or merged lately; `undefined` while it can. */
  get trouble(): string | undefined {
    return (this.#flushFailure ?? this.#compactionFailure)?.reason;
  }

  /** Whether the store of the group is being flushed or merged. */
  isBusy(group: GroupId): boolean {
    return this.#flushing === group || this.#compacting === group;
  }

  /** The group is to be flushed, as soon as it is its turn. */
  want(group: GroupId): void {
    this.#wanted.add(group);
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
    while (this.#flushing !== undefined) await this.#flushEnded;
    const replica = this.#flushable(group);
    if (replica === undefined) return;
    await this.#begin(this.#options.stores.get(group), replica);
  }

  /** Nothing is begun any more; stores are closed elsewhere. */
  close(): void {
    this.#isClosed = true;
  }

  #maybeFlush(): void {
    if (this.#flushing !== undefined || this.#mustWait(this.#flushFailure)) return;
    const group = this.#nextGroup();
    if (group === undefined) return;
    const replica = this.#flushable(group);
    if (replica === undefined) return void this.#wanted.delete(group);
    const state = this.#options.stores.get(group);
    // What fails is seen in `trouble`, and tried again.
    if (state.prepareFlush(replica)) this.#begin(state, replica).catch(() => {});
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
      this.#flushFailure = undefined;
    } catch (error) {
      if (!this.#isClosed) this.#flushFailure = this.#failed(error, this.#flushFailure);
      throw error;
    }
  }

  #nextGroup(): GroupId | undefined {
    const { budget, stores } = this.#options;
    const states = [...stores.all.values()].filter(({ isLeaving }) => !isLeaving);
    const memtableBytes = states.reduce((sum, { store }) => sum + store.memtableBytes, 0);
    if (memtableBytes <= budget.memtableBytes) return [...this.#wanted][0];
    return largestOf(states, ({ store }) => store.memtableBytes)?.group;
  }

  /** One that cannot apply what it was handed does not stand where its membership does. */
  #flushable(group: GroupId): HostedReplica | undefined {
    const { replicas, stores } = this.#options;
    const [replica, state] = [replicas.get(group), stores.all.get(group)];
    const isOccupied = state === undefined || state.isInstalling || state.isLeaving;
    return replica?.stallReason === undefined && !isOccupied ? replica : undefined;
  }

  #maybeCompact(): void {
    if (this.#compacting !== undefined || this.#mustWait(this.#compactionFailure)) return;
    const states = [...this.#options.stores.all.values()].filter(({ isLeaving }) => !isLeaving);
    for (const state of states) state.noteTables();
    const fullest = largestOf(states, ({ store }) => store.backlog.fullness);
    if (fullest !== undefined && fullest.store.backlog.fullness >= 1) void this.#compact(fullest);
  }

  async #compact({ group, store }: ReplicaStore): Promise<void> {
    this.#compacting = group;
    try {
      if (await store.compact()) this.compactions++;
      this.#compactionFailure = undefined;
    } catch (error) {
      if (!this.#isClosed) this.#compactionFailure = this.#failed(error, this.#compactionFailure);
    } finally {
      this.#compacting = undefined;
    }
  }

  #mustWait(failure: Failure | undefined): boolean {
    return failure !== undefined && this.#options.clock.monotonicMs() < failure.notBeforeMs;
  }

  #failed(error: unknown, before: Failure | undefined): Failure {
    const retryMs = Math.min(RETRY_MS_MAX, 2 * (before?.retryMs ?? RETRY_MS_MIN / 2));
    const reason = error instanceof Error ? error.message : String(error);
    return { reason, retryMs, notBeforeMs: this.#options.clock.monotonicMs() + retryMs };
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
