/**
 * How the programs of prkdb are started on this machine, by `deno task cluster` itself and by its user: as
 * tasks of the project, from a bundle in one JavaScript file, or as one compiled program.
 *
 * @module
 */

import { PERMISSIONS, V8_FLAGS } from "./config/mod.ts";

/** The commands of one way to start prkdb. */
export interface LocalPrograms {
  /** Arguments of this process's own executable that start a node; a node's flags go behind them. */
  readonly nodeArgs: readonly string[];
  /** What a user types to start a node, and to run the command line. */
  readonly server: string;
  readonly cli: string;
}

/** What decides how the programs are started. */
export interface ProgramOrigin {
  /** Whether this process runs a compiled program. */
  readonly isStandalone: boolean;
  /** URL of the module that asks. Bundled, it is that of the bundle. */
  readonly moduleUrl: string;
}

/** The commands that suit the way in which this process was started. */
export function localPrograms({ isStandalone, moduleUrl }: ProgramOrigin): LocalPrograms {
  if (isStandalone) return { nodeArgs: ["server"], server: "prkdb server", cli: "prkdb" };
  const run = ["run", "--no-check", "--quiet", ...PERMISSIONS, V8_FLAGS];
  if (moduleUrl.endsWith("/local_cluster.ts")) {
    const entry = new URL("./main.ts", moduleUrl).href;
    return { nodeArgs: [...run, entry], server: "deno task server", cli: "deno task cli" };
  }
  const bundle = `deno run -A ${decodeURIComponent(new URL(moduleUrl).pathname)}`;
  return { nodeArgs: [...run, moduleUrl, "server"], server: `${bundle} server`, cli: bundle };
}
