/**
 * Plants bugs: copies parts of the project into a temporary folder and edits the copy, so that the tests of
 * the checkers can import it beside the project as it is.
 *
 * ```
 * project/raft/quorum.ts ──copy──▶ TEMPORARY/a_majority_is_one_too_small/raft/quorum.ts ◀──edit
 * ```
 *
 * An edit says what it looks for, and that must be there exactly once: a bug that cannot be planted any more,
 * because its line has changed, fails loudly instead of testing nothing.
 *
 * @module
 */

const ROOT = new URL("../../", import.meta.url);

/** One edit of one file; `find` must occur exactly once. */
export interface Edit {
  /** Path from the root of the project. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A named bug. */
export interface Mutant {
  readonly name: string;
  readonly edits: readonly Edit[];
}

/** A bug of the core; the files of its edits are paths from `raft/`. */
export interface PlantedBug {
  readonly name: string;
  readonly caughtBy: "schedules" | "scripts";
  readonly edits: readonly Edit[];
}

/** Copies of the project with bugs in them, until it is disposed of. */
export class Planter {
  readonly #folder: string;
  readonly #copied: readonly string[];

  /** @param copied folders and files of the project that make a copy complete, as paths from the root */
  constructor(copied: readonly string[]) {
    this.#folder = Deno.makeTempDirSync({ prefix: "planted-bugs-" });
    this.#copied = copied;
  }

  /**
   * Makes a copy that has the bug.
   *
   * @returns where the copy is: a `file:` URL that ends with a slash
   * @throws {Error} when the text that an edit looks for is not there exactly once
   */
  plant({ name, edits }: Mutant): URL {
    const copy = new URL(`file://${this.#folder}/${name.replaceAll(/[^\w]+/g, "_")}/`);
    for (const path of this.#copied) copyInto(copy, path);
    for (const edit of edits) {
      const file = new URL(edit.file, copy);
      Deno.writeTextFileSync(file, applyEdit(Deno.readTextFileSync(file), edit));
    }
    return copy;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

/**
 * Tries every edit of `mutants` on the text of the project, without copying anything.
 *
 * @returns one line for each edit that cannot be made
 */
export function plantingComplaints(mutants: readonly Mutant[]): readonly string[] {
  return mutants.flatMap(({ name, edits }) =>
    edits.flatMap((edit) => {
      const complaint = complaintAbout(edit);
      return complaint === undefined ? [] : [`${name}: ${complaint}`];
    })
  );
}

function complaintAbout(edit: Edit): string | undefined {
  try {
    applyEdit(Deno.readTextFileSync(new URL(edit.file, ROOT)), edit);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * The edited `source`.
 *
 * @throws {Error} when the text to replace is not there exactly once
 */
export function applyEdit(source: string, { file, find, replace }: Edit): string {
  const parts = source.split(find);
  if (parts.length !== 2) {
    throw new Error(
      `Cannot plant a bug in ${file}: the text must occur once, it occurs ${parts.length - 1} times: ${find}`,
    );
  }
  return parts.join(replace);
}

function copyInto(copy: URL, path: string): void {
  if (Deno.statSync(new URL(path, ROOT)).isFile) {
    Deno.copyFileSync(new URL(path, ROOT), new URL(path, copy));
    return;
  }
  Deno.mkdirSync(new URL(path, copy), { recursive: true });
  for (const { name } of Deno.readDirSync(new URL(path, ROOT))) copyInto(copy, `${path}/${name}`);
}
