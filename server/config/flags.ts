/**
 * The flags of a node as they are written, each also an environment variable: `--node-id` is `PRKDB_NODE_ID`.
 * What they mean together is decided in `config.ts`.
 *
 * @module
 */

import { Command, InvalidArgumentError, Option } from "commander";
import { NODE_ID_MAX, PARTITIONS_MAX, REPLICAS_MAX } from "../../proto/mod.ts";
import type { NodeId } from "../../raft/mod.ts";
import type { SyncPolicy } from "../../wal-wasm/mod.ts";
import { VERSION } from "../api/mod.ts";
import { MEMORY_BYTES_MIN } from "./machine_memory.ts";

const MEBIBYTE = 1024 * 1024;
const HEARTBEAT_MS_MIN = 10;
/** A follower must be able to miss some heartbeats before it stands for election. */
export const HEARTBEATS_PER_ELECTION_MIN = 3;
/** The highest port there is. */
export const PORT_MAX = 65_535;
/** Ten minutes: nobody waits longer for a node that is to stop. */
const STOP_MS_MAX = 600_000;
/** A day: for who wants no such limit. */
const HTTP_MS_MAX = 86_400_000;
/** Of memtables, and of the cache of blocks: less is no use. */
export const BUDGET_BYTES_MIN = MEBIBYTE;
const SECTOR_BYTES = 4_096;
const SEGMENT_MEBIBYTES_MIN = 1;
const SEGMENT_MEBIBYTES_MAX = 1_024;

/** They take some hundred megabytes. */
const STOPS_MAX = 1_000_000;

/** Values of an environment variable that leave a switch off. */
const OFF_VALUES: ReadonlySet<string> = new Set(["", "0", "false"]);

/** What the log leaves out. */
export type LogLevelName = "debug" | "info" | "warning" | "error";
/** How the log is written. */
export type LogFormat = "text" | "json";
/** Whether each partition has its own series among the metrics. */
export type MetricsPartitions = "each" | "aggregate";

/** Values of flags that are not given. */
export const DEFAULTS = {
  partitions: 9,
  /** Reached as soon as there are three nodes. */
  replicationFactor: 3,
  electionTimeoutMs: 1_000,
  heartbeatMs: 100,
  walSegmentBytes: 64 * MEBIBYTE,
  maxConnections: 10_000,
  maxStreams: 1_000,
  maxHeadBytes: 65_536,
  headTimeoutMs: 10_000,
  progressTimeoutMs: 30_000,
  idleTimeoutMs: 300_000,
  stopMs: 2_000,
} as const;

/** Wrong flags; the message is one line for standard error. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Help or the version was asked for: print `message` and exit with code 0. */
export class ConfigNotice extends Error {
  override readonly name = "ConfigNotice";
}

/** The flags that were given, with defaults filled in. */
export interface Flags {
  readonly nodeId: number;
  readonly host: string;
  readonly advertise?: string;
  readonly advertiseClient?: string;
  readonly grpcPort?: number;
  readonly clusterNodes?: ReadonlyMap<NodeId, string>;
  readonly dataDir?: string;
  readonly numPartitions?: number;
  readonly replicationFactor?: number;
  readonly join?: string;
  readonly metricsPort?: number;
  readonly electionTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly readLease?: boolean;
  readonly walSync: SyncPolicy;
  readonly walSegmentBytes: number;
  readonly memtableBytes?: number;
  readonly cacheBytes?: number;
  readonly memoryBytes?: number;
  readonly logMemoryBytes?: number;
  readonly corsOrigin: readonly string[];
  readonly insecure?: boolean;
  readonly drainMs: number;
  readonly stopMs: number;
  readonly maxConnections: number;
  readonly maxStreams: number;
  readonly maxHeadBytes: number;
  readonly headTimeoutMs: number;
  readonly progressTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly allowedHosts: readonly string[];
  readonly logLevel: LogLevelName;
  readonly logFormat: LogFormat;
  readonly metricsPartitions?: MetricsPartitions;
  readonly recordStops?: number;
}

/**
 * Reads flags and environment.
 *
 * @throws {ConfigError} for a flag that is unknown or out of its range
 * @throws {ConfigNotice} for `--help` and `--version`
 */
export function parseFlags(args: readonly string[]): Flags {
  let output = "";
  const command = createCommand()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output += text,
      writeErr: (text) => output += text,
      // Asked, commander would look at variables of the environment that a node may not read.
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  try {
    command.parse(aliased(args), { from: "user" });
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const isNotice = code === "commander.helpDisplayed" || code === "commander.version";
    if (isNotice) throw new ConfigNotice(output.trimEnd());
    throw new ConfigError(message.replace(/^error: /, "").split("\n")[0]!);
  }
  return command.opts<Flags>();
}

/** `--port` is another name of `--grpc-port`. */
function aliased(args: readonly string[]): string[] {
  return args.map((arg) => arg.replace(/^--port(?==|$)/, "--grpc-port"));
}

function createCommand(): Command {
  const command = new Command("prkdb-server")
    .description("One node of a prkdb cluster; alone it is a complete single-node database.")
    .version(VERSION)
    .allowExcessArguments(false);
  const options = [
    ...placeOptions(),
    ...portOptions(),
    ...clusterOptions(),
    ...logOptions(),
    ...observationOptions(),
  ];
  for (const option of options) command.addOption(option);
  return command;
}

/** The id of this node and where it is found. */
function placeOptions(): Option[] {
  const port = integer(0, PORT_MAX);
  return [
    flag("--node-id <n>", "the id of this node, 1 to 4294967295").argParser(integer(1, NODE_ID_MAX))
      .makeOptionMandatory(),
    flag("--host <address>", "where to listen").default("127.0.0.1"),
    flag("--advertise <host:port>", "where peers reach this node (default: where it listens)")
      .argParser(hostAndPort),
    flag("--advertise-client <url>", "where clients reach this node, http://host:port (default: as peers)")
      .argParser(clientUrl),
    flag("--grpc-port <port>", "Connect, gRPC-Web and peers; --port is the same (default: 50050 + node id)")
      .argParser(port),
    flag("--metrics-port <port>", "/metrics, /healthz and /readyz (default: 9090 + node id)").argParser(port),
    flag(
      "--data-dir <directory>",
      "where the node keeps its data, locked while in use (default: ./data/node-N)",
    ),
    flag("--cors-origin <origin...>", "origins whose pages may call this node (default: loopback origins)")
      .argParser(originList).default([]),
    flag(
      "--allowed-hosts <name...>",
      "host names under which this node may be called (default: those it advertises)",
    ).argParser(hostNameList)
      .default([]),
    flag(
      "--drain-ms <ms>",
      "how long a node that is to stop serves on while /readyz says that it is not ready",
    )
      .argParser(integer(0, STOP_MS_MAX)).default(0),
    flag("--stop-ms <ms>", "how long a node that stops waits for its connections to end")
      .argParser(integer(0, STOP_MS_MAX)).default(DEFAULTS.stopMs),
    flag("--insecure", "listen beyond loopback without encryption or tokens"),
  ];
}

/** What strangers may take of the two ports. */
function portOptions(): Option[] {
  const { maxConnections, maxStreams, maxHeadBytes, headTimeoutMs, progressTimeoutMs, idleTimeoutMs } =
    DEFAULTS;
  const ms = integer(100, HTTP_MS_MAX);
  return [
    flag("--max-connections <n>", "connections that each port holds at a time")
      .argParser(integer(16, 1_000_000)).default(maxConnections),
    flag("--max-streams <n>", "requests that a connection by HTTP/2 has open at a time")
      .argParser(integer(1, 100_000)).default(maxStreams),
    flag("--max-head-bytes <n>", "bytes of the head of a request")
      .argParser(integer(1_024, MEBIBYTE)).default(maxHeadBytes),
    flag(
      "--head-timeout-ms <ms>",
      "how long the head of a request may take, from accepting the connection on",
    )
      .argParser(ms).default(headTimeoutMs),
    flag("--progress-timeout-ms <ms>", "how long a body, or who reads an answer, may make no progress")
      .argParser(ms).default(progressTimeoutMs),
    flag("--idle-timeout-ms <ms>", "how long a connection may be open without a request")
      .argParser(ms).default(idleTimeoutMs),
  ];
}

/** Settings on which all nodes of a cluster agree. */
function clusterOptions(): Option[] {
  return [
    flag("--cluster-nodes <list>", 'initial members, "1@host:port,2@host:port,…" (default: this node alone)')
      .argParser(clusterNodes),
    flag(
      "--num-partitions <n>",
      `number of partitions, fixed when the cluster is first started (default: ${DEFAULTS.partitions}, or what ` +
        "the data directory has)",
    )
      .argParser(integer(1, PARTITIONS_MAX)),
    flag(
      "--replication-factor <n>",
      "replicas of a partition when the cluster is first started, odd; with fewer nodes as many as an odd number " +
        "of them allows, and more by themselves when nodes join; later: prkdb cluster set-replication-factor " +
        `(default: ${DEFAULTS.replicationFactor})`,
    )
      .argParser(integer(1, REPLICAS_MAX)),
    flag("--join <url>", "join a running cluster: http://host:port of any of its nodes").argParser(
      nodeUrl,
    ),
    flag(
      "--election-timeout-ms <ms>",
      "a follower that hears nothing from its leader for this long starts an election",
    )
      .argParser(integer(HEARTBEAT_MS_MIN * HEARTBEATS_PER_ELECTION_MIN, 600_000))
      .default(DEFAULTS.electionTimeoutMs),
    flag("--heartbeat-ms <ms>", "how often a leader tells its followers that it is alive")
      .argParser(integer(HEARTBEAT_MS_MIN, 60_000)).default(DEFAULTS.heartbeatMs),
    flag(
      "--read-lease",
      "a leader answers reads without asking the others while its lease holds; the same on all nodes, whose clocks " +
        "must run at about the same speed",
    ),
  ];
}

/** Disk and memory. */
function logOptions(): Option[] {
  return [
    flag(
      "--wal-sync <policy>",
      "sync the log before writes are acknowledged (always), every MS milliseconds (MS), or never (never)",
    )
      .argParser(syncPolicy).default({ kind: "always" }, "always"),
    flag("--wal-segment-bytes <n>", "size of a log file").argParser(segmentBytes).default(
      DEFAULTS.walSegmentBytes,
    ),
    flag(
      "--memory-bytes <n>",
      "memory for log entries, state and calls; writes are refused above (default: half of what the machine or " +
        "container has, as far as V8's heap allows)",
    ).argParser(integer(MEMORY_BYTES_MIN, 2 ** 45)),
    flag("--log-memory-bytes <n>", "of that, for log entries (default: a fifth to two fifths of it)")
      .argParser(integer(MEBIBYTE, 2 ** 45)),
    flag(
      "--memtable-bytes <n>",
      "of --memory-bytes, for what was written and is in no table yet (default: about a twelfth, 64 MiB at most)",
    ).argParser(integer(BUDGET_BYTES_MIN, 2 ** 40)),
    flag(
      "--cache-bytes <n>",
      "of --memory-bytes, for blocks of tables (default: about a twelfth, 128 MiB at most)",
    ).argParser(integer(BUDGET_BYTES_MIN, 2 ** 40)),
  ];
}

/** What operators see. */
function observationOptions(): Option[] {
  return [
    flag("--log-level <level>", "what is logged to standard error: debug, info, warning or error")
      .choices(["debug", "info", "warning", "error"]).default("info"),
    flag("--log-format <format>", "one line each: text, or json").choices(["text", "json"]).default("text"),
    flag(
      "--metrics-partitions <detail>",
      "each partition has its own series in /metrics (each), or all together have one (aggregate) " +
        "(default: each up to 256 partitions)",
    ).choices(["each", "aggregate"]),
    flag(
      "--record-stops <n>",
      "remember where calls were when, the last n stops, and tell them under /stops of the metrics port " +
        "(default: none)",
    ).argParser(integer(1, STOPS_MAX)),
  ];
}

function flag(names: string, description: string): Option {
  const long = names.split(" ")[0]!;
  const variable = `PRKDB_${long.slice(2).replaceAll("-", "_").toUpperCase()}`;
  const option = new Option(names, description);
  // A switch is on when its variable is set, unless the variable says no: then only the help tells of it.
  const isOff = option.isBoolean() && OFF_VALUES.has(Deno.env.get(variable) ?? "");
  return isOff ? new Option(names, `${description} (env: ${variable})`) : option.env(variable);
}

function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Must be a whole number from ${min} to ${max}.`);
  };
}

function segmentBytes(text: string): number {
  const bytes = integer(SEGMENT_MEBIBYTES_MIN * MEBIBYTE, SEGMENT_MEBIBYTES_MAX * MEBIBYTE)(text);
  if (bytes % SECTOR_BYTES === 0) return bytes;
  throw new InvalidArgumentError(`Must be a multiple of ${SECTOR_BYTES}.`);
}

function nodeUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:" && url.pathname === "/" && url.search === "") return url.origin;
  throw new InvalidArgumentError("Must be of the form http://host:port.");
}

/** A host name or IPv4 address, or an IPv6 address in brackets; then the port. */
const HOST_AND_PORT = /^([^@/\s[\]:]{1,253}|\[[0-9a-f:.]+\]):(\d{1,5})$/i;

function hostAndPort(text: string): string {
  const port = Number(HOST_AND_PORT.exec(text)?.[2] ?? 0);
  if (port >= 1 && port <= PORT_MAX) return text;
  throw new InvalidArgumentError(`Must be of the form host:port, with a port from 1 to ${PORT_MAX}.`);
}

/** Gathers the values of a flag that may be given several times, each checked. */
function hostNameList(text: string, names: readonly string[] | undefined): readonly string[] {
  if (!HOST_NAME.test(text)) throw new InvalidArgumentError("Must be a host name, with or without :port.");
  return [...(names ?? []), text];
}

/** A name, not an address or a URL; addresses need no allowing. */
const HOST_NAME = /^[^@/\s[\]:]{1,253}(:\d{1,5})?$/;

/** As browsers send them. */
function originList(text: string, origins: readonly string[] | undefined): readonly string[] {
  const isOrigin = text === "*" || (URL.canParse(text) && new URL(text).origin === text);
  if (!isOrigin) throw new InvalidArgumentError("Must be * or of the form http://host or http://host:port.");
  return [...(origins ?? []), text];
}

function clientUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isHttp = url?.protocol === "http:" || url?.protocol === "https:";
  if (isHttp && url.pathname === "/" && url.search === "" && url.username === "") return url.origin;
  throw new InvalidArgumentError("Must be of the form http://host:port or https://host:port.");
}

function syncPolicy(text: string): SyncPolicy {
  if (text === "always" || text === "never") return { kind: text };
  const ms = /^\d+$/.test(text) ? Number(text) : 0;
  if (ms >= 1 && ms <= 60_000) return { kind: "interval", ms };
  throw new InvalidArgumentError('Must be "always", "never" or 1 to 60000 milliseconds.');
}

function clusterNodes(text: string): ReadonlyMap<NodeId, string> {
  const nodes = new Map<NodeId, string>();
  for (const part of text.split(",").map((each) => each.trim()).filter((each) => each !== "")) {
    const match = /^(\d+)@([^@/\s]{1,253}):(\d+)$/.exec(part);
    if (match === null) throw new InvalidArgumentError(`"${part}" is not of the form ID@HOST:PORT.`);
    const nodeId = integer(1, NODE_ID_MAX)(match[1]!);
    const port = integer(1, PORT_MAX)(match[3]!);
    if (nodes.has(nodeId)) {
      throw new InvalidArgumentError(`Node ${nodeId} is named twice: every node has its own id.`);
    }
    const address = `${match[2]}:${port}`;
    if ([...nodes.values()].includes(address)) {
      throw new InvalidArgumentError(`${address} is named twice: every node has its own address.`);
    }
    nodes.set(nodeId, address);
  }
  if (nodes.size === 0) throw new InvalidArgumentError("Must name at least one node, as in 1@host:port.");
  return new Map([...nodes].sort(([a], [b]) => a - b));
}
