/**
 * What the commands about directories of this machine do. The rooms of the server that know these files are
 * loaded when they are needed.
 *
 * @module
 */

import type { LocalAction } from "./context.ts";
import { UsageError } from "./encoding.ts";
import { byteText, print } from "./output.ts";
import { openProgress, stepProgress } from "./progress.ts";

/** Options of `inspect`. */
export interface CliInspectOptions {
  readonly check?: boolean;
}

/** Shows what a node's data directory holds. */
export function inspectData(directory: string, { check = false }: CliInspectOptions): LocalAction {
  return async (context) => {
    const { inspectDirectory, reportText } = await import("../../server/inspect/mod.ts");
    const onTable = (path: string) => {
      if (context.isTerminal) context.writeError(`\r\x1b[Kreading ${path}`);
    };
    const report = await inspectDirectory(directory, { check, onTable }).catch(asUsage);
    if (check && context.isTerminal) context.writeError("\r\x1b[K");
    print(context, { json: report, text: reportText(report) });
    return report.problems.length === 0 ? 0 : 1;
  };
}

/** Options of `verify`. */
export interface CliVerifyOptions {
  readonly all?: boolean;
}

/** Reads backups and says what is wrong with them. */
export function verifyBackup(directory: string, { all = false }: CliVerifyOptions): LocalAction {
  return async (context) => {
    const { verifyBackups } = await import("../../server/backup/mod.ts");
    const display = openProgress(context);
    const onProgress = (
      { fileCount, filesDone }: { readonly fileCount: number; readonly filesDone: number },
    ) => {
      if (context.isTerminal) {
        display.show(stepProgress("reading tables", { done: filesDone, total: fileCount }));
      }
    };
    try {
      const verified = await verifyBackups({ directory, all, onProgress });
      display.close();
      const { bytes, files, manifests, problems } = verified;
      const text = problems.length === 0
        ? `sound: ${manifests.join(", ")} (${files} tables, ${byteText(bytes)})`
        : `damaged:\n${problems.map((problem) => `  ${problem}`).join("\n")}`;
      print(context, { json: verified, text });
      return problems.length === 0 ? 0 : 1;
    } finally {
      display.close();
    }
  };
}

/** Options of `restore --data`. */
export interface CliDataOptions {
  readonly data?: string;
  readonly nodeId: number;
}

/** Makes the data directory of a node out of a backup. */
export function restoreIntoData(
  directory: string,
  { data, nodeId }: CliDataOptions & { readonly data: string },
): LocalAction {
  return async (context) => {
    const { restoreData } = await import("../../server/backup/mod.ts");
    const display = openProgress(context);
    try {
      const restored = await restoreData({
        directory,
        dataDirectory: data,
        nodeId,
        onProgress: ({ bytes, partitionCount, partitionsDone }) => {
          const words = `restore (${byteText(bytes)} copied)`;
          if (context.isTerminal) {
            display.show(stepProgress(words, { done: partitionsDone, total: partitionCount }));
          }
        },
      });
      display.close();
      const { bytes, clusterId, path, startedAt } = restored;
      const text =
        `${data}: ${byteText(bytes)} restored from ${path} (cluster ${clusterId}, ${startedAt})\n` +
        `start it: prkdb server --node-id ${nodeId} --data-dir ${data}`;
      print(context, { json: restored, text });
      return 0;
    } finally {
      display.close();
    }
  };
}

/** A directory that is none is a mistake of the command line. */
function asUsage(error: unknown): never {
  const isDirectory = error instanceof Error && error.name === "DataDirectoryError";
  throw isDirectory ? new UsageError(error.message) : error;
}
