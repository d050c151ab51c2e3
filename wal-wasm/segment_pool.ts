/**
 * Keeps one segment ahead of the log, so that beginning a new one costs two writes and no waiting. A new
 * segment is written with zeros, synced, renamed to its number and its name synced, all in the background; a
 * segment that nobody needs any more is used again instead, with its header erased. Appending then overwrites
 * blocks that exist, which syncs in half the time of a growing file.
 *
 * ```
 * prepare ─▶ attempt ──▶ spare ─▶ taken by the log
 *              │  ▲
 *              ▼  └── after a pause, when what the last attempt left behind has been removed
 *            failed: a full disk, no descriptor, a failed write or sync
 * ```
 *
 * Nothing that was promised rests on a file that is not part of the log yet. So whatever fails while one is
 * made is tried again, a failed sync too: the draft is thrown away with all that was written to it, and the
 * next one begins from nothing. That ends when the log takes the spare: from then on a failed write or sync
 * is final.
 *
 * Invariant: a file named like a segment has its full size, and its header is blank until the log begins it.
 *
 * @module
 */

import { walInvariant } from "./error.ts";
import { type FileSystem, joinPath, type StoredFile } from "./file_system.ts";
import { SEGMENT_HEADER_BYTES } from "./layout.ts";
import { segmentName } from "./segment_header.ts";
import type { WalTimer } from "./timer.ts";

/** Ends the name of a file that is not a segment yet, or no longer; recovery removes such files. */
export const UNFINISHED_SEGMENT = ".tmp";

/** Zeros are written in pieces of this size. */
const ZERO_BYTES = 1024 * 1024;

/** Pause before a failed attempt is repeated; it doubles with every failure in a row. */
const RETRY_MS_MIN = 50;
/** A disk that has room again is noticed within this time. */
const RETRY_MS_MAX = 2_000;

/** What a pool works with. */
export interface SegmentPoolOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly segmentBytes: number;
  readonly timer: WalTimer;
}

/** See the module comment. */
export class SegmentPool {
  readonly #options: SegmentPoolOptions;
  #spare: StoredFile | undefined;
  /** The segment that is to be made; `undefined` while none is. */
  #wanted: number | undefined;
  #attempt: Promise<void> | undefined;
  #cancelRetry: (() => void) | undefined;
  #retryMs = RETRY_MS_MIN;
  #failure: string | undefined;
  #failures = 0;
  #isClosed = false;
  #waiting: (() => void)[] = [];
  /** At most one file that was freed, waiting to become the next spare. */
  #freed: string | undefined;
  /** Paths at which something may lie that is of no use: it is removed before the next attempt. */
  readonly #litter = new Set<string>();

  constructor(options: SegmentPoolOptions) {
    this.#options = options;
  }

  /** Whether a spare lies ready. */
  get isReady(): boolean {
    return this.#spare !== undefined;
  }

  /** Whether a spare is being made right now, not waiting for another attempt. */
  get isMaking(): boolean {
    return this.#attempt !== undefined;
  }

  /** Why the last attempt to make a spare failed; `undefined` when it did not. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Attempts that failed so far. */
  get failures(): number {
    return this.#failures;
  }

  /** Takes over a spare that was found prepared. */
  adopt(spare: StoredFile): void {
    this.#spare = spare;
  }

  /** Makes a log's first segment, with its header in it before it gets its name; tried once. */
  makeFirst(header: Uint8Array): Promise<StoredFile> {
    return this.#make(1, header);
  }

  /** Starts making segment `id` unless a spare is there or under way. */
  prepare(id: number): void {
    if (this.#spare !== undefined || this.#wanted !== undefined) return;
    this.#wanted = id;
    if (!this.#isClosed) this.#try(id);
  }

  /** Resolves when there is a spare, or the pool is closed; it never rejects. */
  whenReady(): Promise<void> {
    if (this.isReady || this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when no attempt is under way; it never rejects. */
  async whenAttempted(): Promise<void> {
    await this.#attempt;
  }

  /** The spare, which is the caller's from now on; `undefined` while it is being made. */
  tryTake(): StoredFile | undefined {
    walInvariant(
      this.#spare !== undefined || this.#wanted !== undefined,
      "a segment is waited for that nobody prepares",
    );
    const spare = this.#spare;
    this.#spare = undefined;
    return spare;
  }

  /** Takes a segment nobody needs; its file is closed. It is kept for later or removed. */
  recycle(path: string): void {
    if (this.#freed === undefined) this.#freed = path;
    else void this.#discard(path);
  }

  /** Begins no further attempt. */
  halt(): void {
    this.#isClosed = true;
    this.#cancelRetry?.();
    this.#announce();
  }

  /** Waits for what is under way and closes the spare, which stays on disk for the next start. */
  async close(): Promise<void> {
    this.halt();
    await this.#attempt;
    this.#spare?.close();
    this.#spare = undefined;
  }

  #try(id: number): void {
    this.#attempt = this.#makeSpare(id).then((spare) => {
      this.#attempt = undefined;
      this.#spare = spare;
      this.#wanted = undefined;
      this.#failure = undefined;
      this.#retryMs = RETRY_MS_MIN;
      this.#announce();
    }, (error) => this.#tryLater(id, error));
  }

  #tryLater(id: number, error: unknown): void {
    this.#attempt = undefined;
    this.#failure = error instanceof Error ? error.message : String(error);
    this.#failures++;
    if (this.#isClosed) return;
    this.#cancelRetry = this.#options.timer.after(this.#retryMs, () => this.#try(id));
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
  }

  #announce(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  async #makeSpare(id: number): Promise<StoredFile> {
    await this.#clean();
    const freed = this.#freed;
    try {
      return await this.#make(id);
    } catch (error) {
      if (freed !== undefined) this.#litter.add(freed);
      this.#litter.add(this.#pathOf(id));
      // A draft on a full disk takes what others need, the node's own small files among them.
      await this.#discard(this.#draftOf(id));
      throw error;
    }
  }

  async #make(id: number, header?: Uint8Array): Promise<StoredFile> {
    const { directory, fileSystem, segmentBytes } = this.#options;
    const draft = this.#draftOf(id);
    const freed = this.#freed;
    this.#freed = undefined;
    const file = freed === undefined ? await fileSystem.create(draft) : await this.#reuse(freed, draft);
    try {
      await zero(file, freed === undefined ? segmentBytes : SEGMENT_HEADER_BYTES);
      if (header !== undefined) await file.write(header, 0);
      await file.syncData();
    } finally {
      file.close();
    }
    const path = this.#pathOf(id);
    await fileSystem.rename(draft, path);
    await fileSystem.syncDirectory(directory);
    return await fileSystem.open(path);
  }

  /**
   * Its old name must be gone for good before its header is erased, or a crash would leave a damaged segment.
   */
  async #reuse(freed: string, draft: string): Promise<StoredFile> {
    const { directory, fileSystem } = this.#options;
    await fileSystem.rename(freed, draft);
    await fileSystem.syncDirectory(directory);
    return await fileSystem.open(draft);
  }

  /** Removes what failed attempts left, so that the next one makes and syncs everything anew. */
  async #clean(): Promise<void> {
    if (this.#litter.size === 0) return;
    const { directory, fileSystem } = this.#options;
    const names = new Set(await fileSystem.list(directory));
    for (const path of [...this.#litter]) {
      if (names.has(path.slice(path.lastIndexOf("/") + 1))) await fileSystem.remove(path);
      this.#litter.delete(path);
    }
    await fileSystem.syncDirectory(directory);
  }

  /** Removes a file now, or with the litter if that fails. */
  async #discard(path: string): Promise<void> {
    try {
      await this.#options.fileSystem.remove(path);
    } catch {
      this.#litter.add(path);
    }
  }

  #pathOf(id: number): string {
    return joinPath(this.#options.directory, segmentName(id));
  }

  #draftOf(id: number): string {
    return `${this.#pathOf(id)}${UNFINISHED_SEGMENT}`;
  }
}

/**
 * Piece by piece: a whole segment given to the disk at once holds up every sync of the log meanwhile
 * (`bench/README.md`, puts of 16 KiB).
 */
async function zero(file: StoredFile, bytes: number): Promise<void> {
  const zeros = new Uint8Array(Math.min(bytes, ZERO_BYTES));
  for (let position = 0; position < bytes; position += zeros.length) {
    await file.write(zeros.subarray(0, Math.min(zeros.length, bytes - position)), position);
    if (position + zeros.length < bytes) await file.syncData();
  }
}
