/**
 * Ends items whose deadline passes while they are on their way.
 *
 * @module
 */

import { type ClientClock, deadlineError } from "../transport/mod.ts";
import { type AnyPending, earliestDeadline, type PartitionBatch } from "./partition_batch.ts";

/** Rejects items as their deadlines pass, while their batches go on for the others; returns what stops it. */
export function rejectAtDeadlines<Item extends AnyPending>(
  batches: readonly PartitionBatch<Item>[],
  clock: ClientClock,
): () => void {
  let cancel = () => {};
  const arm = () => {
    const next = earliestDeadline(batches);
    if (next !== undefined) cancel = clock.after(Math.max(0, next - clock.now()), expire);
  };
  const expire = () => {
    rejectExpired(batches, clock.now());
    arm();
  };
  arm();
  return () => cancel();
}

function rejectExpired<Item extends AnyPending>(batches: readonly PartitionBatch<Item>[], now: number): void {
  for (const batch of batches) {
    for (const item of batch.items) {
      if (item.deadline <= now) item.reject(deadlineError(batch.reason, batch.route.partitionId));
    }
  }
}
