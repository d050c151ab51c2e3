/**
 * `deno task server --node-id 1`: one node in this process, until SIGINT or SIGTERM.
 *
 * Exit code 0 after a clean stop, 2 when it cannot start as asked, 1 when the log can no longer be written.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { unreachable } from "../raft/mod.ts";
import { VERSION } from "./api/mod.ts";
import {
  ConfigError,
  ConfigNotice,
  type LoggingAsked,
  loggingAsked,
  parseConfig,
  type ServerConfig,
} from "./config/mod.ts";
import { configureLogging, writeStartError } from "./logging.ts";
import type { NodeEnd } from "./node/mod.ts";
import { Server } from "./server.ts";
import { startErrorText } from "./start_error.ts";

const EXIT_UNUSABLE = 2;
const EXIT_FATAL = 1;

const logger = getLogger(["prkdb", "server"]);

// Bundled, every module has the `import.meta` of the entry, so the name counts too.
if (import.meta.main && import.meta.url.endsWith("/main.ts")) await runNode(Deno.args);

/** Starts a node as `args` say and returns when it serves. */
export async function runNode(args: readonly string[]): Promise<void> {
  const config = configOrExit(args);
  configureLogging(config);
  for (const warning of config.warnings) logger.warn("{warning}", { warning });
  const server = await startOrExit(config);
  void server.node.ended.then((end) => endAs(end, server));
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => void stopAndExit(server));
  }
  // Last: a program that reads it may stop the node at once.
  printStart(server);
}

function configOrExit(args: readonly string[]): ServerConfig {
  try {
    return parseConfig(args);
  } catch (error) {
    if (error instanceof ConfigNotice) {
      console.log(error.message);
      Deno.exit(0);
    }
    if (error instanceof ConfigError) refuse(error.message, loggingAsked(args));
    throw error;
  }
}

async function startOrExit(config: ServerConfig): Promise<Server> {
  try {
    return await Server.start(config);
  } catch (error) {
    refuse(startErrorText(error, config), config);
  }
}

async function endAs(end: NodeEnd, server: Server): Promise<void> {
  switch (end.kind) {
    case "fatal":
      return exitFatally(end.error);
    case "removed":
      // The others know already: nothing here is needed any more.
      logger.warn("This node was removed from its cluster and stops");
      return await stopAndExit(server);
    default:
      return unreachable(end);
  }
}

/** A failed write or sync is never retried: only recovery can tell what is on the disk. */
function exitFatally(error: unknown): never {
  logger.fatal("Cannot go on: {reason}", { reason: error instanceof Error ? error.message : String(error) });
  Deno.exit(EXIT_FATAL);
}

function refuse(message: string, logging: LoggingAsked): never {
  writeStartError(message, logging);
  Deno.exit(EXIT_UNUSABLE);
}

async function stopAndExit(server: Server): Promise<void> {
  try {
    await server.stop();
  } catch (error) {
    exitFatally(error);
  }
  Deno.exit(0);
}

function printStart(server: Server): void {
  const { nodeId, dataDirectory } = server.config;
  const { nodes, partitions } = server.node.metadata();
  const size = new Set([...nodes.map((node) => node.nodeId), nodeId]).size;
  console.log(
    `prkdb ${VERSION}: node ${nodeId} serves http://${server.address}, ` +
      `metrics http://${server.opsAddress}/metrics, ${counted(size, "node")}, ` +
      `${counted(partitions.length, "partition")}, data in ${dataDirectory}`,
  );
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
