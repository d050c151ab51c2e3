/**
 * `deno task cluster`: three nodes as three processes on loopback, with their data under `./data`, until
 * Ctrl-C. A node that ends unexpectedly is reported, not restarted: that is the operator's to decide.
 *
 * Flags behind `--` or at the end go to every node (`deno task cluster --num-partitions 3`).
 *
 * @module
 */

import { PERMISSIONS, V8_FLAGS } from "./config/mod.ts";

const NODE_COUNT = 3;
const PORT_BASE = 50_050;
const METRICS_PORT_BASE = 9_090;
const READY_LIMIT_MS = 30_000;
const READY_POLL_MS = 100;

// Bundled, every module has the `import.meta` of the entry, so the name counts too.
if (import.meta.main && import.meta.url.endsWith("/local_cluster.ts")) await runLocalCluster(Deno.args);

/** Runs three nodes until they are stopped, and ends the process. */
export async function runLocalCluster(args: readonly string[]): Promise<void> {
  const nodeIds = Array.from({ length: NODE_COUNT }, (_, at) => at + 1);
  const members = nodeIds.map((id) => `${id}@127.0.0.1:${PORT_BASE + id}`).join(",");
  const nodes = nodeIds.map((id) => startNode(id, [`--cluster-nodes=${members}`, ...args]));
  let isStopping = false;
  const stop = () => {
    isStopping = true;
    for (const node of nodes) tryKill(node);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, stop);
  const exits = nodes.map(async (node, at) => {
    const { code } = await node.status;
    if (!isStopping) console.error(`cluster: node ${nodeIds[at]} ended with exit code ${code}`);
    return code;
  });
  const codesOfAll = Promise.all(exits);
  const isUp = await Promise.race([whenReady(nodeIds), codesOfAll.then(() => false)]);
  if (isUp) printWelcome(nodeIds);
  const codes = await codesOfAll;
  Deno.exit(Math.max(...codes));
}

function startNode(nodeId: number, args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [...program(), `--node-id=${nodeId}`, ...args],
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

/** Whether all nodes answer that they can serve, within the limit. */
async function whenReady(nodeIds: readonly number[]): Promise<boolean> {
  const untilMs = performance.now() + READY_LIMIT_MS;
  while (performance.now() < untilMs) {
    const states = await Promise.all(nodeIds.map((id) => isReady(METRICS_PORT_BASE + id)));
    if (states.every((state) => state)) return true;
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
  }
  console.error(`cluster: not ready after ${READY_LIMIT_MS / 1000} s`);
  return false;
}

async function isReady(metricsPort: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${metricsPort}/readyz`);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

function printWelcome(nodeIds: readonly number[]): void {
  const addresses = nodeIds.map((id) => `http://127.0.0.1:${PORT_BASE + id}`);
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
