/**
 * What one key may do: a register with version numbers, which adds to its value where that is a number, as
 * the contract promises it. `apply` says whether an operation could have had its outcome in a given state,
 * and what the state is afterwards.
 *
 * The version a write got is not known when its answer was lost. The state then has a version that is only
 * known to be at least `floor`, until some later answer tells it:
 *
 * ```
 * version 4 ── put "b", no answer ──▶ "b" at ≥ 4 ── get → "b" at version 9 ──▶ "b" at 9
 * ```
 *
 * Versions never go down. They may stay the same from one write to the next, because a client joins writes
 * that run at the same time into one batch, which has one version; see `versions.ts` for what must hold
 * beyond that.
 *
 * @module
 */

import {
  type Condition,
  conditionOf,
  type Operation,
  type OperationOutcome,
  type RegisterAction,
  unreachableCase,
} from "./history.ts";

/** What a key holds. Invariant: `version`, where known, equals `floor`. */
export interface State {
  /** `undefined` for no such key. */
  readonly value: string | undefined;
  /** `undefined` where not known, and where there is no such key. */
  readonly version: number | undefined;
  /** The least version the next write can get. */
  readonly floor: number;
}

/** Before anything has happened. */
export const INITIAL: State = { value: undefined, version: undefined, floor: 0 };

/** Whether two states are the same. */
export function isSameState(a: State, b: State): boolean {
  return a.value === b.value && a.version === b.version && a.floor === b.floor;
}

/**
 * The state after the operation; the same object when it changes nothing and adds no knowledge; `undefined`
 * when it could not have had its outcome in `state`. With the outcome `unknown`: the state after it has taken
 * effect.
 */
export function apply(
  state: State,
  { action, outcome }: Pick<Operation, "action" | "outcome">,
): State | undefined {
  switch (outcome.kind) {
    case "found":
      return state.value === outcome.value ? pinned(state, outcome.version) : undefined;
    case "absent":
      return state.value === undefined ? state : undefined;
    case "written":
      return written(state, action, outcome.version);
    case "deleted":
      return deleted(state, action, outcome);
    case "incremented":
      return incremented(state, action, outcome);
    case "notANumber":
      return notANumber(state, action);
    case "refused":
      return refused(state, action, outcome.currentVersion);
    case "unknown":
      return takenEffect(state, action);
    case "failed":
      return undefined;
    default:
      return unreachableCase(outcome);
  }
}

/** Whether the operation fits any state and leaves nothing of it but its floor. */
export function isBlind({ action, outcome }: Pick<Operation, "action" | "outcome">): boolean {
  if (conditionOf(action) !== undefined) return false;
  return action.kind === "put" || (action.kind === "delete" && outcome.kind === "unknown");
}

/** Whether `value` is a number, which an increment may have written. */
export function isNumber(value: string): boolean {
  return /^(?:0|-?[1-9]\d{0,18})$/.test(value);
}

/** The version the key is at during or right after the operation, where its answer tells it. */
export function versionTold(outcome: OperationOutcome): number | undefined {
  switch (outcome.kind) {
    case "found":
    case "written":
    case "deleted":
    case "incremented":
      return outcome.version;
    case "refused":
      return outcome.currentVersion === 0 ? undefined : outcome.currentVersion;
    default:
      return undefined;
  }
}

function written(state: State, action: RegisterAction, version: number): State | undefined {
  if (action.kind !== "put") return undefined;
  const before = meeting(state, action.condition);
  if (before === undefined || version < before.floor) return undefined;
  return { value: action.value, version, floor: version };
}

function deleted(
  state: State,
  action: RegisterAction,
  { existed, version }: Extract<OperationOutcome, { readonly kind: "deleted" }>,
): State | undefined {
  if (action.kind !== "delete" || existed !== (state.value !== undefined)) return undefined;
  const before = meeting(state, action.condition);
  if (before === undefined || version < before.floor) return undefined;
  return { value: undefined, version: undefined, floor: version };
}

function incremented(
  state: State,
  action: RegisterAction,
  { value, version }: Extract<OperationOutcome, { readonly kind: "incremented" }>,
): State | undefined {
  if (action.kind !== "increment" || sumOf(state, action.by) !== value) return undefined;
  const before = meeting(state, action.condition);
  if (before === undefined) return undefined;
  if (version === undefined) return { value, version, floor: before.floor };
  return version < before.floor ? undefined : { value, version, floor: version };
}

function notANumber(state: State, action: RegisterAction): State | undefined {
  if (action.kind !== "increment" || sumOf(state, action.by) !== undefined) return undefined;
  const { condition } = action;
  if (condition?.kind === "version") return pinned(state, condition.version);
  return condition?.kind === "absent" ? undefined : state;
}

/** The new number, `undefined` when the key holds none or it would have more than 64 bits. */
function sumOf({ value = "0" }: State, by: number): string | undefined {
  if (!isNumber(value)) return undefined;
  const sum = BigInt(value) + BigInt(by);
  return sum === BigInt.asIntN(64, sum) ? String(sum) : undefined;
}

function refused(state: State, action: RegisterAction, currentVersion: number): State | undefined {
  const condition = conditionOf(action);
  if (condition === undefined) return undefined;
  const isMet = condition.kind === "exists"
    ? currentVersion > 0
    : currentVersion === wantedVersion(condition);
  if (isMet) return undefined;
  if (currentVersion === 0) return state.value === undefined ? state : undefined;
  return state.value === undefined ? undefined : pinned(state, currentVersion);
}

/**
 * A delete of nothing, an increment of what is no number, and the expiry of a value that is not there leave
 * everything as it is, so it need not take effect.
 */
function takenEffect(state: State, action: RegisterAction): State | undefined {
  if (action.kind === "get") return undefined;
  if (action.kind === "expire") {
    return state.value === action.value ? { ...state, value: undefined, version: undefined } : undefined;
  }
  const before = meeting(state, action.condition);
  if (before === undefined) return undefined;
  if (action.kind === "put") return { value: action.value, version: undefined, floor: before.floor };
  if (action.kind === "increment") {
    const value = sumOf(state, action.by);
    return value === undefined ? undefined : { value, version: undefined, floor: before.floor };
  }
  if (state.value === undefined) return undefined;
  return { value: undefined, version: undefined, floor: before.floor };
}

/** The state if the condition holds in it, with a floor above the version that was asked for. */
function meeting(state: State, condition: Condition | undefined): State | undefined {
  if (condition === undefined) return state;
  if (condition.kind === "exists") return state.value === undefined ? undefined : state;
  const wanted = wantedVersion(condition);
  if (wanted === 0) return state.value === undefined ? state : undefined;
  if (state.value === undefined) return undefined;
  const known = pinned(state, wanted);
  return known === undefined ? undefined : { ...known, floor: wanted + 1 };
}

function wantedVersion(condition: Exclude<Condition, { readonly kind: "exists" }>): number {
  return condition.kind === "absent" ? 0 : condition.version;
}

/** The state of an existing key, now known to be at `version`. */
function pinned(state: State, version: number | undefined): State | undefined {
  if (version === undefined) return state;
  if (state.version !== undefined) return state.version === version ? state : undefined;
  return version < state.floor ? undefined : { ...state, version, floor: version };
}
