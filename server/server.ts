/**
 * A node with its doors: the port for clients and peers, and the operators' port. Ports are bound before the
 * data directory is touched, so that a wrong start changes nothing.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { DenoFileSystem } from "../wal-wasm/mod.ts";
import type { ServerConfig } from "./config/mod.ts";
import { type Identity, type JoinRecord, obtainJoinRecord, PeerIdentities, shapeOf } from "./data/mod.ts";
import { HttpListener } from "./http/mod.ts";
import { Inbox, Node, type NodeOptions } from "./node/mod.ts";
import { handleOps, Metrics, type WalSample } from "./ops/mod.ts";
import { type PeerEvent, RaftService, StreamTransport } from "./peers/mod.ts";
import { SYSTEM_CLOCK } from "./ports/mod.ts";
import { createHttpHandler } from "./rpc/mod.ts";

/** A peer silent for so many election timeouts is taken for gone. */
const SILENT_ELECTION_TIMEOUTS = 3;
/** More inputs than this waiting: peers are read from again when the loop has caught up. */
const INBOX_INPUTS_MAX = 20_000;
const ROOM_CHECK_MS = 5;
const STABLE_STREAM_MS = 1_000;
/** How long a node goes on asking a cluster that does not answer to be taken in. */
const JOIN_LIMIT_MS = 60_000;
/** Calls under way get this long to end when the node stops. */
const SHUTDOWN_LIMIT_MS = 2_000;

const logger = getLogger(["prkdb", "server"]);

/** What may happen to a running node that ends it. */
export interface ServerHooks {
  readonly onFatal: (error: Error) => void;
  readonly onRemoved: () => void;
}

/** See the module comment. */
export class Server {
  readonly node: Node;
  readonly #config: ServerConfig;
  readonly #door: HttpListener;
  readonly #opsDoor: HttpListener;
  readonly #raftService: RaftService;
  readonly #metrics: Metrics;
  readonly #closing: AbortController;
  #stopped: Promise<void> | undefined;

  /** Use {@linkcode Server.start}. */
  constructor(
    parts: {
      readonly node: Node;
      readonly config: ServerConfig;
      readonly door: HttpListener;
      readonly opsDoor: HttpListener;
      readonly raftService: RaftService;
      readonly metrics: Metrics;
      /** Ends the streams of clients. */
      readonly closing: AbortController;
    },
  ) {
    this.node = parts.node;
    this.#config = parts.config;
    this.#door = parts.door;
    this.#opsDoor = parts.opsDoor;
    this.#raftService = parts.raftService;
    this.#metrics = parts.metrics;
    this.#closing = parts.closing;
  }

  /**
   * Binds the ports, opens the node and serves.
   *
   * @param hooks `onFatal`: the node can no longer write its log and must end; `onRemoved`: the cluster has
   *   removed it and it should be stopped
   * @throws {JoinError} when the cluster that is to take the node in does not
   * @throws {Deno.errors.AddrInUse} when a port is taken
   * @throws {DataDirectoryError} when the data directory cannot be used
   */
  static async start(config: ServerConfig, hooks: ServerHooks): Promise<Server> {
    const doors: HttpListener[] = [];
    try {
      doors.push(
        new HttpListener(config.host, config.port),
        new HttpListener(config.host, config.metricsPort),
      );
      return await openServer(config, { door: doors[0]!, opsDoor: doors[1]!, ...hooks });
    } catch (error) {
      for (const door of doors) await door.close();
      throw error;
    }
  }

  /** Where clients and peers connect, `host:port`. */
  get address(): string {
    return this.#door.address;
  }

  /** Where operators look, `host:port`. */
  get opsAddress(): string {
    return this.#opsDoor.address;
  }

  get config(): ServerConfig {
    return this.#config;
  }

  /** Hands leaderships over, answers what is under way, syncs the log. */
  stop(): Promise<void> {
    return this.#stopped ??= this.#stop();
  }

  async #stop(): Promise<void> {
    this.#closing.abort();
    await this.node.close();
    this.#raftService.close();
    this.#metrics.close();
    const shutdowns = Promise.all([this.#door.close(), this.#opsDoor.close()]);
    await Promise.race([shutdowns, new Promise((resolve) => setTimeout(resolve, SHUTDOWN_LIMIT_MS))]);
  }
}

async function openServer(
  config: ServerConfig,
  { door, opsDoor, onFatal, onRemoved }: ServerHooks & {
    readonly door: HttpListener;
    readonly opsDoor: HttpListener;
  },
): Promise<Server> {
  const metrics = new Metrics();
  const inbox = new Inbox();
  const closing = new AbortController();
  const late: { streams?: StreamTransport; register?: PeerIdentities } = {};
  const fileSystem = new DenoFileSystem();
  const node = await Node.open({
    ...config,
    ...await membershipOf(config, fileSystem),
    directory: config.dataDirectory,
    fileSystem,
    clock: SYSTEM_CLOCK,
    seed: crypto.getRandomValues(new Uint32Array(1))[0]!,
    inbox,
    createTransport: (identity) =>
      late.streams = createTransport(config, {
        ...{ identity, inbox, onRemoved },
        expectedIncarnation: (peer) => late.register!.expected(peer),
      }),
    meters: metrics,
    onRemoved,
    onFatal,
  });
  // Streams open below, when the register is there: only then the directory is known to be this node's.
  const register = late.register = await PeerIdentities.open(fileSystem, config.dataDirectory);
  const streams = late.streams!;
  const raftService = createRaftService(config, { node, inbox, streams, register, onFatal });
  metrics.open({
    status: () => node.status(),
    sampleWal: () => sampleWal(node),
    callsInFlight: () => node.callsInFlight,
  });
  opsDoor.handler = (request) => handleOps(request, { metrics, readiness: () => node.readiness() });
  door.handler = createHttpHandler({
    node,
    corsOrigins: config.corsOrigins.length > 0 ? config.corsOrigins : undefined,
    requests: metrics,
    streaming: raftService,
    closing: closing.signal,
  });
  streams.open();
  return new Server({ node, config, door, opsDoor, raftService, metrics, closing });
}

/** A founder knows its cluster from its flags, a node that joins is told. */
async function membershipOf(
  config: ServerConfig,
  fileSystem: DenoFileSystem,
): Promise<Pick<NodeOptions, "shape" | "joined">> {
  const { dataDirectory, nodeId, address, join, shape } = config;
  if (join === undefined) return { shape };
  const applicant = { nodeId, address, url: join, limitMs: JOIN_LIMIT_MS };
  const joined: JoinRecord = await obtainJoinRecord(fileSystem, dataDirectory, applicant);
  return { shape: shapeOf(joined), joined };
}

function sampleWal({ wal }: Node): WalSample {
  const { bytesTotal, segmentCount } = wal.stats;
  return { bytesTotal, segmentCount };
}

function createTransport(
  config: ServerConfig,
  { identity, inbox, onRemoved, expectedIncarnation }: {
    readonly identity: Identity;
    readonly inbox: Inbox;
    readonly onRemoved: () => void;
    readonly expectedIncarnation: (peer: number) => string;
  },
): StreamTransport {
  return new StreamTransport({
    ...{ clusterId: identity.clusterId, incarnation: identity.incarnation, expectedIncarnation },
    nodeId: config.nodeId,
    address: config.address,
    silentMs: config.electionTimeoutMs * SILENT_ELECTION_TIMEOUTS,
    onEvent: (event) => event.kind === "banned" ? onRemoved() : takePeerEvent(event, inbox),
  });
}

function takePeerEvent(event: Exclude<PeerEvent, { kind: "banned" }>, inbox: Inbox): void {
  const { kind, peer } = event;
  if (kind === "connected") {
    logger.info("Stream to node {peer} is open", { peer });
    inbox.push({ kind: "peerConnected", peer });
  } else if (kind === "lost") {
    // A stream that never worked is an attempt to connect, and those are many while a peer is down.
    const level = event.livedMs > STABLE_STREAM_MS ? "warn" : "debug";
    logger[level]("Stream to node {peer} is lost: {reason}", { peer, reason: event.reason });
    inbox.push({ kind: "peerLost", peer });
  } else {
    logger.debug("Node {peer} cannot be reached: {reason}", { peer, reason: event.reason });
  }
}

function createRaftService(
  config: ServerConfig,
  { node, inbox, streams, register, onFatal }: {
    readonly node: Node;
    readonly inbox: Inbox;
    readonly streams: StreamTransport;
    readonly register: PeerIdentities;
    readonly onFatal: (error: Error) => void;
  },
): RaftService {
  return new RaftService({
    clusterId: node.clusterId,
    nodeId: config.nodeId,
    incarnation: node.identity.incarnation,
    recognizes: (peer, incarnation) => register.recognizes(peer, incarnation),
    onDisowned: (by) => onFatal(disowned(config, by)),
    wasRemoved: (id) => node.clusterState().retired.has(id),
    admits: (id, address) => node.admits(id, address),
    onBatch: (from, batch) => {
      streams.heardFrom(from);
      inbox.push({ kind: "peerBatch", from, batch });
    },
    onEnd: (peer) => inbox.push({ kind: "peerLost", peer }),
    hasRoom: () => inbox.size > INBOX_INPUTS_MAX ? roomIn(inbox) : undefined,
  });
}

function disowned({ nodeId, dataDirectory }: ServerConfig, by: number): Error {
  return new Error(
    `Node ${by} knows node ${nodeId} with another data directory than "${dataDirectory}": a node that has lost its disk ` +
      "has forgotten its votes and must not come back under its old id",
  );
}

async function roomIn(inbox: Inbox): Promise<void> {
  while (inbox.size > INBOX_INPUTS_MAX) await new Promise((resolve) => setTimeout(resolve, ROOM_CHECK_MS));
}
