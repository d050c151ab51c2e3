/**
 * The directory of backups: where its files are, which backups there are, and how a new one comes into it.
 * See `FORMAT.md`.
 *
 * @module
 */

import { type FileLock, type FileSystem, joinPath } from "../../wal-wasm/mod.ts";
import type { TableRecord } from "../storage/mod.ts";
import { BackupError } from "./backup_error.ts";
import { type BackupManifest, formatManifest, parseManifest, tableName } from "./manifest.ts";

/** Ending of a file that is coming in. */
export const UNFINISHED_TABLE = ".new";
const TABLES_NAME = "tables";
const LOCK_NAME = "LOCK";
const MANIFEST_NAME = /^backup-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z\.json$/;
const TABLE_NAME = /^([0-9a-f]{32})\.table$/;
const UNFINISHED_NAME = /\.(table|json)\.new$/;

/** A manifest, and where it is. */
export interface FoundManifest {
  readonly path: string;
  readonly manifest: BackupManifest;
}

/** See the module comment. */
export class BackupDirectory {
  readonly directory: string;
  readonly fileSystem: FileSystem;

  constructor(fileSystem: FileSystem, directory: string) {
    this.fileSystem = fileSystem;
    this.directory = directory;
  }

  /** Where the tables are. */
  get tables(): string {
    return joinPath(this.directory, TABLES_NAME);
  }

  /** Where a table is, by its name in backups. */
  pathOf(name: string): string {
    return joinPath(this.tables, `${name}.table`);
  }

  /** Where a table of a description is. */
  pathOfRecord(record: TableRecord): string {
    return this.pathOf(tableName(record));
  }

  /**
   * Makes the directory if it is missing, and locks it.
   *
   * @throws {BackupError} when somebody else writes into it, or it is meant for something else
   */
  async openToWrite(): Promise<FileLock> {
    const names = await this.#listOrMake();
    const foreign = names.find((name) =>
      name !== LOCK_NAME && !MANIFEST_NAME.test(name) && !UNFINISHED_NAME.test(name)
    );
    if (foreign !== undefined) {
      throw new BackupError(
        `Cannot back up into "${this.directory}": it holds "${foreign}"; use an empty one`,
      );
    }
    const lock = await this.fileSystem.lock(joinPath(this.directory, LOCK_NAME));
    if (lock === undefined) {
      throw new BackupError(`Cannot back up into "${this.directory}": another backup is being made there`);
    }
    try {
      await this.fileSystem.createDirectory(this.tables);
      await this.fileSystem.syncDirectory(this.directory);
      return lock;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Paths of all manifests, oldest first. */
  async manifests(): Promise<readonly string[]> {
    const names = await this.#list(this.directory);
    return names.filter((name) => MANIFEST_NAME.test(name)).sort()
      .map((name) => joinPath(this.directory, name));
  }

  /**
   * Reads a manifest.
   *
   * @throws {BackupError} when it is not valid
   */
  async read(path: string): Promise<FoundManifest> {
    const file = await this.fileSystem.open(path);
    try {
      const bytes = new Uint8Array(await file.size());
      file.readSync(bytes, 0);
      // What is no text must not be read as if it were some.
      const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
      return { path, manifest: parseManifest(text, path) };
    } finally {
      file.close();
    }
  }

  /**
   * The newest backup.
   *
   * @throws {BackupError} when there is none, or its manifest is not valid
   */
  async newest(): Promise<FoundManifest> {
    const path = (await this.manifests()).at(-1);
    if (path === undefined) throw new BackupError(`There is no backup in "${this.directory}"`);
    return await this.read(path);
  }

  /** Names of the tables that are there, whole. */
  async tableNames(): Promise<readonly string[]> {
    return (await this.#list(this.tables)).flatMap((name) => TABLE_NAME.exec(name)?.[1] ?? []);
  }

  /** Removes what runs that were cut short have left unfinished. */
  async removeUnfinished(): Promise<void> {
    for (const directory of [this.directory, this.tables]) {
      for (const name of await this.#list(directory)) {
        if (UNFINISHED_NAME.test(name)) await this.fileSystem.remove(joinPath(directory, name));
      }
    }
  }

  /** Adds a backup whose tables are all there and durable; returns its path. */
  async add(manifest: BackupManifest): Promise<string> {
    const path = joinPath(this.directory, `backup-${manifest.startedAt.replaceAll(":", "-")}.json`);
    const file = await this.fileSystem.create(`${path}.new`);
    try {
      await file.write(new TextEncoder().encode(formatManifest(manifest)), 0);
      await file.syncData();
    } finally {
      file.close();
    }
    await this.fileSystem.rename(`${path}.new`, path);
    await this.fileSystem.syncDirectory(this.directory);
    return path;
  }

  async #listOrMake(): Promise<readonly string[]> {
    const { directory, fileSystem } = this;
    try {
      return await fileSystem.list(directory);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    await fileSystem.createDirectory(directory);
    await fileSystem.syncDirectory(parentOf(directory));
    return [];
  }

  async #list(directory: string): Promise<readonly string[]> {
    try {
      return await this.fileSystem.list(directory);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) {
        throw new BackupError(`There is no directory "${directory}"`);
      }
      throw error;
    }
  }
}

/** The directory in which one is. */
export function parentOf(directory: string): string {
  const path = directory.replace(/\/+$/, "");
  const slash = path.lastIndexOf("/");
  if (slash < 0) return ".";
  return slash === 0 ? "/" : path.slice(0, slash);
}
