/**
 * The slow, obvious judge of small histories of one key, to hold the fast one against: tries every order that
 * time allows, and for every write without an answer every version it might have got, on a register with
 * definite versions. It shares nothing with the fast one but the shape of the data.
 *
 * @module
 */

import { type Condition, conditionOf, type History, type Operation, type WriteAction } from "./history.ts";

/** Definite at all times. */
interface Register {
  readonly value: string | undefined;
  /** Of the last change; 0 before any. */
  readonly version: number;
}

/** Between two whole versions, so that nobody has been told it. */
const FRESH = 1e-6;

/** Whether the operations, all of one key, can be explained. Takes exponential time: for up to ten or so. */
export function isLinearizableSlowly(history: History): boolean {
  return !history.some((a) => history.some((b) => contradict(a, b))) &&
    canFinish(history.filter(({ outcome }) => outcome.kind !== "failed"), {
      register: { value: undefined, version: 0 },
      versions: [...new Set(history.flatMap(mentionedVersions))],
    });
}

/** The rules about equal versions, for every pair. */
function contradict(a: Operation, b: Operation): boolean {
  if (a.outcome.kind === "found" && b.outcome.kind === "found") {
    const isSame = a.outcome.version !== undefined && a.outcome.version === b.outcome.version;
    if (isSame && a.outcome.value !== b.outcome.value) return true;
  }
  const known = mentionedByOutcome(a);
  const isWrite = ["written", "deleted", "incremented"].includes(b.outcome.kind);
  return isWrite && isBefore(a, b) && known.some((version) => mentionedByOutcome(b).includes(version));
}

/** A register, and the versions it may go on with. */
interface RegisterState {
  readonly register: Register;
  readonly versions: readonly number[];
}

function canFinish(
  left: readonly Operation[],
  { register, versions }: RegisterState,
): boolean {
  if (left.every(({ outcome }) => outcome.kind === "unknown")) return true;
  return left.some((operation) => {
    if (left.some((other) => other !== operation && isBefore(other, operation))) return false;
    const rest = left.filter((other) => other !== operation);
    return results(operation, register, versions).some((after) =>
      canFinish(rest, { register: after, versions })
    );
  });
}

function isBefore(a: Operation, b: Operation): boolean {
  return a.outcome.kind !== "unknown" && a.returnedAt < b.invokedAt;
}

/** What the register may be after the operation; nothing if it cannot have had its outcome. */
function results(operation: Operation, register: Register, versions: readonly number[]): Register[] {
  const { action, outcome } = operation;
  const { value, version } = register;
  const current = value === undefined ? 0 : version;
  switch (outcome.kind) {
    case "found":
      return value === outcome.value && (outcome.version === undefined || outcome.version === version)
        ? [register]
        : [];
    case "absent":
      return value === undefined ? [register] : [];
    case "refused":
      return current === outcome.currentVersion && !holds(conditionOf(action), current) ? [register] : [];
    case "deleted":
      if (outcome.existed !== (value !== undefined)) return [];
      return changes(operation, register, [outcome.version]);
    case "written":
      return changes(operation, register, [outcome.version]);
    case "incremented":
      return changes(operation, register, told(outcome.version, { version, versions }))
        .filter((after) => after.value === outcome.value);
    case "notANumber":
      if (action.kind !== "increment" || valueAfter(action, value) !== "impossible") return [];
      return holds(action.condition, current) ? [register] : [];
    case "unknown":
      return [register, ...changes(operation, register, told(undefined, { version, versions }))];
    case "failed":
      return [];
  }
}

/** The versions that a write may have got: the one that was told, or any. */
function told(
  version: number | undefined,
  any: { readonly version: number; readonly versions: readonly number[] },
): readonly number[] {
  return version === undefined ? [...any.versions, any.version + FRESH] : [version];
}

function changes({ action }: Operation, register: Register, versions: readonly number[]): Register[] {
  if (action.kind === "get") return [];
  const { value, version } = register;
  if (action.kind === "expire") return value === action.value ? [{ value: undefined, version }] : [];
  if (!holds(action.condition, value === undefined ? 0 : version)) return [];
  const mustGrow = action.condition?.kind === "version" && value !== undefined;
  const after = valueAfter(action, value);
  if (after === "impossible") return [];
  return versions.filter((next) => mustGrow ? next > version : next >= version)
    .map((next) => ({ value: after, version: next }));
}

function valueAfter(
  action: WriteAction,
  value: string | undefined,
): string | undefined {
  if (action.kind === "put") return action.value;
  if (action.kind === "delete") return undefined;
  const before = Number(value ?? "0");
  return Number.isInteger(before) ? String(before + action.by) : "impossible";
}

function holds(condition: Condition | undefined, current: number): boolean {
  if (condition === undefined) return true;
  if (condition.kind === "exists") return current > 0;
  return current === (condition.kind === "absent" ? 0 : condition.version);
}

function mentionedVersions(operation: Operation): number[] {
  const condition = conditionOf(operation.action);
  const wanted = condition?.kind === "version" && condition.version > 0 ? [condition.version] : [];
  return [...wanted, ...mentionedByOutcome(operation)];
}

function mentionedByOutcome({ outcome }: Operation): number[] {
  switch (outcome.kind) {
    case "written":
    case "deleted":
      return [outcome.version];
    case "found":
    case "incremented":
      return outcome.version === undefined ? [] : [outcome.version];
    case "refused":
      return outcome.currentVersion === 0 ? [] : [outcome.currentVersion];
    default:
      return [];
  }
}
