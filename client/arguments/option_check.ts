/**
 * Checks of the objects in which callers hand in options. TypeScript finds a misspelt option; plain
 * JavaScript does not, and an option that is passed over can cost data: a misspelt `precondition` would write
 * unconditionally. So every name that is not known is refused, as is an option of the wrong kind.
 *
 * Calls with options are checked each time, so it does no more than go once through the names that are there.
 *
 * @module
 */

import { checkNames, describeKind, type OptionNames } from "./object_check.ts";
import type {
  CallOptions,
  ClientOptions,
  DeleteOptions,
  GetOptions,
  IncrementOptions,
  PutOptions,
  ReadOptions,
} from "./options.ts";

/** What the compiler holds to be all options of `T`. */
type EachOf<T> = { readonly [name in keyof T]-?: true };

/** The names of all options of `T`. */
export function optionNames<T>(names: EachOf<T>): OptionNames {
  return new Set(Object.keys(names));
}

/** What a call without options is given. Known by identity, so that it costs no check. */
export const NO_OPTIONS: Readonly<Record<string, never>> = Object.freeze({});

const EACH_CALL: EachOf<CallOptions> = { signal: true, timeoutMs: true };

/** Of every call. */
export const CALL_OPTIONS: OptionNames = optionNames<CallOptions>(EACH_CALL);
/** Of a `delete`. */
export const DELETE_OPTIONS: OptionNames = optionNames<DeleteOptions>({ ...EACH_CALL, precondition: true });
/** Of a `put`. */
export const PUT_OPTIONS: OptionNames = optionNames<PutOptions>({
  ...EACH_CALL,
  precondition: true,
  ttlMs: true,
});
/** Of an `increment`. */
export const INCREMENT_OPTIONS: OptionNames = optionNames<IncrementOptions>({
  ...EACH_CALL,
  precondition: true,
  ttlMs: true,
});
/** Of a read of several keys. */
export const READ_OPTIONS: OptionNames = optionNames<ReadOptions>({ ...EACH_CALL, consistency: true });
/** Of a read of one key. */
export const GET_OPTIONS: OptionNames = optionNames<GetOptions>({
  ...EACH_CALL,
  consistency: true,
  maxStalenessMs: true,
});

const CLIENT_OPTIONS = optionNames<ClientOptions>({
  timeoutMs: true,
  attempts: true,
  batchesInFlight: true,
  headers: true,
  caller: true,
  clock: true,
  random: true,
});

/**
 * Refuses what is no object with options of a call, all of them known.
 *
 * @throws {TypeError} which names the option
 */
export function checkCallOptions(options: CallOptions, known: OptionNames): void {
  if (options === NO_OPTIONS) return;
  checkNames(options, { known, what: "options" });
  const { signal } = options;
  if (signal === undefined) return;
  // Any signal that behaves like one, because pages and test environments bring classes of their own.
  if (signal !== null && typeof signal.aborted === "boolean") return;
  throw new TypeError(`Cannot use signal: it must be an AbortSignal, it is ${describeKind(signal)}`);
}

/**
 * Refuses what a client cannot be made with; numbers are checked where they are used.
 *
 * @throws {TypeError} which names the option
 */
export function checkClientOptions(options: ClientOptions): void {
  checkNames(options, { known: CLIENT_OPTIONS, what: "options" });
  const { caller, clock, headers, random } = options;
  if (headers !== undefined) checkHeaders(headers);
  if (caller !== undefined) checkMethods(caller, { name: "caller", methods: ["call"] });
  if (clock !== undefined) checkMethods(clock, { name: "clock", methods: ["now", "after"] });
  if (random !== undefined && typeof random !== "function") {
    throw new TypeError(`Cannot use random: it must be a function, it is ${describeKind(random)}`);
  }
}

interface WantedMethods {
  readonly name: string;
  readonly methods: readonly string[];
}

function checkMethods(value: unknown, { name, methods }: WantedMethods): void {
  const isObject = typeof value === "object" && value !== null;
  const missing = methods.find((method) => !isObject || typeof Reflect.get(value, method) !== "function");
  if (missing === undefined) return;
  throw new TypeError(
    `Cannot use ${name}: it must be an object with the method ${missing}, it is ${describeKind(value)}`,
  );
}

/** Their names are sent by every call, where a wrong one would pass for a cluster that is not reached. */
function checkHeaders(headers: unknown): void {
  const isIterable = typeof headers === "object" && headers !== null && Symbol.iterator in headers;
  if (typeof headers !== "object" || headers === null || isIterable) {
    const kind = isIterable ? "a list" : describeKind(headers);
    throw new TypeError(`Cannot use headers: it must be a plain object of names and texts, it is ${kind}`);
  }
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== "string") {
      throw new TypeError(`Cannot use headers: "${name}" must be a string, it is ${describeKind(value)}`);
    }
    try {
      new Headers([[name, value]]);
    } catch (cause) {
      throw new TypeError(`Cannot use headers: HTTP does not allow the name or value of "${name}"`, {
        cause,
      });
    }
  }
}
