/**
 * `deno task cluster`: three nodes as three processes on loopback, with their data under `./data`, until
 * Ctrl-C; and with them those that have joined since, if their data is there too. A node that ends
 * unexpectedly is reported, with what starts it again, but not restarted: that is the operator's to decide.
 *
 * Flags behind `--` or at the end go to every node (`deno task cluster --num-partitions 3`).
 *
 * @module
 */

import { PERMISSIONS, V8_FLAGS } from "./config/mod.ts";
import { findLocalNodes, type LocalNode } from "./local_nodes.ts";

const DATA_ROOT = "./data";
const READY_LIMIT_MS = 30_000;
const READY_POLL_MS = 100;

/** A node, and its process. */
interface RunningNode extends LocalNode {
  readonly process: Deno.ChildProcess;
  /** While it runs `undefined`. */
  exitCode: number | undefined;
}

// Bundled, every module has the `import.meta` of the entry, so the name counts too.
if (import.meta.main && import.meta.url.endsWith("/local_cluster.ts")) await runLocalCluster(Deno.args);

/** Runs the nodes until they are stopped, and ends the process. */
export async function runLocalCluster(args: readonly string[]): Promise<void> {
  const nodes: RunningNode[] = [];
  for (const node of await findLocalNodes(DATA_ROOT)) {
    if (node.hasJoined && await answers(node, "healthz")) {
      console.error(`cluster: node ${node.nodeId} runs already`);
    } else nodes.push({ ...node, process: startNode(node, args), exitCode: undefined });
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
    if (!isStopping && code !== 0) reportEnd(node, code, args);
    return code;
  });
  const codesOfAll = Promise.all(exits);
  const isUp = await Promise.race([whenReady(nodes), codesOfAll.then(() => false)]);
  if (isUp) printWelcome(nodes.filter(({ exitCode }) => exitCode === undefined));
  const codes = await codesOfAll;
  Deno.exit(Math.max(...codes));
}

function reportEnd({ nodeId, flags }: LocalNode, code: number, args: readonly string[]): void {
  const start = Deno.build.standalone ? "prkdb server" : "deno task server";
  console.error(
    `cluster: node ${nodeId} ended with exit code ${code}. To start it again, from this directory:\n` +
      `  ${[start, ...[...flags, ...args].map(shellWord)].join(" ")}`,
  );
}

/** The argument as a POSIX shell must be given it. */
function shellWord(arg: string): string {
  return /^[\w@:/.,=+-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", `'\\''`)}'`;
}

function startNode({ flags }: LocalNode, args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [...program(), ...flags, ...args],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
}

/** What starts a node: this very program where it is compiled, else the runtime. */
function program(): readonly string[] {
  if (Deno.build.standalone) return ["server"];
  const entry = new URL("./main.ts", import.meta.url).pathname;
  return ["run", "--no-check", "--quiet", ...PERMISSIONS, V8_FLAGS, entry];
}

/** Whether all nodes that were not removed answer that they can serve, within the limit. */
async function whenReady(nodes: readonly RunningNode[]): Promise<boolean> {
  const untilMs = performance.now() + READY_LIMIT_MS;
  while (performance.now() < untilMs) {
    const states = await Promise.all(
      nodes.map(async (node) => node.exitCode === 0 || await answers(node, "readyz")),
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
  deno task cli --address ${addresses[0]} get user:123

Ctrl-C stops it; the data stays in ./data.`);
}

function tryKill(node: Deno.ChildProcess): void {
  try {
    node.kill("SIGTERM");
  } catch {
    // It has ended already.
  }
}
