/**
 * The stores of all replicas of a node, each in a directory of its own, which is named like its group; they
 * share one cache of blocks.
 *
 * ```
 * state/0      the cluster's own group
 * state/17     group 17, of partition 16
 * state/17.2   what has taken its place, as that was damaged
 * ```
 *
 * A store that is damaged so that it cannot be opened is left alone, and an empty one takes its place. What
 * it has held comes from another replica (`repair.ts`); when it is there, the damaged one is removed.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import type { GroupId } from "../../raft/mod.ts";
import { type FileSystem, joinPath } from "../../wal-wasm/mod.ts";
import { BlockCache, type BlockCacheStats, StorageError, Store, type StoreOptions } from "../storage/mod.ts";
import { ReplicaStore } from "./replica_store.ts";

/** Sizes that only tests choose otherwise. */
export type StoreSizes = Pick<StoreOptions, "level0Tables" | "level1Bytes" | "tableBytes" | "blockBytes">;

/** What stores are opened with. */
export interface StateStoresOptions {
  readonly fileSystem: FileSystem;
  /** The node's data directory. */
  readonly directory: string;
  /** Of memory, for blocks of tables. */
  readonly cacheBytes: number;
  /** Awaited between slices of work, about a millisecond each. */
  readonly pause: () => Promise<void>;
  /** See {@linkcode StoreOptions}. */
  readonly randomWord?: (() => number) | undefined;
  readonly sizes?: StoreSizes | undefined;
}

const STATE_NAME = "state";
const logger = getLogger(["prkdb", "server"]);

/** See the module comment. */
export class StateStores {
  readonly #options: StateStoresOptions;
  readonly #directory: string;
  readonly #cache: BlockCache;
  readonly #states = new Map<GroupId, ReplicaStore>();
  /** Of each group the number in the name of its directory; 1 stands for none. */
  readonly #generations = new Map<GroupId, number>();

  private constructor(options: StateStoresOptions) {
    this.#options = options;
    this.#directory = joinPath(options.directory, STATE_NAME);
    this.#cache = new BlockCache(options.cacheBytes);
  }

  /**
   * Opens the stores that are there; their data stays on the disk.
   *
   * @throws {StorageError} when one cannot be opened; none is open then
   */
  static async open(options: StateStoresOptions): Promise<StateStores> {
    const { fileSystem, directory } = options;
    const stores = new StateStores(options);
    await fileSystem.createDirectory(stores.#directory);
    await fileSystem.syncDirectory(directory);
    try {
      stores.#noteDirectories(await fileSystem.listDirectories(stores.#directory));
      for (const group of stores.#generations.keys()) await stores.ensure(group);
      return stores;
    } catch (error) {
      await stores.close();
      throw error;
    }
  }

  /** By group. */
  get all(): ReadonlyMap<GroupId, ReplicaStore> {
    return this.#states;
  }

  /** Bytes of memory that blocks of tables take. */
  get cachedBytes(): number {
    return this.cache.bytes;
  }

  /** The cache of blocks that the stores share. */
  get cache(): BlockCacheStats {
    return this.#cache.stats;
  }

  /** The open store of a group. */
  get(group: GroupId): ReplicaStore {
    const state = this.#states.get(group);
    if (state === undefined) throw new RangeError(`Cannot use the state of group ${group}: it is not open`);
    return state;
  }

  /**
   * Opens the store of a group unless it is, and makes it if there is none.
   *
   * @throws {StorageError} when it cannot be opened
   */
  async ensure(group: GroupId): Promise<ReplicaStore> {
    const known = this.#states.get(group);
    if (known !== undefined) return known;
    const state = new ReplicaStore(group, await this.#openStore(group));
    this.#states.set(group, state);
    return state;
  }

  /** Removes what is left of the group's stores that were damaged; what cannot be removed stays. */
  async removeFormer(group: GroupId): Promise<void> {
    const { fileSystem } = this.#options;
    for (let former = 1; former < this.#generationOf(group); former++) {
      const directory = joinPath(this.#directory, nameOf(group, former));
      const names = await fileSystem.list(directory).catch(() => []);
      for (const name of names) await fileSystem.remove(joinPath(directory, name)).catch(() => {});
    }
  }

  async #openStore(group: GroupId): Promise<Store> {
    const generation = this.#generationOf(group);
    try {
      return await this.#openDirectory(group, nameOf(group, generation));
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== "STORAGE_DAMAGED") throw error;
      logger.error("The store of group {group} is damaged: {reason}", { group, reason: error.message });
      this.#generations.set(group, generation + 1);
      return await this.#openDirectory(group, nameOf(group, generation + 1));
    }
  }

  async #openDirectory(group: GroupId, name: string): Promise<Store> {
    const { fileSystem, pause, randomWord, sizes } = this.#options;
    const directory = joinPath(this.#directory, name);
    await fileSystem.createDirectory(directory);
    await fileSystem.syncDirectory(this.#directory);
    return await Store.open({
      ...sizes,
      fileSystem,
      directory,
      group,
      cache: this.#cache,
      pause,
      ...(randomWord === undefined ? {} : { randomWord }),
    });
  }

  #noteDirectories(names: readonly string[]): void {
    for (const name of names) {
      const parts = DIRECTORY_NAME.exec(name);
      if (parts === null) continue;
      const group = Number(parts[1]);
      this.#generations.set(group, Math.max(this.#generations.get(group) ?? 1, Number(parts[2] ?? 1)));
    }
  }

  #generationOf(group: GroupId): number {
    return this.#generations.get(group) ?? 1;
  }

  /** Gives up all files; what is not flushed is in the log. */
  async close(): Promise<void> {
    await Promise.all([...this.#states.values()].map(({ store }) => store.close()));
    this.#states.clear();
  }
}

/** Whether the state of a node cannot be read, or not be made; the text says which file and why. */
export function isStateError(error: unknown): error is StorageError {
  return error instanceof StorageError;
}

/** Directories with other names are somebody else's. */
const DIRECTORY_NAME = /^(0|[1-9]\d{0,9})(?:\.([1-9]\d{0,5}))?$/;

function nameOf(group: GroupId, generation: number): string {
  return generation === 1 ? String(group) : `${group}.${generation}`;
}
