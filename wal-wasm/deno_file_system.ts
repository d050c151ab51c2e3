/**
 * The {@linkcode FileSystem} of a running node, on `Deno.FsFile`.
 *
 * @module
 */

import type { FileLock, FileSystem, StoredFile } from "./file_system.ts";

/**
 * The disk of this machine. Calls that need a descriptor take it before they first wait: in a process that
 * has run out of them, a connection could otherwise take one that was just given back for the log.
 */
export class DenoFileSystem implements FileSystem {
  open(path: string): Promise<StoredFile> {
    return Promise.try(() => new DenoFile(path, Deno.openSync(path, { read: true, write: true })));
  }

  create(path: string): Promise<StoredFile> {
    const options = { read: true, write: true, create: true, truncate: true };
    return Promise.try(() => new DenoFile(path, Deno.openSync(path, options)));
  }

  rename(from: string, to: string): Promise<void> {
    return Deno.rename(from, to);
  }

  remove(path: string): Promise<void> {
    return Deno.remove(path);
  }

  list(directory: string): Promise<readonly string[]> {
    return Promise.try(() => namesIn(directory, ({ isFile }) => isFile));
  }

  listDirectories(directory: string): Promise<readonly string[]> {
    return Promise.try(() => namesIn(directory, ({ isDirectory }) => isDirectory));
  }

  createDirectory(path: string): Promise<void> {
    return Deno.mkdir(path, { recursive: true });
  }

  async syncDirectory(directory: string): Promise<void> {
    using handle = Deno.openSync(directory);
    await handle.sync();
  }

  async lock(path: string): Promise<FileLock | undefined> {
    const file = Deno.openSync(path, { read: true, write: true, create: true });
    const held = await file.tryLock(true).catch((error) => {
      file.close();
      throw error;
    });
    if (held) return { isInPlace: () => isFileAt(path, file), release: () => file.close() };
    file.close();
    return undefined;
  }
}

function namesIn(directory: string, isWanted: (entry: Deno.DirEntry) => boolean): string[] {
  return [...Deno.readDirSync(directory)].filter(isWanted).map(({ name }) => name);
}

/** Whether `path` leads to this very file. An open file's number is given to no other one. */
async function isFileAt(path: string, file: Deno.FsFile): Promise<boolean> {
  const held = await file.stat();
  try {
    const there = await Deno.stat(path);
    return there.dev === held.dev && there.ino === held.ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}

/** One descriptor. Remembers where it stands, as a seek costs as much as a small write. */
export class DenoFile implements StoredFile {
  readonly path: string;
  readonly #file: Deno.FsFile;
  #position = 0;
  #isClosed = false;

  constructor(path: string, file: Deno.FsFile) {
    this.path = path;
    this.#file = file;
  }

  async size(): Promise<number> {
    return (await this.#file.stat()).size;
  }

  readSync(into: Uint8Array, position: number): number {
    this.#seek(position);
    let filled = 0;
    while (filled < into.length) {
      const count = this.#file.readSync(into.subarray(filled));
      if (count === null) break;
      filled += count;
    }
    this.#position += filled;
    return filled;
  }

  writeSync(bytes: Uint8Array, position: number): void {
    this.#seek(position);
    let rest = bytes;
    while (rest.length > 0) {
      const count = this.#file.writeSync(rest);
      this.#position += count;
      if (count === 0) throw new Error(`Cannot write to ${this.path} as the system took no byte`);
      rest = rest.subarray(count);
    }
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    this.#seek(position);
    let rest = bytes;
    while (rest.length > 0) {
      const count = await this.#file.write(rest);
      this.#position += count;
      if (count === 0) throw new Error(`Cannot write to ${this.path} as the system took no byte`);
      rest = rest.subarray(count);
    }
  }

  syncData(): Promise<void> {
    return this.#file.syncData();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#file.close();
  }

  #seek(position: number): void {
    if (this.#position === position) return;
    this.#file.seekSync(position, Deno.SeekMode.Start);
    this.#position = position;
  }
}
