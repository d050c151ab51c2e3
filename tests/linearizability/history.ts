/**
 * What clients asked of a cluster and what they were told, as plain data: the checkers' only input. Keys and
 * values are text, so that histories can be written down, compared and printed.
 *
 * An operation is taken to happen at one instant between `invokedAt` and `returnedAt`. Times may be of any
 * one clock that all operations share; two events at the same time count as concurrent.
 *
 * @module
 */

/** What must hold for a write to be applied; version 0 is the same as `absent`. */
export type Condition =
  | { readonly kind: "absent" }
  | { readonly kind: "version"; readonly version: number }
  | { readonly kind: "exists" };

/** What was asked. */
export type RegisterAction =
  | { readonly kind: "put"; readonly value: string; readonly condition?: Condition | undefined }
  | { readonly kind: "delete"; readonly condition?: Condition | undefined }
  /** Adds to the number that the key holds as decimal text, 0 where there is no such key. */
  | { readonly kind: "increment"; readonly by: number; readonly condition?: Condition | undefined }
  | { readonly kind: "get" }
  /**
   * Nobody asks for it: the key is removed by its time, if it holds the `value` of the put that set the time.
   * It is called when that may happen at the earliest, and its outcome is unknown: it may never happen.
   */
  | { readonly kind: "expire"; readonly value: string };

/** What was asked that may hang on a condition. */
export type WriteAction = Exclude<RegisterAction, { readonly kind: "get" | "expire" }>;

/** The condition of a write; reads and expiries have none. */
export function conditionOf(action: RegisterAction): Condition | undefined {
  return action.kind === "get" || action.kind === "expire" ? undefined : action.condition;
}

/** What a read was told. */
export type Reading =
  /** `version` is missing where the call tells values only. */
  | { readonly kind: "found"; readonly value: string; readonly version?: number | undefined }
  | { readonly kind: "absent" };

/** What came of it. */
export type OperationOutcome =
  | Reading
  /** Of a put. */
  | { readonly kind: "written"; readonly version: number }
  /** Of a delete. */
  | { readonly kind: "deleted"; readonly existed: boolean; readonly version: number }
  /** Of an increment: the new number; `version` is missing where the call tells numbers only. */
  | { readonly kind: "incremented"; readonly value: string; readonly version?: number | undefined }
  /** Of an increment: the key held no number. Nothing was changed. */
  | { readonly kind: "notANumber" }
  /** The condition did not hold: the key was at `currentVersion`, 0 for no such key. Nothing was changed. */
  | { readonly kind: "refused"; readonly currentVersion: number }
  /** No answer, or one that leaves it open: it may take effect at any time after `invokedAt`, or never. */
  | { readonly kind: "unknown" }
  /** It certainly never took effect. */
  | { readonly kind: "failed" };

/** One call by one client about one key. */
export interface Operation {
  readonly client: number;
  readonly key: string;
  readonly action: RegisterAction;
  readonly outcome: OperationOutcome;
  readonly invokedAt: number;
  /** Not before `invokedAt`. Has no meaning where the outcome is `unknown`. */
  readonly returnedAt: number;
}

/** Operations in any order. Every key is absent at the beginning. */
export type History = readonly Operation[];

/** The operations of each key, keys in the order of their first operation. */
export function partitionByKey(history: History): ReadonlyMap<string, readonly Operation[]> {
  const byKey = new Map<string, Operation[]>();
  for (const operation of history) {
    const operations = byKey.get(operation.key);
    if (operations === undefined) byKey.set(operation.key, [operation]);
    else operations.push(operation);
  }
  return byKey;
}

/** The time after which it cannot take effect any more. */
export function endOf({ outcome, returnedAt }: Operation): number {
  return outcome.kind === "unknown" ? Infinity : returnedAt;
}

/** The operation on one line, for people. */
export function describeOperation(operation: Operation): string {
  const { client, invokedAt, returnedAt, outcome } = operation;
  const end = outcome.kind === "unknown" ? "…" : String(returnedAt);
  return `client ${client} ${describeAction(operation.action)} → ${
    describeOutcome(outcome)
  } [${invokedAt} to ${end}]`;
}

function describeAction(action: RegisterAction): string {
  switch (action.kind) {
    case "put":
      return `put ${JSON.stringify(action.value)}${describeCondition(action.condition)}`;
    case "delete":
      return `delete${describeCondition(action.condition)}`;
    case "increment":
      return `increment by ${action.by}${describeCondition(action.condition)}`;
    case "get":
      return "get";
    case "expire":
      return `expiry of ${JSON.stringify(action.value)}`;
    default:
      return unreachableCase(action);
  }
}

function describeCondition(condition: Condition | undefined): string {
  if (condition === undefined) return "";
  return condition.kind === "version" ? ` if at version ${condition.version}` : ` if ${condition.kind}`;
}

function describeOutcome(outcome: OperationOutcome): string {
  switch (outcome.kind) {
    case "found": {
      const at = outcome.version === undefined ? "" : ` at version ${outcome.version}`;
      return `${JSON.stringify(outcome.value)}${at}`;
    }
    case "absent":
      return "no such key";
    case "written":
      return `written at version ${outcome.version}`;
    case "deleted":
      return `${outcome.existed ? "deleted" : "nothing to delete"} at version ${outcome.version}`;
    case "incremented":
      return outcome.version === undefined ? outcome.value : `${outcome.value} at version ${outcome.version}`;
    case "notANumber":
      return "no number";
    case "refused":
      return `refused at version ${outcome.currentVersion}`;
    case "unknown":
    case "failed":
      return outcome.kind;
    default:
      return unreachableCase(outcome);
  }
}

/** Ends a `switch` over a union, so that a forgotten case does not compile. */
export function unreachableCase(value: never): never {
  throw new Error(`Unhandled case: ${JSON.stringify(value)}`);
}
