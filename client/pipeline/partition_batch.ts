/**
 * The items that leave together, cut by partition: a partition batch is the unit that succeeds, fails and is
 * sent again.
 *
 * @module
 */

import type { PartitionRoute } from "../routing/mod.ts";
import { type CallFailure, errorOf, tellingOf } from "../transport/mod.ts";
import { Backoff, type BackoffOptions } from "./backoff.ts";
import type { Pending } from "./pending.ts";

/** Items of one partition that leave together. */
export interface PartitionBatch<Item> {
  readonly route: PartitionRoute;
  readonly items: readonly Item[];
  readonly backoff: Backoff;
  /** What the last attempt came to; `undefined` before its end and when it succeeded. */
  lastFailure: CallFailure | undefined;
  /** Why it has not succeeded yet, as far as any attempt could tell. */
  reason: CallFailure | undefined;
}

/** What came of one item: a failure, or `undefined` when it succeeded. */
export type ItemFailures = readonly (CallFailure | undefined)[];

/** Requests and results differ from exchange to exchange; the dispatcher touches neither. */
export type AnyPending = Pending<unknown, never>;

/** `items` by partition, in the order in which the partitions first occur. */
export function cutByPartition<Item extends AnyPending>(
  items: readonly Item[],
  backoff: BackoffOptions,
): readonly PartitionBatch<Item>[] {
  const byRoute = new Map<PartitionRoute, Item[]>();
  for (const item of items) {
    const list = byRoute.get(item.route);
    if (list === undefined) byRoute.set(item.route, [item]);
    else list.push(item);
  }
  return [...byRoute].map(([route, list]) => ({
    route,
    items: list,
    backoff: new Backoff(backoff),
    lastFailure: undefined,
    reason: undefined,
  }));
}

/** Notes what an attempt of `batch` came to: `failure`, or `undefined` for success. */
export function noteResult<Item>(batch: PartitionBatch<Item>, failure: CallFailure | undefined): void {
  batch.lastFailure = failure;
  batch.reason = failure && tellingOf(batch.reason, failure);
}

/** Whether anybody still waits for something in `batch`. */
export function isWanted<Item extends AnyPending>(batch: PartitionBatch<Item>): boolean {
  return batch.items.some((item) => !item.isSettled);
}

/**
 * The failure that decides over a batch: one that is for good, else the first that may pass. `aborted` only
 * says that another mutation of the batch has failed, so it decides nothing while there is another.
 */
export function decisiveOf(failures: ItemFailures): CallFailure | undefined {
  const real = failures.filter((failure) => failure !== undefined);
  const telling = real.filter((failure) => failure.kind !== "final" || failure.code !== "aborted");
  return telling.find(isForGood) ?? telling[0] ?? real[0];
}

/** Whether another try cannot change `failure`. */
export function isForGood(failure: CallFailure): boolean {
  return failure.kind === "final" || failure.kind === "precondition" || failure.kind === "notANumber";
}

/** Rejects each item with its own failure. */
export function rejectEach<Item extends AnyPending>(
  batch: PartitionBatch<Item>,
  failures: ItemFailures,
): void {
  for (const [position, item] of batch.items.entries()) {
    const failure = failures[position];
    if (failure !== undefined) item.reject(errorOf(failure));
  }
}

/** When the last of all items runs out of time. */
export function latestDeadline<Item extends AnyPending>(batches: readonly PartitionBatch<Item>[]): number {
  let latest = -Infinity;
  for (const batch of batches) for (const item of batch.items) latest = Math.max(latest, item.deadline);
  return latest;
}

/** When the next unsettled item runs out of time; `undefined` when all are settled. */
export function earliestDeadline<Item extends AnyPending>(
  batches: readonly PartitionBatch<Item>[],
): number | undefined {
  let earliest = Infinity;
  for (const batch of batches) {
    for (const item of batch.items) if (!item.isSettled) earliest = Math.min(earliest, item.deadline);
  }
  return earliest === Infinity ? undefined : earliest;
}
