/**
 * The flags of a node as they are written, each also an environment variable: `--node-id` is `PRKDB_NODE_ID`.
 * What they mean together is decided in `config.ts`.
 *
 * @module
 */

import { Command, InvalidArgumentError, Option } from "commander";
import { NODE_ID_MAX, PARTITIONS_MAX } from "../../proto/mod.ts";
import type { NodeId } from "../../raft/mod.ts";
import type { SyncPolicy } from "../../wal-wasm/mod.ts";
import { VERSION } from "../api/mod.ts";

const MEBIBYTE = 1024 * 1024;
const HEARTBEAT_MS_MIN = 10;
/** A follower must be able to miss some heartbeats before it stands for election. */
export const HEARTBEATS_PER_ELECTION_MIN = 3;
const SECTOR_BYTES = 4_096;
const SEGMENT_MEBIBYTES_MIN = 1;
const SEGMENT_MEBIBYTES_MAX = 1_024;

const SAYS_NO: ReadonlySet<string> = new Set(["", "0", "false"]);

/** What flags have unless given. */
export const DEFAULTS = {
  partitions: 9,
  /** Or fewer if there are fewer nodes. */
  replicationFactor: 3,
  electionTimeoutMs: 1_000,
  heartbeatMs: 100,
  walSegmentBytes: 64 * MEBIBYTE,
  logMemoryBytes: 4_096 * MEBIBYTE,
} as const;

/** Wrong flags; the message is one line for standard error. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Asked for help or the version: print `message` and end well. */
export class ConfigNotice extends Error {
  override readonly name = "ConfigNotice";
}

/** What was given, defaults filled in. */
export interface Flags {
  readonly nodeId: number;
  readonly host: string;
  readonly grpcPort?: number;
  readonly clusterNodes?: ReadonlyMap<NodeId, string>;
  readonly dataDir?: string;
  readonly numPartitions: number;
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
  readonly logMemoryBytes: number;
  readonly corsOrigin: readonly string[];
  readonly insecure?: boolean;
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
    .configureOutput({ writeOut: (text) => output += text, writeErr: (text) => output += text });
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
  for (const option of [...placeOptions(), ...clusterOptions(), ...logOptions()]) command.addOption(option);
  return command;
}

/** Who this node is and where it is found. */
function placeOptions(): Option[] {
  const port = integer(0, 65_535);
  return [
    flag("--node-id <n>", "this node, 1 to 4294967295").argParser(integer(1, NODE_ID_MAX))
      .makeOptionMandatory(),
    flag("--host <address>", "where to listen").default("127.0.0.1"),
    flag("--grpc-port <port>", "Connect, gRPC-Web and peers; --port is the same (default: 50050 + node id)")
      .argParser(port),
    flag("--metrics-port <port>", "/metrics, /healthz and /readyz (default: 9090 + node id)").argParser(port),
    flag("--data-dir <directory>", "locked while in use (default: ./data/node-N)"),
    flag("--cors-origin <origin...>", "origins whose pages may call this node (default: loopback origins)")
      .default([]),
    flag("--insecure", "listen beyond loopback without encryption or tokens"),
  ];
}

/** What all nodes of a cluster agree on. */
function clusterOptions(): Option[] {
  return [
    flag("--cluster-nodes <list>", 'initial members, "1@host:port,2@host:port,…" (default: this node alone)')
      .argParser(clusterNodes),
    flag("--num-partitions <n>", "fixed when the cluster is first started")
      .argParser(integer(1, PARTITIONS_MAX)).default(DEFAULTS.partitions),
    flag(
      "--replication-factor <n>",
      "replicas of a partition, odd (default: 3, or fewer if there are fewer nodes)",
    )
      .argParser(integer(1, 99)),
    flag("--join <url>", "ask the cluster of this node, http://host:port, to take this one in").argParser(
      nodeUrl,
    ),
    flag("--election-timeout-ms <ms>", "a follower that hears nothing for so long stands for election")
      .argParser(integer(HEARTBEAT_MS_MIN * HEARTBEATS_PER_ELECTION_MIN, 600_000))
      .default(DEFAULTS.electionTimeoutMs),
    flag("--heartbeat-ms <ms>", "how often a leader shows that it is there")
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
  const notThereYet = "for the state store, which is not there yet";
  return [
    flag(
      "--wal-sync <policy>",
      "acknowledge after the sync, with a sync every so many ms, or never: always, MS, never",
    )
      .argParser(syncPolicy).default({ kind: "always" }, "always"),
    flag("--wal-segment-bytes <n>", "size of a log file").argParser(segmentBytes).default(
      DEFAULTS.walSegmentBytes,
    ),
    flag("--log-memory-bytes <n>", "log entries held in memory; above it writes are refused")
      .argParser(integer(MEBIBYTE, 2 ** 45)).default(DEFAULTS.logMemoryBytes),
    flag("--memtable-bytes <n>", notThereYet).argParser(integer(1, 2 ** 40)),
    flag("--cache-bytes <n>", notThereYet).argParser(integer(1, 2 ** 40)),
  ];
}

function flag(names: string, description: string): Option {
  const long = names.split(" ")[0]!;
  const variable = `PRKDB_${long.slice(2).replaceAll("-", "_").toUpperCase()}`;
  const option = new Option(names, description);
  // A switch is set by the presence of its variable, and must not be by one that says no.
  const isOff = option.isBoolean() && SAYS_NO.has(Deno.env.get(variable) ?? "");
  return isOff ? option : option.env(variable);
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
    const port = integer(1, 65_535)(match[3]!);
    if (nodes.has(nodeId)) throw new InvalidArgumentError(`Node ${nodeId} is named twice.`);
    const address = `${match[2]}:${port}`;
    if ([...nodes.values()].includes(address)) throw new InvalidArgumentError(`${address} is named twice.`);
    nodes.set(nodeId, address);
  }
  if (nodes.size === 0) throw new InvalidArgumentError("Names no node.");
  return new Map([...nodes].sort(([a], [b]) => a - b));
}
