/**
 * A file system that keeps some file descriptors back, for a process that has run out of them: connections
 * may take all there are, and the log must still be able to begin its next file. Where a call fails for want
 * of a descriptor, one of those held is given back and the call made again; they are taken back later.
 *
 * ```
 * open ──EMFILE──▶ a held one is closed ──▶ open          and every second: are there enough again?
 * ```
 *
 * The file system beneath must take its descriptor before its call first waits, or a connection could be
 * faster.
 *
 * @module
 */

import type { FileLock, FileSystem, StoredFile, WalTimer } from "../../wal-wasm/mod.ts";
import type { Troubles } from "./troubles.ts";

/** The log and the small files need two at a time; the others are for until the reserve is full again. */
const DESCRIPTORS_HELD = 8;
/** Of a node inside another program, which has use for descriptors itself. */
export const DESCRIPTORS_HELD_EMBEDDED = 4;
const REFILL_MS = 1_000;
/** Of the process, and of the machine. */
const NO_DESCRIPTOR_CODES: ReadonlySet<unknown> = new Set(["EMFILE", "ENFILE"]);

/** What a reserve works with. */
export interface DescriptorReserveOptions {
  readonly fileSystem: FileSystem;
  readonly timer: WalTimer;
  readonly troubles: Troubles;
  /** Descriptors that are held, 1 or more; 8 unless given. */
  readonly held?: number;
}

/** See the module comment. */
export class DescriptorReserve implements FileSystem {
  readonly #options: DescriptorReserveOptions;
  readonly #held: StoredFile[] = [];
  /** The file that all held descriptors are of. */
  #path: string | undefined;
  #cancelRefill: (() => void) | undefined;
  #isClosed = false;

  constructor(options: DescriptorReserveOptions) {
    this.#options = options;
  }

  get #wanted(): number {
    return this.#options.held ?? DESCRIPTORS_HELD;
  }

  /** Descriptors held. */
  get size(): number {
    return this.#held.length;
  }

  /** Fills the reserve, with descriptors of the file at `path`, which stays; what is missing comes later. */
  async fill(path: string): Promise<void> {
    this.#path = path;
    await this.#refill();
  }

  /** Gives all of it back. */
  close(): void {
    this.#isClosed = true;
    this.#cancelRefill?.();
    for (const file of this.#held.splice(0)) file.close();
  }

  open(path: string): Promise<StoredFile> {
    return this.#insist(() => this.#options.fileSystem.open(path));
  }

  create(path: string): Promise<StoredFile> {
    return this.#insist(() => this.#options.fileSystem.create(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#options.fileSystem.rename(from, to);
  }

  remove(path: string): Promise<void> {
    return this.#options.fileSystem.remove(path);
  }

  list(directory: string): Promise<readonly string[]> {
    return this.#insist(() => this.#options.fileSystem.list(directory));
  }

  listDirectories(directory: string): Promise<readonly string[]> {
    return this.#insist(() => this.#options.fileSystem.listDirectories(directory));
  }

  createDirectory(path: string): Promise<void> {
    return this.#options.fileSystem.createDirectory(path);
  }

  syncDirectory(directory: string): Promise<void> {
    return this.#insist(() => this.#options.fileSystem.syncDirectory(directory));
  }

  lock(path: string): Promise<FileLock | undefined> {
    return this.#insist(() => this.#options.fileSystem.lock(path));
  }

  async #insist<Result>(call: () => Promise<Result>): Promise<Result> {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        const held = isOutOfDescriptors(error) ? this.#held.pop() : undefined;
        if (held === undefined) throw error;
        held.close();
        this.#refillLater(error);
      }
    }
  }

  #refillLater(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.#options.troubles.note(
      "descriptors",
      `${this.#held.length} of ${this.#wanted} descriptors held for the log are left (${why}): ` +
        "raise the limit (ulimit -n) or have fewer connections",
    );
    if (this.#isClosed || this.#cancelRefill !== undefined) return;
    this.#cancelRefill = this.#options.timer.after(REFILL_MS, () => {
      this.#cancelRefill = undefined;
      void this.#refill();
    });
  }

  async #refill(): Promise<void> {
    const { fileSystem, troubles } = this.#options;
    try {
      while (this.#held.length < this.#wanted && !this.#isClosed) {
        const file = await fileSystem.open(this.#path!);
        if (this.#isClosed) file.close();
        else this.#held.push(file);
      }
      troubles.note("descriptors", undefined);
    } catch (error) {
      this.#refillLater(error);
    }
  }
}

function isOutOfDescriptors(error: unknown): boolean {
  return error instanceof Error && NO_DESCRIPTOR_CODES.has(Reflect.get(error, "code"));
}
