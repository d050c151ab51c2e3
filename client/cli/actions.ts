/**
 * What each command does once the client is connected.
 *
 * @module
 */

import type { Consistency, NodeReport, PreconditionOption } from "../mod.ts";
import type { ActionContext, CliAction } from "./context.ts";
import { type TimeToLive, ttlMsOf } from "./duration.ts";
import { type Encoding, formatBytes, parseBytes, tryText } from "./encoding.ts";
import { print, printJson, printLine } from "./output.ts";

/** Options of writes. */
export interface CliWriteOptions extends TimeToLive {
  readonly ifAbsent?: boolean;
  readonly ifExists?: boolean;
  readonly ifVersion?: number;
}

/** Options of reads. */
export interface CliReadOptions {
  readonly stale?: boolean;
  readonly follower?: boolean;
  readonly raw?: boolean;
}

/** Sets a key and prints its version. */
export function putKey(key: string, value: string, options: CliWriteOptions): CliAction {
  return async (context) => {
    const keyBytes = parseBytes(key, context.encoding);
    const bytes = value === "-" ? await context.readInput() : parseBytes(value, context.encoding);
    const precondition = preconditionOf(options);
    const limits = { ttlMs: ttlMsOf(options), precondition, timeoutMs: context.leftMs() };
    const { version } = await context.client.put(keyBytes, bytes, limits);
    print(context, { json: { key, version }, text: `version ${version}` });
    return 0;
  };
}

/** Removes a key; removing one that does not exist is fine, and said. */
export function deleteKey(key: string, options: CliWriteOptions): CliAction {
  return async (context) => {
    const keyBytes = parseBytes(key, context.encoding);
    const precondition = preconditionOf(options);
    const limits = { precondition, timeoutMs: context.leftMs() };
    const { existed, version } = await context.client.delete(keyBytes, limits);
    print(context, { json: { key, existed, version }, text: existed ? "deleted" : "no such key" });
    return 0;
  };
}

/** Adds to a number and prints the new one; `by` is a whole number in decimal text. */
export function incrementKey(key: string, by: string, options: CliWriteOptions): CliAction {
  return async (context) => {
    const keyBytes = parseBytes(key, context.encoding);
    const precondition = preconditionOf(options);
    const limits = { ttlMs: ttlMsOf(options), precondition, timeoutMs: context.leftMs() };
    const number = await context.client.increment(keyBytes, BigInt(by), limits);
    // As text in JSON, too: few readers of JSON have numbers of 64 bits.
    print(context, { json: { key, value: String(number) }, text: String(number) });
    return 0;
  };
}

/** Prints a value, or says on standard error that there is none. */
export function getKey(key: string, options: CliReadOptions): CliAction {
  return async (context) => {
    const keyBytes = parseBytes(key, context.encoding);
    const limits = { consistency: consistencyOf(options), timeoutMs: context.leftMs() };
    const entry = await context.client.getEntry(keyBytes, limits);
    if (entry === undefined) {
      if (context.json) printJson(context, jsonEntry({ key, value: undefined }, context.encoding));
      return tellMissing([key], context);
    }
    if (options.raw) context.writeOutput(entry.value);
    else if (context.json) printJson(context, jsonEntry({ key, ...entry }, context.encoding));
    else printLine(context, formatBytes(entry.value, context.encoding, `the value of ${key}`));
    return 0;
  };
}

/**
 * Prints the values that exist; as JSON, those that do not as `null`. What is missing is said on standard
 * error.
 */
export function getMany(keys: readonly string[], options: CliReadOptions): CliAction {
  return async (context) => {
    const keyBytes = keys.map((key) => parseBytes(key, context.encoding));
    const limits = { consistency: consistencyOf(options), timeoutMs: context.leftMs() };
    const values = await context.client.getMany(keyBytes, limits);
    const entries = keys.map((key, position) => ({ key, value: values[position] }));
    if (context.json) printJson(context, entries.map((entry) => jsonEntry(entry, context.encoding)));
    else printEntries(context, entries);
    const missing = entries.filter(({ value }) => value === undefined).map(({ key }) => key);
    return missing.length === 0 ? 0 : tellMissing(missing, context);
  };
}

/** Of reads, a key that is not there is a line on standard error and the exit code. */
function tellMissing(keys: readonly string[], context: ActionContext): number {
  for (const key of keys) context.writeError(`prkdb: no such key: ${key}\n`);
  return 1;
}

/** What is printed of a key. */
interface FoundEntry {
  readonly key: string;
  /** `undefined`: no such key. */
  readonly value: Uint8Array | undefined;
  readonly version?: number;
  /** `undefined`: never, or not asked for. Left out of JSON then. */
  readonly expiresAtMs?: number | undefined;
}

function printEntries(context: ActionContext, entries: readonly FoundEntry[]): void {
  const lines = entries.flatMap(({ key, value }) =>
    value === undefined ? [] : [`${key}\t${formatBytes(value, context.encoding, `the value of ${key}`)}`]
  );
  if (lines.length > 0) printLine(context, lines.join("\n"));
}

/** A value that is no text stands in another field, so that no text can be taken for it. */
function jsonEntry({ key, value, version, expiresAtMs }: FoundEntry, encoding: Encoding): unknown {
  if (value === undefined) return { key, value: null };
  const text = encoding === "text" ? tryText(value) : formatBytes(value, encoding, key);
  return text === undefined
    ? { key, valueBase64: formatBytes(value, "base64", key), version, expiresAtMs }
    : { key, value: text, version, expiresAtMs };
}

/** Prints a table of nodes and replicas; exit code 1 when a node does not answer. */
export async function showStatus(context: ActionContext): Promise<number> {
  const reports = await context.client.status({ timeoutMs: context.leftMs() });
  print(context, { json: reports, text: reports.flatMap(linesOf).join("\n") });
  return reports.every(({ kind }) => kind === "answered") ? 0 : 1;
}

function linesOf(report: NodeReport): readonly string[] {
  if (report.kind === "failed") {
    return [`${report.address}  ${report.isStarting ? "starting" : `unreachable: ${report.message}`}`];
  }
  const { nodeId, version, state, uptimeMs, replicas } = report.node;
  const seconds = Math.floor(uptimeMs / 1_000);
  const head = `${report.address}  node ${nodeId}  ${state}  version ${version}  up ${seconds} s`;
  const rows = replicas.map((replica) =>
    `  partition ${replica.partitionId}  ${replica.role.padEnd(9)}  term ${replica.term}  ` +
    `commit ${replica.commitIndex}  applied ${replica.appliedIndex}  keys ${replica.keyCount}`
  );
  return [head, ...rows];
}

function preconditionOf(
  { ifAbsent, ifExists, ifVersion }: CliWriteOptions,
): PreconditionOption | undefined {
  if (ifAbsent) return { absent: true };
  if (ifExists) return { exists: true };
  return ifVersion === undefined ? undefined : { version: ifVersion };
}

function consistencyOf({ stale, follower }: CliReadOptions): Consistency {
  if (stale) return "stale";
  return follower ? "follower" : "linearizable";
}
