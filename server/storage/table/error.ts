/**
 * What can go wrong with a store. Each error has a stable `code`, and names file and offset where something
 * on the disk is not as it should be.
 *
 * @module
 */

/** Stable names of the errors. */
export type StorageErrorCode =
  /** Bytes on the disk are not those that were written. What they said is not returned. */
  | "STORAGE_DAMAGED"
  /** A file was written by a later version of the program. */
  | "STORAGE_NEWER_FORMAT"
  /** A file could not be read: the system said why (`cause`). Another try may succeed. */
  | "STORAGE_READ_FAILED"
  /** A file could not be written: the system said why (`cause`). Nothing is lost; another try may succeed. */
  | "STORAGE_WRITE_FAILED"
  /** The store is closed, or busy with the same thing already. */
  | "STORAGE_STATE";

/** Where in which file something is wrong. */
export interface StorageErrorPlace {
  readonly path: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
}

const RETRYABLE: ReadonlySet<StorageErrorCode> = new Set(["STORAGE_READ_FAILED", "STORAGE_WRITE_FAILED"]);

/** Thrown by everything in the rooms of the store that is not a wrong argument. */
export class StorageError extends Error {
  override readonly name = "StorageError";
  readonly code: StorageErrorCode;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  readonly place: StorageErrorPlace | undefined;

  constructor(
    code: StorageErrorCode,
    message: string,
    options?: { readonly cause?: unknown; readonly place?: StorageErrorPlace },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = RETRYABLE.has(code);
    this.place = options?.place;
  }
}

/** Bytes at `place` that are not those that were written. */
export function damaged(place: StorageErrorPlace, why: string): StorageError {
  const message = `Cannot use ${place.path} at offset ${place.offset} as ${why}`;
  return new StorageError("STORAGE_DAMAGED", message, { place });
}

/** A file of a format that this program does not know yet. */
export function newerFormat(path: string, version: string | number): StorageError {
  return new StorageError(
    "STORAGE_NEWER_FORMAT",
    `Cannot read ${path} as its format is ${version}: this version of the program knows format 1`,
    { place: { path, offset: 0 } },
  );
}

/** A read of `path` that the system refused. */
export function readFailed(path: string, cause: unknown): StorageError {
  return new StorageError("STORAGE_READ_FAILED", `Cannot read ${path}: ${textOf(cause)}`, { cause });
}

/** A write of `path` that the system refused. */
export function writeFailed(path: string, cause: unknown): StorageError {
  return new StorageError("STORAGE_WRITE_FAILED", `Cannot write ${path}: ${textOf(cause)}`, { cause });
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
