/**
 * A node in memory: one map, versions that count up, and ways to make it refuse. It takes the arguments of
 * `NodeApi` as they come and remembers them, so that a test sees what passed the border. Its time stands
 * still: a key keeps all of its time to live.
 *
 * @module
 */

import { DomainError, type Failure } from "../../server/api/error.ts";
import type {
  ClusterMetadata,
  NodeApi,
  NodeReadOptions,
  NodeStatus,
  NodeWriteOptions,
  OpenBackup,
  ReadResult,
  WriteResult,
} from "../../server/api/node_api.ts";
import type { ChangeRequest, ClusterChange } from "../../server/cluster/mod.ts";
import type { Mutation } from "../../server/kv/mod.ts";

/** A key that begins so is refused with the failure named after it, as in `fail:unavailable`. */
export const FAIL_PREFIX = "fail:";
/** Reads and writes of this key throw what no node may throw. */
export const BUG_KEY = "bug";
/** Reads and writes of this key are answered only at their deadline. */
export const SLOW_KEY = "slow";

type Held = NonNullable<ReadResult>;

/** One call, as the node got it. */
export type Seen =
  | { readonly kind: "write"; readonly mutations: readonly Mutation[]; readonly options: NodeWriteOptions }
  | { readonly kind: "read"; readonly keys: readonly Uint8Array[]; readonly options: NodeReadOptions }
  | { readonly kind: "change"; readonly request: ChangeRequest; readonly options: FakeChangeOptions };

/** Of a change. */
export interface FakeChangeOptions {
  readonly timeoutMs: number;
}

/** Asking for this node fails as the cluster's answer does when a change makes no sense. */
export const MEMBER_NODE = 13;
/** Asking for this node fails with what no node may throw. */
export const BUG_NODE = 666;

/** What the keys fail with; the type sees to it that none is forgotten. */
const FAILURES: { readonly [K in Failure["kind"]]: Failure & { readonly kind: K } } = {
  invalidArgument: { kind: "invalidArgument" },
  precondition: { kind: "precondition", currentVersion: 7 },
  notANumber: { kind: "notANumber" },
  batchAborted: { kind: "batchAborted" },
  notLeader: { kind: "notLeader", leaderId: 3, leaderAddress: "127.0.0.1:50053", term: 5, epoch: 9 },
  wrongCluster: { kind: "wrongCluster" },
  unavailable: { kind: "unavailable" },
  overloaded: { kind: "overloaded" },
  outcomeUnknown: { kind: "outcomeUnknown" },
  deadline: { kind: "deadline" },
  cancelled: { kind: "cancelled" },
  outOfRange: { kind: "outOfRange" },
  dataLoss: { kind: "dataLoss" },
  unauthenticated: { kind: "unauthenticated" },
  permissionDenied: { kind: "permissionDenied" },
  unimplemented: { kind: "unimplemented" },
  internal: { kind: "internal" },
};

/** See the module comment. */
export class FakeNode implements NodeApi {
  readonly seen: Seen[] = [];
  clusterId = "test-cluster";
  readonly #listeners = new Set<() => void>();
  #changes: readonly ClusterChange[] = [];
  readonly #values = new Map<string, Held>();
  #version = 0;

  wallMs(): number {
    return Date.now();
  }

  async write(mutations: readonly Mutation[], options: NodeWriteOptions): Promise<readonly WriteResult[]> {
    this.seen.push({ kind: "write", mutations, options });
    const results: WriteResult[] = [];
    for (const mutation of mutations) results.push(await this.#writeOne(mutation, options));
    return results;
  }

  async read(keys: readonly Uint8Array[], options: NodeReadOptions): Promise<readonly ReadResult[]> {
    this.seen.push({ kind: "read", keys, options });
    const results: ReadResult[] = [];
    for (const key of keys) {
      const error = await failureOf(textOf(key), options.timeoutMs);
      if (error !== undefined) throw error;
      results.push(this.#values.get(textOf(key)));
    }
    return results;
  }

  changeCluster(request: ChangeRequest, options: FakeChangeOptions): Promise<string> {
    this.seen.push({ kind: "change", request, options });
    const nodeId = request.kind === "addNode" || request.kind === "removeNode" ? request.nodeId : 0;
    if (nodeId === BUG_NODE) return Promise.reject(new TypeError("secret detail of the inside"));
    if (nodeId !== MEMBER_NODE) return Promise.resolve(`change-${this.seen.length}`);
    const message = `Cannot do it: node ${nodeId} stands in the way`;
    return Promise.reject(new DomainError({ kind: "invalidArgument" }, message));
  }

  /** There is nothing in its partitions; a test may have something else opened. */
  openBackup(): Promise<OpenBackup> {
    const nothing = { description: new Uint8Array(0), files: [], read: () => {}, release: () => {} };
    return Promise.resolve({ index: this.#version, term: 1, ...nothing });
  }

  /** Whether it can learn what was committed; a test may let it. */
  canRefresh = true;

  refreshCluster(): Promise<boolean> {
    return Promise.resolve(this.canRefresh);
  }

  clusterChanges(): readonly ClusterChange[] {
    return this.#changes;
  }

  onClusterChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** How many listen. */
  get listenerCount(): number {
    return this.#listeners.size;
  }

  /** Makes `changes` what is retained, and says so. */
  showChanges(changes: readonly ClusterChange[]): void {
    this.#changes = changes;
    for (const listener of this.#listeners) listener();
  }

  metadata(): ClusterMetadata {
    return {
      clusterId: "test-cluster",
      epoch: 4,
      replicationFactor: 3,
      nodes: [
        { nodeId: 1, address: "127.0.0.1:50051", clientUrl: "" },
        { nodeId: 4_294_967_295, address: "other:1", clientUrl: "https://db.example" },
      ],
      partitions: [
        {
          partitionId: 0,
          hashStart: 0,
          hashEnd: 2 ** 31,
          leaderId: 1,
          term: 2,
          replicas: [1, 4_294_967_295],
        },
        {
          partitionId: 1,
          hashStart: 2 ** 31,
          hashEnd: 2 ** 32,
          leaderId: 0,
          term: 0,
          replicas: [4_294_967_295, 1],
        },
      ],
    };
  }

  status(): NodeStatus {
    return {
      nodeId: 1,
      clusterId: "test-cluster",
      version: "0.1.0",
      state: "serving",
      uptimeMs: 12.5,
      walBytes: 4096,
      troubles: [{ kind: "memoryFull", reason: "no memory is left" }],
      peers: [{
        nodeId: 2,
        address: "127.0.0.1:50052",
        connected: true,
        queuedBytes: 10,
        droppedMessages: 1,
        reached: true,
      }],
      replicas: [{
        replicaId: 1,
        partitionId: 0,
        group: 1,
        role: "leader",
        term: 2,
        vote: 1,
        leader: 1,
        commit: 10,
        applied: 9,
        firstIndex: 1,
        lastIndex: 12,
        logBytes: 300,
        electionsWon: 1,
        isQuiet: false,
        isSealed: false,
        membership: { voters: [1], votersOutgoing: [], learners: [], learnersNext: [] },
        appendsSent: 6,
        keyCount: 5,
        expiredKeys: 0,
        stateBytes: 100,
        followers: [{
          node: 2,
          state: "replicate",
          matchIndex: 8,
          nextIndex: 9,
          inflightMessages: 1,
          inflightBytes: 20,
          active: true,
        }],
      }],
    };
  }

  async #writeOne(mutation: Mutation, options: NodeWriteOptions): Promise<WriteResult> {
    const key = textOf(mutation.key);
    const error = await failureOf(key, options.timeoutMs) ?? this.#preconditionError(mutation, key);
    if (error !== undefined) return { ok: false, error };
    const existed = this.#values.has(key);
    if (mutation.kind === "increment") return this.#increment(key, mutation);
    const version = ++this.#version;
    if (mutation.kind === "put") {
      this.#values.set(key, { value: mutation.value, version, ...expiryOf(mutation.ttlMs, undefined) });
    } else this.#values.delete(key);
    return { ok: true, version, existed: mutation.kind === "delete" && existed, partitionId: 3 };
  }

  #increment(key: string, { by, ttlMs }: Mutation & { readonly kind: "increment" }): WriteResult {
    const held = this.#values.get(key);
    const before = held === undefined ? "0" : textOf(held.value);
    const sum = BigInt(before) + BigInt(by);
    const isNumber = before === String(BigInt(before)) && sum === BigInt.asIntN(64, sum);
    if (!isNumber) {
      const message = "Cannot increment: that is no number";
      return { ok: false, error: new DomainError({ kind: "notANumber" }, message) };
    }
    const version = ++this.#version;
    const value = new TextEncoder().encode(String(sum));
    this.#values.set(key, { value, version, ...expiryOf(ttlMs, held) });
    return { ok: true, version, existed: false, partitionId: 3, number: String(sum) };
  }

  #preconditionError({ precondition }: Mutation, key: string): DomainError | undefined {
    const currentVersion = this.#values.get(key)?.version ?? 0;
    if (precondition?.kind === "exists") return currentVersion > 0 ? undefined : missing();
    const wanted = precondition?.kind === "version" ? precondition.version : 0;
    if (precondition === undefined || wanted === currentVersion) return undefined;
    const message = `Cannot write: the key must be at version ${wanted}, it is at ${currentVersion}`;
    return new DomainError({ kind: "precondition", currentVersion }, message);
  }
}

function expiryOf(ttlMs: number, before: Held | undefined): Pick<Held, "expiresInMs"> {
  if (ttlMs > 0) return { expiresInMs: ttlMs };
  return before?.expiresInMs === undefined ? {} : { expiresInMs: before.expiresInMs };
}

function missing(): DomainError {
  return new DomainError({ kind: "precondition", currentVersion: 0 }, "Cannot write: the key must exist");
}

async function failureOf(key: string, timeoutMs: number): Promise<DomainError | undefined> {
  if (key === BUG_KEY) throw new TypeError("secret detail of the inside");
  if (key === SLOW_KEY) {
    await new Promise((resolve) => setTimeout(resolve, timeoutMs));
    return new DomainError(
      { kind: "deadline" },
      "Cannot answer in time: the deadline passed",
    );
  }
  if (!key.startsWith(FAIL_PREFIX)) return undefined;
  const kind = key.slice(FAIL_PREFIX.length);
  if (!Object.hasOwn(FAILURES, kind)) throw new Error(`no such failure: ${kind}`);
  const failure = FAILURES[kind as Failure["kind"]];
  return new DomainError(failure, `Cannot do it: ${kind}`);
}

function textOf(key: Uint8Array): string {
  return new TextDecoder().decode(key);
}

/** A change that has just begun. */
export function begunChange(changeId: string): ClusterChange {
  return {
    changeId,
    request: { kind: "rebalance" },
    description: "rebalance",
    done: 0,
    total: 0,
    isFinished: false,
    error: "",
  };
}
