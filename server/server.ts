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
import { ByteShare, CorsPolicy, type HttpContext } from "./http/mod.ts";
import { type ListeningPort, openPort } from "./listening.ts";
import { Inbox, Node, type NodeOptions } from "./node/mod.ts";
import { type MemoryFigures, Metrics, opsRouter, QuorumWatch, ReplicaWatch } from "./ops/mod.ts";
import { answerLimitMs, PeerService, StreamTransport } from "./peers/mod.ts";
import { SYSTEM_CLOCK } from "./ports/mod.ts";
import { type ExchangeRoom, RpcRouter } from "./rpc/mod.ts";
import { type Borders, bordersFor } from "./stops/mod.ts";

/** How long a node goes on asking a cluster that does not answer to be taken in. */
const JOIN_LIMIT_MS = 60_000;
/** How often a node that joined asks where the others are, while it has not found them. */
const GUIDE_MS = 2_000;
/** Nobody sends an operators' port a body. */
const OPS_BODIES_BYTES = 1024 * 1024;
/** Some scrapes at a time, of thousands of partitions each. */
const OPS_ANSWERS_BYTES = 16 * 1024 * 1024;

/** The two ports. */
interface Ports {
  /** For clients and peers. */
  readonly main: ListeningPort;
  readonly ops: ListeningPort;
}

/** The outermost part of a server, which is there first. */
interface Frontage {
  readonly ports: Ports;
  /** Of the memory, what ports may take. */
  readonly shares: { readonly bodies: ByteShare; readonly answers: ByteShare };
  readonly metrics: Metrics;
  /** What stands where the world enters. */
  readonly borders: Borders;
}

/** All a server is made of. */
interface ServerParts extends Frontage {
  readonly config: ServerConfig;
  readonly node: Node;
  readonly descriptors: DescriptorReserve;
  readonly peerService: PeerService;
  readonly quorum: QuorumWatch;
  readonly replicas: ReplicaWatch;
  /** Ends the streams of clients. */
  readonly closing: AbortController;
}

/** What the flags and the cluster say of the node. */
type Origin = Pick<NodeOptions, "shape" | "joined">;

/** See the module comment. */
export class Server {
  readonly #parts: ServerParts;
  #stopped: Promise<void> | undefined;
  #endDrain: () => void = () => {};

  private constructor(parts: ServerParts) {
    this.#parts = parts;
  }

  /**
   * Binds the ports, opens the node and serves. The node may end by itself (`node.ended`); it is to be
   * stopped then if the cluster has removed it, and must end with its process if the error is fatal.
   *
   * @throws {JoinError} when the cluster that is to take the node in does not
   * @throws {ListenError} when a port is taken
   * @throws {DataDirectoryError} when the data directory cannot be used
   * @throws {PeerIdentitiesError} when it holds a register of peers that cannot be read
   */
  static async start(config: ServerConfig): Promise<Server> {
    const opened: ListeningPort[] = [];
    const metrics = new Metrics(config.metricsPartitions);
    const shares = {
      bodies: new ByteShare(config.memory.bodies),
      answers: new ByteShare(config.memory.answers),
    };
    const limits = config.http;
    const listen = (port: number, room: ExchangeRoom & Pick<HttpContext, "cors">) => {
      const opening = openPort({ ...config, port, context: { ...room, limits, meters: metrics } });
      opened.push(opening);
      return opening;
    };
    try {
      const cors = new CorsPolicy(config.corsOrigins.length > 0 ? config.corsOrigins : undefined);
      const ports = {
        main: listen(config.port, { ...shares, cors }),
        // No page has any business there.
        ops: listen(config.metricsPort, opsRoom()),
      };
      const borders = bordersFor(config.recordStops);
      return new Server(await openParts(config, { ports, shares, metrics, borders }));
    } catch (error) {
      for (const port of opened) await port.close();
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
    return this.#parts.ports.main.address;
  }

  /** Where operators look, `host:port`. */
  get opsAddress(): string {
    return this.#parts.ports.ops.address;
  }

  /**
   * Says that it will stop and serves on for `--drain-ms`, or until it is asked to stop once more; then hands
   * leaderships over, answers what is under way, within `--stop-ms`, and syncs the log.
   */
  stop(): Promise<void> {
    this.#endDrain();
    return this.#stopped ??= this.#stop();
  }

  /** Until the time is over, or somebody asks to stop once more. */
  async #drained(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#endDrain = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #stop(): Promise<void> {
    const { closing, config, descriptors, ports, metrics, node, peerService, quorum, replicas } = this.#parts;
    node.announceStop();
    if (config.drainMs > 0) await this.#drained(config.drainMs);
    closing.abort();
    await node.close();
    descriptors.close();
    quorum.close();
    replicas.close();
    peerService.close();
    metrics.close();
    const shutdowns = Promise.all([ports.main.close(), ports.ops.close()]);
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([shutdowns, new Promise((resolve) => timer = setTimeout(resolve, config.stopMs))]);
    clearTimeout(timer);
  }
}

async function openParts(config: ServerConfig, frontage: Frontage): Promise<ServerParts> {
  const { borders, metrics } = frontage;
  const troubles = new Troubles();
  const fileSystem = new DescriptorReserve({
    fileSystem: borders.fileSystem(new DenoFileSystem()),
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
  const inbox = borders.inbox(new Inbox());
  const { address } = config;
  const transport = new StreamTransport({
    identity,
    clusterId,
    identities,
    inbox,
    address,
    answerLimitMs: answerLimitMs(config.electionTimeoutMs),
  });
  const { partitionCount, replicationFactor } = identity;
  const node = await Node.open({
    ...config,
    ...origin,
    shape: { ...origin.shape, partitionCount, replicationFactor },
    place: { address, clientUrl: config.clientUrl },
    data,
    fileSystem,
    clock: borders.clock(SYSTEM_CLOCK),
    seed,
    inbox,
    transport: borders.transport(transport),
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
  const closing = new AbortController();
  const watches = watchesFor(config);
  const parts = { ...frontage, ...watches, config, node, descriptors: fileSystem, peerService, closing };
  serve(parts);
  node.onClusterChange(() => peerService.endRemoved());
  transport.open();
  if (config.join !== undefined) void followGuide(parts, joinRequestOf({ ...config, join: config.join }));
  return parts;
}

/** What says in the log how the cluster is. */
function watchesFor(
  { asked, electionTimeoutMs, shape }: ServerConfig,
): Pick<ServerParts, "quorum" | "replicas"> {
  return {
    quorum: new QuorumWatch(electionTimeoutMs),
    replicas: new ReplicaWatch(asked.replicationFactor ? shape.replicationFactor : undefined),
  };
}

/** From now on both ports answer. */
function serve(
  { ports, shares, borders, node, peerService, metrics, quorum, replicas, closing }: ServerParts,
): void {
  quorum.open(node);
  replicas.open(node);
  metrics.open({
    status: () => node.status(),
    readiness: () => node.readiness(),
    leaderless: () => node.leaderless(),
    fewReplicas: () => node.replicaReport()?.fewCount ?? 0,
    sampleWal: () => node.wal.stats,
    sampleState: () => node.keeper.figures,
    callsInFlight: () => node.callsInFlight,
    memory: () => [...node.memory(), ...memoryOf(shares)],
    shortages: () => node.resourceTroubles(),
  });
  ports.ops.serve(borders.opsRouter(opsRouter({ metrics, readiness: () => node.readiness() })));
  const calls = new RpcRouter({
    node,
    readiness: () => node.readiness(),
    room: shares,
    requests: metrics,
    peers: peerService,
    snapshots: peerService.snapshots,
    closing: closing.signal,
  });
  ports.main.serve(borders.router(calls));
}

/** Operators are answered however much clients take, and take little. */
function opsRoom(): ExchangeRoom {
  return { bodies: new ByteShare(OPS_BODIES_BYTES), answers: new ByteShare(OPS_ANSWERS_BYTES) };
}

function memoryOf({ bodies, answers }: Frontage["shares"]): readonly MemoryFigures[] {
  return [
    { name: "bodies", limitBytes: bodies.limitBytes, usedBytes: bodies.usedBytes },
    { name: "answers", limitBytes: answers.limitBytes, usedBytes: answers.usedBytes },
  ];
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
