/**
 * The commands about directories of this machine, as commander knows them.
 *
 * @module
 */

import { type Command, Option } from "commander";
import { backUp, type CliRestoreOptions, restore } from "./backup_actions.ts";
import { numberArgument } from "./cluster_actions.ts";
import type { CliAction, LocalAction } from "./context.ts";
import {
  type CliDataOptions,
  type CliInspectOptions,
  type CliVerifyOptions,
  inspectData,
  restoreIntoData,
  verifyBackup,
} from "./directory_actions.ts";

/** Told which command was given. */
export interface ChosenDirectories {
  /** One that asks a cluster. */
  readonly cluster: (action: CliAction) => void;
  /** One that asks none. */
  readonly local: (action: LocalAction) => void;
}

/** Adds them to `program`. */
export function addDirectories(program: Command, choose: ChosenDirectories): void {
  program.command("backup")
    .description(
      "back up the whole cluster into the directory DIR, while it serves; what DIR has of it already is not " +
        "copied again; one that was cut short can be repeated",
    )
    .argument("<dir>")
    .action((directory: string) => choose.cluster(backUp(directory)));
  program.command("verify")
    .description("read every byte of the newest backup in DIR; exit code 1 when one is not as it was written")
    .argument("<dir>")
    .option("--all", "read all backups in DIR")
    .action((directory: string, options: CliVerifyOptions) => choose.local(verifyBackup(directory, options)));
  program.command("restore")
    .description(
      "restore the newest backup in DIR: with --data into the data directory of the first node of a new " +
        "cluster, with as many partitions; without it key by key into the cluster, which must be empty, may " +
        "have any number of nodes and partitions, and whose versions begin anew",
    )
    .argument("<dir>")
    .option("--data <data-dir>", "make this data directory; then start the node, and let others join it")
    .addOption(
      new Option("--node-id <id>", "of that node").argParser(
        numberArgument("ID", { min: 1, max: 2 ** 32 - 1 }),
      )
        .default(1),
    )
    .addOption(
      new Option("--force", "also when it is not empty; keys of the same name are overwritten").conflicts(
        "data",
      ),
    )
    .action((directory: string, options: CliRestoreOptions & CliDataOptions) => {
      const { data } = options;
      if (data === undefined) return choose.cluster(restore(directory, options));
      choose.local(restoreIntoData(directory, { ...options, data }));
    });
  program.command("inspect")
    .description(
      "show what the data directory DIR of a node holds, also while the node runs; it is only read, and no " +
        "cluster is asked",
    )
    .argument("<dir>")
    .option("--check", "read every block of every table; exit code 1 when one is damaged")
    .action((directory: string, options: CliInspectOptions) => choose.local(inspectData(directory, options)));
}
