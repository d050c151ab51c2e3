/**
 * Judges whether a cluster behaved as if there were one copy of each key and every operation happened at one
 * instant between its call and its return (Herlihy and Wing 1990). Linearizability is local: each key is
 * judged for itself.
 *
 * ```ts
 * const verdict = checkLinearizable(recorder.history());
 * if (verdict.kind !== "linearizable") throw new Error(describeVerdict(verdict));
 * ```
 *
 * @module
 */

import { candidatesOf } from "./candidate.ts";
import { explainDeadEnd } from "./explanation.ts";
import {
  describeOperation,
  endOf,
  type History,
  type Operation,
  partitionByKey,
  unreachableCase,
} from "./history.ts";
import { searchOrder } from "./search.ts";
import { versionComplaints } from "./versions.ts";

/**
 * A real history takes a step an operation and a few more; this many take seconds and some hundred megabytes.
 */
const STEPS_MAX = 1_000_000;

/** What a history is worth. */
export type HistoryVerdict =
  /** `steps` of the search over all keys; at least one for each operation that matters. */
  | {
    readonly kind: "linearizable";
    readonly keys: number;
    readonly operations: number;
    readonly steps: number;
  }
  /** The key whose operations cannot be explained, and why, in words. */
  | { readonly kind: "violation"; readonly key: string; readonly explanation: string }
  /** Not found out within the bound of steps. A test must take it for a failure. */
  | { readonly kind: "undecided"; readonly key: string; readonly steps: number };

/** How to check. */
export interface CheckOptions {
  /** Bound of the search, a key; a million unless given. */
  readonly stepsMax?: number;
}

/**
 * Judges `history`; see the module comment. A violation of any key comes before a key that is undecided.
 *
 * @throws {RangeError} when an operation ends before it begins, or a time is not a number
 */
export function checkLinearizable(
  history: History,
  { stepsMax = STEPS_MAX }: CheckOptions = {},
): HistoryVerdict {
  history.forEach(mustBeTimed);
  const byKey = partitionByKey(history);
  let steps = 0;
  let undecided: HistoryVerdict | undefined;
  for (const [key, operations] of byKey) {
    const verdict = checkKey(key, { operations, stepsMax });
    if (verdict.kind === "violation") return verdict;
    if (verdict.kind === "undecided") undecided ??= verdict;
    else steps += verdict.steps;
  }
  return undecided ?? { kind: "linearizable", keys: byKey.size, operations: history.length, steps };
}

/** The verdict in words, for the message of a failed test. */
export function describeVerdict(verdict: HistoryVerdict): string {
  switch (verdict.kind) {
    case "linearizable":
      return `linearizable: ${verdict.operations} operations on ${verdict.keys} keys, ${verdict.steps} steps`;
    case "violation":
      return `not linearizable: ${verdict.explanation}`;
    case "undecided":
      return `undecided: key ${JSON.stringify(verdict.key)} after ${verdict.steps} steps`;
    default:
      return unreachableCase(verdict);
  }
}

/** The operations of one key, and the bound of the search. */
interface KeyCheck {
  readonly operations: readonly Operation[];
  readonly stepsMax: number;
}

function checkKey(
  key: string,
  { operations, stepsMax }: KeyCheck,
): HistoryVerdict {
  const complaint = versionComplaints(operations)[0];
  if (complaint !== undefined) return { kind: "violation", key, explanation: complaint };
  const result = searchOrder(candidatesOf(operations), stepsMax);
  switch (result.kind) {
    case "found":
      return { kind: "linearizable", keys: 1, operations: operations.length, steps: result.steps };
    case "none":
      return { kind: "violation", key, explanation: explainDeadEnd(key, result.deadEnd) };
    case "gaveUp":
      return { kind: "undecided", key, steps: result.steps };
    default:
      return unreachableCase(result);
  }
}

function mustBeTimed(operation: Operation): void {
  if (operation.invokedAt <= endOf(operation)) return;
  throw new RangeError(
    `Cannot check an operation that ends before it begins: ${describeOperation(operation)}`,
  );
}
