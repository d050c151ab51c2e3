/**
 * The log of a node's process: to standard error, as text or as JSON, one line each, with the node's id in
 * every line. Standard output has the start-up line only.
 *
 * ```
 * 2026-11-26 11:42:07.031 +00:00 [WRN] node 2: Stream to node 3 is lost: what was sent is not answered
 * {"@timestamp":"…","level":"WARN","message":"Stream to …","logger":"prkdb.server","node":2,"peer":3, …}
 * ```
 *
 * The line that says why a node does not start has no time and no level as text, for whoever typed the
 * command; as JSON it is a line like the others, for whatever reads them.
 *
 * A line that repeats itself is bounded: of each kind a few within a while, then how many were left out.
 *
 * @module
 */

import {
  compareLogLevel,
  configureSync,
  type Filter,
  getJsonLinesFormatter,
  getLogger,
  getTextFormatter,
  getThrottlingFilter,
  type LogLevel,
  type LogRecord,
  type TextFormatter,
  type ThrottlingFilterSummary,
} from "@logtape/logtape";
import type { LoggingAsked, ServerConfig } from "./config/mod.ts";

/** Lines of one kind within {@linkcode WINDOW_MS}; a cluster has some peers, and each may have news. */
const LINES_MAX = 20;
const WINDOW_MS = 60_000;

/** How a process logs. */
export type LoggingOptions = Pick<ServerConfig, "nodeId" | "logLevel" | "logFormat">;

/** From now on the process logs so. */
export function configureLogging(options: LoggingOptions): void {
  const { nodeId, logFormat, logLevel } = options;
  const format = logFormat === "json" ? jsonFormatter(nodeId) : textFormatter(nodeId);
  const encoder = new TextEncoder();
  const standardError = (record: LogRecord) => {
    writeAll(encoder.encode(format({ ...record, message: [messageOf(record)] })));
  };
  configureSync({
    sinks: { standardError },
    filters: { bounded: boundedRepeats(logLevel) },
    loggers: [
      {
        category: "prkdb",
        lowestLevel: logLevel,
        sinks: ["standardError"],
        // At this level nothing is left out.
        filters: logLevel === "debug" ? [] : ["bounded"],
      },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["standardError"] },
    ],
  });
}

/** Writes the line that says why the node does not start, in the format of its log. */
export function writeStartError(message: string, { nodeId, logFormat }: LoggingAsked): void {
  const record: LogRecord = {
    category: ["prkdb", "server"],
    level: "fatal",
    message: [message],
    rawMessage: message,
    timestamp: Date.now(),
    properties: {},
  };
  const said = messageOf(record);
  const line = logFormat === "text"
    ? `prkdb: ${said}\n`
    : jsonFormatter(nodeId)({ ...record, message: [said] });
  writeAll(new TextEncoder().encode(line));
}

/** Filters come before levels: what would not be written must not count, nor be told as left out. */
function boundedRepeats(lowest: LogLevel): Filter {
  const bounded = getThrottlingFilter({
    limit: LINES_MAX,
    windowMs: WINDOW_MS,
    summary: { logger: getLogger(["prkdb", "log"]), message: leftOut },
  });
  return (record) => compareLogLevel(record.level, lowest) >= 0 && bounded(record);
}

function leftOut({ suppressed, lastRecord }: ThrottlingFilterSummary): string {
  const said = messageOf(lastRecord).replaceAll("{", "{{").replaceAll("}", "}}");
  return `${suppressed} more lines of a kind were left out, the last one: ${said}`;
}

/**
 * What is said, in one line: texts as they are, for people, and without control characters, which peers and
 * callers may have put into what they say.
 */
function messageOf({ message }: LogRecord): string {
  const parts = message.map((part) =>
    typeof part === "string" ? part : part instanceof Error ? part.message : Deno.inspect(part)
  );
  return parts.join("").replaceAll(/\p{Cc}+/gu, " ");
}

function textFormatter(nodeId: number): TextFormatter {
  return getTextFormatter({
    timestamp: "date-time-tz",
    format: ({ timestamp, level, message }) => `${timestamp} [${level}] node ${nodeId}: ${message}`,
  });
}

/** @param nodeId `undefined` while it is not known */
function jsonFormatter(nodeId: number | undefined): TextFormatter {
  const format = getJsonLinesFormatter({ properties: "flatten" });
  const own = nodeId === undefined ? {} : { node: nodeId };
  return (record) => format({ ...record, properties: { ...own, ...record.properties } });
}

/** At once: what is logged right before the process ends must not be lost. */
function writeAll(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += Deno.stderr.writeSync(bytes.subarray(at));
}
