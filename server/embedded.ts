/**
 * A node inside its caller's process, without a network: alone it is a complete single-node database.
 *
 * @module
 */

import { PARTITIONS_MAX } from "../proto/mod.ts";
import { DenoFileSystem } from "../wal-wasm/mod.ts";
import type { ClusterShape } from "./cluster/mod.ts";
import { defaultMemoryBytes, DEFAULTS, divideMemory } from "./config/mod.ts";
import { newIncarnation, openDataDirectory, Troubles } from "./data/mod.ts";
import { Inbox, type LoopMeters, Node } from "./node/mod.ts";
import { type PeerTransport, SYSTEM_CLOCK } from "./ports/mod.ts";
import { createLocalCaller, type LocalCall } from "./rpc/mod.ts";

const NODE_ID = 1;
/** Alone in its process, it is elected at its first tick: no reason to wait long for that. */
const READY_POLL_MS = 5;

/** What an embedded node is opened with. */
export interface EmbeddedOptions {
  /** Locked while open; made if it is missing. */
  readonly dataDir: string;
  /**
   * 1 to `PARTITIONS_MAX`, fixed when the directory is first used; 9 unless given then, and need not be given
   * again.
   */
  readonly numPartitions?: number;
}

/** See the module comment. */
export class EmbeddedNode {
  readonly #node: Node;
  readonly #call: (call: LocalCall) => Promise<Uint8Array>;
  #failure: Error | undefined;

  private constructor(node: Node) {
    this.#node = node;
    this.#call = createLocalCaller(node);
    void node.ended.then((end) => this.#failure = end.kind === "fatal" ? end.error : undefined);
  }

  /**
   * Opens or makes the database in `dataDir` and waits until it can serve.
   *
   * @throws {TypeError} when `dataDir` is no path
   * @throws {RangeError} when `numPartitions` is not a whole number within its limits
   * @throws {DataDirectoryError} when another process uses the directory, or it is not this node's
   */
  static async open(
    { dataDir, numPartitions }: EmbeddedOptions,
  ): Promise<EmbeddedNode> {
    checkOptions(dataDir, numPartitions);
    const fileSystem = new DenoFileSystem();
    const shape = shapeOf(numPartitions ?? DEFAULTS.partitions);
    const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
    const data = await openDataDirectory(fileSystem, {
      directory: dataDir,
      nodeId: NODE_ID,
      shape,
      asked: { partitionCount: numPartitions !== undefined, replicationFactor: true },
      incarnation: newIncarnation({ wallMs: SYSTEM_CLOCK.wallMs(), seed }),
    });
    const node = await Node.open({
      data,
      shape: shapeOf(data.identity.partitionCount),
      fileSystem,
      clock: SYSTEM_CLOCK,
      seed,
      inbox: new Inbox(),
      transport: NO_PEERS,
      electionTimeoutMs: DEFAULTS.electionTimeoutMs,
      heartbeatMs: DEFAULTS.heartbeatMs,
      walSync: { kind: "always" },
      walSegmentBytes: DEFAULTS.walSegmentBytes,
      memory: divideMemory(defaultMemoryBytes(), undefined),
      troubles: new Troubles(),
      meters: NO_METERS,
    });
    const embedded = new EmbeddedNode(node);
    while (!node.readiness().isReady) await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
    return embedded;
  }

  /**
   * Answers one call, as over HTTP; rejects with `ConnectError`.
   *
   * @throws the error that broke the log, once it is broken: the database must be opened anew
   */
  call(call: LocalCall): Promise<Uint8Array> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return this.#call(call);
  }

  /** Syncs and closes the log and releases the directory. */
  close(): Promise<void> {
    return this.#node.close();
  }
}

/** Before anything is made: what a directory was once made with stays. */
function checkOptions(dataDir: string, numPartitions: number = DEFAULTS.partitions): void {
  if (typeof dataDir !== "string" || dataDir === "") {
    throw new TypeError("Cannot open the database: dataDir must be the path of its directory");
  }
  if (Number.isInteger(numPartitions) && numPartitions >= 1 && numPartitions <= PARTITIONS_MAX) return;
  throw new RangeError(
    `Cannot open the database: numPartitions must be a whole number from 1 to ${PARTITIONS_MAX}, ` +
      `it is ${String(numPartitions)}`,
  );
}

/** The address only stands in the metadata; nothing connects to it. */
function shapeOf(partitionCount: number): ClusterShape {
  return { nodes: new Map([[NODE_ID, "localhost:0"]]), partitionCount, replicationFactor: 1 };
}

const NO_PEERS: PeerTransport = {
  setPeers: () => {},
  whoIsAt: () => Promise.resolve({ kind: "nobody", reason: "there is no network" }),
  send: () => false,
  statuses: () => [],
  close: () => Promise.resolve(),
};
const NO_METERS: LoopMeters = {
  observeTurn() {},
  observeFrame() {},
  observeSync() {},
  observeProposal() {},
  observeRefusal() {},
};
