/**
 * `deno task npm`: the client as an npm package in `dist/npm` (or in the folder named by the only argument).
 * Each module becomes a JavaScript module and a declaration of its own; nothing is bundled, so the package's
 * two dependencies stay visible to those that install it.
 *
 * Modules are translated one by one, without a type check (that is `deno task check`). Declarations therefore
 * need a type on every export; the build ends with an error where one is missing.
 *
 * @module
 */

import ts from "typescript";

const ROOT = new URL("../../", import.meta.url);
const ENTRY = "client/mod.ts";

/** Private fields, `??=` and top-level features that Node.js 20 and every current browser have. */
const TARGET = ts.ScriptTarget.ES2022;

const SCRIPT_OPTIONS: ts.CompilerOptions = {
  target: TARGET,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
};

const DECLARATION_OPTIONS: ts.CompilerOptions = {
  ...SCRIPT_OPTIONS,
  declaration: true,
  isolatedDeclarations: true,
};

/** The part of `deno.json` that the package repeats. */
interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly imports: Readonly<Record<string, string>>;
}

if (import.meta.main) {
  const folder = Deno.args[0] ?? "dist/npm";
  const target = new URL(`${folder}/`, folder.startsWith("/") ? "file:///" : ROOT);
  const count = await buildPackage(target);
  console.log(`${count} modules in ${folder}`);
}

/**
 * Writes the package into `target`, replacing what is there, and returns the number of its modules.
 *
 * @throws {Error} when a module cannot be translated
 */
export async function buildPackage(target: URL): Promise<number> {
  await Deno.remove(target, { recursive: true }).catch(() => {});
  const paths = await reachable(ENTRY);
  for (const path of paths) await translate(path, target);
  const manifest: Manifest = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const description = await packageOf(manifest, paths);
  await write(new URL("package.json", target), `${JSON.stringify(description, null, 2)}\n`);
  await write(new URL("README.md", target), await Deno.readTextFile(new URL("README.md", import.meta.url)));
  for (const name of ["LICENSE-MIT", "LICENSE-APACHE"]) {
    await write(new URL(name, target), await Deno.readTextFile(new URL(name, ROOT)));
  }
  return paths.length;
}

/** Paths of `entry` and all modules of the project that it needs, relative to the root. */
async function reachable(entry: string): Promise<readonly string[]> {
  const found = new Set([entry]);
  for (const path of found) {
    for (const specifier of specifiersOf(await source(path))) {
      if (!specifier.startsWith(".")) continue;
      found.add(new URL(specifier, new URL(path, ROOT)).href.slice(ROOT.href.length));
    }
  }
  return [...found].sort();
}

function specifiersOf(text: string): readonly string[] {
  return ts.preProcessFile(text, true, true).importedFiles.map((file) => file.fileName);
}

async function translate(path: string, target: URL): Promise<void> {
  const text = await source(path);
  const options = { fileName: path, reportDiagnostics: true };
  const script = ts.transpileModule(text, { ...options, compilerOptions: SCRIPT_OPTIONS });
  const declaration = ts.transpileDeclaration(text, { ...options, compilerOptions: DECLARATION_OPTIONS });
  const problems = [...script.diagnostics ?? [], ...declaration.diagnostics ?? []];
  if (problems.length > 0) throw new Error(`Cannot translate ${path}: ${problems.map(describe).join("; ")}`);
  const base = path.slice(0, -".ts".length);
  await write(new URL(`${base}.js`, target), withJsSpecifiers(script.outputText));
  await write(new URL(`${base}.d.ts`, target), withDisposable(withJsSpecifiers(declaration.outputText)));
}

/** Relative imports name the translated file: `./error.ts` becomes `./error.js`. */
function withJsSpecifiers(text: string): string {
  return text.replaceAll(/(\bfrom |\bimport |\bimport\()"(\.{1,2}\/[^"]+)\.ts"/g, '$1"$2.js"');
}

/**
 * `Symbol.asyncDispose` is younger than the library that most programs are checked against, and TypeScript
 * declares a method of that name twice when it translates a module by itself: as a property first, which is
 * taken out.
 */
function withDisposable(declaration: string): string {
  if (!declaration.includes("Symbol.asyncDispose")) return declaration;
  const once = declaration.replace(/^ *\[Symbol\.asyncDispose\]: .*\n/m, "");
  return `/// <reference lib="esnext.disposable" />\n${once}`;
}

function describe({ messageText, start, file }: ts.Diagnostic): string {
  const line = file === undefined || start === undefined
    ? 0
    : file.getLineAndCharacterOfPosition(start).line + 1;
  return `line ${line}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
}

async function packageOf(
  { name, version, license, imports }: Manifest,
  paths: readonly string[],
): Promise<unknown> {
  const used = new Set<string>();
  for (const path of paths) {
    for (const specifier of specifiersOf(await source(path))) {
      if (!specifier.startsWith(".")) used.add(packageName(specifier));
    }
  }
  const dependencies = Object.fromEntries(
    [...used].sort().map((each) => [each, pinnedVersion(each, imports)]),
  );
  return {
    name,
    version,
    license,
    description: "Client of prkdb, a replicated key-value database",
    type: "module",
    sideEffects: false,
    engines: { node: ">=20.3" },
    exports: { ".": { types: "./client/mod.d.ts", default: "./client/mod.js" } },
    types: "./client/mod.d.ts",
    files: ["client", "proto", "README.md", "LICENSE-MIT", "LICENSE-APACHE"],
    dependencies,
  };
}

/** `@scope/name/path` and `name/path` without the path. */
function packageName(specifier: string): string {
  return specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}

function pinnedVersion(name: string, imports: Manifest["imports"]): string {
  const version = imports[name]?.match(/@([\d.]+)$/)?.[1];
  if (version === undefined) {
    throw new Error(`Cannot pin ${name}: add it to deno.json with its exact version`);
  }
  return version;
}

function source(path: string): Promise<string> {
  return Deno.readTextFile(new URL(path, ROOT));
}

async function write(file: URL, text: string): Promise<void> {
  await Deno.mkdir(new URL(".", file), { recursive: true });
  await Deno.writeTextFile(file, text);
}
