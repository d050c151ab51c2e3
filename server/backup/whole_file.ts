/**
 * A file of a backup as bytes: its size and its checksum.
 *
 * @module
 */

import { crc32c, type FileSystem } from "../../wal-wasm/mod.ts";
import { type BackedUpFile, crcText } from "./manifest.ts";

const PART_BYTES = 1024 * 1024;

/**
 * Size of a file; `undefined` when it is not there.
 *
 * @throws what the file system throws
 */
export async function sizeOf(fileSystem: FileSystem, path: string): Promise<number | undefined> {
  try {
    const file = await fileSystem.open(path);
    try {
      return await file.size();
    } finally {
      file.close();
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Reads all of a file.
 *
 * @throws what the file system throws
 */
export async function readWholeFile(fileSystem: FileSystem, path: string): Promise<BackedUpFile> {
  const file = await fileSystem.open(path);
  try {
    const bytes = await file.size();
    const part = new Uint8Array(Math.min(PART_BYTES, bytes));
    let crc = 0;
    for (let offset = 0; offset < bytes; offset += part.length) {
      crc = crc32c(part.subarray(0, file.readSync(part, offset)), crc);
    }
    return { bytes, crc32c: crcText(crc) };
  } finally {
    file.close();
  }
}
