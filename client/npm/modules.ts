/**
 * Which modules of the project a package is made of, and what they import.
 *
 * @module
 */

import ts from "typescript";

/** The root of the project. */
export const ROOT: URL = new URL("../../", import.meta.url);

/** The part of `deno.json` that packages repeat. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly imports: Readonly<Record<string, string>>;
}

/** The project's `deno.json`. */
export async function readManifest(): Promise<Manifest> {
  return JSON.parse(await source("deno.json"));
}

/** Paths of `entries` and all files of the project that they need, relative to the root. */
export async function reachable(entries: readonly string[]): Promise<readonly string[]> {
  const found = new Set(entries);
  for (const path of found) {
    if (!path.endsWith(".ts")) continue;
    for (const { fileName } of importsOf(await source(path))) {
      if (!fileName.startsWith(".")) continue;
      found.add(new URL(fileName, new URL(path, ROOT)).href.slice(ROOT.href.length));
    }
  }
  return [...found].sort();
}

/** What `text` imports, with the place of each specifier behind its quote. */
export function importsOf(text: string): readonly ts.FileReference[] {
  return ts.preProcessFile(text, true, true).importedFiles;
}

/** The text of a file of the project. */
export function source(path: string): Promise<string> {
  return Deno.readTextFile(new URL(path, ROOT));
}

/** Writes a file and the folders above it. */
export async function write(file: URL, text: string): Promise<void> {
  await Deno.mkdir(new URL(".", file), { recursive: true });
  await Deno.writeTextFile(file, text);
}

/** The folder that a task writes into, given as its only argument or `otherwise`. */
export function targetOf(args: readonly string[], otherwise: string): URL {
  const folder = args[0] ?? otherwise;
  return new URL(`${folder}/`, folder.startsWith("/") ? "file:///" : ROOT);
}
