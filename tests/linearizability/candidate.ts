/**
 * Turns the operations of one key into what the search works on. Here ambiguity is removed that needs no
 * search:
 *
 * - What certainly never happened and reads that got no answer are left out.
 * - A put without an answer whose value nobody else writes, and which somebody read, did happen, and before
 *   that read ended; at the version that was read, if the read was told one. So it is not optional.
 * - Where there are increments, any number may be their work: puts of numbers stay as they are.
 * - What is left without an answer is optional. Optional operations that do the same are interchangeable,
 *   save that the earlier one can be used earlier, so they share a `twinKey` and the search uses the first.
 *
 * @module
 */

import { type Condition, conditionOf, endOf, type Operation, type RegisterAction } from "./history.ts";
import { isBlind, isNumber, versionTold } from "./register.ts";

/** One operation as the search sees it. */
export interface Candidate {
  /** Its place in the order of invocation, from 0. */
  readonly id: number;
  /** As it was recorded. */
  readonly operation: Operation;
  /** As it is to be judged. */
  readonly action: RegisterAction;
  readonly outcome: Operation["outcome"];
  readonly invokedAt: number;
  /** It must have happened by then; `Infinity` where it need not happen at all. */
  readonly returnedAt: number;
  readonly isOptional: boolean;
  /** See `isBlind`. */
  readonly isBlind: boolean;
  /**
   * The version it tells: it comes after everything that tells a lower one, and before all that tell higher
   * ones.
   */
  readonly rank: number | undefined;
  /** The same for optional operations that have the same effect; empty for others. */
  readonly twinKey: string;
}

/**
 * Stands for all values that nobody has read: they cannot be told apart. Holds no text that a client may have
 * sent.
 */
const UNREAD = "\u0000unread";

/** The candidates of one key, by invocation. */
export function candidatesOf(operations: readonly Operation[]): readonly Candidate[] {
  const sightings = sightingsOf(operations);
  if (operations.some(({ action }) => action.kind === "increment")) forgetNumbers(sightings);
  return operations.filter(matters)
    .sort((a, b) => a.invokedAt - b.invokedAt)
    .map((operation, id) => candidateOf(operation, { id, sightings }));
}

function matters({ action, outcome }: Operation): boolean {
  if (outcome.kind === "failed") return false;
  return outcome.kind !== "unknown" || action.kind !== "get";
}

/** What is known of an operation besides itself. */
interface CandidateContext {
  readonly id: number;
  readonly sightings: ReadonlyMap<string, Sightings>;
}

function candidateOf(
  operation: Operation,
  { id, sightings }: CandidateContext,
): Candidate {
  const { outcome, returnedAt } = settled(operation, sightings);
  const action = withoutUnread(operation.action, sightings);
  const isOptional = returnedAt === Infinity;
  return {
    id,
    operation,
    action,
    outcome,
    invokedAt: operation.invokedAt,
    returnedAt,
    isOptional,
    isBlind: isBlind({ action, outcome }),
    rank: versionTold(outcome),
    twinKey: isOptional ? twinKeyOf(action) : "",
  };
}

/** What is known of one value. */
interface Sightings {
  /** Puts of it that may have happened. */
  writers: number;
  readings: number;
  /** The lowest version at which it was read. */
  version: number | undefined;
  /** When the first read of it returned. */
  seenBy: number;
  /** Whether its time may come: then it is not like others that nobody has read. */
  mayExpire: boolean;
}

function sightingsOf(operations: readonly Operation[]): ReadonlyMap<string, Sightings> {
  const byValue = new Map<string, Sightings>();
  const of = (value: string) => {
    const known = byValue.get(value) ??
      { writers: 0, readings: 0, version: undefined, seenBy: Infinity, mayExpire: false };
    byValue.set(value, known);
    return known;
  };
  for (const { action, outcome, returnedAt } of operations) {
    if (action.kind === "put" && outcome.kind !== "failed" && outcome.kind !== "refused") {
      of(action.value).writers++;
    }
    if (action.kind === "expire") of(action.value).mayExpire = true;
    if (outcome.kind !== "found") continue;
    const seen = of(outcome.value);
    seen.readings++;
    seen.seenBy = Math.min(seen.seenBy, returnedAt);
    if (outcome.version === undefined) continue;
    seen.version = Math.min(seen.version ?? Infinity, outcome.version);
  }
  return byValue;
}

/** What is not known to be unread, nor to have one writer, is left as it is. */
function forgetNumbers(sightings: ReadonlyMap<string, Sightings>): void {
  for (const [value, seen] of sightings) {
    if (isNumber(value)) Object.assign(seen, { writers: Infinity, readings: Infinity });
  }
}

function settled(
  operation: Operation,
  sightings: ReadonlyMap<string, Sightings>,
): Pick<Operation, "outcome" | "returnedAt"> {
  const { action, outcome } = operation;
  const asRecorded = { outcome, returnedAt: endOf(operation) };
  if (outcome.kind !== "unknown" || action.kind !== "put") return asRecorded;
  const seen = sightings.get(action.value);
  if (seen?.writers !== 1 || seen.readings === 0) return asRecorded;
  // A read that ended before the write began makes the history wrong; the search will find that.
  const returnedAt = Math.max(seen.seenBy, operation.invokedAt);
  if (seen.version === undefined) return { outcome, returnedAt };
  return { outcome: { kind: "written", version: seen.version }, returnedAt };
}

function withoutUnread(action: RegisterAction, sightings: ReadonlyMap<string, Sightings>): RegisterAction {
  if (action.kind !== "put") return action;
  const seen = sightings.get(action.value);
  if (seen !== undefined && (seen.readings > 0 || seen.mayExpire)) return action;
  return { ...action, value: UNREAD };
}

function twinKeyOf(action: RegisterAction): string {
  if (action.kind === "get") return "get";
  const what = action.kind === "delete" ? "" : action.kind === "increment" ? action.by : action.value;
  return `${action.kind} ${conditionKey(conditionOf(action))} ${what}`;
}

function conditionKey(condition: Condition | undefined): string {
  if (condition === undefined) return "any";
  if (condition.kind === "exists") return "exists";
  return condition.kind === "absent" ? "0" : String(condition.version);
}
