/**
 * Small files that are read and written whole. A write is all or nothing, also in a crash: the new text goes
 * into a file beside the old one and is synced, that file is renamed over the old one, and the directory is
 * synced.
 *
 * @module
 */

import { type FileSystem, joinPath } from "../../wal-wasm/mod.ts";

/** Ending of a file that is being written; one that a crash has left is written anew or ignored. */
export const UNFINISHED_FILE = ".new";

/** Where a file is. */
interface FilePlace {
  readonly directory: string;
  readonly name: string;
}

/** What a file is to hold. */
interface FileText extends FilePlace {
  readonly text: string;
}

/** The text of the file, `undefined` when there is none. */
export async function readAtomicFile(
  fileSystem: FileSystem,
  { directory, name }: FilePlace,
): Promise<string | undefined> {
  if (!(await fileSystem.list(directory)).includes(name)) return undefined;
  const file = await fileSystem.open(joinPath(directory, name));
  try {
    const bytes = new Uint8Array(await file.size());
    file.readSync(bytes, 0);
    return new TextDecoder().decode(bytes);
  } finally {
    file.close();
  }
}

/** Replaces the file; resolves when the new text is durable. */
export async function writeAtomicFile(
  fileSystem: FileSystem,
  { directory, name, text }: FileText,
): Promise<void> {
  const path = joinPath(directory, name);
  const file = await fileSystem.create(`${path}${UNFINISHED_FILE}`);
  try {
    file.writeSync(new TextEncoder().encode(text), 0);
    await file.syncData();
  } finally {
    file.close();
  }
  await fileSystem.rename(`${path}${UNFINISHED_FILE}`, path);
  await fileSystem.syncDirectory(directory);
}
