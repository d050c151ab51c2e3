/**
 * The commands about directories of this machine, as commander knows them.
 *
 * @module
 */

import type { Command } from "commander";
import type { LocalAction } from "./context.ts";
import { type CliInspectOptions, inspectData } from "./directory_actions.ts";

/** Adds them to `program`. */
export function addDirectories(program: Command, choose: (action: LocalAction) => void): void {
  program.command("inspect")
    .description(
      "show what the data directory DIR of a node holds, also while the node runs; it is only read, and no " +
        "cluster is asked",
    )
    .argument("<dir>")
    .option("--check", "read every block of every table; exit code 1 when one is damaged")
    .action((directory: string, options: CliInspectOptions) => choose(inspectData(directory, options)));
}
