/**
 * A disk in memory that fails on demand and crashes by seed, for tests and the cluster simulator. It
 * implements the log's `FileSystem` port; `tests/wal/file_system_test.ts` holds it to the same suite as the
 * real one.
 *
 * A crash (`crash()`) treats each unsynced sector by itself, undoes a random number of the latest changes of
 * names that no `syncDirectory` has made durable (a journal keeps their order), releases locks and kills
 * every handle opened before: what the old owner still tries fails with {@linkcode DiskGoneError} and changes
 * nothing.
 *
 * @module
 */

import type { FileLock, FileSystem, StoredFile } from "../../../wal-wasm/mod.ts";
import type { SeededRandom } from "../seeded_random.ts";
import { type CrashOdds, MemoryInode } from "./memory_inode.ts";

/** The calls of the port, for faults and delays. */
export type DiskOperation =
  | "open"
  | "create"
  | "rename"
  | "remove"
  | "list"
  | "listDirectories"
  | "createDirectory"
  | "syncDirectory"
  | "lock"
  | "size"
  | "readSync"
  | "writeSync"
  | "write"
  | "syncData";

/** One call about to happen. */
export interface DiskCall {
  readonly operation: DiskOperation;
  readonly path: string;
}

/** How a disk behaves. */
export interface MemoryDiskOptions {
  readonly random: SeededRandom;
  /**
   * Asked before every call; an error it returns is thrown by the call. A failing write leaves a part of
   * itself.
   */
  readonly fault?: (call: DiskCall) => Error | undefined;
  /** Told that a file was closed, which gives its descriptor back. */
  readonly onClose?: () => void;
  /** Awaited by every asynchronous call before it ends; returns at once by default. */
  readonly delay?: (call: DiskCall) => Promise<void>;
}

/** A handle from before a crash was used. */
export class DiskGoneError extends Error {
  override readonly name = "DiskGoneError";
}

/** A change of names that can be undone. */
type NameChange =
  | { readonly kind: "set"; readonly path: string; readonly before: MemoryInode | undefined }
  | {
    readonly kind: "rename";
    readonly from: string;
    readonly to: string;
    readonly moved: MemoryInode;
    readonly replaced: MemoryInode | undefined;
  };

/** See the module comment. */
export class MemoryDisk {
  readonly #options: MemoryDiskOptions;
  readonly #inodes = new Map<string, MemoryInode>();
  readonly #directories = new Set<string>();
  readonly #locks = new Set<string>();
  /** Changes no sync has made durable, oldest first. */
  #changes: NameChange[] = [];
  #mountNumber = 0;

  constructor(options: MemoryDiskOptions) {
    this.#options = options;
  }

  /** The port, for one owner until the next crash. */
  mount(): FileSystem {
    return new MountedDisk(this, this.#mountNumber);
  }

  /** Loses what a loss of power may lose. */
  crash(odds: CrashOdds = { lostPercent: 50, garbledPercent: 10 }): void {
    const { random } = this.#options;
    const undone = random.below(this.#changes.length + 1);
    for (let count = 0; count < undone; count++) this.#undo(this.#changes.pop()!);
    this.#changes = [];
    for (const path of this.paths()) this.#inodes.get(path)!.crash(random, odds);
    this.#locks.clear();
    this.#mountNumber++;
  }

  /** Ends every handle without losing a byte, as when a process is killed. */
  kill(): void {
    for (const inode of this.#inodes.values()) inode.abandonSyncs();
    this.#locks.clear();
    this.#mountNumber++;
  }

  /** All files, sorted. */
  paths(): string[] {
    return [...this.#inodes.keys()].sort();
  }

  /** The bytes of a file; writing to them damages it. */
  content(path: string): Uint8Array {
    return this.inode(path).content;
  }

  /** Replaces or makes a file, durably. */
  place(path: string, content: Uint8Array): void {
    const inode = new MemoryInode();
    this.addDirectory(directoryOf(path));
    inode.write(content, 0);
    inode.beginSync().succeed();
    this.#inodes.set(path, inode);
  }

  /** Takes a file away, durably. */
  lose(path: string): void {
    this.#inodes.delete(path);
  }

  /** The start of every call: throws if the caller's mount is over or a fault is due. */
  enter(call: DiskCall, mountNumber: number): void {
    this.checkMount(mountNumber);
    const error = this.#options.fault?.(call);
    if (error !== undefined) throw error;
  }

  checkMount(mountNumber: number): void {
    if (mountNumber !== this.#mountNumber) {
      throw new DiskGoneError("Cannot use this handle as the disk has crashed since");
    }
  }

  async wait(call: DiskCall, mountNumber: number): Promise<void> {
    await this.#options.delay?.(call);
    this.checkMount(mountNumber);
  }

  noteClosed(mountNumber: number): void {
    if (mountNumber === this.#mountNumber) this.#options.onClose?.();
  }

  get random(): SeededRandom {
    return this.#options.random;
  }

  inode(path: string): MemoryInode {
    const inode = this.#inodes.get(path);
    if (inode === undefined) throw new Deno.errors.NotFound(`no such file: ${path}`);
    return inode;
  }

  make(path: string): MemoryInode {
    if (!this.#directories.has(directoryOf(path))) {
      throw new Deno.errors.NotFound(`no such directory: ${path}`);
    }
    const inode = new MemoryInode();
    this.#changes.push({ kind: "set", path, before: this.#inodes.get(path) });
    this.#inodes.set(path, inode);
    return inode;
  }

  move(from: string, to: string): void {
    const moved = this.inode(from);
    this.#changes.push({ kind: "rename", from, to, moved, replaced: this.#inodes.get(to) });
    this.#inodes.delete(from);
    this.#inodes.set(to, moved);
  }

  unlink(path: string): void {
    this.#changes.push({ kind: "set", path, before: this.inode(path) });
    this.#inodes.delete(path);
  }

  addDirectory(path: string): void {
    const parts = path.split("/");
    for (let count = 1; count <= parts.length; count++) {
      this.#directories.add(parts.slice(0, count).join("/"));
    }
  }

  list(directory: string): string[] {
    if (!this.#directories.has(directory)) throw new Deno.errors.NotFound(`no such directory: ${directory}`);
    return this.paths().filter((path) => directoryOf(path) === directory).map((path) =>
      path.slice(directory.length + 1)
    );
  }

  listDirectories(directory: string): string[] {
    if (!this.#directories.has(directory)) throw new Deno.errors.NotFound(`no such directory: ${directory}`);
    return [...this.#directories].filter((path) => path !== directory && directoryOf(path) === directory).map(
      (
        path,
      ) => path.slice(directory.length + 1),
    );
  }

  /** Returns what makes the changes up to now durable. */
  beginSyncDirectory(directory: string): () => void {
    const covered = new Set(this.#changes.filter((change) => directoryOf(pathOf(change)) === directory));
    return () => {
      this.#changes = this.#changes.filter((change) => !covered.has(change));
    };
  }

  tryLock(path: string): FileLock | undefined {
    if (!this.#inodes.has(path)) this.make(path);
    if (this.#locks.has(path)) return undefined;
    this.#locks.add(path);
    const mountNumber = this.#mountNumber;
    const inode = this.#inodes.get(path);
    return {
      isInPlace: () => Promise.resolve(this.#inodes.get(path) === inode),
      release: () => {
        if (mountNumber === this.#mountNumber) this.#locks.delete(path);
      },
    };
  }

  #undo(change: NameChange): void {
    switch (change.kind) {
      case "set":
        return this.#restore(change.path, change.before);
      case "rename":
        this.#restore(change.from, change.moved);
        return this.#restore(change.to, change.replaced);
    }
  }

  #restore(path: string, inode: MemoryInode | undefined): void {
    if (inode === undefined) this.#inodes.delete(path);
    else this.#inodes.set(path, inode);
  }
}

/** The port of one mount of a disk. */
class MountedDisk implements FileSystem {
  readonly #disk: MemoryDisk;
  readonly #mountNumber: number;

  constructor(disk: MemoryDisk, mountNumber: number) {
    this.#disk = disk;
    this.#mountNumber = mountNumber;
  }

  open(path: string): Promise<StoredFile> {
    return this.#call({ operation: "open", path }, () => this.#file(path, this.#disk.inode(path)));
  }

  create(path: string): Promise<StoredFile> {
    return this.#call({ operation: "create", path }, () => this.#file(path, this.#disk.make(path)));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#call({ operation: "rename", path: from }, () => this.#disk.move(from, to));
  }

  remove(path: string): Promise<void> {
    return this.#call({ operation: "remove", path }, () => this.#disk.unlink(path));
  }

  list(directory: string): Promise<readonly string[]> {
    return this.#call({ operation: "list", path: directory }, () => this.#disk.list(directory));
  }

  listDirectories(directory: string): Promise<readonly string[]> {
    const call: DiskCall = { operation: "listDirectories", path: directory };
    return this.#call(call, () => this.#disk.listDirectories(directory));
  }

  createDirectory(path: string): Promise<void> {
    return this.#call({ operation: "createDirectory", path }, () => this.#disk.addDirectory(path));
  }

  async syncDirectory(directory: string): Promise<void> {
    const call: DiskCall = { operation: "syncDirectory", path: directory };
    this.#disk.enter(call, this.#mountNumber);
    const finish = this.#disk.beginSyncDirectory(directory);
    await this.#disk.wait(call, this.#mountNumber);
    this.#disk.checkMount(this.#mountNumber);
    finish();
  }

  lock(path: string): Promise<FileLock | undefined> {
    return this.#call({ operation: "lock", path }, () => this.#disk.tryLock(path));
  }

  #file(path: string, inode: MemoryInode): StoredFile {
    return new MemoryFile(path, { disk: this.#disk, mountNumber: this.#mountNumber, inode });
  }

  async #call<Result>(call: DiskCall, run: () => Result): Promise<Result> {
    this.#disk.enter(call, this.#mountNumber);
    await this.#disk.wait(call, this.#mountNumber);
    // A crash may have come between the end of the wait and here.
    this.#disk.checkMount(this.#mountNumber);
    return run();
  }
}

/** What an open file belongs to. */
interface FileOwner {
  readonly disk: MemoryDisk;
  readonly mountNumber: number;
  readonly inode: MemoryInode;
}

/** One handle. Like a descriptor it stays with its file when that is renamed or removed. */
class MemoryFile implements StoredFile {
  readonly path: string;
  readonly #disk: MemoryDisk;
  readonly #mountNumber: number;
  readonly #inode: MemoryInode;
  #isClosed = false;

  constructor(path: string, owner: FileOwner) {
    this.path = path;
    this.#disk = owner.disk;
    this.#mountNumber = owner.mountNumber;
    this.#inode = owner.inode;
  }

  async size(): Promise<number> {
    await this.#disk.wait(this.#enter("size"), this.#mountNumber);
    return this.#inode.size;
  }

  readSync(into: Uint8Array, position: number): number {
    this.#enter("readSync");
    return this.#inode.read(into, position);
  }

  writeSync(bytes: Uint8Array, position: number): void {
    this.#guardWrite("writeSync", bytes, position);
    this.#inode.write(bytes, position);
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    const call = this.#guardWrite("write", bytes, position);
    const copy = bytes.slice();
    await this.#disk.wait(call, this.#mountNumber);
    this.#disk.checkMount(this.#mountNumber);
    this.#inode.write(copy, position);
  }

  async syncData(): Promise<void> {
    this.#disk.checkMount(this.#mountNumber);
    const sync = this.#inode.beginSync();
    try {
      await this.#disk.wait(this.#enter("syncData"), this.#mountNumber);
      this.#disk.checkMount(this.#mountNumber);
    } catch (error) {
      if (!(error instanceof DiskGoneError)) sync.fail();
      throw error;
    }
    sync.succeed();
  }

  close(): void {
    if (!this.#isClosed) this.#disk.noteClosed(this.#mountNumber);
    this.#isClosed = true;
  }

  #guardWrite(operation: DiskOperation, bytes: Uint8Array, position: number): DiskCall {
    try {
      return this.#enter(operation);
    } catch (error) {
      const part = bytes.subarray(0, this.#disk.random.below(bytes.length + 1));
      if (!(error instanceof DiskGoneError) && part.length > 0) this.#inode.write(part, position);
      throw error;
    }
  }

  #enter(operation: DiskOperation): DiskCall {
    const call: DiskCall = { operation, path: this.path };
    this.#disk.enter(call, this.#mountNumber);
    if (this.#isClosed) throw new Deno.errors.BadResource(`the file is closed: ${this.path}`);
    return call;
  }
}

function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

function pathOf(change: NameChange): string {
  return change.kind === "set" ? change.path : change.to;
}
