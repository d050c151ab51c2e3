/**
 * Runs the `prkdb` command within a test: arguments and standard input in, exit code and what it printed out.
 *
 * @module
 */

import { runCommand } from "../../client/cli/command.ts";
import type { FakeCluster } from "./fake_cluster.ts";

/** How a command ended. */
export interface Ran {
  readonly code: number;
  /** A character a byte. */
  readonly output: string;
  readonly error: string;
}

/** Where a command runs. */
export interface RunningPlace {
  /** `PRKDB_ADDRESS`; the first node of the cluster unless given. */
  readonly address?: string;
  readonly isTerminal?: boolean;
  /** What is said to a question; nobody is there unless given. */
  readonly answer?: string;
}

/** The function that runs commands against `cluster`. */
export function commandRunner(cluster: FakeCluster) {
  return async (args: readonly string[], input = "", place: RunningPlace = {}): Promise<Ran> => {
    const { address = cluster.addresses[0], isTerminal = false, answer } = place;
    let output = "";
    let error = "";
    const code = await runCommand(args, {
      environment: (name) => name === "PRKDB_ADDRESS" ? address : undefined,
      ask: () => Promise.resolve(answer),
      readInput: () => Promise.resolve(new TextEncoder().encode(input)),
      writeOutput: (bytes) => output += new TextDecoder("latin1").decode(bytes),
      writeError: (text) => error += text,
      isTerminal,
    });
    return { code, output, error };
  };
}
