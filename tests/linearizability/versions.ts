/**
 * What must hold of the versions that clients are told, without any search: the versions of a key only grow
 * with time, no write gets one that was known before it began, and a version stands for one value.
 *
 * The search for an order allows equal versions from one write to the next (see `register.ts`); the second
 * rule says when: only for writes that ran at the same time and may have gone into one batch.
 *
 * @module
 */

import { describeOperation, type History, type Operation, partitionByKey } from "./history.ts";
import { versionTold } from "./register.ts";

/** Breaches of these rules, in words; empty if there are none. */
export function versionComplaints(history: History): string[] {
  return [...partitionByKey(history)].flatMap(([key, operations]) =>
    [...fallingVersions(operations), ...ambiguousVersions(operations)]
      .map((complaint) => `key ${JSON.stringify(key)}: ${complaint}`)
  );
}

interface Told {
  readonly operation: Operation;
  readonly version: number;
}

/** Goes through time with the highest version that was known by then. */
function fallingVersions(operations: readonly Operation[]): string[] {
  const told = operations.flatMap((operation): Told[] => {
    const version = versionTold(operation.outcome);
    return version === undefined ? [] : [{ operation, version }];
  });
  const ended = told.toSorted((a, b) => a.operation.returnedAt - b.operation.returnedAt);
  const complaints: string[] = [];
  let highest: Told | undefined;
  let at = 0;
  for (const each of told.toSorted((a, b) => a.operation.invokedAt - b.operation.invokedAt)) {
    for (; at < ended.length && ended[at]!.operation.returnedAt < each.operation.invokedAt; at++) {
      if (highest === undefined || ended[at]!.version > highest.version) highest = ended[at];
    }
    if (highest !== undefined && !mayFollow(each, highest)) {
      complaints.push(
        `${describeOperation(each.operation)} comes after ${describeOperation(highest.operation)}`,
      );
    }
  }
  return complaints;
}

function mayFollow(later: Told, earlier: Told): boolean {
  const { kind } = later.operation.outcome;
  const isWrite = kind === "written" || kind === "deleted" || kind === "incremented";
  return isWrite ? later.version > earlier.version : later.version >= earlier.version;
}

function ambiguousVersions(operations: readonly Operation[]): string[] {
  const readings = new Map<number, Operation>();
  const complaints: string[] = [];
  for (const operation of operations) {
    const { outcome } = operation;
    if (outcome.kind !== "found" || outcome.version === undefined) continue;
    const other = readings.get(outcome.version);
    if (other === undefined) readings.set(outcome.version, operation);
    else if (other.outcome.kind === "found" && other.outcome.value !== outcome.value) {
      complaints.push(`${describeOperation(operation)} contradicts ${describeOperation(other)}`);
    }
  }
  return complaints;
}
