/**
 * Joins concurrent calls to the same leader. Each leader has a lane: what is pushed waits until the end of
 * the current turn of the event loop, so that calls made together travel together, and leaves at once if the
 * lane is idle. Otherwise it collects until one of the batches in flight has come back. So a lone call never
 * waits for others, and under load the batches grow by themselves until the leader keeps up.
 *
 * A partition in trouble (see `routes.ts`) has a lane of its own with one batch at a time, so that calls to
 * it pile up in one queue and those to the leader's other partitions are not held up.
 *
 * @module
 */

import type { PartitionRoute } from "../routing/mod.ts";
import { type ClientClock, deadlineError } from "../transport/mod.ts";
import type { Dispatch } from "./dispatcher.ts";
import type { AnyPending } from "./partition_batch.ts";

/**
 * How many rounds of microtasks a lane lets pass before it looks at its queue. A caller that has just got its
 * answer runs a few promise steps before it calls again; without this allowance the first of hundreds would
 * leave alone.
 */
export const MICROTASK_ROUNDS = 4;

/** How items are joined. */
export interface BatcherOptions<Item> {
  /** Sends one batch. */
  readonly send: (items: readonly Item[]) => Dispatch;
  readonly clock: ClientClock;
  /** Batches in flight to one leader, 1 or more. */
  readonly inFlightMax: number;
  /** Items in one batch. */
  readonly itemsMax: number;
  /** Bytes in one batch; a single larger item travels alone. */
  readonly bytesMax: number;
}

/** See the module comment. */
export class Batcher<Item extends AnyPending> {
  readonly #options: BatcherOptions<Item>;
  readonly #lanes = new Map<string, Lane<Item>>();

  constructor(options: BatcherOptions<Item>) {
    this.#options = options;
  }

  /** Takes `item` into the lane of its partition's leader. */
  push(item: Item): void {
    const key = laneKey(item.route);
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = new Lane(key, this, this.#options);
      this.#lanes.set(key, lane);
    }
    lane.push(item);
  }
}

function laneKey({ troubled, leaderAddress, partitionId }: PartitionRoute): string {
  return troubled || leaderAddress === undefined ? `partition ${partitionId}` : leaderAddress;
}

/** Runs `run` after so many rounds of microtasks. */
export function afterMicrotasks(rounds: number, run: () => void): void {
  queueMicrotask(() => {
    if (rounds > 1) afterMicrotasks(rounds - 1, run);
    else run();
  });
}

class Lane<Item extends AnyPending> {
  readonly #key: string;
  readonly #batcher: Batcher<Item>;
  readonly #options: BatcherOptions<Item>;
  #queue: Item[] = [];
  #inFlight = 0;
  #scheduled = false;
  #nextExpiry = Infinity;
  #cancelExpiry = () => {};

  constructor(key: string, batcher: Batcher<Item>, options: BatcherOptions<Item>) {
    this.#key = key;
    this.#batcher = batcher;
    this.#options = options;
  }

  push(item: Item): void {
    this.#queue.push(item);
    if (this.#isBlocked()) this.#expireAt(item.deadline);
    else this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#queue.length === 0 || this.#isBlocked()) return;
    this.#scheduled = true;
    afterMicrotasks(MICROTASK_ROUNDS, () => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#queue.length > 0 && !this.#isBlocked()) {
      const items = this.#take();
      if (items.length > 0) this.#send(items);
    }
    if (this.#queue.length === 0) return this.#disarmExpiry();
    this.#expireAt(this.#earliestDeadline());
  }

  /**
   * Deadlines pass in the queue too. The timer may fire early, because items may have left; then it is set
   * again.
   */
  #expireAt(deadline: number): void {
    if (deadline >= this.#nextExpiry) return;
    const { clock } = this.#options;
    this.#cancelExpiry();
    this.#nextExpiry = deadline;
    this.#cancelExpiry = clock.after(Math.max(0, deadline - clock.now()), () => {
      this.#disarmExpiry();
      for (const item of this.#queue) if (item.deadline <= clock.now()) item.reject(deadlineError(undefined));
      this.#queue = this.#queue.filter((item) => !item.isSettled);
      this.#expireAt(this.#earliestDeadline());
    });
  }

  #earliestDeadline(): number {
    return this.#queue.reduce((earliest, item) => Math.min(earliest, item.deadline), Infinity);
  }

  #disarmExpiry(): void {
    this.#cancelExpiry();
    this.#nextExpiry = Infinity;
  }

  /** Whether the limit of batches in flight is reached. */
  #isBlocked(): boolean {
    return this.#inFlight >= (this.#isLeaderLane() ? this.#options.inFlightMax : 1);
  }

  #isLeaderLane(): boolean {
    return !this.#key.startsWith("partition ");
  }

  async #send(items: readonly Item[]): Promise<void> {
    this.#inFlight++;
    const dispatch = this.#options.send(items);
    // Retries of a batch go to the leader of that time, so they do not hold the lane of the one that failed.
    await (this.#isLeaderLane() ? dispatch.firstAttempt : dispatch.done);
    this.#inFlight--;
    this.#schedule();
  }

  /**
   * As much of the queue as fits into one batch; items that belong to another lane by now are handed over to
   * it.
   */
  #take(): readonly Item[] {
    const { itemsMax, bytesMax } = this.#options;
    const items: Item[] = [];
    let bytes = 0;
    let position = 0;
    for (; position < this.#queue.length && items.length < itemsMax; position++) {
      const item = this.#queue[position]!;
      if (item.isSettled) continue;
      if (laneKey(item.route) !== this.#key) {
        this.#batcher.push(item);
        continue;
      }
      if (items.length > 0 && bytes + item.bytes > bytesMax) break;
      items.push(item);
      bytes += item.bytes;
    }
    this.#queue = position === this.#queue.length ? [] : this.#queue.slice(position);
    return items;
  }
}
