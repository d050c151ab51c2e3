/**
 * From one client call to one call per partition, and back from their results to one answer in the client's
 * order.
 *
 * @module
 */

import { partitionOfKey } from "../../proto/mod.ts";
import { DomainError, type WriteResult, type WrittenResult } from "../api/mod.ts";
import type { FailedIncrement, FailedPrecondition, Mutation, NewNumber, Outcome } from "../kv/mod.ts";
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
      const results = part.items.map((_, at): WrittenResult => (
        { ok: true, version, existed: existed.has(at), partitionId }
      ));
      return outcome.numbers === undefined ? results : withNumbers(results, outcome.numbers);
    }
    case "refused": {
      const failed = byPosition(outcome.failures);
      return part.items.map((_, at) => ({ ok: false, error: refusal(failed.get(at)) }));
    }
    case "notNumbers": {
      const failed = byPosition(outcome.failures);
      return part.items.map((_, at) => ({ ok: false, error: failedIncrement(failed.get(at)) }));
    }
    case "forgotten":
      return part.items.map(() => ({ ok: false, error: forgotten() }));
  }
}

function byPosition<T extends { readonly position: number }>(list: readonly T[]): ReadonlyMap<number, T> {
  return new Map(list.map((each) => [each.position, each]));
}

function withNumbers(
  results: readonly WrittenResult[],
  numbers: readonly NewNumber[],
): readonly WrittenResult[] {
  const found = byPosition(numbers);
  return results.map((result, at) => {
    const number = found.get(at)?.number;
    return number === undefined ? result : { ...result, number };
  });
}

function failedIncrement(failure: FailedIncrement | undefined): DomainError {
  if (failure === undefined) {
    return new DomainError(
      { kind: "batchAborted" },
      "Not applied: an increment of the same partition cannot be done",
    );
  }
  return new DomainError(
    { kind: "notANumber" },
    failure.isOutOfRange
      ? "Cannot increment: the new number would not be from -2^63 to 2^63-1"
      : "Cannot increment: the key holds no whole number from -2^63 to 2^63-1 in decimal text",
  );
}

function refusal(failure: FailedPrecondition | undefined): DomainError {
  if (failure === undefined) {
    return new DomainError(
      { kind: "batchAborted" },
      "Not applied: the precondition of another mutation of the same partition does not hold",
    );
  }
  const { currentVersion } = failure;
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
