/**
 * `deno task cluster`: three nodes as three processes on loopback, with their data under `./data`, until
 * Ctrl-C; and with them those that have joined since, if their data is there too. A node that ends
 * unexpectedly is reported, with what helps (`local_advice.ts`), but not restarted: that is the operator's to
 * decide.
 *
 * Flags behind `--` or at the end go to every node (`deno task cluster --num-partitions 3`).
 *
 * @module
 */

import { VERSION } from "./api/mod.ts";
import { ConfigNotice, parseConfig } from "./config/mod.ts";
import { adviceAfter } from "./local_advice.ts";
import { findLocalNodes, freeId, isForgotten, type LocalNode } from "./local_nodes.ts";
import { localPrograms } from "./local_programs.ts";

const DATA_ROOT = "./data";
const READY_LIMIT_MS = 30_000;
const READY_POLL_MS = 100;
/** A node that has not told the members by then is not waited for. */
const MEMBERS_LIMIT_MS = 2_000;

/** With this the program ends that has nothing to start. */
const EXIT_UNUSABLE = 2;
const PROGRAMS = localPrograms({ isStandalone: Deno.build.standalone, moduleUrl: import.meta.url });

const HELP = `Usage: cluster [flags of a node]

Three nodes as three processes on 127.0.0.1, ports 50051 to 50053, with their data under ${DATA_ROOT},
until Ctrl-C. What was started there before goes on. With a command behind it, such as "cluster status",
the command line asks a cluster that runs.

All flags go to every node, but --node-id, --cluster-nodes and ports, which differ.
"${PROGRAMS.server} --help" lists them.`;

/** A node, and its process. */
interface RunningNode extends LocalNode {
  readonly process: Deno.ChildProcess;
  /** While it runs `undefined`. */
  exitCode: number | undefined;
}

/** How a node ended, and beside whom. */
interface EndContext {
  readonly code: number;
  readonly nodes: readonly RunningNode[];
  readonly args: readonly string[];
}

// Bundled, every module has the `import.meta` of the entry, so the name counts too.
if (import.meta.main && import.meta.url.endsWith("/local_cluster.ts")) await runLocalCluster(Deno.args);

/** Runs the nodes until they are stopped, and ends the process. */
export async function runLocalCluster(args: readonly string[]): Promise<void> {
  const notice = noticeAsked(args);
  if (notice !== undefined) return console.log(notice);
  const nodes: RunningNode[] = [];
  for (const node of await absentNodes()) {
    nodes.push({ ...node, process: startNode(node, args), exitCode: undefined });
  }
  let isStopping = false;
  const stop = () => {
    isStopping = true;
    for (const { process } of nodes) tryKill(process);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, stop);
  const exits = nodes.map(async (node) => {
    const { code } = await node.process.status;
    node.exitCode = code;
    // One that was removed from the cluster says so itself, and ends well.
    if (!isStopping && code !== 0) await reportEnd(node, { code, nodes, args });
    return code;
  });
  const codesOfAll = Promise.all(exits);
  const isUp = await Promise.race([whenReady(nodes), codesOfAll.then(() => false)]);
  const running = nodes.filter(({ exitCode }) => exitCode === undefined);
  if (isUp && running.length > 0) printWelcome(running);
  const codes = await codesOfAll;
  Deno.exit(Math.max(...codes));
}

/** What is to be printed instead of starting anything, if the arguments ask for it. */
function noticeAsked(args: readonly string[]): string | undefined {
  try {
    parseConfig(["--node-id=1", ...args]);
    return undefined;
  } catch (error) {
    // What else is wrong the nodes say.
    if (!(error instanceof ConfigNotice)) return undefined;
    return error.message === VERSION ? VERSION : HELP;
  }
}

/**
 * The nodes to start: a port that answers is another process's, whose readiness would be taken for that of
 * the node started here. The process ends when there is none.
 */
async function absentNodes(): Promise<readonly LocalNode[]> {
  const nodes = await findLocalNodes(DATA_ROOT);
  const running = await Promise.all(nodes.map((node) => answers(node, "healthz")));
  for (const { nodeId, address } of nodes.filter((_, at) => running[at])) {
    console.error(`cluster: node ${nodeId} runs already, at http://${address}`);
  }
  const absent = nodes.filter((_, at) => !running[at]);
  if (absent.length > 0) return absent;
  console.error("cluster: nothing was started. Use the cluster that runs, or stop it first");
  Deno.exit(EXIT_UNUSABLE);
}

async function reportEnd(node: RunningNode, { code, nodes, args }: EndContext): Promise<void> {
  const running = nodes.filter(({ exitCode }) => exitCode === undefined);
  const members = await membersSaidBy(running);
  const advice = adviceAfter({
    node,
    exitCode: code,
    args,
    isForgotten: await isForgotten(DATA_ROOT, node.nodeId),
    isRemoved: members?.includes(node.nodeId) === false,
    running,
    startedCount: nodes.length,
    freeId: await freeId(DATA_ROOT),
    programs: PROGRAMS,
  });
  console.error(advice);
}

/** The ids of the cluster's members, as the first node says that answers. */
async function membersSaidBy(nodes: readonly LocalNode[]): Promise<readonly number[] | undefined> {
  for (const { address } of nodes) {
    try {
      const response = await fetch(`http://${address}/prkdb.v1.ClusterService/GetMetadata`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}",
        signal: AbortSignal.timeout(MEMBERS_LIMIT_MS),
      });
      const { nodes: members } = Object(await response.json()) as { nodes?: readonly LocalNode[] };
      if (response.ok && members !== undefined) return members.map(({ nodeId }) => nodeId);
    } catch {
      // Another one may know.
    }
  }
  return undefined;
}

function startNode({ flags }: LocalNode, args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [...PROGRAMS.nodeArgs, ...flags, ...args],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
}

/** Whether all nodes that have not ended answer that they can serve, within the limit. */
async function whenReady(nodes: readonly RunningNode[]): Promise<boolean> {
  const untilMs = performance.now() + READY_LIMIT_MS;
  while (performance.now() < untilMs) {
    const states = await Promise.all(
      nodes.map(async (node) => node.exitCode !== undefined || await answers(node, "readyz")),
    );
    if (states.every((state) => state)) return true;
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
  }
  console.error(`cluster: not ready after ${READY_LIMIT_MS / 1000} s`);
  return false;
}

/** Whether the operators' port of the node says yes. */
async function answers({ metricsPort }: LocalNode, question: "healthz" | "readyz"): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${metricsPort}/${question}`);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

function printWelcome(nodes: readonly LocalNode[]): void {
  const addresses = nodes.map(({ address }) => `http://${address}`);
  console.log(`cluster: ready. Connect to any of ${addresses.join(" ")}

  curl -H 'content-type: application/json' -d '{"key":"dXNlcjoxMjM=","value":"QWxpY2U="}' ${
    addresses[0]
  }/prkdb.v1.KvService/Put
  ${PROGRAMS.cli} --address ${addresses[0]} get user:123

Ctrl-C stops it; the data stays in ./data.`);
}

function tryKill(node: Deno.ChildProcess): void {
  try {
    node.kill("SIGTERM");
  } catch {
    // It has ended already.
  }
}
