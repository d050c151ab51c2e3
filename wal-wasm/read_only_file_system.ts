/**
 * The disk of this machine for those who only look: whatever would change it is refused, so that a directory
 * that a node is using can be read beside it, and one on a medium that cannot be written.
 *
 * @module
 */

import { DenoFile, DenoFileSystem } from "./deno_file_system.ts";
import type { FileLock, FileSystem, StoredFile } from "./file_system.ts";

/** See the module comment. */
export class ReadOnlyFileSystem implements FileSystem {
  readonly #disk = new DenoFileSystem();

  open(path: string): Promise<StoredFile> {
    return Promise.try(() => new DenoFile(path, Deno.openSync(path, { read: true })));
  }

  list(directory: string): Promise<readonly string[]> {
    return this.#disk.list(directory);
  }

  listDirectories(directory: string): Promise<readonly string[]> {
    return this.#disk.listDirectories(directory);
  }

  create(path: string): Promise<StoredFile> {
    return Promise.reject(refused(path));
  }

  rename(from: string): Promise<void> {
    return Promise.reject(refused(from));
  }

  remove(path: string): Promise<void> {
    return Promise.reject(refused(path));
  }

  createDirectory(path: string): Promise<void> {
    return Promise.reject(refused(path));
  }

  syncDirectory(directory: string): Promise<void> {
    return Promise.reject(refused(directory));
  }

  lock(path: string): Promise<FileLock | undefined> {
    return Promise.reject(refused(path));
  }
}

function refused(path: string): Error {
  return new Error(`Cannot change ${path}: it is only read`);
}
