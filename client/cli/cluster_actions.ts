/**
 * What the commands below `prkdb cluster` do once the client is connected.
 *
 * @module
 */

import type { ClusterClient, LeadershipMove, ReplicaMove } from "../mod.ts";
import { statusLines } from "./cluster_status.ts";
import type { ActionContext, CliAction } from "./context.ts";
import { UsageError } from "./encoding.ts";
import { print } from "./output.ts";
import { openProgress, progressText } from "./progress.ts";

/** Options of all commands that change the cluster. */
export interface CliChangeOptions {
  readonly watch?: boolean;
}

/**
 * Shows nodes, partitions and changes; exit code 1 when a node does not answer or a partition has no leader.
 */
export async function showCluster(context: ActionContext): Promise<number> {
  const { client } = context;
  const nodes = await client.status();
  const cluster = await client.metadata();
  const changes = await client.cluster.changes();
  const text = statusLines({ nodes, cluster, changes }).join("\n");
  print(context, { json: { cluster, nodes, changes }, text });
  const isWhole = nodes.every(({ kind }) => kind === "answered") &&
    cluster.partitions.every(({ leaderId }) => leaderId !== 0);
  return isWhole ? 0 : 1;
}

/** Takes a node in. */
export function addNode(nodeId: number, address: string, options: CliChangeOptions): CliAction {
  return change(options, (cluster) => cluster.addNode({ nodeId, address }));
}

/** Moves everything off a node and removes it. */
export function removeNode(nodeId: number, options: CliChangeOptions): CliAction {
  return change(options, (cluster) => cluster.removeNode(nodeId));
}

/** Moves one replica. */
export function moveReplica(move: ReplicaMove, options: CliChangeOptions): CliAction {
  return change(options, (cluster) => cluster.moveReplica(move));
}

/** Hands a leadership over. */
export function transferLeadership(move: LeadershipMove, options: CliChangeOptions): CliAction {
  return change(options, (cluster) => cluster.transferLeadership(move));
}

/** Evens replicas and leaders out. */
export function rebalance(options: CliChangeOptions): CliAction {
  return change(options, (cluster) => cluster.rebalance());
}

/** Begins a change, prints its id and with `--watch` stays until it has ended. */
function change({ watch }: CliChangeOptions, begin: (cluster: ClusterClient) => Promise<string>): CliAction {
  return async (context) => {
    const { cluster } = context.client;
    const changeId = await begin(cluster);
    if (!watch) print(context, { json: { changeId }, text: `change ${changeId} has begun` });
    else await watchChange(context, changeId);
    return 0;
  };
}

async function watchChange(context: ActionContext, changeId: string): Promise<void> {
  const display = openProgress(context);
  try {
    const { cluster } = context.client;
    const end = await cluster.waitForChange(changeId, { onProgress: (progress) => display.show(progress) });
    display.close();
    print(context, { json: end, text: `done: ${progressText(end)}` });
  } finally {
    display.close();
  }
}

/** What a number of the command line may be. */
export interface NumberRange {
  readonly min: number;
  readonly max: number;
}

/** Parses a whole number of the command line within a range. */
export function numberArgument(name: string, { min, max }: NumberRange): (text: string) => number {
  return (text: string): number => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    throw new UsageError(
      `Cannot use ${name}: it must be a whole number from ${min} to ${max}, it is "${text}"`,
    );
  };
}
