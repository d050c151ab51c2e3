/**
 * What a folder holds, for asserting that nobody has touched it.
 *
 * @module
 */

/**
 * Every file below `folder` with its size, its time of change and a digest of its bytes, every folder with
 * its name; sorted. A folder that is not there is told from an empty one.
 */
export async function folderState(folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  try {
    await collect(folder, found);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return ["not there"];
  }
  return found.sort();
}

async function collect(folder: string, into: string[]): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) {
      into.push(path);
      await collect(path, into);
    } else into.push(await fileState(path));
  }
}

async function fileState(path: string): Promise<string> {
  const { size, mtime } = await Deno.stat(path);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await Deno.readFile(path)));
  return `${path} ${size} ${mtime?.getTime()} ${digest.toHex()}`;
}
