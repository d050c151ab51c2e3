/**
 * A cluster of real processes on loopback, for end-to-end tests and benchmarks: started, signalled, restarted
 * and cleaned up, whatever happens between.
 *
 * ```ts
 * await using cluster = await ProcessCluster.start({ nodes: 3 });
 * const client = await PrkDbClient.connect(cluster.addresses());
 * await cluster.kill(await cluster.leaderOf(0), "SIGKILL");
 * ```
 *
 * @module
 */

import { fromJson, type JsonValue, toJsonString } from "@bufbuild/protobuf";
import { type GetMetadataResponse, GetMetadataResponseSchema } from "../../../proto/mod.ts";
import { PATIENCE_MS, pause } from "../patience.ts";
import { freePort } from "./free_port.ts";
import { ProcessNode } from "./process_node.ts";

const HOST = "127.0.0.1";
/** Someone else may take a port between our probe and the node's start: begin again with others. */
const START_TRIES_MAX = 5;
const POLL_MS = 25;
/** A process that does not answer for so long is passed over, where another may be asked instead. */
const QUESTION_LIMIT_MS = 60_000;

/** One direction between two nodes. */
export interface PeerPath {
  readonly from: number;
  readonly to: number;
  /** Where `to` really is, as `host:port`. */
  readonly address: string;
}

/** What a cluster is started with. */
export interface ProcessClusterOptions {
  /** Nodes 1 … `nodes`. */
  readonly nodes: number;
  readonly partitions?: number;
  readonly replicationFactor?: number;
  /** Further flags for every node. */
  readonly flags?: readonly string[];
  /** Added to every node's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Where node `from` is told to find node `to`, as `host:port`; asked at every start of `from`. It is told
   * where `to` really is unless this is given.
   */
  readonly peerAddress?: (link: PeerPath) => string;
  /**
   * Folder in which the data directories are made, and of which only they are removed; the system's for
   * temporary files.
   */
  readonly dataRoot?: string;
}

/** One node's place: the same for all processes of the node. */
interface Place {
  readonly port: number;
  readonly metricsPort: number;
  readonly dataDirectory: string;
}

/** See the module comment. Node ids are 1 … n; addresses are `http://127.0.0.1:PORT`. */
export class ProcessCluster {
  readonly #options: ProcessClusterOptions;
  readonly #folder: string;
  readonly #places: Map<number, Place>;
  /** Of nodes that joined later: the address of the node that they asked to be taken in. */
  readonly #guides = new Map<number, string>();
  readonly #processes = new Map<number, ProcessNode>();
  readonly #stopped = new Set<number>();

  private constructor(options: ProcessClusterOptions, folder: string) {
    this.#options = options;
    this.#folder = folder;
    const ids = Array.from({ length: options.nodes }, (_, at) => at + 1);
    this.#places = new Map(ids.map((id) => [id, this.#newPlace(id)]));
  }

  #newPlace(id: number): Place {
    return { port: freePort(), metricsPort: freePort(), dataDirectory: `${this.#folder}/node-${id}` };
  }

  /**
   * Starts all nodes and waits until each says that it can serve all partitions.
   *
   * @throws {Error} when a node ends or is never ready; everything started has been cleaned up then
   */
  static async start(options: ProcessClusterOptions): Promise<ProcessCluster> {
    for (let tries = 1;; tries++) {
      const folder = await Deno.makeTempDir({
        prefix: "prkdb-cluster-",
        ...(options.dataRoot === undefined ? {} : { dir: options.dataRoot }),
      });
      const cluster = new ProcessCluster(options, folder);
      try {
        await Promise.all(cluster.ids.map((id) => cluster.#launch(id)));
        await cluster.waitReady();
        return cluster;
      } catch (error) {
        await cluster.close();
        if (tries === START_TRIES_MAX || !(error instanceof PortTaken)) throw error;
      }
    }
  }

  /** Ids of all nodes, ascending, running or not. */
  get ids(): readonly number[] {
    return [...this.#places.keys()];
  }

  /** Ids of nodes whose process runs and is not stopped by a signal. */
  get runningIds(): readonly number[] {
    return this.ids.filter((id) => this.#processes.get(id)?.isRunning === true && !this.#stopped.has(id));
  }

  /** Where clients connect to node `id`. */
  address(id: number): string {
    return `http://${HOST}:${this.#place(id).port}`;
  }

  /** Where clients connect, all nodes. */
  addresses(): string[] {
    return this.ids.map((id) => this.address(id));
  }

  /** Where operators look at node `id`: `/metrics`, `/healthz`, `/readyz`. */
  metricsAddress(id: number): string {
    return `http://${HOST}:${this.#place(id).metricsPort}`;
  }

  dataDirectory(id: number): string {
    return this.#place(id).dataDirectory;
  }

  /** The flags node `id` is started with. */
  flagsOf(id: number): readonly string[] {
    const { port, metricsPort, dataDirectory } = this.#place(id);
    const { partitions, replicationFactor, flags } = this.#options;
    const own = [
      `--node-id=${id}`,
      `--grpc-port=${port}`,
      `--metrics-port=${metricsPort}`,
      `--data-dir=${dataDirectory}`,
      ...(flags ?? []),
    ];
    const guide = this.#guides.get(id);
    if (guide !== undefined) return [...own, `--join=${guide}`];
    const founders = this.ids.filter((each) => !this.#guides.has(each));
    return [
      ...own,
      `--cluster-nodes=${founders.map((each) => `${each}@${this.#addressFor(id, each)}`).join(",")}`,
      ...(partitions === undefined ? [] : [`--num-partitions=${partitions}`]),
      ...(replicationFactor === undefined ? [] : [`--replication-factor=${replicationFactor}`]),
    ];
  }

  /** The process of node `id` that runs, or of the last one. */
  process(id: number): ProcessNode {
    const process = this.#processes.get(id);
    if (process === undefined) throw new Error(`Node ${id} was never started`);
    return process;
  }

  /**
   * Sends a signal to node `id`. With SIGKILL, SIGTERM or SIGINT it resolves when the process has ended, with
   * how it ended; otherwise at once with `undefined`.
   */
  async kill(id: number, signal: Deno.Signal = "SIGKILL"): Promise<Deno.CommandStatus | undefined> {
    const process = this.process(id);
    process.signal(signal);
    if (signal === "SIGSTOP") this.#stopped.add(id);
    if (signal === "SIGCONT") this.#stopped.delete(id);
    if (signal !== "SIGKILL" && signal !== "SIGTERM" && signal !== "SIGINT") return undefined;
    const status = await process.ended;
    this.#stopped.delete(id);
    return status;
  }

  /** Sends a signal to all nodes at once; resolves like `kill`. */
  async killAll(signal: Deno.Signal = "SIGKILL"): Promise<void> {
    await Promise.all([...this.#processes.keys()].map((id) => this.kill(id, signal)));
  }

  /**
   * Starts node `id` again with the same flags and data, killing it first if it runs. Resolves when it says
   * that it serves, which is before it knows the leaders: see `waitReady`.
   *
   * @throws {Error} when it refuses to start or never says so
   */
  async restart(id: number): Promise<void> {
    await this.kill(id, "SIGKILL");
    for (let tries = 1;; tries++) {
      try {
        return await this.#launch(id);
      } catch (error) {
        // Its address is known to the others, so it has to wait for its own port.
        if (tries === START_TRIES_MAX || !(error instanceof PortTaken)) throw error;
        await pause(1_000);
      }
    }
  }

  /**
   * Starts a further node, with an id that no node had, which asks node `guide` to be taken in. Resolves when
   * it serves.
   *
   * @throws {Error} when it refuses to start or never says so
   */
  async join(id: number, guide: number): Promise<void> {
    this.#guides.set(id, this.address(guide));
    for (let tries = 1;; tries++) {
      this.#places.set(id, this.#newPlace(id));
      try {
        return await this.#launch(id);
      } catch (error) {
        if (tries === START_TRIES_MAX || !(error instanceof PortTaken)) throw error;
      }
    }
  }

  /** Makes a call of `ClusterService` at node `id`, or at any running node that answers. */
  async callCluster(method: string, message: JsonValue, id?: number): Promise<JsonValue> {
    const ids = id === undefined ? this.runningIds : [id];
    let reason: unknown = "no node runs";
    for (const each of ids) {
      try {
        return await askCluster(this.address(each), { method, message, limitMs: PATIENCE_MS });
      } catch (error) {
        reason = error;
      }
    }
    throw new Error(`Cannot call ${method} of nodes ${ids.join(", ")}: ${String(reason)}`);
  }

  /**
   * Resolves when `/readyz` of all of `ids` says yes in one round.
   *
   * @param ids the running nodes unless given
   * @throws {Error} with the nodes' output, when they never do or one of them has ended
   */
  async waitReady(ids: readonly number[] = this.runningIds): Promise<void> {
    const untilMs = performance.now() + PATIENCE_MS;
    let answers: readonly string[] = [];
    while (performance.now() < untilMs) {
      this.#mustRun(ids);
      answers = await Promise.all(ids.map((id) => this.#readiness(id)));
      if (answers.every((answer) => answer === "ok")) return;
      await pause(POLL_MS);
    }
    const states = ids.map((id, at) => `node ${id}: ${answers[at]}\n${this.output(id)}`);
    throw new Error(`Not ready after ${PATIENCE_MS} ms: ${states.join("\n")}`);
  }

  /** What node `id` knows of the cluster; without an id, what the first running node that answers knows. */
  async metadata(id?: number): Promise<GetMetadataResponse> {
    const ids = id === undefined ? this.runningIds : [id];
    let reason: unknown = "no node runs";
    for (const each of ids) {
      try {
        return await askMetadata(this.address(each));
      } catch (error) {
        reason = error;
      }
    }
    throw new Error(`Cannot ask nodes ${ids.join(", ")} for the metadata: ${String(reason)}`);
  }

  /**
   * What node `id` knows of the cluster as soon as `holds` for it: news of changes reach every node, but not
   * all at once.
   *
   * @throws {Error} with what it knew last, when it never holds
   */
  async metadataWhen(
    id: number,
    holds: (known: GetMetadataResponse) => boolean,
  ): Promise<GetMetadataResponse> {
    const untilMs = performance.now() + PATIENCE_MS;
    for (;;) {
      const known = await this.metadata(id);
      if (holds(known)) return known;
      if (performance.now() > untilMs) {
        throw new Error(`Node ${id} still knows ${toJsonString(GetMetadataResponseSchema, known)}`);
      }
      await pause(POLL_MS);
    }
  }

  /**
   * The running node that leads `partition` in the latest term any running node knows; waits until there is
   * one.
   *
   * @throws {Error} when there never is one
   */
  async leaderOf(partition: number): Promise<number> {
    const untilMs = performance.now() + PATIENCE_MS;
    while (performance.now() < untilMs) {
      const asked = await Promise.allSettled(this.runningIds.map((id) => this.metadata(id)));
      const known = asked.flatMap((each) => each.status === "fulfilled" ? [each.value] : [])
        .flatMap(({ partitions }) => partitions.filter(({ partitionId }) => partitionId === partition))
        .sort((a, b) => Number(b.term - a.term));
      const leader = known[0]?.leaderId ?? 0;
      if (this.runningIds.includes(leader)) return leader;
      await pause(POLL_MS);
    }
    throw new Error(`Partition ${partition} has no leader after ${PATIENCE_MS} ms`);
  }

  /** What node `id` said while it runs, or before it ended, for diagnosis. */
  output(id: number): string {
    const process = this.#processes.get(id);
    return process === undefined ? "" : process.standardOutput + process.standardError;
  }

  /** Kills every process it started and removes their data. Safe to call twice. */
  async close(): Promise<void> {
    await this.killAll("SIGKILL");
    await Deno.remove(this.#folder, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #place(id: number): Place {
    const place = this.#places.get(id);
    if (place === undefined) throw new RangeError(`There is no node ${id}`);
    return place;
  }

  /** Where node `from` is to find node `to`; itself where it is. */
  #addressFor(from: number, to: number): string {
    const address = `${HOST}:${this.#place(to).port}`;
    if (from === to) return address;
    return this.#options.peerAddress?.({ from, to, address }) ?? address;
  }

  async #launch(id: number): Promise<void> {
    const { env } = this.#options;
    const args = this.flagsOf(id);
    const process = ProcessNode.start(env === undefined ? { args } : { args, env });
    this.#processes.set(id, process);
    const untilMs = performance.now() + PATIENCE_MS;
    while (!process.hasStarted) {
      this.#mustRun([id]);
      if (performance.now() > untilMs) {
        throw new Error(`Node ${id} has not started after ${PATIENCE_MS} ms: ${this.output(id)}`);
      }
      await pause(POLL_MS);
    }
  }

  #mustRun(ids: readonly number[]): void {
    for (const id of ids) {
      if (this.process(id).isRunning) continue;
      const output = this.output(id);
      if (output.includes("cannot listen")) throw new PortTaken(`Node ${id}: ${output}`);
      throw new Error(`Node ${id} has ended: ${output}`);
    }
  }

  /** `ok`, or why not. */
  async #readiness(id: number): Promise<string> {
    try {
      const response = await fetch(`${this.metricsAddress(id)}/readyz`, {
        signal: AbortSignal.timeout(QUESTION_LIMIT_MS),
      });
      const text = await response.text();
      return response.ok ? "ok" : text.trim();
    } catch (error) {
      return String(error);
    }
  }
}

/** Another process was faster. */
class PortTaken extends Error {
  override readonly name = "PortTaken";
}

async function askMetadata(address: string): Promise<GetMetadataResponse> {
  return fromJson(
    GetMetadataResponseSchema,
    await askCluster(address, { method: "GetMetadata", message: {}, limitMs: QUESTION_LIMIT_MS }),
  );
}

/** A call of `ClusterService`. */
interface ClusterQuestion {
  readonly method: string;
  readonly message: JsonValue;
  readonly limitMs: number;
}

async function askCluster(
  address: string,
  { method, message, limitMs }: ClusterQuestion,
): Promise<JsonValue> {
  const response = await fetch(`${address}/prkdb.v1.ClusterService/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", "connect-timeout-ms": String(limitMs) },
    body: JSON.stringify(message),
    signal: AbortSignal.timeout(limitMs),
  });
  const body = await response.json() as JsonValue;
  if (!response.ok) throw new Error(`${address}: ${response.status} ${JSON.stringify(body)}`);
  return body;
}
