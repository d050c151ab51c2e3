/**
 * The flags of a node, each also an environment variable: `--node-id` is `PRKDB_NODE_ID`. Milliseconds exist here;
 * the core is told ticks.
 *
 * @module
 */

import { Command, InvalidArgumentError, Option } from "commander";
import { NODE_ID_MAX, PARTITIONS_MAX } from "../proto/mod.ts";
import type { NodeId } from "../raft/mod.ts";
import type { SyncPolicy } from "../wal-wasm/mod.ts";
import type { ClusterShape } from "./cluster_layout.ts";
import { VERSION } from "./version.ts";

const MEBIBYTE = 1024 * 1024;
const DEFAULT_PORT_BASE = 50_050;
const DEFAULT_METRICS_PORT_BASE = 9_090;
const HEARTBEAT_MS_MIN = 10;
/** A follower must be able to miss some heartbeats before it stands for election. */
const HEARTBEATS_PER_ELECTION_MIN = 3;
const SECTOR_BYTES = 4_096;
const SEGMENT_MEBIBYTES_MIN = 1;
const SEGMENT_MEBIBYTES_MAX = 1_024;

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

/** How a node is to run. */
export interface ServerConfig {
  readonly nodeId: NodeId;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly metricsPort: number;
  readonly shape: ClusterShape;
  readonly dataDirectory: string;
  readonly electionTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly walSync: SyncPolicy;
  readonly walSegmentBytes: number;
  readonly logBytesMax: number;
  /** Besides loopback origins, which are always allowed while this is empty. */
  readonly corsOrigins: readonly string[];
  /** To be told to whoever started the node. */
  readonly warnings: readonly string[];
}

/** Wrong flags; the message is one line for standard error. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Asked for help or the version: print `message` and end well. */
export class ConfigNotice extends Error {
  override readonly name = "ConfigNotice";
}

/**
 * The configuration that `args` and the environment ask for.
 *
 * @throws {ConfigError} for a wrong flag
 * @throws {ConfigNotice} for `--help` and `--version`
 */
export function parseConfig(args: readonly string[]): ServerConfig {
  return configOf(parseFlags(args));
}

interface Flags {
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
  readonly walSync: SyncPolicy;
  readonly walSegmentBytes: number;
  readonly memtableBytes?: number;
  readonly cacheBytes?: number;
  readonly logMemoryBytes: number;
  readonly corsOrigin: readonly string[];
  readonly insecure?: boolean;
}

function parseFlags(args: readonly string[]): Flags {
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
  return new Command("prkdb-server")
    .description("One node of a prkdb cluster; alone it is a complete single-node database.")
    .version(VERSION)
    .allowExcessArguments(false)
    .addOption(
      flag("--node-id <n>", "this node, 1 to 4294967295").argParser(integer(1, NODE_ID_MAX))
        .makeOptionMandatory(),
    )
    .addOption(flag("--host <address>", "where to listen").default("127.0.0.1"))
    .addOption(
      flag("--grpc-port <port>", "Connect, gRPC-Web and peers; --port is the same (default: 50050 + node id)")
        .argParser(integer(0, 65_535)),
    )
    .addOption(
      flag(
        "--cluster-nodes <list>",
        'initial members, "1@host:port,2@host:port,…" (default: this node alone)',
      )
        .argParser(clusterNodes),
    )
    .addOption(flag("--data-dir <directory>", "locked while in use (default: ./data/node-N)"))
    .addOption(
      flag("--num-partitions <n>", "fixed when the cluster is first started")
        .argParser(integer(1, PARTITIONS_MAX)).default(DEFAULTS.partitions),
    )
    .addOption(
      flag(
        "--replication-factor <n>",
        "replicas of a partition, odd (default: 3, or fewer if there are fewer nodes)",
      )
        .argParser(integer(1, 99)),
    )
    .addOption(flag("--join <url>", "ask a running cluster to take this node in").argParser(notYet("--join")))
    .addOption(
      flag("--metrics-port <port>", "/metrics, /healthz and /readyz (default: 9090 + node id)")
        .argParser(integer(0, 65_535)),
    )
    .addOption(
      flag("--election-timeout-ms <ms>", "a follower that hears nothing for so long stands for election")
        .argParser(integer(HEARTBEAT_MS_MIN * HEARTBEATS_PER_ELECTION_MIN, 600_000)).default(
          DEFAULTS.electionTimeoutMs,
        ),
    )
    .addOption(
      flag("--heartbeat-ms <ms>", "how often a leader shows that it is there")
        .argParser(integer(HEARTBEAT_MS_MIN, 60_000)).default(DEFAULTS.heartbeatMs),
    )
    .addOption(
      flag(
        "--wal-sync <policy>",
        "acknowledge after the sync, with a sync every so many ms, or never: always, MS, never",
      )
        .argParser(syncPolicy).default({ kind: "always" }, "always"),
    )
    .addOption(bytesFlag("--wal-segment-bytes <n>", "size of a log file", DEFAULTS.walSegmentBytes))
    .addOption(
      flag("--memtable-bytes <n>", "for the state store, which is not there yet").argParser(
        integer(1, 2 ** 40),
      ),
    )
    .addOption(
      flag("--cache-bytes <n>", "for the state store, which is not there yet").argParser(integer(1, 2 ** 40)),
    )
    .addOption(
      flag("--log-memory-bytes <n>", "log entries held in memory; above it writes are refused")
        .argParser(integer(MEBIBYTE, 2 ** 45)).default(DEFAULTS.logMemoryBytes),
    )
    .addOption(
      flag("--cors-origin <origin...>", "origins whose pages may call this node (default: loopback origins)")
        .default([]),
    )
    .addOption(flag("--insecure", "listen beyond loopback without encryption or tokens"));
}

function flag(names: string, description: string): Option {
  const long = names.split(" ")[0]!;
  return new Option(names, description).env(`PRKDB_${long.slice(2).replaceAll("-", "_").toUpperCase()}`);
}

function bytesFlag(names: string, description: string, fallback: number): Option {
  return flag(names, description)
    .argParser(segmentBytes).default(fallback);
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

function notYet(name: string): (text: string) => never {
  return () => {
    throw new InvalidArgumentError(`${name} is not supported by this version.`);
  };
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
    const match = /^(\d+)@([^@\s]+):(\d+)$/.exec(part);
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

function configOf(flags: Flags): ServerConfig {
  const { nodeId, host } = flags;
  const port = portOf(flags);
  const nodes = flags.clusterNodes ?? new Map([[nodeId, `${bracketed(host)}:${port}`]]);
  if (!nodes.has(nodeId)) throw new ConfigError(`--cluster-nodes does not name node ${nodeId} (--node-id)`);
  if (!isLoopback(host) && flags.insecure !== true) {
    throw new ConfigError(`--host ${host} is not a loopback address: that needs --insecure`);
  }
  if (flags.electionTimeoutMs < flags.heartbeatMs * HEARTBEATS_PER_ELECTION_MIN) {
    throw new ConfigError(
      `--election-timeout-ms ${flags.electionTimeoutMs} is less than ${HEARTBEATS_PER_ELECTION_MIN} × ` +
        `--heartbeat-ms ${flags.heartbeatMs}`,
    );
  }
  return {
    ...{ nodeId, host, port },
    metricsPort: flags.metricsPort ?? defaultPort(DEFAULT_METRICS_PORT_BASE, nodeId, "--metrics-port"),
    shape: { nodes, partitionCount: flags.numPartitions, replicationFactor: replication(flags, nodes.size) },
    dataDirectory: flags.dataDir ?? `./data/node-${nodeId}`,
    electionTimeoutMs: flags.electionTimeoutMs,
    heartbeatMs: flags.heartbeatMs,
    walSync: flags.walSync,
    walSegmentBytes: flags.walSegmentBytes,
    logBytesMax: flags.logMemoryBytes,
    corsOrigins: flags.corsOrigin,
    warnings: warningsFor(flags),
  };
}

/** Of the node's own entry in the member list unless a flag says otherwise: others will look for it there. */
function portOf(flags: Flags): number {
  if (flags.grpcPort !== undefined) return flags.grpcPort;
  const own = flags.clusterNodes?.get(flags.nodeId);
  if (own !== undefined) return Number(own.slice(own.lastIndexOf(":") + 1));
  return defaultPort(DEFAULT_PORT_BASE, flags.nodeId, "--grpc-port");
}

function defaultPort(base: number, nodeId: NodeId, name: string): number {
  if (base + nodeId <= 65_535) return base + nodeId;
  throw new ConfigError(`${name} is needed: there is no port ${base} + ${nodeId}`);
}

function replication(flags: Flags, nodeCount: number): number {
  const wanted = flags.replicationFactor;
  if (wanted === undefined) return Math.min(DEFAULTS.replicationFactor, nodeCount);
  if (wanted % 2 === 0) throw new ConfigError(`--replication-factor ${wanted} is not odd`);
  if (wanted > nodeCount) {
    throw new ConfigError(`--replication-factor ${wanted} is above the ${nodeCount} nodes`);
  }
  return wanted;
}

function warningsFor(flags: Flags): string[] {
  const warnings: string[] = [];
  if (flags.walSync.kind === "interval") {
    warnings.push(
      `--wal-sync ${flags.walSync.ms}: a crash may lose writes acknowledged in the last ${flags.walSync.ms} ms`,
    );
  }
  if (flags.walSync.kind === "never") warnings.push("--wal-sync never: a crash may lose acknowledged writes");
  if (!isLoopback(flags.host)) warnings.push("--insecure: anyone who can reach this node can read and write");
  if (flags.memtableBytes !== undefined || flags.cacheBytes !== undefined) {
    warnings.push(
      "--memtable-bytes and --cache-bytes have no effect: this version keeps its state in memory",
    );
  }
  return warnings;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
