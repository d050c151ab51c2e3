/**
 * Reads every byte of backups: manifests, the checksum of each file, and each table as the store that it was
 * made by would read it.
 *
 * @module
 */

import { type FileSystem, ReadOnlyFileSystem } from "../../wal-wasm/mod.ts";
import { groupOfPartition } from "../cluster/mod.ts";
import { StorageError, type TableRecord, verifyRestingTable } from "../storage/mod.ts";
import { BackupError } from "./backup_error.ts";
import { BackupDirectory, type FoundManifest } from "./directory.ts";
import { type BackedUpFile, tableName } from "./manifest.ts";
import { readWholeFile } from "./whole_file.ts";

/** How far a verification is. */
export interface VerifyProgress {
  readonly filesDone: number;
  readonly fileCount: number;
}

/** Which backups are verified. */
export interface VerifyOptions {
  readonly directory: string;
  /** Where the directory is; this machine's, to be read only, unless given. */
  readonly fileSystem?: FileSystem;
  /** All of them, or only the newest. */
  readonly all: boolean;
  readonly onProgress?: (progress: VerifyProgress) => void;
}

/** What was found. */
export interface VerifiedBackups {
  /** Paths of the manifests that were read, oldest first. */
  readonly manifests: readonly string[];
  readonly files: number;
  readonly bytes: number;
  /** In words, each with its file; empty when all is sound. */
  readonly problems: readonly string[];
}

/**
 * Verifies backups; changes nothing.
 *
 * @throws {BackupError} when there is no backup
 */
export async function verifyBackups(options: VerifyOptions): Promise<VerifiedBackups> {
  const directory = new BackupDirectory(options.fileSystem ?? new ReadOnlyFileSystem(), options.directory);
  const paths = await directory.manifests();
  if (paths.length === 0) throw new BackupError(`There is no backup in "${options.directory}"`);
  const problems: string[] = [];
  const found: FoundManifest[] = [];
  for (const path of options.all ? paths : paths.slice(-1)) {
    try {
      found.push(await directory.read(path));
    } catch (error) {
      problems.push(wordsOf(error));
    }
  }
  const tables = tablesOf(found);
  let [filesDone, bytes] = [0, 0];
  for (const table of tables.values()) {
    options.onProgress?.({ filesDone, fileCount: tables.size });
    const problem = await problemWith(table, directory);
    if (problem !== undefined) problems.push(problem);
    filesDone++;
    bytes += table.file.bytes;
  }
  options.onProgress?.({ filesDone, fileCount: tables.size });
  return { manifests: found.map(({ path }) => path), files: tables.size, bytes, problems };
}

/** A table that backups name. */
interface NamedTable {
  readonly partitionId: number;
  readonly record: TableRecord;
  readonly file: BackedUpFile;
}

/** Of several backups each table once. */
function tablesOf(found: readonly FoundManifest[]): ReadonlyMap<string, NamedTable> {
  const tables = new Map<string, NamedTable>();
  for (const { manifest: { files, partitions } } of found) {
    for (const { description, partitionId } of partitions) {
      for (const record of description.tables) {
        const name = tableName(record);
        tables.set(name, { partitionId, record, file: files.get(name)! });
      }
    }
  }
  return tables;
}

async function problemWith(
  { file, partitionId, record }: NamedTable,
  directory: BackupDirectory,
): Promise<string | undefined> {
  const { fileSystem } = directory;
  const path = directory.pathOfRecord(record);
  try {
    const { bytes, crc32c } = await readWholeFile(fileSystem, path);
    if (bytes !== file.bytes) return `${path}: it has ${bytes} bytes, not ${file.bytes}`;
    await verifyRestingTable(record, {
      fileSystem,
      pathOf: () => path,
      group: groupOfPartition(partitionId),
      pause: () => Promise.resolve(),
    });
    return crc32c === file.crc32c ? undefined : `${path}: its checksum is ${crc32c}, not ${file.crc32c}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return `${path}: it is missing`;
    const words = wordsOf(error);
    return error instanceof StorageError ? words : `${path}: ${words}`;
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
