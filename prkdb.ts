/**
 * Everything in one program, as `deno task compile` makes it: `prkdb server` is a node, `prkdb cluster` three
 * of them on this machine, and all else the command line (`prkdb put`, `prkdb cluster status` …).
 *
 * @module
 */

import { runCli } from "./client/cli/mod.ts";
import { runLocalCluster, runNode } from "./server/mod.ts";

const STARTERS = `Starts a cluster or a node:
  prkdb cluster [flags]   three nodes on this machine (prkdb cluster --help)
  prkdb server [flags]    one node (prkdb server --help)

Asks a cluster that runs:
`;

if (import.meta.main) await run(Deno.args);

async function run(args: readonly string[]): Promise<void> {
  const [name, ...rest] = args;
  // With a word behind it, `cluster` is a command about a cluster that is there.
  if (name === "cluster" && (rest[0] ?? "--").startsWith("--")) return await runLocalCluster(rest);
  // Nothing else starts programs.
  await Deno.permissions.revoke({ name: "run" });
  if (rest.length === 0 && /^(--help|-h|help)$/.test(name ?? "")) console.log(STARTERS);
  if (name === "server") return await runNode(rest);
  await runCli(args);
}
