/**
 * `deno task npm`: the client as an npm package in `dist/npm` (or in the folder named by the only argument).
 * Each module becomes a JavaScript module and a declaration of its own; nothing is bundled, so the package's
 * two dependencies stay visible to those that install it. They lie in `node_modules` too: npm links a package
 * that is installed from a folder, and looks for what it imports beside the folder, not beside the link.
 *
 * Modules are translated one by one, without a type check (that is `deno task check`). Declarations therefore
 * need a type on every export; the build ends with an error where one is missing.
 *
 * @module
 */

import ts from "typescript";

import {
  importsOf,
  type Manifest,
  reachable,
  readManifest,
  ROOT,
  source,
  targetOf,
  write,
} from "./modules.ts";

/** What the package exports, by the name behind its own. */
const ENTRIES = { ".": "client/mod", "./proto": "proto/services" } as const;

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

if (import.meta.main) {
  const target = targetOf(Deno.args, "dist/npm");
  console.log(`${await buildPackage(target)} modules in ${target.pathname}`);
}

/**
 * Writes the package into `target`, replacing what is there, and returns the number of its modules.
 *
 * @throws {Error} when a module cannot be translated
 */
export async function buildPackage(target: URL): Promise<number> {
  await Deno.remove(target, { recursive: true }).catch(() => {});
  const paths = await reachable(Object.values(ENTRIES).map((entry) => `${entry}.ts`));
  for (const path of paths) await translate(path, target);
  const description = await packageOf(await readManifest(), paths);
  await write(new URL("package.json", target), `${JSON.stringify(description, null, 2)}\n`);
  for (const name of Object.keys(description.dependencies)) await copyPackage(name, target);
  await write(new URL("README.md", target), await Deno.readTextFile(new URL("README.md", import.meta.url)));
  for (const name of ["LICENSE-MIT", "LICENSE-APACHE"]) {
    await write(new URL(name, target), await Deno.readTextFile(new URL(name, ROOT)));
  }
  return paths.length;
}

function specifiersOf(text: string): readonly string[] {
  return importsOf(text).map(({ fileName }) => fileName);
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

/** The part of `package.json` that is read here. */
interface PackageDescription extends Readonly<Record<string, unknown>> {
  readonly dependencies: Readonly<Record<string, string>>;
}

/** Copies a package, as this project has it, to where Node.js looks for it. */
async function copyPackage(name: string, target: URL): Promise<void> {
  const entry = import.meta.resolve(name);
  const folder = new URL(entry.slice(0, entry.indexOf("/dist/") + 1));
  await copyFolder(folder, new URL(`node_modules/${name}/`, target));
}

async function copyFolder(from: URL, to: URL): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(new URL(`${name}/`, from), new URL(`${name}/`, to));
    else await Deno.copyFile(new URL(name, from), new URL(name, to));
  }
}

async function packageOf(
  { name, version, license, imports }: Manifest,
  paths: readonly string[],
): Promise<PackageDescription> {
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
    exports: Object.fromEntries(
      Object.entries(ENTRIES).map((
        [name, entry],
      ) => [name, { types: `./${entry}.d.ts`, default: `./${entry}.js` }]),
    ),
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
