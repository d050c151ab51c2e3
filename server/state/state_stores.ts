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
/** In a directory whose group has left and whose files are being removed; the last of them to go. */
const GONE_NAME = "GONE";
const logger = getLogger(["prkdb", "server"]);

/** See the module comment. */
export class StateStores {
  readonly #options: StateStoresOptions;
  readonly #directory: string;
  readonly #cache: BlockCache;
  readonly #states = new Map<GroupId, ReplicaStore>();
  /** Of each group the number in the name of its directory; 1 stands for none. */
  readonly #generations = new Map<GroupId, number>();
  /** Stores that were taken out of use and are still being removed. */
  readonly #leaving = new Map<GroupId, PromiseWithResolvers<void>>();

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
      for (const group of stores.#generations.keys()) await stores.#openFound(group);
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
   * Opens the store of a group unless it is, and makes it if there is none, as soon as one that was taken out
   * of use is removed.
   *
   * @throws {StorageError} when it cannot be opened
   */
  async ensure(group: GroupId): Promise<ReplicaStore> {
    await this.#leaving.get(group)?.promise;
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

  /** Takes the store of a group out of use, for good: its files are to be removed. */
  take(group: GroupId): ReplicaStore {
    const state = this.get(group);
    this.#states.delete(group);
    this.#leaving.set(group, Promise.withResolvers());
    return state;
  }

  /**
   * Removes the files of a store that was taken out of use and is closed, and of damaged ones before it.
   * Where that is interrupted, the next start goes on with it: a mark says what they are, until nothing else
   * is left.
   *
   * @throws {Error} when the disk refuses it; it can be tried again
   */
  async removeFiles(group: GroupId): Promise<void> {
    const { fileSystem } = this.#options;
    const directories = this.#directoriesOf(group);
    const marked = directories.at(-1)!;
    (await fileSystem.create(joinPath(marked, GONE_NAME))).close();
    await fileSystem.syncDirectory(marked);
    for (const directory of directories) await this.#empty(directory);
    await fileSystem.remove(joinPath(marked, GONE_NAME));
    await fileSystem.syncDirectory(marked);
  }

  /** The files of a store that was taken out of use are removed: there may be another one. */
  noteRemoved(group: GroupId): void {
    this.#leaving.get(group)?.resolve();
    this.#leaving.delete(group);
  }

  /**
   * Closes and removes the store of a group, if there is one, of which nothing is under way.
   *
   * @throws {Error} when the disk refuses it
   */
  async discard(group: GroupId): Promise<void> {
    if (!this.#states.has(group)) return;
    await this.take(group).store.close();
    await this.removeFiles(group);
    this.noteRemoved(group);
  }

  /** Gives up all files; what is not flushed is in the log. */
  async close(): Promise<void> {
    await Promise.all([...this.#states.values()].map(({ store }) => store.close()));
    this.#states.clear();
  }

  /** What is in a group's directories: stores, what is left of those that were being removed, or nothing. */
  async #openFound(group: GroupId): Promise<void> {
    const names: string[] = [];
    for (const directory of this.#directoriesOf(group)) names.push(...await this.#filesIn(directory));
    if (names.includes(GONE_NAME)) await this.removeFiles(group);
    else if (names.length > 0) await this.ensure(group);
  }

  /** All but the mark goes. */
  async #empty(directory: string): Promise<void> {
    const { fileSystem } = this.#options;
    const names = (await this.#filesIn(directory)).filter((name) => name !== GONE_NAME);
    if (names.length === 0) return;
    for (const name of names) await fileSystem.remove(joinPath(directory, name));
    await fileSystem.syncDirectory(directory);
  }

  async #filesIn(directory: string): Promise<readonly string[]> {
    return await this.#options.fileSystem.list(directory);
  }

  /** Those that a group has or has had; the last one is in use. */
  #directoriesOf(group: GroupId): readonly string[] {
    const names = Array.from({ length: this.#generationOf(group) }, (_, at) => nameOf(group, at + 1));
    return names.map((name) => joinPath(this.#directory, name));
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
