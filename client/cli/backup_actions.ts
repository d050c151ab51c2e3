/**
 * What `backup` and `restore` do: the client is what the server's room for backups reads from and writes to.
 * The room is loaded when it is needed.
 *
 * @module
 */

import type { BatchMutation, PartitionPart, PrkDbClient } from "../mod.ts";
import type { ActionContext, CliAction } from "./context.ts";
import { byteText, print } from "./output.ts";
import { openProgress, stepProgress } from "./progress.ts";

/** Of a batch of a restoration; leaders may change meanwhile. */
const BATCH_LIMIT_MS = 120_000;

/** Options of `restore`. */
export interface CliRestoreOptions {
  readonly force?: boolean;
}

/** Backs up the whole cluster. */
export function backUp(directory: string): CliAction {
  return async (context) => {
    const { makeBackup } = await import("../../server/backup/mod.ts");
    const display = openProgress(context);
    let shown = -1;
    try {
      const made = await makeBackup({
        directory,
        source: sourceOf(context),
        onProgress: ({ copiedBytes, copiedFiles, partitionCount, partitionsDone }) => {
          // In a log, a line for each partition is enough.
          if (!context.isTerminal && partitionsDone === shown) return;
          shown = partitionsDone;
          const words = `backup (${copiedFiles} tables, ${byteText(copiedBytes)} copied)`;
          display.show(stepProgress(words, { done: partitionsDone, total: partitionCount }));
        },
      });
      display.close();
      const { bytes, clusterId, copiedBytes, copiedFiles, files, path } = made;
      const text = `${path}: cluster ${clusterId}, ${files} tables, ${byteText(bytes)}; ` +
        `${copiedFiles} tables, ${byteText(copiedBytes)} copied`;
      print(context, { json: made, text });
      return 0;
    } finally {
      display.close();
    }
  };
}

/** Fills the cluster with a backup. */
export function restore(directory: string, { force = false }: CliRestoreOptions): CliAction {
  return async (context) => {
    const { restoreBackup } = await import("../../server/backup/mod.ts");
    const display = openProgress(context);
    let shown = -1;
    try {
      const restored = await restoreBackup({
        directory,
        force,
        target: { ...sourceOf(context), write: (rows) => writeRows(context.client, rows) },
        onProgress: ({ bytes, keys, partitionCount, partitionsDone }) => {
          if (!context.isTerminal && partitionsDone === shown) return;
          shown = partitionsDone;
          const words = `restore (${keys} keys, ${byteText(bytes)} written)`;
          display.show(stepProgress(words, { done: partitionsDone, total: partitionCount }));
        },
      });
      display.close();
      const { bytes, clusterId, keys, path, startedAt } = restored;
      const text = `${keys} keys, ${
        byteText(bytes)
      } restored from ${path} (cluster ${clusterId}, ${startedAt})`;
      print(context, { json: restored, text });
      return 0;
    } finally {
      display.close();
    }
  };
}

/** The cluster as backups read it, within the command's limit. */
function sourceOf({ client, leftMs }: ActionContext) {
  return {
    shape: async () => {
      const { clusterId, partitions } = await client.metadata({ timeoutMs: leftMs() });
      return { clusterId, partitionCount: partitions.length };
    },
    readPartition: (partitionId: number, held: readonly Uint8Array[]): AsyncIterable<PartitionPart> => {
      const limitMs = leftMs();
      const signal = limitMs === undefined ? undefined : AbortSignal.timeout(limitMs);
      return client.cluster.readPartition(partitionId, { held, signal });
    },
  };
}

/** A row as it is put. */
type RestoredRow = Omit<Extract<BatchMutation, { readonly kind: "put" }>, "kind">;

async function writeRows(client: PrkDbClient, rows: readonly RestoredRow[]): Promise<void> {
  const mutations = rows.map((row) => ({ kind: "put" as const, ...row }));
  const results = await client.writeBatch(mutations, { timeoutMs: BATCH_LIMIT_MS });
  for (const result of results) if (result.kind === "failed") throw result.error;
}
