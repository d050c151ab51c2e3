/**
 * A node inside its caller's process, without a network: alone it is a complete single-node database.
 *
 * @module
 */

import { resolve } from "node:path";
import { PARTITIONS_MAX } from "../proto/mod.ts";
import { DenoFileSystem, type FileSystem, SYSTEM_TIMER } from "../wal-wasm/mod.ts";
import type { ClusterShape } from "./cluster/mod.ts";
import { defaultMemoryBytes, DEFAULTS, divideMemory } from "./config/mod.ts";
import {
  DataDirectoryError,
  DescriptorReserve,
  DESCRIPTORS_HELD_EMBEDDED,
  explainFileError,
  identityPath,
  newIncarnation,
  openDataDirectory,
  Troubles,
} from "./data/mod.ts";
import { Inbox, type LoopMeters, Node } from "./node/mod.ts";
import { type PeerTransport, SYSTEM_CLOCK } from "./ports/mod.ts";
import { createLocalCaller, type LocalCall } from "./rpc/mod.ts";

const NODE_ID = 1;
const OPTION_NAMES: readonly string[] = ["dataDir", "numPartitions"] satisfies (keyof EmbeddedOptions)[];
/** Alone in its process, it is elected at its first tick: no reason to wait long for that. */
const READY_POLL_MS = 5;

/** What an embedded node is opened with. */
export interface EmbeddedOptions {
  /** Locked while open; made if it is missing. A relative path is resolved once, when it is opened. */
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
  readonly #descriptors: DescriptorReserve;
  readonly #call: (call: LocalCall) => Promise<Uint8Array>;
  #failure: Error | undefined;

  private constructor(node: Node, descriptors: DescriptorReserve) {
    this.#node = node;
    this.#descriptors = descriptors;
    this.#call = createLocalCaller(node);
    void node.ended.then((end) => this.#failure = end.kind === "fatal" ? end.error : undefined);
  }

  /**
   * Opens or makes the database in `dataDir` and waits until it can serve.
   *
   * @throws {TypeError} when `dataDir` is no path, or there is an option of another name
   * @throws {RangeError} when `numPartitions` is not a whole number within its limits
   * @throws {DataDirectoryError} when another process uses the directory, or it is not this node's
   */
  static async open(options: EmbeddedOptions): Promise<EmbeddedNode> {
    checkOptions(options);
    try {
      // The program around it may go to another directory, and its log must stay where it is.
      return await EmbeddedNode.#open({ ...options, dataDir: resolve(options.dataDir) });
    } catch (error) {
      throw inOptions(explainFileError(error, options.dataDir) ?? error);
    }
  }

  static async #open({ dataDir, numPartitions }: EmbeddedOptions): Promise<EmbeddedNode> {
    const troubles = new Troubles();
    const descriptors = new DescriptorReserve({
      fileSystem: new DenoFileSystem(),
      timer: SYSTEM_TIMER,
      troubles,
      held: DESCRIPTORS_HELD_EMBEDDED,
    });
    try {
      const node = await openNode({ dataDir, numPartitions, descriptors, troubles });
      while (!node.readiness().isReady) await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
      return new EmbeddedNode(node, descriptors);
    } catch (error) {
      descriptors.close();
      throw error;
    }
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
  async close(): Promise<void> {
    try {
      await this.#node.close();
    } finally {
      this.#descriptors.close();
    }
  }
}

/** What a node is opened from. */
interface NodeParts {
  readonly dataDir: string;
  readonly numPartitions: number | undefined;
  readonly descriptors: DescriptorReserve;
  readonly troubles: Troubles;
}

async function openNode({ dataDir, numPartitions, descriptors, troubles }: NodeParts): Promise<Node> {
  const fileSystem: FileSystem = descriptors;
  const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
  const data = await openDataDirectory(fileSystem, {
    directory: dataDir,
    nodeId: NODE_ID,
    shape: shapeOf(numPartitions ?? DEFAULTS.partitions),
    asked: { partitionCount: numPartitions !== undefined, replicationFactor: false },
    incarnation: newIncarnation({ wallMs: SYSTEM_CLOCK.wallMs(), seed }),
  });
  await descriptors.fill(identityPath(data.directory));
  return await Node.open({
    data,
    shape: { ...shapeOf(data.identity.partitionCount), replicationFactor: data.identity.replicationFactor },
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
    troubles,
    meters: NO_METERS,
  });
}

/** Before anything is made: what a directory was once made with stays. */
function checkOptions(options: EmbeddedOptions): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`Cannot open the database: give { dataDir }, not ${String(options)}`);
  }
  const unknown = Object.keys(options).find((name) => !OPTION_NAMES.includes(name));
  if (unknown !== undefined) {
    throw new TypeError(`Cannot open the database: "${unknown}" is none of ${OPTION_NAMES.join(", ")}`);
  }
  const { dataDir, numPartitions = DEFAULTS.partitions } = options;
  if (typeof dataDir !== "string" || dataDir === "") {
    throw new TypeError("Cannot open the database: dataDir must be the path of its directory");
  }
  if (Number.isInteger(numPartitions) && numPartitions >= 1 && numPartitions <= PARTITIONS_MAX) return;
  throw new RangeError(
    `Cannot open the database: numPartitions must be a whole number from 1 to ${PARTITIONS_MAX}, ` +
      `it is ${String(numPartitions)}`,
  );
}

/** What a program's options are called in texts that are written for the flags of a node. */
const IN_OPTIONS: readonly (readonly [said: RegExp, words: string])[] = [
  [
    /it is in use by another process; stop that or use another --data-dir/,
    "it is open already, in this process or another one; close it there, or use another dataDir",
  ],
  [/use --num-partitions (\d+)/, "open it with numPartitions $1, or without"],
  [/check --node-id and --data-dir/, "use another dataDir"],
  [/--data-dir/, "dataDir"],
];

/** `error` for a program, which has options where a node has flags. */
function inOptions(error: unknown): unknown {
  if (!(error instanceof DataDirectoryError)) return error;
  const message = IN_OPTIONS.reduce((text, [said, words]) => text.replace(said, words), error.message);
  return message === error.message ? error : new DataDirectoryError(message, { cause: error.cause ?? error });
}

/** The address only stands in the metadata; nothing connects to it. */
function shapeOf(partitionCount: number): ClusterShape {
  return { nodes: new Map([[NODE_ID, "localhost:0"]]), partitionCount, replicationFactor: 1 };
}

const NO_PEERS: PeerTransport = {
  setPeers: () => {},
  whoIsAt: () => Promise.resolve({ kind: "nobody", reason: "there is no network" }),
  send: () => false,
  askSnapshot: () => Promise.reject(new Error("there is no network")),
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
