/**
 * `deno task deno-library`: what `mod.ts` needs, as a copy in `dist/deno` (or in the folder named by the only
 * argument) that any Deno project can import by path or URL. The names of packages mean something only beside
 * this project's `deno.json`, so the copy says `npm:` with the exact version instead; all else is the same,
 * types and comments too.
 *
 * @module
 */

import { importsOf, type Manifest, reachable, readManifest, source, targetOf, write } from "./modules.ts";

const ENTRIES: readonly string[] = ["mod.ts", "proto/services.ts"];

if (import.meta.main) {
  const target = targetOf(Deno.args, "dist/deno");
  console.log(`${await buildDenoLibrary(target)} files in ${target.pathname}`);
}

/**
 * Writes the copy into `target`, replacing what is there, and returns the number of its files.
 *
 * @throws {Error} when a package is imported that `deno.json` does not name
 */
export async function buildDenoLibrary(target: URL): Promise<number> {
  await Deno.remove(target, { recursive: true }).catch(() => {});
  const { imports } = await readManifest();
  const paths = await reachable(ENTRIES);
  for (const path of paths) {
    const text = await source(path);
    await write(new URL(path, target), path.endsWith(".ts") ? withPackages(text, imports) : text);
  }
  return paths.length;
}

/** From the end, so that the places in front stay where they are. */
function withPackages(text: string, imports: Manifest["imports"]): string {
  let result = text;
  for (const { fileName, pos } of importsOf(text).toSorted((a, b) => b.pos - a.pos)) {
    if (fileName.startsWith(".") || fileName.startsWith("node:")) continue;
    const start = result.indexOf(fileName, pos);
    result = result.slice(0, start) + pinned(fileName, imports) + result.slice(start + fileName.length);
  }
  return result;
}

function pinned(specifier: string, imports: Manifest["imports"]): string {
  const exact = imports[specifier];
  if (exact !== undefined) return exact;
  const prefix = Object.keys(imports).find((name) => name.endsWith("/") && specifier.startsWith(name));
  if (prefix === undefined) throw new Error(`Cannot pin ${specifier}: add it to the imports of deno.json`);
  return imports[prefix]!.replace("npm:/", "npm:") + specifier.slice(prefix.length);
}
