/**
 * Whether the committed generated files are what their sources make: the protobuf code and the WASM module.
 * `deno task fresh` generates them anew and compares byte for byte; exit code 1 and one line a file that
 * differs. The working copy is not touched.
 *
 * @module
 */

const ROOT = new URL("../", import.meta.url);

const stale = [...await staleProtobuf(), ...await staleWasm()];
for (const line of stale) console.error(line);
console.log(stale.length === 0 ? "generated files are fresh" : `${stale.length} generated files are stale`);
Deno.exit(stale.length === 0 ? 0 : 1);

async function staleProtobuf(): Promise<string[]> {
  return await staleFolder("proto/gen/", "gen", (folder) => ["--output", folder]);
}

async function staleWasm(): Promise<string[]> {
  return await staleFolder("wal-wasm/build/", "wasm", (folder) => [`${folder}/wal-wasm/build`]);
}

/** Runs `task` so that it writes below another folder, and compares what is in `generated` here and there. */
async function staleFolder(
  generated: string,
  task: string,
  redirect: (folder: string) => readonly string[],
): Promise<string[]> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/${generated}`, { recursive: true });
    await runTask([task, ...redirect(folder)]);
    const made = readFolder(new URL(`file://${folder}/${generated}`));
    return differences({ folder: generated, made, committed: readFolder(new URL(generated, ROOT)), task });
  } finally {
    await Deno.remove(folder, { recursive: true });
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

interface Comparison {
  readonly folder: string;
  readonly made: ReadonlyMap<string, Uint8Array>;
  readonly committed: ReadonlyMap<string, Uint8Array>;
  readonly task: string;
}

function differences({ folder, made, committed, task }: Comparison): string[] {
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

/** The files below `folder` by relative path. */
function readFolder(folder: URL, below = ""): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const entry of Deno.readDirSync(new URL(below || ".", folder))) {
    const path = `${below}${entry.name}`;
    if (entry.isFile) files.set(path, Deno.readFileSync(new URL(path, folder)));
    else if (entry.isDirectory) { for (const each of readFolder(folder, `${path}/`)) files.set(...each); }
  }
  return files;
}
