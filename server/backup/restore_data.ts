/**
 * Makes the data directory of the first node of a new cluster out of a backup: the tables as they are, with
 * as many partitions. Started, the node founds a cluster of its own, whose id is another one, and other nodes
 * join it and are fed.
 *
 * ```
 * DATA.restoring/state/1 …   stores: tables of the backup, verified; sessions removed
 * DATA.restoring/identity.json
 *      └─ renamed to DATA, when all is durable
 * ```
 *
 * Every group begins behind one entry, which is above the highest version of the whole backup, in a term
 * above all of its terms: so no version ever comes again, in whatever partition. What remains of times to
 * live goes on, since the clock of each partition stands where it stood.
 *
 * A run that is cut short leaves no data directory, and can be repeated.
 *
 * @module
 */

import { encodeMembership, type NodeId } from "../../raft/mod.ts";
import { DenoFileSystem, type FileSystem, joinPath, ReadOnlyFileSystem } from "../../wal-wasm/mod.ts";
import {
  type ClusterShape,
  groupOfPartition,
  initialMembership,
  type PartitionPlace,
  placePartitions,
} from "../cluster/mod.ts";
import { DEFAULTS } from "../config/mod.ts";
import { newIncarnation, openDataDirectory } from "../data/mod.ts";
import { SESSION_ROWS } from "../kv/mod.ts";
import { BlockCache, type LogPoint, Store, type StoreInstall } from "../storage/mod.ts";
import { BackupError } from "./backup_error.ts";
import { BackupDirectory, parentOf } from "./directory.ts";
import type { BackedUpPartition, BackupManifest } from "./manifest.ts";

const CACHE_BYTES = 1024 * 1024;
const PART_BYTES = 1024 * 1024;
/** Ending of a data directory in the making. */
const UNFINISHED_DATA = ".restoring";

/** How far it is. */
export interface RestoreDataProgress {
  readonly partitionsDone: number;
  readonly partitionCount: number;
  /** Of tables. */
  readonly bytes: number;
}

/** What is made of which backup. */
export interface RestoreDataOptions {
  /** Of backups. */
  readonly directory: string;
  /** Of the node; must not be there, or be empty. */
  readonly dataDirectory: string;
  readonly nodeId: NodeId;
  /** Where both are; this machine's unless given, the backups to be read only. */
  readonly fileSystem?: FileSystem;
  readonly onProgress?: (progress: RestoreDataProgress) => void;
}

/** A data directory that was made. */
export interface RestoredData {
  /** Of the manifest. */
  readonly path: string;
  /** Whose data it was. */
  readonly clusterId: string;
  readonly startedAt: string;
  readonly partitionCount: number;
  /** Of tables. */
  readonly bytes: number;
  /** All versions from now on are above it. */
  readonly index: number;
}

/**
 * Makes a data directory out of the newest backup of a directory.
 *
 * @throws {BackupError} when there is no backup, or the data directory is used
 * @throws {StorageError} when a table is damaged, or the disk refuses what is written
 */
export async function restoreData(options: RestoreDataOptions): Promise<RestoredData> {
  const fileSystem = options.fileSystem ?? new DenoFileSystem();
  const backups = new BackupDirectory(options.fileSystem ?? new ReadOnlyFileSystem(), options.directory);
  const { manifest, path } = await backups.newest();
  await mustBeUnused(fileSystem, options.dataDirectory);
  const dataDirectory = options.dataDirectory.replace(/\/+$/, "");
  const unfinished = dataDirectory + UNFINISHED_DATA;
  await removeAll(fileSystem, unfinished);
  const making = new DataMaking({ ...options, dataDirectory: unfinished, fileSystem, backups, manifest });
  await making.makeStores();
  await making.claim();
  await fileSystem.rename(unfinished, dataDirectory);
  await fileSystem.syncDirectory(parentOf(dataDirectory));
  const { clusterId, partitions, startedAt } = manifest;
  const { bytes, index } = making;
  return { path, clusterId, startedAt, partitionCount: partitions.length, bytes, index };
}

/** What a data directory is made with. */
interface MakingOptions extends Omit<RestoreDataOptions, "directory"> {
  readonly fileSystem: FileSystem;
  readonly backups: BackupDirectory;
  readonly manifest: BackupManifest;
}

class DataMaking {
  readonly #options: MakingOptions;
  readonly #shape: ClusterShape;
  readonly #term: number;
  /** Of the entry behind which every group begins. */
  readonly index: number;
  /** Of tables that have been copied. */
  bytes = 0;

  constructor(options: MakingOptions) {
    const { manifest: { partitions }, nodeId } = options;
    this.#options = options;
    this.#shape = {
      // Where it will be, it says itself when it is started.
      nodes: new Map([[nodeId, "restored"]]),
      partitionCount: partitions.length,
      replicationFactor: DEFAULTS.replicationFactor,
    };
    this.#term = 1 + partitions.reduce((most, { term }) => Math.max(most, term), 0);
    this.index = 2 + partitions.reduce((most, { index }) => Math.max(most, index), 0);
  }

  async makeStores(): Promise<void> {
    const { dataDirectory, fileSystem, manifest: { partitions }, onProgress } = this.#options;
    const state = joinPath(dataDirectory, "state");
    await fileSystem.createDirectory(state);
    const places = placePartitions(this.#shape);
    for (const [partitionsDone, partition] of partitions.entries()) {
      const partitionCount = partitions.length;
      onProgress?.({ partitionsDone, partitionCount, bytes: this.bytes });
      await this.#makeStore(partition, { state, place: places[partition.partitionId]! });
    }
    await fileSystem.syncDirectory(state);
    await fileSystem.syncDirectory(dataDirectory);
    onProgress?.({ partitionsDone: partitions.length, partitionCount: partitions.length, bytes: this.bytes });
  }

  /** Only what has an identity is taken for a node's. */
  async claim(): Promise<void> {
    const { dataDirectory, fileSystem, nodeId } = this.#options;
    const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
    const { lock } = await openDataDirectory(fileSystem, {
      directory: dataDirectory,
      nodeId,
      shape: this.#shape,
      incarnation: newIncarnation({ wallMs: Date.now(), seed }),
    });
    lock.release();
  }

  async #makeStore(
    partition: BackedUpPartition,
    { place, state }: { readonly place: PartitionPlace; readonly state: string },
  ): Promise<void> {
    const group = groupOfPartition(partition.partitionId);
    const store = await Store.open({
      fileSystem: this.#options.fileSystem,
      directory: joinPath(state, String(group)),
      group,
      cache: new BlockCache(CACHE_BYTES),
      pause: () => Promise.resolve(),
    });
    try {
      // Two points: the tables' own, and above it the one with which the sessions are gone.
      const point = this.#pointAt(this.index - 1, place);
      const install = await store.beginInstall({ ...partition.description, point });
      await this.#copyTables(partition, install);
      await install.finish(point.logFloor);
      await store.flush(this.#pointAt(this.index, place), sessionsGone(store));
    } finally {
      await store.close();
    }
  }

  #pointAt(index: number, place: PartitionPlace): LogPoint {
    return {
      index,
      term: this.#term,
      membership: encodeMembership(initialMembership(place)),
      membershipIndex: 0,
      logFloor: { segment: 0, offset: 0 },
    };
  }

  async #copyTables({ description }: BackedUpPartition, install: StoreInstall): Promise<void> {
    const { backups } = this.#options;
    const records = new Map(description.tables.map((record) => [record.fileNumber, record]));
    for (const { fileBytes, fileNumber } of install.missing) {
      const file = await backups.fileSystem.open(backups.pathOfRecord(records.get(fileNumber)!));
      try {
        const part = new Uint8Array(Math.min(PART_BYTES, fileBytes));
        for (let offset = 0; offset < fileBytes; offset += part.length) {
          const next = part.subarray(0, Math.min(part.length, fileBytes - offset));
          // What is missing of it shows when the table is verified.
          file.readSync(next, offset);
          await install.write(fileNumber, offset, next);
          this.bytes += next.length;
        }
      } finally {
        file.close();
      }
    }
  }
}

/** Clients of the cluster that was backed up do not go on with their writes in another one. */
function sessionsGone(store: Store): { readonly key: Uint8Array; readonly value: undefined }[] {
  const gone: { readonly key: Uint8Array; readonly value: undefined }[] = [];
  const rows = store.rows(store.lastVersion);
  try {
    for (rows.seek(SESSION_ROWS); rows.isValid; rows.next()) {
      const { key, keyEnd, keyStart } = rows.entry;
      const row = key.slice(keyStart, keyEnd);
      if (!SESSION_ROWS.every((byte, at) => row[at] === byte)) break;
      gone.push({ key: row, value: undefined });
    }
  } finally {
    rows.close();
  }
  return gone;
}

async function mustBeUnused(fileSystem: FileSystem, directory: string): Promise<void> {
  const [first] = await namesIn(fileSystem, directory);
  if (first === undefined) return;
  throw new BackupError(`Cannot restore into "${directory}": it holds "${first}"; name a new directory`);
}

async function namesIn(fileSystem: FileSystem, directory: string): Promise<readonly string[]> {
  try {
    return [...await fileSystem.list(directory), ...await fileSystem.listDirectories(directory)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** What a run that was cut short has left; directories stay, empty. */
async function removeAll(fileSystem: FileSystem, directory: string): Promise<void> {
  if ((await namesIn(fileSystem, directory)).length === 0) return;
  for (const name of await fileSystem.list(directory)) await fileSystem.remove(joinPath(directory, name));
  for (const name of await fileSystem.listDirectories(directory)) {
    await removeAll(fileSystem, joinPath(directory, name));
  }
}
