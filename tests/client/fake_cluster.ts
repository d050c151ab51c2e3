/**
 * A cluster that is none: several `Deno.serve` listeners over one map, speaking real Connect, with the rules
 * of the contract that a client depends on (one leader a partition, request ids applied once in each
 * partition, batches all or none in a partition) and with failures on demand. It keeps a journal of what was
 * applied, so that a test can say how often a write took effect.
 *
 * @module
 */

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeToHttpStatus, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import {
  ClusterService,
  DeleteRequestSchema,
  DeleteResponseSchema,
  ErrorInfoSchema,
  GetManyRequestSchema,
  GetManyResponseSchema,
  GetMetadataResponseSchema,
  GetRequestSchema,
  GetResponseSchema,
  GetStatusResponseSchema,
  HASH_SPACE,
  hashRangeStart,
  IncrementRequestSchema,
  IncrementResponseSchema,
  KvService,
  type Mutation,
  NotLeaderSchema,
  partitionOfKey,
  type Precondition,
  PutRequestSchema,
  PutResponseSchema,
  type RequestId,
  WriteBatchRequestSchema,
  WriteBatchResponseSchema,
} from "../../proto/mod.ts";
import { freePort } from "../support/cluster/free_port.ts";
import { FakeChanges } from "./fake_changes.ts";

/** What happens to one call instead of the ordinary. */
export type Fault =
  /** The call is answered with this error, nothing is done. */
  | { readonly kind: "error"; readonly code: Code; readonly reason?: string }
  /** The call is answered NOT_LEADER, naming the node at this position, or none; in term 99 unless given. */
  | { readonly kind: "notLeader"; readonly leader: number | undefined; readonly term?: number }
  /** The call is done, and then the connection breaks. */
  | { readonly kind: "loseAnswer" }
  /** The call is neither done nor answered, until the cluster is closed. */
  | { readonly kind: "hang" }
  /** The call is done when `until` resolves. */
  | { readonly kind: "delay"; readonly until: Promise<void> }
  /** Mutations of these partitions fail with this code in the results, the others are done. */
  | { readonly kind: "failPartitions"; readonly partitions: readonly number[]; readonly code: string };

/** One call as it arrived. */
export interface SeenCall {
  readonly node: number;
  readonly method: string;
  readonly direct: boolean;
  readonly httpMethod: string;
  readonly sequence: number;
  readonly acknowledgedBelow: number;
  /** Keys of mutations or reads, as text. */
  readonly keys: readonly string[];
}

interface StoredValue {
  readonly value: Uint8Array;
  readonly version: bigint;
  /** As it is told; nothing expires here. */
  readonly expiresAtMs?: bigint;
}

interface FakePartition {
  leader: number;
  /** Positions of nodes. */
  replicas: readonly number[];
  term: number;
  lastIndex: bigint;
  readonly values: Map<string, StoredValue>;
  /** Results by client id and sequence. */
  readonly sessions: Map<string, readonly WriteResult[]>;
}

type WriteResult = MessageInitShape<typeof WriteBatchResponseSchema>["results"] extends
  readonly (infer Each)[] | undefined ? Each : never;

interface RunningNode {
  readonly server: Deno.HttpServer<Deno.NetAddr>;
  readonly aborter: AbortController;
}

/** How a cluster is made. */
export interface FakeClusterOptions {
  readonly nodes?: number;
  readonly partitions?: number;
}

/** See the module comment. */
export class FakeCluster {
  /** Every call but metadata, in the order of arrival. */
  readonly calls: SeenCall[] = [];
  /** Keys in the order in which writes of them took effect. */
  readonly applied: string[] = [];
  /** Decides on a call's fault; `undefined` lets it pass. */
  fault: (call: SeenCall) => Fault | undefined = () => undefined;
  /** Positions of nodes that accept connections and answer nothing, like a stopped process. */
  readonly paused = new Set<number>();
  /**
   * What metadata says about where a node is; other than the truth when clients cannot reach that address.
   */
  advertise: (node: number) => string = (node) => `127.0.0.1:${this.#ports[node]}`;
  /** What metadata says about where clients find a node; empty where that is its address. */
  clientUrl: (node: number) => string = () => "";
  /** Where nodes find one another, as NOT_LEADER tells it. */
  hintAddress: (node: number) => string = (node) => `127.0.0.1:${this.#ports[node]}`;
  /** Which cluster's node is at the address of a node. */
  clusterAt: (node: number) => string = () => this.clusterId;
  /** Which cluster each call meant, with its method; empty if it did not say. */
  readonly meant: (readonly [method: string, clusterId: string])[] = [];
  /** Nodes that were cut off from news, with the metadata they still believe in. */
  readonly frozen = new Map<number, Uint8Array<ArrayBuffer>>();
  /** Changes to the cluster, as asked for and as told. */
  readonly changes = new FakeChanges();
  metadataCalls = 0;
  clusterId = "fake";
  /** The time of day of all its nodes. */
  wallMs = 1_000_000_000_000n;
  readonly #servers: (RunningNode | undefined)[] = [];
  readonly #ports: number[] = [];
  readonly #partitions: FakePartition[];
  /** Positions of the nodes in the metadata. */
  #members: readonly number[];
  #epoch = 1n;
  #wake: () => void = () => {};
  readonly #closed = new Promise<void>((resolve) => this.#wake = resolve);

  constructor({ nodes = 3, partitions = 6 }: FakeClusterOptions = {}) {
    this.#members = Array.from({ length: nodes }, (_, node) => node);
    this.#partitions = Array.from({ length: partitions }, (_, position) => ({
      leader: position % nodes,
      replicas: this.#members,
      term: 1,
      lastIndex: 0n,
      values: new Map(),
      sessions: new Map(),
    }));
    for (let node = 0; node < nodes; node++) this.startNode(node);
  }

  /** `http://127.0.0.1:port` of every node, also of those that are down. */
  get addresses(): readonly string[] {
    return this.#ports.map((port) => `http://127.0.0.1:${port}`);
  }

  /** Starts the node at `node`, at its old port if it had one. */
  startNode(node: number): void {
    const aborter = new AbortController();
    const server = Deno.serve(
      {
        hostname: "127.0.0.1",
        port: this.#ports[node] ?? freePort(),
        signal: aborter.signal,
        onListen: () => {},
      },
      (request) => this.#handle(node, request),
    );
    this.#servers[node] = { server, aborter };
    this.#ports[node] = server.addr.port;
  }

  /** Ends the node at `node` with all its connections: its port refuses new ones from now on. */
  async stopNode(node: number): Promise<void> {
    const running = this.#servers[node];
    this.#servers[node] = undefined;
    running?.aborter.abort();
    await running?.server.finished;
  }

  /** Makes `node` the leader of `partition` in a new term; -1 for none. */
  elect(partition: number, node: number): void {
    const target = this.#partitions[partition]!;
    target.leader = node;
    target.term++;
  }

  /** Starts another node and takes it in; returns its position. */
  addNode(): number {
    const node = this.#ports.length;
    this.startNode(node);
    this.#members = [...this.#members, node];
    this.#epoch++;
    return node;
  }

  /** Takes `node` out of the metadata; its process goes on. */
  removeNode(node: number): void {
    this.#members = this.#members.filter((each) => each !== node);
    this.#epoch++;
  }

  /** Lets `replicas` hold `partition`; the first of them leads it. */
  move(partition: number, replicas: readonly number[]): void {
    this.#partitions[partition]!.replicas = replicas;
    this.#epoch++;
    this.elect(partition, replicas[0]!);
  }

  /** Lets `node` believe for good in what is true now. */
  freeze(node: number): void {
    this.frozen.set(node, this.#metadata());
  }

  /** Position of the partition that owns `key`. */
  partitionOf(key: string): number {
    return partitionOfKey(Uint8Array.from(key, (char) => char.charCodeAt(0)), this.#partitions.length);
  }

  /** Position of the leader of the partition that owns `key`. */
  leaderOf(key: string): number {
    return this.#partitions[this.partitionOf(key)]!.leader;
  }

  /** `count` keys that fall into `partition`. */
  keysIn(partition: number, count: number): readonly string[] {
    const keys: string[] = [];
    for (let number = 0; keys.length < count; number++) {
      if (this.partitionOf(`key-${number}`) === partition) keys.push(`key-${number}`);
    }
    return keys;
  }

  /** What is stored under `key`, as text. */
  stored(key: string): string | undefined {
    const value = this.#partitions[this.partitionOf(key)]!.values.get(key)?.value;
    return value === undefined ? undefined : new TextDecoder().decode(value);
  }

  async close(): Promise<void> {
    this.#wake();
    this.changes.end();
    await Promise.all(this.#servers.map((_, node) => this.stopNode(node)));
  }

  // ---- one call ----

  async #handle(node: number, request: Request): Promise<Response> {
    const url = new URL(request.url);
    const method = url.pathname.slice(url.pathname.lastIndexOf("/") + 1);
    const body = request.method === "GET" ? messageOf(url) : new Uint8Array(await request.arrayBuffer());
    if (this.paused.has(node)) await this.#closed;
    try {
      this.#mustBeMeant(node, [method, request.headers.get("prkdb-cluster") ?? ""]);
      const service = url.pathname.includes(ClusterService.typeName) ? ClusterService : KvService;
      if (service === ClusterService) {
        return this.changes.tryAnswer(method, { node, body }) ?? answer(this.#aboutCluster(node, method));
      }
      return await this.#aboutKeys(seen({ node, method, body, request }), body);
    } catch (error) {
      return failure(error instanceof ConnectError ? error : new ConnectError(String(error), Code.Internal));
    }
  }

  #mustBeMeant(node: number, [method, clusterId]: readonly [method: string, clusterId: string]): void {
    this.meant.push([method, clusterId]);
    if (clusterId === "" || clusterId === this.clusterAt(node)) return;
    const detail = { desc: ErrorInfoSchema, value: { reason: "WRONG_CLUSTER" } };
    const message = `this node belongs to cluster ${this.clusterAt(node)}`;
    throw new ConnectError(message, Code.FailedPrecondition, undefined, [detail]);
  }

  #aboutCluster(node: number, method: string): Uint8Array<ArrayBuffer> {
    if (method === "GetStatus") {
      const status = {
        nodeId: node + 1,
        clusterId: this.clusterAt(node),
        version: "0.0.0",
        state: "serving",
        uptimeMs: 5n,
      };
      return toBinary(GetStatusResponseSchema, create(GetStatusResponseSchema, status));
    }
    this.metadataCalls++;
    return this.frozen.get(node) ?? this.#metadata();
  }

  #metadata(): Uint8Array<ArrayBuffer> {
    const count = this.#partitions.length;
    const metadata = create(GetMetadataResponseSchema, {
      clusterId: this.clusterId,
      epoch: this.#epoch,
      replicationFactor: 3,
      nodes: this.#members.map((node) => ({
        nodeId: node + 1,
        address: this.advertise(node),
        clientUrl: this.clientUrl(node),
      })),
      partitions: this.#partitions.map(({ leader, term, replicas }, position) => ({
        partitionId: position,
        hashStart: hashRangeStart(position, count),
        hashEnd: BigInt(position + 1 === count ? HASH_SPACE : hashRangeStart(position + 1, count)),
        leaderId: leader + 1,
        term: BigInt(term),
        replicas: replicas.map((node) => node + 1),
      })),
    });
    return toBinary(GetMetadataResponseSchema, metadata);
  }

  async #aboutKeys(call: SeenCall, body: Uint8Array): Promise<Response> {
    this.calls.push(call);
    const fault = this.fault(call);
    if (fault?.kind === "error") throw scriptedError(fault);
    if (fault?.kind === "notLeader") throw this.#notLeader(fault.leader, fault.term ?? 99);
    if (fault?.kind === "hang") await this.#closed;
    if (fault?.kind === "delay") await fault.until;
    const failing = fault?.kind === "failPartitions" ? fault : undefined;
    const response = this.#do(call, body, failing);
    return fault?.kind === "loseAnswer" ? brokenAnswer() : answer(response);
  }

  #do(call: SeenCall, body: Uint8Array, failing: Fault & { kind: "failPartitions" } | undefined) {
    switch (call.method) {
      case "Put":
        return this.#put(call, body);
      case "Delete":
        return this.#delete(call, body);
      case "Increment":
        return this.#increment(call, body);
      case "WriteBatch":
        return this.#writeBatch(call, body, failing);
      case "Get": {
        const { key } = fromBinary(GetRequestSchema, body);
        this.#mustLead(call, call.keys);
        return toBinary(GetResponseSchema, create(GetResponseSchema, this.#read(key)));
      }
      case "GetMany": {
        const { keys } = fromBinary(GetManyRequestSchema, body);
        this.#mustLead(call, call.keys);
        const results = keys.map((key) => this.#read(key));
        return toBinary(GetManyResponseSchema, create(GetManyResponseSchema, { results }));
      }
      default:
        throw new ConnectError(call.method, Code.Unimplemented);
    }
  }

  #put(call: SeenCall, body: Uint8Array) {
    const { key, value, ttlMs, precondition, requestId } = fromBinary(PutRequestSchema, body);
    this.#mustLead(call, call.keys);
    const mutation = { kind: { case: "put", value: { key, value, ttlMs } }, precondition } as Mutation;
    const result = this.#single(mutation, requestId);
    return toBinary(PutResponseSchema, create(PutResponseSchema, { version: result.version ?? 0n }));
  }

  #delete(call: SeenCall, body: Uint8Array) {
    const { key, precondition, requestId } = fromBinary(DeleteRequestSchema, body);
    this.#mustLead(call, call.keys);
    const mutation = { kind: { case: "delete", value: { key } }, precondition } as Mutation;
    const { version = 0n, existed = false } = this.#single(mutation, requestId);
    return toBinary(DeleteResponseSchema, create(DeleteResponseSchema, { version, existed }));
  }

  #increment(call: SeenCall, body: Uint8Array) {
    const { key, by, ttlMs, precondition, requestId } = fromBinary(IncrementRequestSchema, body);
    this.#mustLead(call, call.keys);
    const mutation = { kind: { case: "increment", value: { key, by, ttlMs } }, precondition } as Mutation;
    const { version = 0n, value = 0n } = this.#single(mutation, requestId);
    return toBinary(IncrementResponseSchema, create(IncrementResponseSchema, { version, value }));
  }

  #single(mutation: Mutation, requestId: RequestId | undefined): WriteResult {
    const partition = this.#partitions[this.partitionOf(keyOf(mutation))]!;
    const [result] = this.#apply(partition, [mutation], requestId);
    if (result!.error?.code === "NOT_A_NUMBER") {
      throw new ConnectError("That is no number", Code.FailedPrecondition, undefined, [
        { desc: ErrorInfoSchema, value: { reason: "NOT_A_NUMBER" } },
      ]);
    }
    if (result!.error?.code !== "PRECONDITION") return result!;
    const currentVersion = partition.values.get(keyOf(mutation))?.version ?? 0n;
    throw new ConnectError("The key is not as demanded", Code.FailedPrecondition, undefined, [
      { desc: ErrorInfoSchema, value: { reason: "PRECONDITION", currentVersion } },
    ]);
  }

  #writeBatch(call: SeenCall, body: Uint8Array, failing: Fault & { kind: "failPartitions" } | undefined) {
    const { mutations, requestId } = fromBinary(WriteBatchRequestSchema, body);
    const results: WriteResult[] = [];
    const positions = Map.groupBy(
      mutations.keys(),
      (position) => this.partitionOf(keyOf(mutations[position]!)),
    );
    for (const [partition, own] of positions) {
      const code = failing?.partitions.includes(partition) ? failing.code : this.#refusal(call, partition);
      const outcome = code !== undefined
        ? own.map(() => ({ error: { code, message: `partition ${partition}` } }))
        : this.#apply(this.#partitions[partition]!, own.map((position) => mutations[position]!), requestId);
      for (const [rank, position] of own.entries()) results[position] = outcome[rank]!;
    }
    return toBinary(WriteBatchResponseSchema, create(WriteBatchResponseSchema, { results }));
  }

  /** What a node that does not lead `partition` says instead of applying. */
  #refusal(call: SeenCall, partition: number): string | undefined {
    const { leader } = this.#partitions[partition]!;
    if (leader < 0) return "unavailable";
    return call.direct && leader !== call.node ? "NOT_LEADER" : undefined;
  }

  #mustLead(call: SeenCall, keys: readonly string[]): void {
    for (const key of keys) {
      const { leader, term } = this.#partitions[this.partitionOf(key)]!;
      if (leader < 0) throw new ConnectError("no leader", Code.Unavailable);
      if (call.direct && leader !== call.node) throw this.#notLeader(leader, term);
    }
  }

  #notLeader(leader: number | undefined, term: number): ConnectError {
    const leaderAddress = leader === undefined ? "" : this.hintAddress(leader);
    const detail = { leaderId: (leader ?? -1) + 1, leaderAddress, term: BigInt(term), epoch: 1n };
    return new ConnectError("not the leader", Code.FailedPrecondition, undefined, [
      { desc: NotLeaderSchema, value: detail },
      { desc: ErrorInfoSchema, value: { reason: "NOT_LEADER" } },
    ]);
  }

  // ---- state ----

  #apply(
    partition: FakePartition,
    mutations: readonly Mutation[],
    requestId: RequestId | undefined,
  ): readonly WriteResult[] {
    const name = `${requestId?.clientId} ${requestId?.sequence}`;
    const known = requestId === undefined ? undefined : partition.sessions.get(name);
    if (known !== undefined) return known;
    const failing = mutations.findIndex((mutation) =>
      !holds(mutation, partition.values.get(keyOf(mutation)))
    );
    const results = failing < 0 ? this.#applyNumbers(partition, mutations) : mutations.map((_, position) => ({
      error: { code: position === failing ? "PRECONDITION" : "aborted", message: "not as demanded" },
    }));
    if (requestId !== undefined) partition.sessions.set(name, results);
    return results;
  }

  /** As if nothing had happened if one of them cannot be incremented. */
  #applyNumbers(partition: FakePartition, mutations: readonly Mutation[]): readonly WriteResult[] {
    const before = new Map(partition.values);
    const count = this.applied.length;
    const results = mutations.map((mutation) => this.#applyOne(partition, mutation));
    if (results.every(({ error }) => error === undefined)) return results;
    partition.values.clear();
    for (const [key, value] of before) partition.values.set(key, value);
    this.applied.length = count;
    return results.map(({ error }) => ({
      error: error ?? { code: "aborted", message: "kept from applying" },
    }));
  }

  #applyOne(partition: FakePartition, mutation: Mutation): WriteResult {
    const key = keyOf(mutation);
    const version = ++partition.lastIndex;
    const existed = partition.values.has(key);
    this.applied.push(key);
    if (mutation.kind.case === "increment") {
      const held = partition.values.get(key)?.value;
      const text = held === undefined ? "0" : new TextDecoder().decode(held);
      if (!/^-?\d+$/.test(text)) return { error: { code: "NOT_A_NUMBER", message: "that is no number" } };
      const value = BigInt(text) + mutation.kind.value.by;
      const expiry = this.#expiry(mutation.kind.value.ttlMs, partition.values.get(key));
      partition.values.set(key, { value: new TextEncoder().encode(String(value)), version, ...expiry });
      return { version, value };
    }
    if (mutation.kind.case === "put") {
      const expiry = this.#expiry(mutation.kind.value.ttlMs, undefined);
      partition.values.set(key, { value: mutation.kind.value.value, version, ...expiry });
    } else partition.values.delete(key);
    return { version, existed: mutation.kind.case === "delete" && existed };
  }

  #expiry(ttlMs: bigint, before: StoredValue | undefined): Pick<StoredValue, "expiresAtMs"> {
    if (ttlMs > 0n) return { expiresAtMs: this.wallMs + ttlMs };
    return before?.expiresAtMs === undefined ? {} : { expiresAtMs: before.expiresAtMs };
  }

  #read(key: Uint8Array): MessageInitShape<typeof GetResponseSchema> {
    const partition = this.#partitions[partitionOfKey(key, this.#partitions.length)]!;
    return partition.values.get(textOf(key)) ?? {};
  }
}

function seen({ node, method, body, request }: {
  readonly node: number;
  readonly method: string;
  readonly body: Uint8Array;
  readonly request: Request;
}): SeenCall {
  const { keys, requestId } = parsed(method, body);
  return {
    node,
    method,
    direct: request.headers.get("prkdb-route") === "direct",
    httpMethod: request.method,
    sequence: Number(requestId?.sequence ?? 0n),
    acknowledgedBelow: Number(requestId?.acknowledgedBelow ?? 0n),
    keys,
  };
}

function parsed(
  method: string,
  body: Uint8Array,
): { readonly keys: readonly string[]; readonly requestId?: RequestId | undefined } {
  switch (method) {
    case "Put": {
      const { key, requestId } = fromBinary(PutRequestSchema, body);
      return { keys: [textOf(key)], requestId };
    }
    case "Delete": {
      const { key, requestId } = fromBinary(DeleteRequestSchema, body);
      return { keys: [textOf(key)], requestId };
    }
    case "Increment": {
      const { key, requestId } = fromBinary(IncrementRequestSchema, body);
      return { keys: [textOf(key)], requestId };
    }
    case "WriteBatch": {
      const { mutations, requestId } = fromBinary(WriteBatchRequestSchema, body);
      return { keys: mutations.map(keyOf), requestId };
    }
    case "Get":
      return { keys: [textOf(fromBinary(GetRequestSchema, body).key)] };
    case "GetMany":
      return { keys: fromBinary(GetManyRequestSchema, body).keys.map(textOf) };
    default:
      return { keys: [] };
  }
}

function keyOf(mutation: Mutation): string {
  return textOf(mutation.kind.value!.key);
}

/** One char a byte, so that any key can be told from any other. */
function textOf(key: Uint8Array): string {
  return String.fromCharCode(...key);
}

function holds(
  { precondition }: { readonly precondition?: Precondition | undefined },
  stored: StoredValue | undefined,
): boolean {
  switch (precondition?.expected.case) {
    case "absent":
      return stored === undefined;
    case "exists":
      return stored !== undefined;
    case "version":
      return (stored?.version ?? 0n) === precondition.expected.value;
    default:
      return true;
  }
}

function messageOf(url: URL): Uint8Array {
  const base64 = url.searchParams.get("message")!.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

function scriptedError({ code, reason }: Fault & { kind: "error" }): ConnectError {
  const details = reason === undefined ? [] : [{ desc: ErrorInfoSchema, value: { reason } }];
  return new ConnectError("as scripted", code, undefined, details);
}

function answer(body: Uint8Array<ArrayBuffer>): Response {
  return new Response(body, { headers: { "content-type": "application/proto" } });
}

function failure(error: ConnectError): Response {
  return new Response(errorToJsonBytes(error, undefined) as Uint8Array<ArrayBuffer>, {
    status: codeToHttpStatus(error.code),
    headers: { "content-type": "application/json" },
  });
}

/** Headers that promise an answer, then the end of the connection. */
function brokenAnswer(): Response {
  const body = new ReadableStream({
    pull: (controller) => controller.error(new Error("the connection breaks, as scripted")),
  });
  return new Response(body, { headers: { "content-type": "application/proto" } });
}
