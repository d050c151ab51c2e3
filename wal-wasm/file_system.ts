/**
 * The port to the disk. All file access of the log goes through it, so that tests and the simulator can put a
 * disk of their own beneath it; `deno_file_system.ts` is the real one. Paths use `/`. Every call may fail
 * with an error of the implementation's choosing; after a failed call nothing is known about what it was to
 * do.
 *
 * What a crash may do: bytes written but not synced are lost or torn sector by sector; names created, renamed
 * or removed since the directory was last synced are as they were or as they became.
 *
 * @module
 */

/** See the module comment. */
export interface FileSystem {
  /** Opens an existing file for reading and writing. */
  open(path: string): Promise<StoredFile>;
  /** Makes an empty file and opens it; what was there under that name is gone. */
  create(path: string): Promise<StoredFile>;
  /** Gives a file a new name; replaces what had it. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file. */
  remove(path: string): Promise<void>;
  /** Names of the files directly in `directory`, in no order. */
  list(directory: string): Promise<readonly string[]>;
  /** Names of the directories directly in `directory`, in no order. */
  listDirectories(directory: string): Promise<readonly string[]>;
  /** Makes a directory and those above it; fine if it is there. */
  createDirectory(path: string): Promise<void>;
  /** Makes names in `directory` durable. */
  syncDirectory(directory: string): Promise<void>;
  /** Takes the lock file at `path`; `undefined` when another holder has it. A crash releases it. */
  lock(path: string): Promise<FileLock | undefined>;
}

/** An open file. Positions are bytes from the start. */
export interface StoredFile {
  readonly path: string;
  /** Bytes in the file. */
  size(): Promise<number>;
  /**
   * Fills `into` from `position`; returns how many bytes there were, fewer than asked only at the end of the
   * file.
   */
  readSync(into: Uint8Array, position: number): number;
  /** Writes all of `bytes` at `position` before it returns; `bytes` may change afterwards. */
  writeSync(bytes: Uint8Array, position: number): void;
  /** Like `writeSync` without holding up the caller; nothing else may be done to the file meanwhile. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Makes the bytes written before this call durable. Writing meanwhile is allowed. */
  syncData(): Promise<void>;
  /** Gives the file back; closing it again does nothing. */
  close(): void;
}

/** A held lock. */
export interface FileLock {
  /**
   * Whether its path still leads to the file that is locked; rejects when that cannot be told. It does not
   * any more when the file, or a directory above it, was removed, moved or replaced.
   */
  isInPlace(): Promise<boolean>;
  release(): void;
}

/** Joins a directory and a name in it. */
export function joinPath(directory: string, name: string): string {
  return directory.endsWith("/") ? `${directory}${name}` : `${directory}/${name}`;
}
