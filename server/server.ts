/**
 * A node with its two ports, one for clients and peers and one for operators. Everything is made in the order
 * in which it depends on what came before:
 *
 * ```
 * ports bound ─▶ data directory ─▶ peers' identities ─▶ transport ─▶ node ─▶ services ─▶ streams to peers
 * ```
 *
 * Ports are bound before the data directory is touched, so that a wrong start changes nothing. A stage that
 * fails releases what was opened before it.
 *
 * @module
 */

import { DenoFileSystem, type FileSystem, SYSTEM_TIMER } from "../wal-wasm/mod.ts";
import type { ServerConfig } from "./config/mod.ts";
import {
  askForMembers,
  type DataDirectory,
  DescriptorReserve,
  type IdentitiesPlace,
  identityPath,
  type JoinRequest,
  newIncarnation,
  obtainJoinRecord,
  openDataDirectory,
  PeerIdentities,
  shapeOf,
  Troubles,
} from "./data/mod.ts";
import { HttpListener } from "./http/mod.ts";
import { Inbox, Node, type NodeOptions } from "./node/mod.ts";
import { handleOps, Metrics, QuorumWatch } from "./ops/mod.ts";
import { answerLimitMs, PeerService, StreamTransport } from "./peers/mod.ts";
import { SYSTEM_CLOCK } from "./ports/mod.ts";
import { createHttpHandler } from "./rpc/mod.ts";

/** How long a node goes on asking a cluster that does not answer to be taken in. */
const JOIN_LIMIT_MS = 60_000;
/** How often a node that joined asks where the others are, while it has not found them. */
const GUIDE_MS = 2_000;
/** Calls under way get this long to end when the node stops. */
const SHUTDOWN_LIMIT_MS = 2_000;

/** The two ports. */
interface Listeners {
  /** For clients and peers. */
  readonly main: HttpListener;
  readonly ops: HttpListener;
}

/** All a server is made of. */
interface ServerParts {
  readonly config: ServerConfig;
  readonly listeners: Listeners;
  readonly node: Node;
  readonly descriptors: DescriptorReserve;
  readonly peerService: PeerService;
  readonly metrics: Metrics;
  readonly quorum: QuorumWatch;
  /** Ends the streams of clients. */
  readonly closing: AbortController;
}

/** What the flags and the cluster say of the node. */
type Origin = Pick<NodeOptions, "shape" | "joined">;

/** See the module comment. */
export class Server {
  readonly #parts: ServerParts;
  #stopped: Promise<void> | undefined;

  private constructor(parts: ServerParts) {
    this.#parts = parts;
  }

  /**
   * Binds the ports, opens the node and serves. The node may end by itself (`node.ended`); it is to be
   * stopped then if the cluster has removed it, and must end with its process if the error is fatal.
   *
   * @throws {JoinError} when the cluster that is to take the node in does not
   * @throws {Deno.errors.AddrInUse} when a port is taken
   * @throws {DataDirectoryError} when the data directory cannot be used
   * @throws {PeerIdentitiesError} when it holds a register of peers that cannot be read
   */
  static async start(config: ServerConfig): Promise<Server> {
    const opened: HttpListener[] = [];
    const listen = (port: number) => {
      const listener = new HttpListener(config.host, port);
      opened.push(listener);
      return listener;
    };
    try {
      const listeners = { main: listen(config.port), ops: listen(config.metricsPort) };
      return new Server(await openParts(config, listeners));
    } catch (error) {
      for (const listener of opened) await listener.close();
      throw error;
    }
  }

  get node(): Node {
    return this.#parts.node;
  }

  get config(): ServerConfig {
    return this.#parts.config;
  }

  /** Where clients and peers connect, `host:port`. */
  get address(): string {
    return this.#parts.listeners.main.address;
  }

  /** Where operators look, `host:port`. */
  get opsAddress(): string {
    return this.#parts.listeners.ops.address;
  }

  /** Hands leaderships over, answers what is under way, syncs the log. */
  stop(): Promise<void> {
    return this.#stopped ??= this.#stop();
  }

  async #stop(): Promise<void> {
    const { closing, descriptors, listeners, metrics, node, peerService, quorum } = this.#parts;
    closing.abort();
    await node.close();
    descriptors.close();
    quorum.close();
    peerService.close();
    metrics.close();
    const shutdowns = Promise.all([listeners.main.close(), listeners.ops.close()]);
    await Promise.race([shutdowns, new Promise((resolve) => setTimeout(resolve, SHUTDOWN_LIMIT_MS))]);
  }
}

async function openParts(config: ServerConfig, listeners: Listeners): Promise<ServerParts> {
  const troubles = new Troubles();
  const fileSystem = new DescriptorReserve({
    fileSystem: new DenoFileSystem(),
    timer: SYSTEM_TIMER,
    troubles,
  });
  const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
  const origin = await originOf(config, fileSystem);
  const data = await openDataDirectory(fileSystem, {
    directory: config.dataDirectory,
    nodeId: config.nodeId,
    shape: origin.shape,
    asked: config.join === undefined ? config.asked : undefined,
    joinedClusterId: origin.joined?.clusterId,
    incarnation: newIncarnation({ wallMs: SYSTEM_CLOCK.wallMs(), seed }),
  });
  const { clusterId, identity } = data;
  await fileSystem.fill(identityPath(data.directory));
  const identities = await openIdentities(data, { fileSystem, directory: data.directory, troubles });
  const inbox = new Inbox();
  const { address } = config;
  const transport = new StreamTransport({
    identity,
    clusterId,
    identities,
    inbox,
    address,
    answerLimitMs: answerLimitMs(config.electionTimeoutMs),
  });
  const metrics = new Metrics(config.metricsPartitions);
  const { partitionCount, replicationFactor } = identity;
  const node = await Node.open({
    ...config,
    ...origin,
    shape: { ...origin.shape, partitionCount, replicationFactor },
    place: { address, clientUrl: config.clientUrl },
    data,
    fileSystem,
    clock: SYSTEM_CLOCK,
    seed,
    inbox,
    transport,
    troubles,
    meters: metrics,
  });
  const { heartbeatMs: answerIntervalMs } = config;
  const peerService = new PeerService({
    host: node,
    identity,
    clusterId,
    identities,
    inbox,
    answerIntervalMs,
  });
  const quorum = new QuorumWatch(config.electionTimeoutMs);
  const closing = new AbortController();
  const parts = { config, listeners, node, descriptors: fileSystem, peerService, metrics, quorum, closing };
  serve(parts);
  transport.open();
  if (config.join !== undefined) void followGuide(parts, joinRequestOf({ ...config, join: config.join }));
  return parts;
}

/** From now on both ports answer. */
function serve({ config, listeners, node, peerService, metrics, quorum, closing }: ServerParts): void {
  quorum.open(node);
  metrics.open({
    status: () => node.status(),
    readiness: () => node.readiness(),
    leaderless: () => node.leaderless(),
    sampleWal: () => node.wal.stats,
    callsInFlight: () => node.callsInFlight,
    memory: () => node.memory(),
    shortages: () => node.resourceTroubles(),
  });
  const operators = { metrics, readiness: () => node.readiness() };
  listeners.ops.handler = (request) => handleOps(request, operators);
  listeners.main.handler = createHttpHandler({
    node,
    corsOrigins: config.corsOrigins.length > 0 ? config.corsOrigins : undefined,
    requests: metrics,
    streaming: peerService,
    closing: closing.signal,
  });
}

/** A founder knows its cluster from its flags, a node that joins is told. */
async function originOf(config: ServerConfig, fileSystem: FileSystem): Promise<Origin> {
  const { dataDirectory, join, shape } = config;
  if (join === undefined) return { shape };
  const joined = await obtainJoinRecord(fileSystem, dataDirectory, joinRequestOf({ ...config, join }));
  return { shape: shapeOf(joined), joined };
}

/** Of a node that joins. */
interface JoiningConfig extends Pick<ServerConfig, "nodeId" | "address"> {
  readonly join: string;
}

function joinRequestOf({ nodeId, address, join }: JoiningConfig): JoinRequest {
  return { nodeId, address, url: join, limitMs: JOIN_LIMIT_MS };
}

/**
 * The whole cluster may have moved while this node was away: then neither knows where the other is, and what
 * is left is the node that this one was told of. It is asked until this node has found its cluster.
 */
async function followGuide({ node, closing }: ServerParts, request: JoinRequest): Promise<void> {
  while (!closing.signal.aborted && !node.readiness().isReady) {
    await new Promise((resolve) => setTimeout(resolve, GUIDE_MS));
    for (const { nodeId, address } of await askForMembers(request, node.clusterId)) {
      node.admits(nodeId, address);
    }
  }
}

async function openIdentities(data: DataDirectory, place: IdentitiesPlace): Promise<PeerIdentities> {
  try {
    return await PeerIdentities.open(place);
  } catch (error) {
    data.lock.release();
    throw error;
  }
}
