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
  /** It is no founder; it may have been started by itself, and still run. */
  readonly hasJoined: boolean;
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
  for (const id of await otherIds(dataRoot)) {
    const joined = await fieldOf(`${dataRoot}/node-${id}/cluster.json`);
    if (joined === clusterId) nodes.push(localNode(id, `--join=http://${addressOf(1)}`));
  }
  return nodes;
}

function localNode(nodeId: number, flag: string): LocalNode {
  const metricsPort = METRICS_PORT_BASE + nodeId;
  const flags = [`--node-id=${nodeId}`, flag];
  return { nodeId, address: addressOf(nodeId), metricsPort, hasJoined: nodeId > FOUNDERS, flags };
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

async function otherIds(dataRoot: string): Promise<readonly number[]> {
  const names = await Array.fromAsync(Deno.readDir(dataRoot), ({ name }) => name);
  return names.map((name) => Number(DIRECTORY.exec(name)?.[1] ?? 0)).filter((id) => id > FOUNDERS)
    .sort((a, b) => a - b);
}

/** The cluster's id in a file of a data directory; a file that cannot be read says nothing. */
async function fieldOf(path: string): Promise<string | undefined> {
  try {
    const { clusterId } = Object(JSON.parse(await Deno.readTextFile(path)));
    return typeof clusterId === "string" ? clusterId : undefined;
  } catch {
    return undefined;
  }
}
