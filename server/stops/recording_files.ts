/**
 * The disk, with a record of what is written to the log at once, and of its syncs.
 *
 * @module
 */

import type { FileLock, FileSystem, StoredFile } from "../../wal-wasm/mod.ts";
import type { StopRecorder } from "./stop_recorder.ts";

/** See the module comment. */
export class RecordingFileSystem implements FileSystem {
  readonly #files: FileSystem;
  readonly #recorder: StopRecorder;

  constructor(files: FileSystem, recorder: StopRecorder) {
    this.#files = files;
    this.#recorder = recorder;
  }

  async open(path: string): Promise<StoredFile> {
    return this.#recorded(await this.#files.open(path));
  }

  async create(path: string): Promise<StoredFile> {
    return this.#recorded(await this.#files.create(path));
  }

  #recorded(file: StoredFile): StoredFile {
    return isOfLog(file) ? new RecordingFile(file, this.#recorder) : file;
  }

  rename(from: string, to: string): Promise<void> {
    return this.#files.rename(from, to);
  }

  remove(path: string): Promise<void> {
    return this.#files.remove(path);
  }

  list(directory: string): Promise<readonly string[]> {
    return this.#files.list(directory);
  }

  listDirectories(directory: string): Promise<readonly string[]> {
    return this.#files.listDirectories(directory);
  }

  createDirectory(path: string): Promise<void> {
    return this.#files.createDirectory(path);
  }

  syncDirectory(directory: string): Promise<void> {
    return this.#files.syncDirectory(directory);
  }

  lock(path: string): Promise<FileLock | undefined> {
    return this.#files.lock(path);
  }
}

/** Not those of the state: they are written beside. */
function isOfLog({ path }: StoredFile): boolean {
  return /\.wal(\.tmp)?$/.test(path);
}

class RecordingFile implements StoredFile {
  readonly #stored: StoredFile;
  readonly #recorder: StopRecorder;
  readonly #name: string;

  constructor(stored: StoredFile, recorder: StopRecorder) {
    this.#stored = stored;
    this.#recorder = recorder;
    this.#name = stored.path.slice(stored.path.lastIndexOf("/") + 1);
  }

  get path(): string {
    return this.#stored.path;
  }

  size(): Promise<number> {
    return this.#stored.size();
  }

  readSync(into: Uint8Array, position: number): number {
    return this.#stored.readSync(into, position);
  }

  writeSync(bytes: Uint8Array, position: number): void {
    this.#stored.writeSync(bytes, position);
    this.#recorder.note("frame", { file: this.#name });
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    return this.#stored.write(bytes, position);
  }

  async syncData(): Promise<void> {
    this.#recorder.note("syncBegun", { file: this.#name });
    await this.#stored.syncData();
    this.#recorder.note("synced", { file: this.#name });
  }

  close(): void {
    this.#stored.close();
  }
}
