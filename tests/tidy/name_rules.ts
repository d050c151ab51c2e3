/**
 * The rule of the house about names: an exported name means one thing in the whole project, so that it can be
 * talked about, and searched for, without saying where it is from.
 *
 * @module
 */

/** An exported declaration; what a file passes on of another (`export { … } from`) declares nothing. */
const DECLARATION =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:const|let|function\*?|class|interface|type|enum) (\w+)/gm;

/** Room whose files are mirrored, name by name, by those of the room around it: see its `mod.ts`. */
const MIRROR = "wal-wasm/assembly/";
const MIRRORED = "wal-wasm/";

/**
 * Names that more than one file declares for export. A type and a value of one name in one file are one
 * thing.
 *
 * @param texts the project's TypeScript by path, without what is generated
 */
export function exportedNameComplaints(texts: ReadonlyMap<string, string>): string[] {
  const declaring = new Map<string, Set<string>>();
  for (const [path, text] of texts) {
    if (!path.endsWith(".ts")) continue;
    for (const [, name] of text.matchAll(DECLARATION)) {
      declaring.set(name!, (declaring.get(name!) ?? new Set()).add(path));
    }
  }
  return [...declaring]
    .map(([name, paths]) => [name, [...paths].filter((path) => !isMirror(path, paths))] as const)
    .filter(([, paths]) => paths.length > 1)
    .map(([name, paths]) => `\`${name}\` is exported by ${paths.join(" and ")}`);
}

/** Whether what `path` declares is declared by its mirror, too. */
function isMirror(path: string, paths: ReadonlySet<string>): boolean {
  return path.startsWith(MIRROR) &&
    [...paths].some((other) => other.startsWith(MIRRORED) && !other.startsWith(MIRROR));
}
