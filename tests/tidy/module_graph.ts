/**
 * Which file imports which, type-only imports included, as Deno's own parser sees it (`deno info --json`).
 *
 * @module
 */

/** One import of a file. */
export interface Import {
  /** As written. */
  readonly specifier: string;
  /**
   * A path below the root for the project's own files, else a specifier with its scheme (`npm:`, `node:` …).
   */
  readonly target: string;
}

/** Imports by importing file; paths are relative to the root of the project. */
export type ModuleGraph = ReadonlyMap<string, readonly Import[]>;

interface Resolved {
  readonly specifier?: string;
}

interface Dependency {
  readonly specifier: string;
  readonly code?: Resolved;
  readonly type?: Resolved;
}

interface ModuleInfo {
  readonly specifier: string;
  readonly dependencies?: readonly Dependency[];
}

/**
 * Reads the graph of the files `paths` below `root`.
 *
 * @param root a `file:` URL that ends with a slash
 * @throws {Error} when `deno info` fails
 */
export async function readModuleGraph(root: URL, paths: readonly string[]): Promise<ModuleGraph> {
  const modules = await denoInfo(root, paths);
  const wanted = new Set(paths);
  const graph = new Map<string, readonly Import[]>();
  for (const module of modules) {
    const path = relative(root, module.specifier);
    if (!wanted.has(path)) continue;
    graph.set(path, (module.dependencies ?? []).map((each) => toImport(root, each, wanted)));
  }
  return graph;
}

async function denoInfo(root: URL, paths: readonly string[]): Promise<readonly ModuleInfo[]> {
  const folder = await Deno.makeTempDir();
  try {
    // `deno info` takes one root: a file that imports all of them.
    const entry = `${folder}/all.ts`;
    await Deno.writeTextFile(
      entry,
      paths.map((path) => `import ${JSON.stringify(new URL(path, root).href)};\n`).join(""),
    );
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--config", new URL("deno.json", root).pathname, entry],
      stdout: "piped",
      stderr: "piped",
    }).output();
    if (code !== 0) throw new Error(`deno info failed: ${new TextDecoder().decode(stderr)}`);
    return (JSON.parse(new TextDecoder().decode(stdout)) as { modules: ModuleInfo[] }).modules;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function toImport(root: URL, dependency: Dependency, wanted: ReadonlySet<string>): Import {
  const { specifier } = dependency;
  const resolved = dependency.code?.specifier ?? dependency.type?.specifier ?? specifier;
  const path = relative(root, resolved);
  // AssemblyScript leaves the extension out.
  return { specifier, target: wanted.has(`${path}.ts`) ? `${path}.ts` : path };
}

function relative(root: URL, specifier: string): string {
  return specifier.startsWith(root.href) ? specifier.slice(root.href.length) : specifier;
}
