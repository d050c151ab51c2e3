/**
 * Judges reads that may be old: what they found must have been there at some time, and must still have been
 * the latest at some moment that is not further back than the bound they were asked with.
 *
 * ```
 *            invoked − bound                 invoked  returned
 * ───────────────┼──────────────────────────────┼────────┼──▶
 *  overwritten by then: too old      any value current here or since is fine
 * ```
 *
 * The proof that something was overwritten is an operation that told a higher version and had returned by
 * then; writes without an answer prove nothing and excuse much.
 *
 * @module
 */

import { describeOperation, endOf, type History, type Operation, type Reading } from "./history.ts";
import { versionTold } from "./register.ts";

/** A read that may be old. */
export interface StaleRead {
  readonly client: number;
  readonly key: string;
  readonly reading: Reading;
  /** How old the state may be, in the unit of the times; `Infinity` for any age. */
  readonly bound: number;
  readonly invokedAt: number;
  readonly returnedAt: number;
}

/**
 * Reads of `reads` that found what they must not, in words.
 *
 * @param history the other operations, which are linearizable, on the same clock; every key is absent at its
 *   beginning
 */
export function staleReadComplaints(history: History, reads: readonly StaleRead[]): string[] {
  const byKey = Map.groupBy(history, ({ key }) => key);
  return reads.flatMap((read) => {
    const complaint = judge(read, byKey.get(read.key) ?? []);
    return complaint === undefined ? [] : [`${describeRead(read)}: ${complaint}`];
  });
}

function judge(read: StaleRead, operations: readonly Operation[]): string | undefined {
  const { reading } = read;
  if (reading.kind === "absent") return judgeAbsence(read, operations);
  const writers = operations.filter((operation) => mayHaveWritten(operation, reading));
  if (writers.length === 0) return "nobody wrote that";
  if (writers.every(({ invokedAt }) => invokedAt > read.returnedAt)) return "it was written only later";
  const version = reading.version ?? highestVersion(writers);
  const proof = operations.find((operation) => isBefore(operation, read) && tells(operation) > version);
  return proof === undefined ? undefined : `too old: ${describeOperation(proof)}`;
}

/** It is wrong if the key was there before the bound and nobody can have removed it since. */
function judgeAbsence(read: StaleRead, operations: readonly Operation[]): string | undefined {
  const proof = operations.filter((operation) => isBefore(operation, read) && provesPresence(operation))
    .reduce<Operation | undefined>(
      (best, each) => best === undefined || tells(each) > tells(best) ? each : best,
      undefined,
    );
  if (proof === undefined) return undefined;
  const possible = operations.filter(({ invokedAt }) => invokedAt <= read.returnedAt);
  const isExcused = possible.some((operation) => mayHaveRemoved(operation, tells(proof)));
  return isExcused ? undefined : `too old: ${describeOperation(proof)}`;
}

function isBefore(operation: Operation, { invokedAt, bound }: StaleRead): boolean {
  return endOf(operation) < invokedAt - bound;
}

function mayHaveWritten(
  { action, outcome }: Operation,
  { value, version }: Extract<Reading, { readonly kind: "found" }>,
): boolean {
  if (action.kind !== "put" || action.value !== value) return false;
  if (outcome.kind === "unknown") return true;
  return outcome.kind === "written" && (version === undefined || outcome.version === version);
}

/** Infinity if one of them does not know its version: then nothing is provably higher. */
function highestVersion(writers: readonly Operation[]): number {
  return Math.max(...writers.map(({ outcome }) => versionTold(outcome) ?? Infinity));
}

/** The version it proves to be reached; −1 for none. */
function tells({ outcome }: Operation): number {
  if (outcome.kind === "deleted" && !outcome.existed) return -1;
  return versionTold(outcome) ?? -1;
}

function provesPresence({ outcome }: Operation): boolean {
  return outcome.kind === "written" || versionOfFound(outcome) ||
    (outcome.kind === "refused" && outcome.currentVersion > 0);
}

function versionOfFound(outcome: Operation["outcome"]): boolean {
  return outcome.kind === "found" && outcome.version !== undefined;
}

function mayHaveRemoved({ action, outcome }: Operation, version: number): boolean {
  if (action.kind === "expire") return true;
  if (action.kind !== "delete") return false;
  return outcome.kind === "unknown" ||
    (outcome.kind === "deleted" && outcome.existed && outcome.version >= version);
}

function describeRead({ client, key, reading, bound, invokedAt, returnedAt }: StaleRead): string {
  const operation: Operation = {
    client,
    key,
    action: { kind: "get" },
    outcome: reading,
    invokedAt,
    returnedAt,
  };
  return `key ${JSON.stringify(key)}: ${describeOperation(operation)}, which may be ${bound} old`;
}
