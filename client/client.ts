/**
 * The client: routes by key, follows leaders, joins concurrent calls into batches, and repeats what
 * failed under one request id until it has succeeded, has failed for good, or has run out of time.
 *
 * ```ts
 * const client = await PrkDbClient.connect(["http://127.0.0.1:50051", "http://127.0.0.1:50052"]);
 * await client.put("user:123", "Alice");
 * const name = await client.getText("user:123");
 * await client.close();
 * ```
 *
 * Calls that run at the same time have no order among themselves: two that do not wait for each other and
 * touch the same key may take effect in either order.
 *
 * @module
 */

import { DEFAULT_TIMEOUT_MS } from "../proto/mod.ts";
import {
  addendOf,
  type Addresses,
  ATTEMPTS_DEFAULT,
  baseUrls,
  BATCHES_IN_FLIGHT_DEFAULT,
  BATCHES_IN_FLIGHT_MAX,
  type BatchMutation,
  type BatchResult,
  batchResultOf,
  type Bytes,
  CALL_OPTIONS,
  type CallOptions,
  checkCallOptions,
  checkClientOptions,
  type ClientOptions,
  DELETE_OPTIONS,
  type DeleteOptions,
  describeKind,
  encodableBatch,
  GET_OPTIONS,
  type GetOptions,
  INCREMENT_OPTIONS,
  type IncrementOptions,
  jsonOf,
  keyBytes,
  NO_OPTIONS,
  preconditionOf,
  PUT_OPTIONS,
  type PutOptions,
  READ_OPTIONS,
  type ReadOptions,
  textOf,
  timeoutOf,
  ttlOf,
  valueBytes,
  wholeNumber,
} from "./arguments/mod.ts";
import { askStatus, ClusterClient, type ClusterView, clusterViewOf, type NodeReport } from "./cluster/mod.ts";
import { CONSISTENCY_NUMBER, type EncodableMutation } from "./codec/mod.ts";
import { type CallLimits, Pipeline, randomClientId, type ReadMode, Session } from "./pipeline/mod.ts";
import { Discovery, Routes } from "./routing/mod.ts";
import {
  atCaller,
  fetchCaller,
  orAborted,
  PrkDbError,
  systemClock,
  type UnaryCaller,
} from "./transport/mod.ts";

/** Stands for the one node behind a caller that does not look at addresses. */
const ADDRESS_OF_CALLER = "http://localhost";

/** A key's value and the version at which it was written. */
export interface VersionedValue {
  readonly value: Uint8Array;
  /** The log index in the key's partition; grows with every change of the key. */
  readonly version: number;
  /** Milliseconds since 1970 at which the key expires; `undefined` for never. */
  readonly expiresAtMs: number | undefined;
}

/** What a `put` did. */
export interface PutResult {
  readonly version: number;
}

/** What a `delete` did. */
export interface DeleteResult {
  /** Whether there was such a key. */
  readonly existed: boolean;
  /** The log index of the delete, whether or not there was such a key. */
  readonly version: number;
}

/**
 * See the module comment. Unless said otherwise, every method rejects with a `PrkDbError` when the cluster
 * could not do what was asked, with `TypeError` or `RangeError` for wrong arguments, and with the reason of
 * its `signal`. The stack of an error begins with the line that called.
 */
export class PrkDbClient {
  /** Changes to the cluster itself: nodes, replicas, leaders. */
  readonly cluster: ClusterClient;
  readonly #pipeline: Pipeline;
  readonly #discovery: Discovery;
  readonly #routes: Routes;
  readonly #caller: UnaryCaller;
  readonly #timeoutMs: number;

  /** Use `connect`. */
  private constructor(addresses: Addresses, options: ClientOptions) {
    checkClientOptions(options);
    const clock = options.clock ?? systemClock;
    const random = options.random ?? Math.random;
    const attempts = wholeNumber(options.attempts ?? ATTEMPTS_DEFAULT, { name: "attempts", min: 1 });
    const inFlight = { name: "batchesInFlight", min: 1, max: BATCHES_IN_FLIGHT_MAX };
    this.#timeoutMs = timeoutOf(options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    this.#caller = options.caller ?? fetchCaller({ headers: options.headers ?? {} });
    this.#routes = new Routes(baseUrls(addresses), clock);
    this.#discovery = new Discovery({ caller: this.#caller, routes: this.#routes, clock, random });
    const context = { caller: this.#caller, routes: this.#routes, discovery: this.#discovery, clock };
    const backoff = { attempts, random };
    this.cluster = new ClusterClient({ context, backoff, timeoutMs: this.#timeoutMs });
    this.#pipeline = new Pipeline({
      context,
      session: new Session(randomClientId(options.random)),
      backoff,
      batchesInFlight: wholeNumber(options.batchesInFlight ?? BATCHES_IN_FLIGHT_DEFAULT, inFlight),
    });
  }

  /**
   * A client of the cluster to which the nodes at `addresses` belong. One of them suffices; the others are
   * found, and those given are asked again when no other answers.
   *
   * @param addresses `http://host:port`, `https://host:port` or `host:port`, as a list or in one string with
   *   commas between them; nodes that are found are spoken to with the scheme of the first
   * @throws {PrkDbError} `unavailable` when none of them answers usably within the `timeoutMs` of the
   *   options; `invalid_argument` when those that answer belong to different clusters
   */
  static async connect(addresses: Addresses, options: ClientOptions = {}): Promise<PrkDbClient> {
    const client = new PrkDbClient(addresses, options);
    try {
      await client.#discovery.meet(client.#timeoutMs);
      return client;
    } catch (error) {
      throw atCaller(error);
    }
  }

  /** A client whose calls are carried by `caller`, for a node in the same process. */
  static async withTransport(caller: UnaryCaller, options: ClientOptions = {}): Promise<PrkDbClient> {
    // Spreading would pass over what is no object.
    checkClientOptions(options);
    return await PrkDbClient.connect([ADDRESS_OF_CALLER], { ...options, caller });
  }

  /** Sets `key` to `value`. */
  async put(key: Bytes, value: Bytes, options: PutOptions = NO_OPTIONS): Promise<PutResult> {
    checkCallOptions(options, PUT_OPTIONS);
    const mutation: EncodableMutation = {
      kind: "put",
      key: keyBytes(key),
      value: valueBytes(value),
      ttlMs: ttlOf(options.ttlMs),
      precondition: preconditionOf(options.precondition),
    };
    try {
      const { version } = await this.#pipeline.write(mutation, this.#limits(options));
      return { version };
    } catch (error) {
      throw atCaller(error);
    }
  }

  /** Removes `key`. Removing a key that does not exist is no error. */
  async delete(key: Bytes, options: DeleteOptions = NO_OPTIONS): Promise<DeleteResult> {
    checkCallOptions(options, DELETE_OPTIONS);
    const precondition = preconditionOf(options.precondition);
    const mutation: EncodableMutation = { kind: "delete", key: keyBytes(key), precondition };
    try {
      const { existed, version } = await this.#pipeline.write(mutation, this.#limits(options));
      return { existed, version };
    } catch (error) {
      throw atCaller(error);
    }
  }

  /**
   * Adds `by` to the number that `key` holds: a whole number from −2^63 to 2^63−1 in decimal text. A key that
   * does not exist counts as 0. However often the call is repeated on its way, it is counted once.
   *
   * Rejects with a `NotANumberError` when the key holds something else, or the new number would be out of
   * range; nothing is changed then.
   *
   * @param by may be negative
   * @returns the new number
   */
  async increment(
    key: Bytes,
    by: number | bigint = 1n,
    options: IncrementOptions = NO_OPTIONS,
  ): Promise<bigint> {
    checkCallOptions(options, INCREMENT_OPTIONS);
    const mutation: EncodableMutation = {
      kind: "increment",
      key: keyBytes(key),
      by: addendOf(by),
      ttlMs: ttlOf(options.ttlMs),
      precondition: preconditionOf(options.precondition),
    };
    try {
      const { number } = await this.#pipeline.write(mutation, this.#limits(options));
      if (number !== undefined) return number;
      throw new PrkDbError("internal", "Cannot understand the answer of a node: it holds no new number");
    } catch (error) {
      throw atCaller(error);
    }
  }

  /**
   * Applies `mutations`: those of one partition all or none, each partition for itself. Failures of single
   * mutations are in the results, one per mutation, in their order; it rejects only for wrong arguments, a
   * closed client and its signal.
   */
  async writeBatch(
    mutations: readonly BatchMutation[],
    options: CallOptions = NO_OPTIONS,
  ): Promise<readonly BatchResult[]> {
    checkCallOptions(options, CALL_OPTIONS);
    const encodable = encodableBatch(mutations);
    this.#pipeline.assertOpen();
    const settled = await this.#pipeline.writeTogether(encodable, this.#limits(options));
    return settled.map(batchResultOf);
  }

  /** The value of `key`, `undefined` when there is no such key. */
  async get(key: Bytes, options: GetOptions = NO_OPTIONS): Promise<Uint8Array | undefined> {
    checkCallOptions(options, GET_OPTIONS);
    const bytes = keyBytes(key);
    const mode = modeOf(options);
    try {
      const { value } = await this.#pipeline.read(bytes, mode, this.#limits(options));
      return value;
    } catch (error) {
      throw atCaller(error);
    }
  }

  /** The value of `key` with its version, `undefined` when there is no such key. */
  async getEntry(key: Bytes, options: GetOptions = NO_OPTIONS): Promise<VersionedValue | undefined> {
    checkCallOptions(options, GET_OPTIONS);
    const bytes = keyBytes(key);
    const mode = modeOf(options);
    try {
      const { value, version, expiresAtMs } = await this.#pipeline.read(bytes, mode, this.#limits(options));
      return value === undefined ? undefined : { value, version, expiresAtMs };
    } catch (error) {
      throw atCaller(error);
    }
  }

  /**
   * The value of `key` as text, exactly: a byte order mark at its beginning is kept.
   *
   * @throws {TypeError} when it is not UTF-8
   */
  async getText(key: Bytes, options: GetOptions = NO_OPTIONS): Promise<string | undefined> {
    const value = await this.get(key, options);
    return value === undefined ? undefined : textOf(value);
  }

  /**
   * The value of `key` parsed as JSON.
   *
   * @throws {TypeError} when it is not UTF-8
   * @throws {SyntaxError} when it is not JSON
   */
  async getJson(key: Bytes, options: GetOptions = NO_OPTIONS): Promise<unknown> {
    const value = await this.get(key, options);
    return value === undefined ? undefined : jsonOf(value);
  }

  /**
   * The values of `keys`, in their order. Each key is read for itself: the values need not be of one moment.
   */
  async getMany(
    keys: readonly Bytes[],
    options: ReadOptions = NO_OPTIONS,
  ): Promise<readonly (Uint8Array | undefined)[]> {
    checkCallOptions(options, READ_OPTIONS);
    if (!Array.isArray(keys)) {
      throw new TypeError(`Cannot use keys: it must be an array of keys, it is ${describeKind(keys)}`);
    }
    const mode = modeOf(options);
    const limits = this.#limits(options);
    const encoded = keys.map(keyBytes);
    try {
      const entries = await Promise.all(encoded.map((key) => this.#pipeline.read(key, mode, limits)));
      return entries.map(({ value }) => value);
    } catch (error) {
      throw atCaller(error);
    }
  }

  /** What every known node says about itself; nodes that do not answer are reported as such. */
  async status(options: CallOptions = NO_OPTIONS): Promise<readonly NodeReport[]> {
    checkCallOptions(options, CALL_OPTIONS);
    this.#pipeline.assertOpen();
    const { timeoutMs, signal } = this.#limits(options);
    await this.#discovery.tryRefresh(timeoutMs);
    const { addresses, clusterId, nodes } = this.#routes;
    const question = { caller: this.#caller, clusterId, timeoutMs, signal };
    const ask = (asked: readonly string[]) =>
      Promise.all(asked.map((address) => askStatus(address, question)));
    const reports = await ask(nodes);
    if (reports.some(({ kind }) => kind === "answered")) return reports;
    // What nodes say of where they are may mean nothing here; those that were named by hand may answer.
    const others = await ask(addresses.filter((address) => !nodes.includes(address)));
    return [...reports, ...others.filter(({ kind }) => kind === "answered")];
  }

  /** The cluster as the first node that answers knows it. */
  async metadata(options: CallOptions = NO_OPTIONS): Promise<ClusterView> {
    checkCallOptions(options, CALL_OPTIONS);
    const limits = this.#limits(options);
    try {
      this.#pipeline.assertOpen();
      await orAborted(this.#discovery.refresh(limits.timeoutMs), limits.signal);
      return clusterViewOf(this.#routes.latest);
    } catch (error) {
      throw atCaller(error);
    }
  }

  /**
   * Lets nothing new in and resolves when all calls under way have ended, at the latest at their deadlines.
   * Watches end at once.
   */
  close(): Promise<void> {
    this.cluster.close();
    return this.#pipeline.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #limits({ signal, timeoutMs }: CallOptions): CallLimits {
    return { timeoutMs: timeoutMs === undefined ? this.#timeoutMs : timeoutOf(timeoutMs), signal };
  }
}

function modeOf({ consistency, maxStalenessMs }: GetOptions): ReadMode {
  const mode = consistency ?? "linearizable";
  if (!Object.hasOwn(CONSISTENCY_NUMBER, mode)) {
    throw new TypeError(
      `Cannot use consistency: it must be linearizable, follower or stale, it is "${String(mode)}"`,
    );
  }
  if (maxStalenessMs === undefined) return { consistency: mode, maxStalenessMs: 0 };
  if (mode !== "stale") {
    throw new TypeError(`Cannot use maxStalenessMs with ${mode} reads: leave it out, or read with stale`);
  }
  return {
    consistency: mode,
    maxStalenessMs: wholeNumber(maxStalenessMs, { name: "maxStalenessMs", min: 1 }),
  };
}
