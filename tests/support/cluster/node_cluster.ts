/**
 * Whole nodes in one process, on real files and a network in memory.
 *
 * @module
 */

import type { NodeReadOptions, NodeWriteOptions, WriteResult } from "../../../server/api/node_api.ts";
import type { ClusterShape } from "../../../server/cluster/founding.ts";
import type { Mutation } from "../../../server/kv/mod.ts";
import { newIncarnation, openDataDirectory, Troubles } from "../../../server/data/mod.ts";
import { type JoinedCluster, Node, type NodeOptions } from "../../../server/node/node.ts";
import { SYSTEM_CLOCK } from "../../../server/ports/system_clock.ts";
import { DenoFileSystem } from "../../../wal-wasm/mod.ts";
import { PATIENCE_MS, pause } from "../patience.ts";
import { MemoryNetwork } from "./memory_peers.ts";

/** What most writes are made with. */
export const WRITE: NodeWriteOptions = { timeoutMs: PATIENCE_MS, direct: false, requestId: undefined };
/** What most reads are made with. */
export const READ: NodeReadOptions = {
  timeoutMs: PATIENCE_MS,
  direct: false,
  consistency: "linearizable",
  maxStalenessMs: 0,
};
const NO_METERS = {
  observeTurn() {},
  observeFrame() {},
  observeSync() {},
  observeProposal() {},
  observeRefusal() {},
};

/** The UTF-8 of a key or value. */
export const utf8 = (text: string) => new TextEncoder().encode(text);

/** A put without a condition. */
export function put(key: string, value: string): Mutation {
  return { kind: "put", key: utf8(key), value: utf8(value), ttlMs: 0, precondition: undefined };
}

/** Where a node comes from: it is a founder, or has joined. */
interface Origin {
  readonly shape: ClusterShape;
  readonly joined?: JoinedCluster;
}

/** What a cluster is made of, where it is not the usual. */
export interface NodeClusterOptions {
  readonly partitionCount?: number;
  readonly replicationFactor?: number;
  readonly sizes?: Partial<Pick<NodeOptions, "walSegmentBytes" | "memory" | "budget" | "storeSizes">>;
}

/** Sizes with which little is much. */
export const TINY_SIZES = {
  walSegmentBytes: 64 * 1024,
  budget: {
    memtableBytes: 16 * 1024,
    cacheBytes: 64 * 1024,
    logBytes: 32 * 1024,
    heldLogBytes: 1024 * 1024,
    verifyEveryMs: 20,
    segments: 3,
  },
  storeSizes: { level0Tables: 2, level1Bytes: 32 * 1024, tableBytes: 8 * 1024, blockBytes: 512 },
} as const;

/** See the module comment. */
export class NodeCluster {
  readonly #options: NodeClusterOptions;
  readonly network = new MemoryNetwork();
  readonly nodes = new Map<number, Node>();
  /** Nodes that the cluster has removed and that know it. */
  readonly removed = new Set<number>();
  readonly #directory: string;
  readonly #shape: ClusterShape;
  /** What the nodes were told that were not there at the beginning. */
  readonly #joined = new Map<number, Origin>();

  constructor(size: number, options: NodeClusterOptions = {}) {
    const { partitionCount = 4, replicationFactor = size } = options;
    this.#options = options;
    this.#directory = Deno.makeTempDirSync({ prefix: "prkdb-node-" });
    const ids = Array.from({ length: size }, (_, at) => at + 1);
    this.#shape = { nodes: new Map(ids.map((id) => [id, `host:${id}`])), partitionCount, replicationFactor };
  }

  async start(...ids: readonly number[]): Promise<void> {
    for (const nodeId of ids.length > 0 ? ids : this.#shape.nodes.keys()) {
      const origin = this.#joined.get(nodeId) ?? { shape: this.#shape };
      const fileSystem = new DenoFileSystem();
      const seed = nodeId;
      const data = await openDataDirectory(fileSystem, {
        directory: this.directoryOf(nodeId),
        nodeId,
        shape: origin.shape,
        joinedClusterId: origin.joined?.clusterId,
        incarnation: newIncarnation({ wallMs: SYSTEM_CLOCK.wallMs(), seed }),
      });
      const node = await Node.open({
        ...origin,
        ...this.network.attach(nodeId),
        data,
        fileSystem,
        clock: SYSTEM_CLOCK,
        seed,
        electionTimeoutMs: 600,
        heartbeatMs: 80,
        walSync: { kind: "always" },
        walSegmentBytes: 1024 * 1024,
        memory: { log: 2 ** 30, state: 2 ** 30, calls: 2 ** 27 },
        ...this.#options.sizes,
        troubles: new Troubles(),
        meters: NO_METERS,
      });
      void node.ended.then((end) => {
        if (end.kind === "fatal") throw end.error;
        this.removed.add(nodeId);
      });
      this.nodes.set(nodeId, node);
      this.network.serve(nodeId, node);
    }
  }

  /** Starts nodes that were not there at the beginning, with what `guide` knows of the cluster. */
  async join(guide: number, ...ids: readonly number[]): Promise<void> {
    const { clusterId, nodes, partitions, replicationFactor } = this.node(guide).metadata();
    for (const id of ids) {
      const others = nodes.filter(({ nodeId }) => nodeId !== id);
      this.#joined.set(id, {
        shape: {
          nodes: new Map(others.map(({ nodeId, address }) => [nodeId, address])),
          partitionCount: partitions.length,
          replicationFactor,
        },
        joined: { clusterId, replicas: partitions.map(({ replicas }) => replicas) },
      });
    }
    await this.start(...ids);
  }

  /** The data directory of a node. */
  directoryOf(id: number): string {
    return `${this.#directory}/${id}`;
  }

  /** Names of the files that the store of a group has on a node. */
  storeFiles(id: number, group: number): readonly string[] {
    return [...Deno.readDirSync(`${this.directoryOf(id)}/state/${group}`)].map(({ name }) => name);
  }

  node(id: number): Node {
    return this.nodes.get(id)!;
  }

  async stop(id: number): Promise<void> {
    await this.node(id).close();
    this.network.detach(id);
    this.nodes.delete(id);
  }

  async close(): Promise<void> {
    for (const id of [...this.nodes.keys()]) await this.stop(id);
    await Deno.remove(this.#directory, { recursive: true });
  }

  async ready(): Promise<void> {
    while (![...this.nodes.values()].every((node) => node.readiness().isReady)) await pause(20);
  }
}

/** What `key` holds, as text. */
export async function text(
  node: Node,
  key: string,
  options: NodeReadOptions = READ,
): Promise<string | undefined> {
  const [result] = await node.read([utf8(key)], options);
  return result === undefined ? undefined : new TextDecoder().decode(result.value);
}

/** What became of a write, in a word. */
export function kindOf(result: WriteResult | undefined): string {
  return result === undefined ? "none" : result.ok ? "ok" : result.error.failure.kind;
}

/** A cluster that is ready, for as long as `body` takes. */
export async function withCluster(
  size: number,
  body: (cluster: NodeCluster) => Promise<void>,
): Promise<void> {
  const cluster = new NodeCluster(size);
  try {
    await cluster.start();
    await cluster.ready();
    await body(cluster);
  } finally {
    await cluster.close();
  }
}
