/**
 * The stores of all replicas of a node, each in a directory of its own, which is named like its group; they
 * share one cache of blocks.
 *
 * ```
 * state/0    the cluster's own group
 * state/17   group 17, of partition 16
 * ```
 *
 * @module
 */

import type { GroupId } from "../../raft/mod.ts";
import { type FileSystem, joinPath } from "../../wal-wasm/mod.ts";
import { BlockCache, StorageError, Store, type StoreOptions } from "../storage/mod.ts";
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
/** In a directory whose files are being removed; the last of them to go. */
const GONE_NAME = "GONE";

/** See the module comment. */
export class StateStores {
  readonly #options: StateStoresOptions;
  readonly #directory: string;
  readonly #cache: BlockCache;
  readonly #states = new Map<GroupId, ReplicaStore>();
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
      for (const name of await fileSystem.listDirectories(stores.#directory)) {
        const group = groupNamed(name);
        if (group !== undefined) await stores.#openFound(group);
      }
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
    return this.#cache.stats.bytes;
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
    const { fileSystem, pause, randomWord, sizes } = this.#options;
    const directory = this.#directoryOf(group);
    await fileSystem.createDirectory(directory);
    await fileSystem.syncDirectory(this.#directory);
    const store = await Store.open({
      ...sizes,
      fileSystem,
      directory,
      group,
      cache: this.#cache,
      pause,
      ...(randomWord === undefined ? {} : { randomWord }),
    });
    const state = new ReplicaStore(group, store);
    this.#states.set(group, state);
    return state;
  }

  /** Takes the store of a group out of use, for good: its files are to be removed. */
  take(group: GroupId): ReplicaStore {
    const state = this.get(group);
    this.#states.delete(group);
    this.#leaving.set(group, Promise.withResolvers());
    return state;
  }

  /**
   * Removes the files of a store that was taken out of use and is closed. Where that is interrupted, the next
   * start goes on with it: a mark says what they are, until nothing else is left.
   *
   * @throws {Error} when the disk refuses it; it can be tried again
   */
  async removeFiles(group: GroupId): Promise<void> {
    const { fileSystem } = this.#options;
    const directory = this.#directoryOf(group);
    (await fileSystem.create(joinPath(directory, GONE_NAME))).close();
    await fileSystem.syncDirectory(directory);
    for (const name of await fileSystem.list(directory)) {
      if (name !== GONE_NAME) await fileSystem.remove(joinPath(directory, name));
    }
    await fileSystem.syncDirectory(directory);
    await fileSystem.remove(joinPath(directory, GONE_NAME));
    await fileSystem.syncDirectory(directory);
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

  /** What is in a directory: a store, what is left of one that was being removed, or nothing any more. */
  async #openFound(group: GroupId): Promise<void> {
    const names = await this.#options.fileSystem.list(this.#directoryOf(group));
    if (names.includes(GONE_NAME)) await this.removeFiles(group);
    else if (names.length > 0) await this.ensure(group);
  }

  #directoryOf(group: GroupId): string {
    return joinPath(this.#directory, String(group));
  }
}

/** Whether the state of a node cannot be read, or not be made; the text says which file and why. */
export function isStateError(error: unknown): error is StorageError {
  return error instanceof StorageError;
}

/** Directories that are not named like a group are somebody else's. */
function groupNamed(name: string): GroupId | undefined {
  return /^(0|[1-9]\d{0,9})$/.test(name) ? Number(name) : undefined;
}
