/**
 * Which nodes a cluster on this machine has: its three founders, and those that have joined it since and left
 * their data directories beside those of the founders.
 *
 * @module
 */

/** Nodes 1 to 3 found the cluster. */
const FOUNDERS = 3;
const PORT_BASE = 50_050;
const METRICS_PORT_BASE = 9_090;
const DIRECTORY = /^node-([1-9]\d{0,9})$/;

/** One node, at the ports that it has by default. */
export interface LocalNode {
  readonly nodeId: number;
  readonly address: string;
  readonly metricsPort: number;
  /** Flags that say which cluster it is of. */
  readonly flags: readonly string[];
}

/**
 * The founders, and the nodes with a directory in `dataRoot` that have joined their cluster, ascending.
 *
 * @param dataRoot may be missing
 */
export async function findLocalNodes(dataRoot: string): Promise<readonly LocalNode[]> {
  const founders = Array.from({ length: FOUNDERS }, (_, at) => at + 1);
  const members = founders.map((id) => `${id}@${addressOf(id)}`).join(",");
  const nodes = founders.map((id) => localNode(id, `--cluster-nodes=${members}`));
  const clusterId = await foundedId(dataRoot, founders);
  if (clusterId === undefined) return nodes;
  for (const id of (await idsIn(dataRoot)).filter((id) => id > FOUNDERS)) {
    const joined = await fieldOf(`${dataRoot}/node-${id}/cluster.json`);
    if (joined === clusterId) nodes.push(localNode(id, `--join=http://${addressOf(1)}`));
  }
  return nodes;
}

/**
 * Whether a node with a directory in `dataRoot` knows the node `nodeId` with another directory than the one
 * that is there: that was lost, and the others will not let the node in.
 */
export async function isForgotten(dataRoot: string, nodeId: number): Promise<boolean> {
  const { incarnation } = await fieldsOf(`${dataRoot}/node-${nodeId}/identity.json`);
  for (const other of await idsIn(dataRoot)) {
    const known = (await fieldsOf(`${dataRoot}/node-${other}/peers.json`))[`${nodeId}`];
    if (other !== nodeId && known !== undefined && known !== incarnation) return true;
  }
  return false;
}

/** An id that no directory in `dataRoot` has, and no founder. */
export async function freeId(dataRoot: string): Promise<number> {
  return Math.max(FOUNDERS, ...await idsIn(dataRoot)) + 1;
}

function localNode(nodeId: number, flag: string): LocalNode {
  const metricsPort = METRICS_PORT_BASE + nodeId;
  const flags = [`--node-id=${nodeId}`, flag];
  return { nodeId, address: addressOf(nodeId), metricsPort, flags };
}

function addressOf(nodeId: number): string {
  return `127.0.0.1:${PORT_BASE + nodeId}`;
}

/** What the first founder that knows says; clusters of earlier versions have their id from the beginning. */
async function foundedId(dataRoot: string, founders: readonly number[]): Promise<string | undefined> {
  for (const name of ["cluster_id.json", "identity.json"]) {
    for (const id of founders) {
      const clusterId = await fieldOf(`${dataRoot}/node-${id}/${name}`);
      if (clusterId !== undefined) return clusterId;
    }
  }
  return undefined;
}

/** Ids of the nodes that have a directory there, ascending; none where there is nothing. */
async function idsIn(dataRoot: string): Promise<readonly number[]> {
  const names = await Array.fromAsync(Deno.readDir(dataRoot), ({ name }) => name).catch(() => []);
  return names.map((name) => Number(DIRECTORY.exec(name)?.[1] ?? 0)).filter((id) => id > 0)
    .sort((a, b) => a - b);
}

/** The cluster's id in a file of a data directory. */
async function fieldOf(path: string): Promise<string | undefined> {
  const { clusterId } = await fieldsOf(path);
  return typeof clusterId === "string" ? clusterId : undefined;
}

/** A file that cannot be read says nothing. */
async function fieldsOf(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return Object(JSON.parse(await Deno.readTextFile(path)));
  } catch {
    return {};
  }
}
