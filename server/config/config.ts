/**
 * How a node is to run, worked out from its flags, and whether the flags make sense together. Milliseconds
 * exist here; the core is told ticks.
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";
import type { SyncPolicy } from "../../wal-wasm/mod.ts";
import type { ServerMemoryLimits } from "../api/mod.ts";
import type { ClusterShape } from "../cluster/mod.ts";
import type { HttpLimits } from "../http/mod.ts";
import {
  BUDGET_BYTES_MIN,
  ConfigError,
  DEFAULTS,
  type Flags,
  HEARTBEATS_PER_ELECTION_MIN,
  type LogFormat,
  type LogLevelName,
  type MetricsPartitions,
  parseFlags,
  PORT_MAX,
} from "./flags.ts";
import { defaultMemoryBytes, divideMemory } from "./machine_memory.ts";
import { advertisedAddress, isWildcard } from "./place.ts";
import { checkPorts, isLoopbackHost } from "./ports.ts";

const DEFAULT_PORT_BASE = 50_050;
const DEFAULT_METRICS_PORT_BASE = 9_090;

/** Which numbers were asked for. */
export interface AskedNumbers {
  readonly partitionCount: boolean;
  readonly replicationFactor: boolean;
}

/** How a node is to run. */
export interface ServerConfig {
  readonly nodeId: NodeId;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly metricsPort: number;
  /** Where peers find this node, `host:port`. */
  readonly address: string;
  /** Where clients find it, a URL; empty where that is its address. */
  readonly clientUrl: string;
  /** The founders. Not used by a node that joins: its cluster tells it. */
  readonly shape: ClusterShape;
  /** Which numbers of `shape` were asked for; a data directory that has others is used as it is if not. */
  readonly asked: AskedNumbers;
  /** `http://host:port` of a node of the cluster that this node joins. */
  readonly join: string | undefined;
  readonly dataDirectory: string;
  readonly electionTimeoutMs: number;
  readonly heartbeatMs: number;
  /** Whether a leader answers reads without asking the others while its lease holds. */
  readonly leaseReads: boolean;
  readonly walSync: SyncPolicy;
  readonly walSegmentBytes: number;
  /** What it may hold in memory. */
  readonly memory: ServerMemoryLimits;
  /** Of that, for what is not in tables yet and for blocks of tables, if it was named. */
  readonly budget: { readonly memtableBytes: number | undefined; readonly cacheBytes: number | undefined };
  /** Origins whose pages may call; loopback origins if empty. */
  readonly corsOrigins: readonly string[];
  /** How long the node serves on, though not ready, when it is to stop. */
  readonly drainMs: number;
  /** How long connections may then take to end. */
  readonly stopMs: number;
  /** What strangers may take of each port. */
  readonly http: HttpLimits;
  /** Under which the node may be called, beside addresses in digits and `localhost`. */
  readonly hostNames: readonly string[];
  readonly logLevel: LogLevelName;
  readonly logFormat: LogFormat;
  /** By their number if `undefined`. */
  readonly metricsPartitions: MetricsPartitions | undefined;
  /** How many stops of calls it remembers and tells; none if `undefined`. */
  readonly recordStops: number | undefined;
  /** One line each, for the operator who started the node. */
  readonly warnings: readonly string[];
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

function configOf(flags: Flags): ServerConfig {
  const { nodeId, host } = flags;
  const port = portOf(flags);
  if (flags.clusterNodes?.has(nodeId) === false) {
    throw new ConfigError(
      `--cluster-nodes does not name node ${nodeId} (--node-id): add ${nodeId}@HOST:PORT to it`,
    );
  }
  const address = advertisedAddress({ ...flags, port });
  const nodes = flags.clusterNodes ?? new Map([[nodeId, address]]);
  if (!isLoopbackHost(host) && flags.insecure !== true) {
    throw new ConfigError(
      `--host ${host} is not a loopback address: confirm with --insecure that anyone who reaches it may ` +
        "read and write",
    );
  }
  checkTimeouts(flags);
  checkJoin(flags);
  const metricsPort = flags.metricsPort ?? defaultPort(DEFAULT_METRICS_PORT_BASE, nodeId, "--metrics-port");
  checkPorts({ ...flags, port, metricsPort });
  const memory = divideMemory(flags.memoryBytes ?? defaultMemoryBytes(), flags.logMemoryBytes);
  checkBudget(flags, memory);
  return {
    nodeId,
    host,
    port,
    address,
    clientUrl: flags.advertiseClient ?? "",
    join: flags.join,
    metricsPort,
    shape: {
      nodes,
      partitionCount: flags.numPartitions ?? DEFAULTS.partitions,
      replicationFactor: replication(flags),
    },
    asked: {
      partitionCount: flags.numPartitions !== undefined,
      replicationFactor: flags.replicationFactor !== undefined,
    },
    dataDirectory: flags.dataDir ?? `./data/node-${nodeId}`,
    electionTimeoutMs: flags.electionTimeoutMs,
    heartbeatMs: flags.heartbeatMs,
    leaseReads: flags.readLease ?? false,
    walSync: flags.walSync,
    walSegmentBytes: flags.walSegmentBytes,
    memory,
    budget: { memtableBytes: flags.memtableBytes, cacheBytes: flags.cacheBytes },
    corsOrigins: flags.corsOrigin,
    drainMs: flags.drainMs,
    stopMs: flags.stopMs,
    http: {
      connectionsMax: flags.maxConnections,
      streamsMax: flags.maxStreams,
      headBytesMax: flags.maxHeadBytes,
      headMs: flags.headTimeoutMs,
      progressMs: flags.progressTimeoutMs,
      idleMs: flags.idleTimeoutMs,
    },
    hostNames: hostNames(flags, address),
    logLevel: flags.logLevel,
    logFormat: flags.logFormat,
    metricsPartitions: flags.metricsPartitions,
    recordStops: flags.recordStops,
    warnings: warningsFor(flags),
  };
}

/** Names under which this node may be called: those that it is known by, and those that are allowed. */
function hostNames({ advertiseClient, allowedHosts, host }: Flags, address: string): readonly string[] {
  const forClients = advertiseClient === undefined ? [] : [new URL(advertiseClient).host];
  return [address, host, ...forClients, ...allowedHosts];
}

/** Of the state's part, so that sessions, and filters and indexes of tables, have room, too. */
const STORES_SHARE_MAX = 3 / 4;

/** Memtables are twice there while one is flushed. */
function checkBudget({ memtableBytes, cacheBytes }: Flags, { state }: ServerMemoryLimits): void {
  if (memtableBytes === undefined && cacheBytes === undefined) return;
  const [memtables, cache] = [memtableBytes ?? BUDGET_BYTES_MIN, cacheBytes ?? BUDGET_BYTES_MIN];
  const storesBytes = Math.floor(state * STORES_SHARE_MAX);
  if (2 * memtables + cache <= storesBytes) return;
  throw new ConfigError(
    `--memtable-bytes ${memtables}, twice, and --cache-bytes ${cache} do not fit into ${storesBytes} bytes, ` +
      "three quarters of what --memory-bytes leaves for the state: give it more, or them less",
  );
}

function checkTimeouts({ electionTimeoutMs, heartbeatMs }: Flags): void {
  const least = heartbeatMs * HEARTBEATS_PER_ELECTION_MIN;
  if (electionTimeoutMs >= least) return;
  throw new ConfigError(
    `--election-timeout-ms ${electionTimeoutMs} is too short for --heartbeat-ms ${heartbeatMs}: ` +
      `it must be at least ${least}, ${HEARTBEATS_PER_ELECTION_MIN} heartbeats`,
  );
}

/** A cluster tells its members to the node that joins it. */
function checkJoin(flags: Flags): void {
  const { advertise, join, clusterNodes, host, grpcPort } = flags;
  if (join === undefined) return;
  if (clusterNodes !== undefined) {
    throw new ConfigError(
      "--join and --cluster-nodes exclude each other: leave out --cluster-nodes, the cluster tells its members",
    );
  }
  if (advertise !== undefined) return;
  if (isWildcard(host)) {
    throw new ConfigError(
      `--join needs a --host that other nodes can reach, ${host} is not such an address: choose another one, ` +
        "or add --advertise HOST:PORT",
    );
  }
  if (grpcPort === 0) {
    throw new ConfigError(
      "--join needs a --grpc-port from 1 to 65535: other nodes must find this one there (or at --advertise)",
    );
  }
}

/** By default the port of the node's own entry in `--cluster-nodes`: the others will look for it there. */
function portOf(flags: Flags): number {
  if (flags.grpcPort !== undefined) return flags.grpcPort;
  const own = flags.clusterNodes?.get(flags.nodeId);
  if (own !== undefined) return Number(own.slice(own.lastIndexOf(":") + 1));
  return defaultPort(DEFAULT_PORT_BASE, flags.nodeId, "--grpc-port");
}

function defaultPort(base: number, nodeId: NodeId, name: string): number {
  if (base + nodeId <= PORT_MAX) return base + nodeId;
  throw new ConfigError(
    `${name} is needed: its default, ${base} + ${nodeId} (--node-id), is above the highest port, ${PORT_MAX}`,
  );
}

/** May be more than there are nodes: partitions grow when more join. */
function replication({ replicationFactor = DEFAULTS.replicationFactor }: Flags): number {
  if (replicationFactor % 2 === 1) return replicationFactor;
  const [less, more] = [replicationFactor - 1, replicationFactor + 1];
  throw new ConfigError(
    `--replication-factor ${replicationFactor} is not odd: use ${less} or ${more}, ` +
      `as ${replicationFactor} replicas survive no more failures than ${less}`,
  );
}

function warningsFor(flags: Flags): string[] {
  const warnings: string[] = [];
  if (flags.walSync.kind === "interval") {
    warnings.push(
      `--wal-sync ${flags.walSync.ms}: a crash may lose writes acknowledged in the last ${flags.walSync.ms} ms`,
    );
  }
  if (flags.walSync.kind === "never") warnings.push("--wal-sync never: a crash may lose acknowledged writes");
  if (!isLoopbackHost(flags.host)) {
    warnings.push("--insecure: anyone who can reach this node can read and write");
  }
  // No refusal: `deno task cluster` gives the flags of the founders to those that joined, too.
  if (flags.join !== undefined && flags.numPartitions !== undefined) {
    warnings.push(
      "--num-partitions has no effect with --join: the number is fixed, and the cluster tells it",
    );
  }
  return warnings;
}
