/**
 * What the commands below `prkdb cluster` do once the client is connected.
 *
 * @module
 */

import type { CallOptions, ClusterClient, LeadershipMove, NotFoundedError, ReplicaMove } from "../mod.ts";
import { changeLine, statusLines } from "./cluster_status.ts";
import type { ActionContext, CliAction } from "./context.ts";
import { UsageError } from "./encoding.ts";
import { healthOf } from "./health.ts";
import { print } from "./output.ts";
import { openProgress, progressText } from "./progress.ts";

/** How often the list of changes is asked for, and how long between: one second, ten heartbeats. */
const KNOWN_ASKED_MAX = 5;
const KNOWN_PAUSE_MS = 250;
/** The cluster's limit. */
const FACTOR_MAX = 15;

/** Options of all commands that change the cluster. */
export interface CliChangeOptions {
  readonly watch?: boolean;
}

/**
 * Shows nodes, partitions and changes; exit code 1 when a node does not answer or a partition has no leader.
 */
export async function showCluster(context: ActionContext): Promise<number> {
  const { client } = context;
  const nodes = await client.status({ timeoutMs: context.leftMs() });
  const cluster = await client.metadata({ timeoutMs: context.leftMs() });
  const changes = await client.cluster.changes({ timeoutMs: context.leftMs() });
  const { findings } = healthOf({ nodes, cluster });
  const wrong = findings.map((finding) => `wrong: ${finding}`);
  const text = [...statusLines({ nodes, cluster, changes }), ...wrong].join("\n");
  print(context, { json: { cluster, nodes, changes }, text });
  const isWhole = nodes.every(({ kind }) => kind === "answered") &&
    cluster.partitions.every(({ leaderId }) => leaderId !== 0);
  return isWhole ? 0 : 1;
}

/** Says in words what is wrong; exit code 1 when the cluster is not ready. */
export async function showHealth(context: ActionContext): Promise<number> {
  const { client } = context;
  const nodes = await client.status({ timeoutMs: context.leftMs() });
  const cluster = await client.metadata({ timeoutMs: context.leftMs() });
  const { ready, findings } = healthOf({ nodes, cluster });
  const verdict = ready && findings.length > 0 ? "ready, but" : ready ? "ready" : "not ready";
  const lines = [verdict, ...findings.map((finding) => `  ${finding}`)];
  print(context, { json: { ready, findings }, text: lines.join("\n") });
  return ready ? 0 : 1;
}

/** What `showHealth` shows of a cluster that answers but is not founded; it is not ready: exit code 1. */
export function tellUnfounded(
  { message }: NotFoundedError,
  context: Pick<ActionContext, "json" | "writeOutput">,
): number {
  print(context, { json: { ready: false, findings: [message] }, text: `not ready\n  ${message}` });
  return 1;
}

/** Shows the changes under way and the last finished ones. */
export async function showChanges(context: ActionContext): Promise<number> {
  const changes = await context.client.cluster.changes({ timeoutMs: context.leftMs() });
  print(context, { json: changes, text: changes.map(changeLine).join("\n") });
  return 0;
}

/** Stays until a change has ended, and shows how far it is; one that nobody knows is refused. */
export function watchKnownChange(changeId: string): CliAction {
  return async (context) => {
    if (!(await isKnown(context, changeId))) {
      context.writeError(`prkdb: no such change: ${changeId}. See prkdb cluster changes\n`);
      return 1;
    }
    await watchChange(context, changeId);
    return 0;
  };
}

/** A node may hear of a change later than the one that began it, so it is asked for more than once. */
async function isKnown({ client, leftMs }: ActionContext, changeId: string): Promise<boolean> {
  for (let asked = 0; asked < KNOWN_ASKED_MAX; asked++) {
    if (asked > 0) await new Promise((resolve) => setTimeout(resolve, KNOWN_PAUSE_MS));
    const changes = await client.cluster.changes({ timeoutMs: leftMs() });
    if (changes.some((change) => change.changeId === changeId)) return true;
  }
  return false;
}

/** Takes a node in. */
export function addNode(nodeId: number, address: string, options: CliChangeOptions): CliAction {
  return change(options, (cluster, limits) => cluster.addNode({ nodeId, address }, limits));
}

/** Moves everything off a node and removes it. */
export function removeNode(nodeId: number, options: CliChangeOptions): CliAction {
  return change(options, (cluster, limits) => cluster.removeNode(nodeId, limits));
}

/** Moves one replica. */
export function moveReplica(move: ReplicaMove, options: CliChangeOptions): CliAction {
  return change(options, (cluster, limits) => cluster.moveReplica(move, limits));
}

/** Hands a leadership over. */
export function transferLeadership(move: LeadershipMove, options: CliChangeOptions): CliAction {
  return change(options, (cluster, limits) => cluster.transferLeadership(move, limits));
}

/** Evens replicas and leaders out. */
export function rebalance(options: CliChangeOptions): CliAction {
  return change(options, (cluster, limits) => cluster.rebalance(limits));
}

/** Options of `set-replication-factor`. */
export interface CliFactorOptions extends CliChangeOptions {
  readonly yes?: boolean;
}

/** Gives partitions another number of replicas; fewer only when somebody says so. */
export function setReplicationFactor(factor: number, options: CliFactorOptions): CliAction {
  const begin = change(options, (cluster, limits) => cluster.setReplicationFactor(factor, limits));
  return async (context) => {
    if (options.yes || await isConfirmed(factor, context)) return await begin(context);
    context.writeError("prkdb: nothing was changed\n");
    return 1;
  };
}

/** Whether the factor does not become lower, or may. */
async function isConfirmed(factor: number, { ask, client, leftMs }: ActionContext): Promise<boolean> {
  const { replicationFactor } = await client.metadata({ timeoutMs: leftMs() });
  if (factor >= replicationFactor) return true;
  const step = `from ${replicationFactor} to ${factor}`;
  const answer = await ask(`Lower the replication factor ${step}, so that ${lossesText(factor)}? [y/N] `);
  if (answer === undefined) {
    throw new UsageError(
      `Cannot lower the replication factor ${step} without a terminal to ask at: add --yes if it is meant`,
    );
  }
  return /^y(es)?$/i.test(answer);
}

function lossesText(factor: number): string {
  const losses = (factor - 1) / 2;
  if (losses === 0) return "data is gone when a node is lost";
  return `data survives the loss of ${losses} ${losses === 1 ? "node" : "nodes"} at a time and no more`;
}

/** Asks for a change and returns its id. */
type BeginChange = (cluster: ClusterClient, limits: CallOptions) => Promise<string>;

/** Begins a change, prints its id and with `--watch` stays until it has ended. */
function change({ watch }: CliChangeOptions, begin: BeginChange): CliAction {
  return async (context) => {
    const { cluster } = context.client;
    const changeId = await begin(cluster, { timeoutMs: context.leftMs() });
    if (!watch) print(context, { json: { changeId }, text: `change ${changeId} has begun` });
    else await watchChange(context, changeId);
    return 0;
  };
}

async function watchChange(context: ActionContext, changeId: string): Promise<void> {
  const display = openProgress(context);
  try {
    const { cluster } = context.client;
    const end = await cluster.waitForChange(changeId, {
      timeoutMs: context.leftMs(),
      onProgress: (progress) => display.show(progress),
    });
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

/** Parses a replication factor. */
export function factorArgument(text: string): number {
  const factor = numberArgument("FACTOR", { min: 1, max: FACTOR_MAX })(text);
  if (factor % 2 === 1) return factor;
  const [less, more] = [factor - 1, factor + 1];
  throw new UsageError(
    `Cannot use FACTOR: it must be odd, it is "${text}"; use ${less} or ${more}, ` +
      `as ${factor} replicas survive no more failures than ${less}`,
  );
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
