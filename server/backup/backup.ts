/**
 * Makes a backup: what each partition holds, one after the other, and at the end the manifest that makes it
 * one. Tables that are there already are not copied again; a run that is cut short leaves tables that the
 * next one uses.
 *
 * TODO(transactions): partitions are opened one after the other, each at a moment of its own. Once there are
 * transactions over several partitions, all of them are to be opened while the gate for such transactions is
 * closed, before the first file is copied.
 *
 * @module
 */

import { DenoFileSystem, type FileSystem } from "../../wal-wasm/mod.ts";
import { VERSION } from "../api/mod.ts";
import { StorageError } from "../storage/mod.ts";
import { BackupError } from "./backup_error.ts";
import { ComingPartition, type WantedPartition } from "./coming_partition.ts";
import { BackupDirectory } from "./directory.ts";
import { HeldFiles } from "./held_files.ts";
import { type BackedUpPartition, type BackupManifest, tableName } from "./manifest.ts";
import type { BackupSource } from "./source.ts";

/** How often in a row a partition may break off without a file having come. */
const TRIES_MAX = 5;
const PAUSE_MS = 300;

/** How far a backup is. */
export interface BackupProgress {
  /** That is copied now. */
  readonly partitionId: number;
  readonly partitionsDone: number;
  readonly partitionCount: number;
  /** Of files, since the run has begun. */
  readonly copiedFiles: number;
  readonly copiedBytes: number;
}

/** How a backup is made. */
export interface BackupOptions {
  readonly directory: string;
  readonly source: BackupSource;
  /** Where the directory is; this machine's unless given. */
  readonly fileSystem?: FileSystem;
  /** Milliseconds since 1970; this machine's time of day unless given. */
  readonly wallMs?: () => number;
  readonly onProgress?: (progress: BackupProgress) => void;
}

/** A backup that was made. */
export interface MadeBackup {
  /** Of its manifest. */
  readonly path: string;
  readonly clusterId: string;
  readonly partitionCount: number;
  /** Of which it consists. */
  readonly files: number;
  readonly bytes: number;
  /** That were not there before. */
  readonly copiedFiles: number;
  readonly copiedBytes: number;
}

/**
 * Backs up all partitions of a cluster.
 *
 * @throws {BackupError} when the directory is not for this cluster's backups, or what comes cannot be used
 * @throws what the source throws when it cannot be read in spite of several tries
 */
export async function makeBackup(options: BackupOptions): Promise<MadeBackup> {
  const directory = new BackupDirectory(options.fileSystem ?? new DenoFileSystem(), options.directory);
  const lock = await directory.openToWrite();
  try {
    await directory.removeUnfinished();
    const run = new BackupRun(options, { directory, held: await HeldFiles.find(directory) });
    return await run.run();
  } finally {
    lock.release();
  }
}

/** Where a run copies to. */
interface RunPlace {
  readonly directory: BackupDirectory;
  readonly held: HeldFiles;
}

class BackupRun {
  readonly #options: BackupOptions;
  readonly #directory: BackupDirectory;
  readonly #held: HeldFiles;
  #copiedFiles = 0;
  #copiedBytes = 0;

  constructor(options: BackupOptions, { directory, held }: RunPlace) {
    this.#options = options;
    this.#directory = directory;
    this.#held = held;
  }

  async run(): Promise<MadeBackup> {
    const { source } = this.#options;
    const { clusterId, partitionCount } = await source.shape();
    this.#mustBeOf(clusterId);
    const startedAt = this.#startTime();
    const partitions: BackedUpPartition[] = [];
    for (let partitionId = 0; partitionId < partitionCount; partitionId++) {
      this.#tell({ partitionId, partitionCount });
      partitions.push(await this.#copyPatiently({ clusterId, partitionId, partitionCount }));
    }
    const files = await this.#filesOf(partitions);
    await this.#directory.fileSystem.syncDirectory(this.#directory.tables);
    const finishedAt = new Date(this.#wallMs()).toISOString();
    const manifest = { clusterId, program: VERSION, startedAt, finishedAt, partitions, files };
    const path = await this.#directory.add(manifest);
    this.#tell({ partitionId: partitionCount, partitionCount });
    return {
      path,
      clusterId,
      partitionCount,
      files: files.size,
      bytes: [...files.values()].reduce((sum, { bytes }) => sum + bytes, 0),
      copiedFiles: this.#copiedFiles,
      copiedBytes: this.#copiedBytes,
    };
  }

  #mustBeOf(clusterId: string): void {
    const { clusterId: earlier } = this.#held;
    if (earlier === undefined || earlier === clusterId) return;
    throw new BackupError(
      `Cannot back up cluster ${clusterId} into "${this.#directory.directory}": it holds backups of cluster ` +
        `${earlier}; use another directory`,
    );
  }

  #wallMs(): number {
    return this.#options.wallMs?.() ?? Date.now();
  }

  /** Later than that of any backup which is there, whatever the clock says. */
  #startTime(): string {
    const { newestMs } = this.#held;
    return new Date(Math.max(this.#wallMs(), newestMs + 1)).toISOString();
  }

  /** Leaders change: what has come whole stays, and the rest is asked for again. */
  async #copyPatiently(wanted: WantedPartition): Promise<BackedUpPartition> {
    for (let tries = 1;;) {
      const before = this.#copiedFiles;
      try {
        return await this.#copy(wanted);
      } catch (error) {
        tries = this.#copiedFiles > before ? 1 : tries + 1;
        if (error instanceof KeepingError) throw this.#worded(error.cause);
        if (tries > TRIES_MAX) throw error;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  async #copy(wanted: WantedPartition): Promise<BackedUpPartition> {
    const { source } = this.#options;
    const coming = new ComingPartition(wanted, this.#directory);
    const { partitionId } = wanted;
    try {
      for await (const part of source.readPartition(partitionId, this.#held.identities(partitionId))) {
        const finished = await coming.take(part).catch((error) => {
          throw new KeepingError("what came could not be kept", { cause: error });
        });
        if (part.kind === "filePart") this.#copiedBytes += part.data.length;
        if (finished === undefined) continue;
        this.#held.add(finished.name, { ...finished.file, partitionId });
        this.#copiedFiles++;
        this.#tell(wanted);
      }
      return coming.finish();
    } finally {
      coming.close();
    }
  }

  /** What the system says of its files names none of them. */
  #worded(error: unknown): unknown {
    if (error instanceof BackupError || error instanceof StorageError) return error;
    const why = error instanceof Error ? error.message : String(error);
    return new BackupError(`Cannot write into "${this.#directory.directory}": ${why}`);
  }

  async #filesOf(partitions: readonly BackedUpPartition[]): Promise<BackupManifest["files"]> {
    const files = new Map<string, { readonly bytes: number; readonly crc32c: string }>();
    for (const { description, partitionId } of partitions) {
      for (const record of description.tables) {
        const name = tableName(record);
        const held = await this.#held.get(name);
        if (held?.bytes !== record.summary.fileBytes) {
          throw new BackupError(`Table ${name} of partition ${partitionId} has not come, or is not whole`);
        }
        files.set(name, held);
      }
    }
    return files;
  }

  #tell({ partitionId, partitionCount }: Pick<WantedPartition, "partitionId" | "partitionCount">): void {
    this.#options.onProgress?.({
      partitionId,
      partitionsDone: partitionId,
      partitionCount,
      copiedFiles: this.#copiedFiles,
      copiedBytes: this.#copiedBytes,
    });
  }
}

/** What came is not what it should be, or cannot be written here: asked again it would be no better. */
class KeepingError extends Error {
  override readonly name = "KeepingError";
}
