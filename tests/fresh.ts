/**
 * Whether the committed generated files are what their sources make: the protobuf code and the WASM module.
 * `deno task fresh` generates them anew and compares byte for byte; exit code 1 and one line a file that differs.
 * The working copy is left as it was found.
 *
 * @module
 */

const ROOT = new URL("..", import.meta.url);
const WASM_FOLDER = "wal-wasm/build/";

const stale = [...await staleProtobuf(), ...await staleWasm()];
for (const line of stale) console.error(line);
console.log(stale.length === 0 ? "generated files are fresh" : `${stale.length} generated files are stale`);
Deno.exit(stale.length === 0 ? 0 : 1);

async function staleProtobuf(): Promise<string[]> {
  const folder = await Deno.makeTempDir();
  try {
    await runTask(["gen", "--output", folder]);
    const made = readFolder(new URL(`file://${folder}/proto/gen/`));
    return differences("proto/gen/", made, readFolder(new URL("proto/gen/", ROOT)), "gen");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The build writes in place, so the committed bytes are set aside and put back. */
async function staleWasm(): Promise<string[]> {
  const folder = new URL(WASM_FOLDER, ROOT);
  const committed = readFolder(folder);
  try {
    await runTask(["wasm"]);
    return differences(WASM_FOLDER, readFolder(folder), committed, "wasm");
  } finally {
    for (const path of readFolder(folder).keys()) {
      if (!committed.has(path)) Deno.removeSync(new URL(path, folder));
    }
    for (const [path, bytes] of committed) Deno.writeFileSync(new URL(path, folder), bytes);
  }
}

async function runTask(args: readonly string[]): Promise<void> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["task", ...args],
    cwd: ROOT.pathname,
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (code !== 0) throw new Error(`deno task ${args.join(" ")} failed with exit code ${code}`);
}

function differences(
  folder: string,
  made: ReadonlyMap<string, Uint8Array>,
  committed: ReadonlyMap<string, Uint8Array>,
  task: string,
): string[] {
  if (made.size === 0) return [`${folder}: \`deno task ${task}\` made nothing`];
  const paths = [...new Set([...made.keys(), ...committed.keys()])].sort();
  return paths
    .filter((path) => !areEqual(made.get(path), committed.get(path)))
    .map((path) => `${folder}${path} is stale: run \`deno task ${task}\` and commit it`);
}

function areEqual(left: Uint8Array | undefined, right: Uint8Array | undefined): boolean {
  if (left === undefined || right === undefined || left.length !== right.length) return false;
  return left.every((byte, at) => byte === right[at]);
}

/** The files below `folder` by relative path; none if there is no such folder. */
function readFolder(folder: URL, below = ""): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const entry of listFolder(new URL(below || ".", folder))) {
    const path = `${below}${entry.name}`;
    if (entry.isFile) files.set(path, Deno.readFileSync(new URL(path, folder)));
    else if (entry.isDirectory) { for (const each of readFolder(folder, `${path}/`)) files.set(...each); }
  }
  return files;
}

function listFolder(folder: URL): readonly Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(folder)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
