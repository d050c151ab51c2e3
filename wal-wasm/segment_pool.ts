/**
 * Keeps one segment ahead of the log, so that beginning a new one costs two writes and no waiting. A new
 * segment is written with zeros, synced, renamed to its number and its name synced, all in the background; a
 * segment that nobody needs any more is used again instead, with its header erased. Appending then overwrites
 * blocks that exist, which syncs in half the time of a growing file.
 *
 * Invariant: a file named like a segment has its full size, and its header is blank until the log begins it.
 *
 * @module
 */

import { walInvariant } from "./error.ts";
import { type FileSystem, joinPath, type StoredFile } from "./file_system.ts";
import { SEGMENT_HEADER_BYTES } from "./layout.ts";
import { segmentName } from "./segment_header.ts";

/** Ends the name of a file that is not a segment yet, or no longer; recovery removes such files. */
export const UNFINISHED_SEGMENT = ".tmp";

/** Zeros are written in pieces of this size. */
const ZERO_BYTES = 1024 * 1024;

/** See the module comment. */
export class SegmentPool {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #segmentBytes: number;
  #spare: StoredFile | undefined;
  #preparing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  /** At most one file that was freed, waiting to become the next spare. */
  #freed: string | undefined;

  constructor(options: { fileSystem: FileSystem; directory: string; segmentBytes: number }) {
    this.#fileSystem = options.fileSystem;
    this.#directory = options.directory;
    this.#segmentBytes = options.segmentBytes;
  }

  /** Whether a spare lies ready. */
  get isReady(): boolean {
    return this.#spare !== undefined;
  }

  /** Takes over a spare that was found prepared. */
  adopt(spare: StoredFile): void {
    this.#spare = spare;
  }

  /** Makes a log's first segment, with its header in it before it gets its name. */
  makeFirst(header: Uint8Array): Promise<StoredFile> {
    return this.#make(1, header);
  }

  /** Starts making segment `id` unless a spare is there or under way. */
  prepare(id: number): void {
    if (this.#spare !== undefined || this.#preparing !== undefined || this.#failure !== undefined) return;
    this.#preparing = this.#make(id).then((file) => {
      this.#preparing = undefined;
      this.#spare = file;
    }, (error) => {
      this.#preparing = undefined;
      this.#failure = { error };
    });
  }

  /** Resolves when nothing is being prepared any more; it never rejects. */
  async whenSettled(): Promise<void> {
    await this.#preparing;
  }

  /**
   * The spare, which is the caller's from now on; `undefined` while it is being made.
   *
   * @throws what kept the spare from being made
   */
  tryTake(): StoredFile | undefined {
    if (this.#failure !== undefined) throw this.#failure.error;
    walInvariant(
      this.#spare !== undefined || this.#preparing !== undefined,
      "a segment is waited for that nobody prepares",
    );
    const spare = this.#spare;
    this.#spare = undefined;
    return spare;
  }

  /** Takes a segment nobody needs; its file is closed. Resolves when it is kept for later or removed. */
  async recycle(path: string): Promise<void> {
    if (this.#freed === undefined) {
      this.#freed = path;
    } else {
      await this.#fileSystem.remove(path);
    }
  }

  /** Waits for what is under way and closes the spare, which stays on disk for the next start. */
  async close(): Promise<void> {
    await this.whenSettled();
    this.#spare?.close();
    this.#spare = undefined;
  }

  async #make(id: number, header?: Uint8Array): Promise<StoredFile> {
    const draft = joinPath(this.#directory, `${segmentName(id)}${UNFINISHED_SEGMENT}`);
    const freed = this.#freed;
    this.#freed = undefined;
    const file = freed === undefined ? await this.#fileSystem.create(draft) : await this.#reuse(freed, draft);
    try {
      await this.#zero(file, freed === undefined ? this.#segmentBytes : SEGMENT_HEADER_BYTES);
      if (header !== undefined) await file.write(header, 0);
      await file.syncData();
    } finally {
      file.close();
    }
    const path = joinPath(this.#directory, segmentName(id));
    await this.#fileSystem.rename(draft, path);
    await this.#fileSystem.syncDirectory(this.#directory);
    return await this.#fileSystem.open(path);
  }

  /**
   * Its old name must be gone for good before its header is erased, or a crash would leave a damaged segment.
   */
  async #reuse(freed: string, draft: string): Promise<StoredFile> {
    await this.#fileSystem.rename(freed, draft);
    await this.#fileSystem.syncDirectory(this.#directory);
    return await this.#fileSystem.open(draft);
  }

  async #zero(file: StoredFile, bytes: number): Promise<void> {
    const zeros = new Uint8Array(Math.min(bytes, ZERO_BYTES));
    for (let position = 0; position < bytes; position += zeros.length) {
      await file.write(zeros.subarray(0, Math.min(zeros.length, bytes - position)), position);
    }
  }
}
