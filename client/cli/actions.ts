/**
 * What each command does once the client is connected.
 *
 * @module
 */

import type { Consistency, NodeReport, PreconditionOption } from "../mod.ts";
import type { ActionContext, CliAction } from "./context.ts";
import { formatBytes, parseBytes } from "./encoding.ts";
import { print } from "./output.ts";

/** Options of writes. */
export interface CliWriteOptions {
  readonly ttlMs?: number;
  readonly ifAbsent?: boolean;
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
    const { version } = await context.client.put(keyBytes, bytes, { ttlMs: options.ttlMs, precondition });
    print(context, { json: { key, version }, text: `version ${version}` });
    return 0;
  };
}

/** Removes a key; removing one that does not exist is fine, and said. */
export function deleteKey(key: string, options: CliWriteOptions): CliAction {
  return async (context) => {
    const keyBytes = parseBytes(key, context.encoding);
    const precondition = preconditionOf(options);
    const { existed, version } = await context.client.delete(keyBytes, { precondition });
    print(context, { json: { key, existed, version }, text: existed ? "deleted" : "no such key" });
    return 0;
  };
}

/** Prints a value, or says on standard error that there is none. */
export function getKey(key: string, options: CliReadOptions): CliAction {
  return async (context) => {
    const keyBytes = parseBytes(key, context.encoding);
    const entry = await context.client.getEntry(keyBytes, { consistency: consistencyOf(options) });
    if (entry === undefined) {
      context.writeError(`prkdb: no such key: ${key}\n`);
      return 1;
    }
    if (options.raw) context.writeOutput(entry.value);
    else {
      const value = formatBytes(entry.value, context.encoding);
      print(context, { json: { key, value, version: entry.version }, text: value });
    }
    return 0;
  };
}

/** Prints the values that exist; as JSON, those that do not as `null`. */
export function getMany(keys: readonly string[], options: CliReadOptions): CliAction {
  return async (context) => {
    const keyBytes = keys.map((key) => parseBytes(key, context.encoding));
    const values = await context.client.getMany(keyBytes, { consistency: consistencyOf(options) });
    const results = keys.map((key, position) => {
      const value = values[position];
      return { key, value: value === undefined ? null : formatBytes(value, context.encoding) };
    });
    const found = results.filter(({ value }) => value !== null);
    print(context, { json: results, text: found.map(({ key, value }) => `${key}\t${value}`).join("\n") });
    return 0;
  };
}

/** Prints a table of nodes and replicas; exit code 1 when a node does not answer. */
export async function showStatus(context: ActionContext): Promise<number> {
  const reports = await context.client.status();
  print(context, { json: reports, text: reports.flatMap(linesOf).join("\n") });
  return reports.every(({ kind }) => kind === "answered") ? 0 : 1;
}

function linesOf(report: NodeReport): readonly string[] {
  if (report.kind === "failed") return [`${report.address}  unreachable: ${report.message}`];
  const { nodeId, version, state, uptimeMs, replicas } = report.node;
  const seconds = Math.floor(uptimeMs / 1_000);
  const head = `${report.address}  node ${nodeId}  ${state}  version ${version}  up ${seconds} s`;
  const rows = replicas.map((replica) =>
    `  partition ${replica.partitionId}  ${replica.role.padEnd(9)}  term ${replica.term}  ` +
    `commit ${replica.commitIndex}  applied ${replica.appliedIndex}  keys ${replica.keyCount}`
  );
  return [head, ...rows];
}

function preconditionOf({ ifAbsent, ifVersion }: CliWriteOptions): PreconditionOption | undefined {
  if (ifAbsent) return { absent: true };
  return ifVersion === undefined ? undefined : { version: ifVersion };
}

function consistencyOf({ stale, follower }: CliReadOptions): Consistency {
  if (stale) return "stale";
  return follower ? "follower" : "linearizable";
}
