/**
 * Tests as text: commands in, output out, in one file that reads as a story.
 *
 * ```
 * # Comments and empty lines stay as they are.
 * > command with its arguments
 * what it must print
 * ```
 *
 * A line that starts with `> ` is a command; the lines after it, up to the next command, comment or empty
 * line, are what it must print. With `REWRITE=1` in the environment files are rewritten with what was
 * printed, and the change is reviewed by eye.
 *
 * @module
 */

/** Runs one command of a script and returns the lines it prints. */
export type RunCommand = (command: ScriptCommand) => readonly string[];

/** A command, taken apart: `name a b key=value`. */
export interface ScriptCommand {
  readonly name: string;
  /** The arguments without `=`, in order. */
  readonly words: readonly string[];
  /** The arguments with `=`. */
  readonly options: ReadonlyMap<string, string>;
}

const COMMAND_MARK = "> ";
const COMMENT_MARK = "#";

/** What `text` reads like when its commands really run: the same text, if the script holds. */
export function replay(text: string, run: RunCommand): string {
  const lines: string[] = [];
  let isOutput = false;
  for (const line of text.split("\n")) {
    const isCommand = line.startsWith(COMMAND_MARK);
    if (isCommand) {
      lines.push(line, ...run(parseCommand(line.slice(COMMAND_MARK.length))));
      isOutput = true;
    } else if (line === "" || line.startsWith(COMMENT_MARK)) {
      lines.push(line);
      isOutput = false;
    } else if (!isOutput) {
      throw new Error(`A script has output without a command: ${line}`);
    }
  }
  return lines.join("\n");
}

/** Takes a command line apart. */
export function parseCommand(line: string): ScriptCommand {
  const [name = "", ...rest] = line.trim().split(/\s+/);
  const options = rest.filter((word) => word.includes("=")).map((word): [string, string] => {
    const mark = word.indexOf("=");
    return [word.slice(0, mark), word.slice(mark + 1)];
  });
  return { name, words: rest.filter((word) => !word.includes("=")), options: new Map(options) };
}

/** Runs the script at `url`; with `REWRITE=1` rewrites it, else throws at the first line that differs. */
export function runScriptFile(url: URL, run: RunCommand): void {
  const expected = Deno.readTextFileSync(url);
  const actual = replay(expected, run);
  if (actual === expected) return;
  if (Deno.env.get("REWRITE") === "1") return Deno.writeTextFileSync(url, actual);
  throw new Error(firstDifference(expected, actual));
}

/** All `.txt` files of a folder, by name. */
export function scriptFiles(folder: URL): readonly { readonly name: string; readonly url: URL }[] {
  const names = [...Deno.readDirSync(folder)].map((entry) => entry.name).filter((name) =>
    name.endsWith(".txt")
  );
  return names.sort().map((name) => ({ name, url: new URL(name, folder) }));
}

function firstDifference(expected: string, actual: string): string {
  const wanted = expected.split("\n");
  const got = actual.split("\n");
  const position = got.findIndex((line, index) => line !== wanted[index]);
  const at = position < 0 ? got.length : position;
  const before = got.slice(Math.max(0, at - 3), at).map((line) => `    ${line}`);
  return [
    `The script differs at line ${at + 1}:`,
    ...before,
    `  - ${wanted[at] ?? "(end)"}`,
    `  + ${got[at] ?? "(end)"}`,
  ].join("\n");
}
