/**
 * The rules of the house about text: length of files, module comments, words that may not land, pinned
 * versions.
 *
 * @module
 */

/** A longer file holds more than one idea. */
export const FILE_LINES_MAX = 600;

/** As `deno fmt` is told; it leaves comments as they are. */
export const LINE_COLUMNS_MAX = 110;

/** Written apart, so that this file may land itself. */
const FORBIDDEN: readonly (readonly [RegExp, string])[] = [
  [new RegExp(["FIX", "ME"].join("")), "do it, or file it as TODO(topic)"],
  [new RegExp(`(^|[^\\w.:/])/(work|root|home|Users)/`), "a path of somebody's machine"],
  [new RegExp(["registry", "npmjs"].join("\\.")), "a host name of a registry"],
  [new RegExp(`["'\`]${["j", "sr"].join("")}:`), "an import that cannot be installed everywhere"],
];

/** Complaints about one file's text. */
export function textComplaints(path: string, text: string): string[] {
  return [
    ...lengthComplaints(path, text),
    ...columnComplaints(path, text),
    ...moduleCommentComplaints(path, text),
    ...wordComplaints(path, text),
  ];
}

function lengthComplaints(path: string, text: string): string[] {
  if (!path.endsWith(".ts")) return [];
  const lines = text.split("\n").length - 1;
  return lines > FILE_LINES_MAX ? [`${path} has ${lines} lines: at most ${FILE_LINES_MAX}`] : [];
}

/** A text that cannot be broken may go on beyond the last column, anything else may not. */
function columnComplaints(path: string, text: string): string[] {
  if (!path.endsWith(".ts")) return [];
  const isTooLong = (line: string) => [...line].length > LINE_COLUMNS_MAX;
  const isComment = (line: string) => /^\s*(\/\/|\/\*|\*)/.test(line);
  return text.split("\n").flatMap((line, number) =>
    isTooLong(line) && (isComment(line) || !/["'`]/.test(line))
      ? [`${path}:${number + 1} is longer than ${LINE_COLUMNS_MAX} columns`]
      : []
  );
}

function moduleCommentComplaints(path: string, text: string): string[] {
  if (!path.endsWith(".ts")) return [];
  // A program that is run by name opens with a hash-bang line.
  const body = text.replace(/^#!.*\n/, "");
  const comment = /^\/\*\*([\s\S]*?)\*\//.exec(body)?.[1] ?? "";
  return comment.includes("@module") ? [] : [`${path} does not open with a module comment`];
}

function wordComplaints(path: string, text: string): string[] {
  return text.split("\n").flatMap((line, number) =>
    FORBIDDEN.filter(([word]) => word.test(line)).map(([, why]) =>
      `${path}:${number + 1}: ${why}: ${line.trim()}`
    )
  );
}

/** Chance that no seed decides, which a failure cannot be tried again with. */
const UNSEEDED = /Math\.random\(|\bgetRandomValues\(|\brandomUUID\(/;
/** What may draw it: the source of all seeds, ports, and examples of how not to do it. */
const MAY_DRAW: ReadonlySet<string> = new Set([
  "tests/support/seeded_random.ts",
  "tests/support/cluster/free_port.ts",
  "tests/lint_plugin_test.ts",
  "tests/mutants/sim_bugs.ts",
  "tests/tidy_test.ts",
]);

/** Complaints about tests, and what they need, that draw from elsewhere than a seed that is printed. */
export function unseededComplaints(path: string, text: string): string[] {
  const isOfTests = path.startsWith("tests/") || path.endsWith("_test.ts");
  if (!isOfTests || !path.endsWith(".ts") || MAY_DRAW.has(path)) return [];
  return text.split("\n").flatMap((line, number) =>
    UNSEEDED.test(line)
      ? [`${path}:${number + 1} draws without a seed: use a SeededRandom: ${line.trim()}`]
      : []
  );
}

/** Complaints about `imports` of a `deno.json`: every package has one exact version. */
export function pinComplaints(imports: Readonly<Record<string, string>>): string[] {
  const exact = /^npm:\/?(@[\w-]+\/)?[\w.-]+@\d+\.\d+\.\d+(-[\w.]+)?\/?$/;
  return Object.entries(imports)
    .filter(([, target]) => !exact.test(target))
    .map(([name, target]) => `deno.json: "${name}" is not pinned to an exact version: "${target}"`);
}

/** Complaints about packages that `text` runs by name, as in `npm:tool@1.2.3` or `npx -y tool@1.2.3`. */
export function commandPinComplaints(path: string, text: string): string[] {
  const named = text.matchAll(/(?:npm:\/?|npx (?:-y|--yes) )((?:@[\w-]+\/)?[\w.-]+)(@[\w.-]+)?/g);
  return [...named]
    .filter(([, , version]) => version === undefined || !/^@\d+\.\d+\.\d+/.test(version))
    .map(([command]) => `${path} runs "${command}" without an exact version`);
}

/** The versions of Deno that `text` names, as in `deno@2.9.6`. */
export function denoVersions(text: string): string[] {
  return [...text.matchAll(/\bdeno@(\d+\.\d+\.\d+)/g)].map(([, version]) => version!);
}
