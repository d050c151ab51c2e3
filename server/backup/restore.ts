/**
 * Fills a running cluster with a backup, key by key, through the cluster's own API: so it may have any number
 * of nodes and of partitions, and has its own id and members. What remains of times to live goes on from when
 * a key is written; sessions are not restored. Versions begin anew; where they must not, `restore_data.ts` is
 * the other way.
 *
 * @module
 */

import { type FileSystem, ReadOnlyFileSystem } from "../../wal-wasm/mod.ts";
import { decodeSnapshotDescription, USER_PREFIX } from "../storage/mod.ts";
import { BackupError } from "./backup_error.ts";
import { BackupDirectory } from "./directory.ts";
import { type BackedUpRow, backedUpRows } from "./rows.ts";
import type { BackupSource } from "./source.ts";

/** What goes in one batch: well below what a cluster takes, so that batches of all partitions mix. */
const BATCH_BYTES = 1024 * 1024;
const BATCH_ROWS = 1_000;
const BATCHES_IN_FLIGHT = 8;

/** The cluster that is filled. */
export interface RestoreTarget extends BackupSource {
  /**
   * Writes rows.
   *
   * @throws when one of them cannot be written
   */
  write(rows: readonly BackedUpRow[]): Promise<void>;
}

/** How far a restoration is. */
export interface RestoreProgress {
  readonly partitionsDone: number;
  readonly partitionCount: number;
  readonly keys: number;
  readonly bytes: number;
}

/** How a backup is restored. */
export interface RestoreOptions {
  readonly directory: string;
  /** Where the directory is; this machine's, to be read only, unless given. */
  readonly fileSystem?: FileSystem;
  readonly target: RestoreTarget;
  /** Whether a cluster is filled that has keys already; those of the same name are overwritten. */
  readonly force: boolean;
  readonly onProgress?: (progress: RestoreProgress) => void;
}

/** What was restored. */
export interface RestoredBackup {
  /** Of its manifest. */
  readonly path: string;
  /** Whose data it was. */
  readonly clusterId: string;
  readonly startedAt: string;
  readonly keys: number;
  /** Of keys and values. */
  readonly bytes: number;
}

/**
 * Restores the newest backup of a directory.
 *
 * @throws {BackupError} when there is none, or the cluster is not empty
 * @throws {StorageError} when a table of it cannot be read
 * @throws what writing throws
 */
export async function restoreBackup(options: RestoreOptions): Promise<RestoredBackup> {
  const directory = new BackupDirectory(options.fileSystem ?? new ReadOnlyFileSystem(), options.directory);
  const { manifest, path } = await directory.newest();
  if (!options.force) await mustBeEmpty(options.target);
  const writer = new RowWriter(options.target);
  const partitionCount = manifest.partitions.length;
  for (const [partitionsDone, partition] of manifest.partitions.entries()) {
    const tell = () => options.onProgress?.({ partitionsDone, partitionCount, ...writer.written });
    tell();
    for await (const row of backedUpRows(partition, directory)) if (await writer.add(row)) tell();
  }
  await writer.finish();
  options.onProgress?.({ partitionsDone: partitionCount, partitionCount, ...writer.written });
  return { path, clusterId: manifest.clusterId, startedAt: manifest.startedAt, ...writer.written };
}

/** Keys that were there and are deleted count too, until their tables are merged. */
async function mustBeEmpty(target: RestoreTarget): Promise<void> {
  const { clusterId, partitionCount } = await target.shape();
  for (let partitionId = 0; partitionId < partitionCount; partitionId++) {
    if (!await holdsKeys(target, partitionId)) continue;
    throw new BackupError(
      `Cannot restore into cluster ${clusterId}: it is not empty (partition ${partitionId} holds keys); use a ` +
        "new one, or --force to overwrite keys of the same name, which also goes on where a restoration was " +
        "cut short",
    );
  }
}

async function holdsKeys(target: RestoreTarget, partitionId: number): Promise<boolean> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const part of target.readPartition(partitionId, [])) {
    if (part.kind === "description") parts.push(part.bytes.slice());
    else if (part.kind !== "state") break;
  }
  const description = await new Blob(parts).arrayBuffer();
  const { tables } = decodeSnapshotDescription(new Uint8Array(description));
  return tables.some(({ summary: { largestKey } }) => largestKey[0]! >= USER_PREFIX);
}

/** Rows on their way, a few batches at a time. */
class RowWriter {
  readonly #target: RestoreTarget;
  readonly #underWay = new Set<Promise<void>>();
  #rows: BackedUpRow[] = [];
  #rowBytes = 0;
  #keys = 0;
  #bytes = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(target: RestoreTarget) {
    this.#target = target;
  }

  get written(): { readonly keys: number; readonly bytes: number } {
    return { keys: this.#keys, bytes: this.#bytes };
  }

  /** @returns whether a batch has left with it */
  async add(row: BackedUpRow): Promise<boolean> {
    this.#rows.push(row);
    this.#rowBytes += row.key.length + row.value.length;
    if (this.#rows.length < BATCH_ROWS && this.#rowBytes < BATCH_BYTES) return false;
    await this.#send();
    return true;
  }

  async finish(): Promise<void> {
    if (this.#rows.length > 0) await this.#send();
    await Promise.all(this.#underWay);
    this.#mustBeSound();
  }

  async #send(): Promise<void> {
    while (this.#underWay.size >= BATCHES_IN_FLIGHT) await Promise.race(this.#underWay);
    this.#mustBeSound();
    const [rows, bytes] = [this.#rows, this.#rowBytes];
    this.#rows = [];
    this.#rowBytes = 0;
    const writing = this.#target.write(rows)
      .then(() => {
        this.#keys += rows.length;
        this.#bytes += bytes;
      }, (error) => void (this.#failure ??= { error }))
      .finally(() => this.#underWay.delete(writing));
    this.#underWay.add(writing);
  }

  #mustBeSound(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
