/**
 * How a node would log that does not get as far as having a configuration: a wrong flag is told in the format
 * that the other flags ask for.
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";
import type { LogFormat } from "./flags.ts";

/** What is asked for, as far as it can be understood. */
export interface LoggingAsked {
  /** `undefined` if it is missing or wrong. */
  readonly nodeId: NodeId | undefined;
  readonly logFormat: LogFormat;
}

/** Looks at nothing but the two flags, and their variables in the environment. */
export function loggingAsked(args: readonly string[]): LoggingAsked {
  const nodeId = valueOf("--node-id", args) ?? Deno.env.get("PRKDB_NODE_ID") ?? "";
  const logFormat = valueOf("--log-format", args) ?? Deno.env.get("PRKDB_LOG_FORMAT");
  return {
    nodeId: /^[1-9]\d{0,9}$/.test(nodeId) ? Number(nodeId) : undefined,
    logFormat: logFormat === "json" ? "json" : "text",
  };
}

/** What is written last counts. */
function valueOf(flag: string, args: readonly string[]): string | undefined {
  let value: string | undefined;
  for (const [at, arg] of args.entries()) {
    if (arg === flag) value = args[at + 1];
    else if (arg.startsWith(`${flag}=`)) value = arg.slice(flag.length + 1);
  }
  return value;
}
