/**
 * From one client call to one call per partition, and back from their results to one answer in the client's
 * order.
 *
 * @module
 */

import { partitionOfKey } from "../../proto/mod.ts";
import { DomainError, type WriteResult } from "../api/mod.ts";
import type { Mutation, Outcome } from "../kv/mod.ts";
import type { CallResult } from "./call.ts";

/** What of a call falls into one partition. */
export interface Part<T> {
  readonly partitionId: number;
  readonly items: readonly T[];
  /** Where each item stands in the whole call, ascending. */
  readonly positions: readonly number[];
}

const ONLY: readonly number[] = [0];

/** Cuts `items` by the partition of their keys; parts in the order of their first items. */
export function splitByPartition<T>(
  items: readonly T[],
  keyOf: (item: T) => Uint8Array,
  partitionCount: number,
): readonly Part<T>[] {
  const [only] = items;
  if (items.length === 1 && only !== undefined) {
    return [{ partitionId: partitionOfKey(keyOf(only), partitionCount), items: [only], positions: ONLY }];
  }
  const parts = new Map<number, { partitionId: number; items: T[]; positions: number[] }>();
  items.forEach((item, position) => {
    const partitionId = partitionOfKey(keyOf(item), partitionCount);
    let part = parts.get(partitionId);
    if (part === undefined) parts.set(partitionId, part = { partitionId, items: [], positions: [] });
    part.items.push(item);
    part.positions.push(position);
  });
  return [...parts.values()];
}

/** What became of each mutation of one partition's command. */
export function writeResults(part: Part<Mutation>, result: CallResult<Outcome>): readonly WriteResult[] {
  if (!result.ok) return part.items.map(() => result);
  const { partitionId } = part;
  const outcome = result.value;
  switch (outcome.kind) {
    case "applied": {
      const existed = new Set(outcome.existed);
      const { version } = outcome;
      return part.items.map((_, at) => ({ ok: true, version, existed: existed.has(at), partitionId }));
    }
    case "refused": {
      const failed = new Map(
        outcome.failures.map(({ position, currentVersion }) => [position, currentVersion]),
      );
      return part.items.map((_, at) => ({ ok: false, error: refusal(failed.get(at)) }));
    }
    case "forgotten":
      return part.items.map(() => ({ ok: false, error: forgotten() }));
  }
}

function refusal(currentVersion: number | undefined): DomainError {
  if (currentVersion === undefined) {
    return new DomainError(
      { kind: "batchAborted" },
      "Not applied: the precondition of another mutation of the same partition does not hold",
    );
  }
  const state = currentVersion === 0 ? "does not exist" : `is at version ${currentVersion}`;
  return new DomainError(
    { kind: "precondition", currentVersion },
    `The precondition does not hold: the key ${state}`,
  );
}

function forgotten(): DomainError {
  return new DomainError(
    { kind: "outcomeUnknown" },
    "The result of this request was acknowledged and forgotten; it was not applied again",
  );
}
