/**
 * prkdb: a replicated key-value database for Deno. This is its public interface: the client, and a node
 * inside one's own process.
 *
 * ```ts
 * import { PrkDb, PrkDbClient } from "./mod.ts";
 *
 * const client = await PrkDbClient.connect(["http://127.0.0.1:50051"]);
 * await client.put("user:123", "Alice");
 *
 * await using db = await PrkDb.open({ dataDir: "./data/embedded" });
 * await db.put("user:123", "Alice");
 * ```
 *
 * @module
 */

import {
  type BatchMutation,
  type BatchResult,
  type Bytes,
  type CallOptions,
  type DeleteOptions,
  type DeleteResult,
  type GetOptions,
  type IncrementOptions,
  PrkDbClient,
  type PutOptions,
  type PutResult,
  type ReadOptions,
  type VersionedValue,
} from "./client/mod.ts";

export * from "./client/mod.ts";
// The type alone: the class would load the server wherever only the client is wanted.
export type { DataDirectoryError } from "./server/mod.ts";

/** What an embedded database is opened with. */
export interface OpenOptions {
  /** Locked while open; made if it is missing. */
  readonly dataDir: string;
  /** 1 to 4,096, fixed when the directory is first used; 9 unless given. */
  readonly numPartitions?: number;
}

/**
 * A single-node database inside the caller's process, without a network (Deno only). Its methods are those of
 * {@linkcode PrkDbClient}, with the same durability: a resolved write is on the disk.
 */
export class PrkDb {
  readonly #client: PrkDbClient;
  readonly #closeNode: () => Promise<void>;

  /** Use {@linkcode PrkDb.open}. */
  private constructor(client: PrkDbClient, closeNode: () => Promise<void>) {
    this.#client = client;
    this.#closeNode = closeNode;
  }

  /**
   * Opens or makes the database in `dataDir`.
   *
   * @throws {DataDirectoryError} when it is open already, in this process or another one, or cannot be used;
   *   told by its `name`, as the class itself comes with the node
   * @throws {TypeError} when `dataDir` is no path, or there is an option of another name
   * @throws {RangeError} when `numPartitions` is not a whole number from 1 to 4,096
   */
  static async open(options: OpenOptions): Promise<PrkDb> {
    // Loaded only here, so that the client alone runs where there is no Deno.
    const { EmbeddedNode } = await import("./server/mod.ts");
    const node = await EmbeddedNode.open(options);
    const client = await PrkDbClient.withTransport({ call: (call) => node.call(call) });
    return new PrkDb(client, () => node.close());
  }

  /** See {@linkcode PrkDbClient.put}. */
  put(key: Bytes, value: Bytes, options?: PutOptions): Promise<PutResult> {
    return this.#client.put(key, value, options);
  }

  /** See {@linkcode PrkDbClient.delete}. */
  delete(key: Bytes, options?: DeleteOptions): Promise<DeleteResult> {
    return this.#client.delete(key, options);
  }

  /** See {@linkcode PrkDbClient.increment}. */
  increment(key: Bytes, by?: number | bigint, options?: IncrementOptions): Promise<bigint> {
    return this.#client.increment(key, by, options);
  }

  /** See {@linkcode PrkDbClient.writeBatch}. */
  writeBatch(mutations: readonly BatchMutation[], options?: CallOptions): Promise<readonly BatchResult[]> {
    return this.#client.writeBatch(mutations, options);
  }

  /** See {@linkcode PrkDbClient.get}. */
  get(key: Bytes, options?: GetOptions): Promise<Uint8Array | undefined> {
    return this.#client.get(key, options);
  }

  /** See {@linkcode PrkDbClient.getEntry}. */
  getEntry(key: Bytes, options?: GetOptions): Promise<VersionedValue | undefined> {
    return this.#client.getEntry(key, options);
  }

  /** See {@linkcode PrkDbClient.getText}. */
  getText(key: Bytes, options?: GetOptions): Promise<string | undefined> {
    return this.#client.getText(key, options);
  }

  /** See {@linkcode PrkDbClient.getJson}. */
  getJson(key: Bytes, options?: GetOptions): Promise<unknown> {
    return this.#client.getJson(key, options);
  }

  /** See {@linkcode PrkDbClient.getMany}. */
  getMany(keys: readonly Bytes[], options?: ReadOptions): Promise<readonly (Uint8Array | undefined)[]> {
    return this.#client.getMany(keys, options);
  }

  /** Ends the calls under way, syncs and closes. */
  async close(): Promise<void> {
    await this.#client.close();
    await this.#closeNode();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
