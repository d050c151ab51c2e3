/**
 * What `deno task cluster` says of a node that has ended: what starts it again, or what helps instead where
 * starting it again cannot.
 *
 * @module
 */

import type { LocalNode } from "./local_nodes.ts";
import type { LocalPrograms } from "./local_programs.ts";

/** With this a node ends that cannot start as asked. */
const EXIT_UNUSABLE = 2;

/** A node that ended, and how the cluster is then. */
export interface LocalEnd {
  readonly node: LocalNode;
  readonly exitCode: number;
  /** Flags that every node is given. */
  readonly args: readonly string[];
  /** The others know the node with another data directory. */
  readonly isForgotten: boolean;
  /** The cluster says that the node is no member any more. */
  readonly isRemoved: boolean;
  /** Nodes that still run. */
  readonly running: readonly LocalNode[];
  /** Nodes that were started. */
  readonly startedCount: number;
  /** An id that no node of this directory has or had. */
  readonly freeId: number;
  /** What a user types to start a node, and to run the command line. */
  readonly programs: Pick<LocalPrograms, "server" | "cli">;
}

/** Some lines for the operator. */
export function adviceAfter(end: LocalEnd): string {
  const { node: { nodeId }, exitCode } = end;
  const head = `cluster: node ${nodeId} ended with exit code ${exitCode}`;
  if (end.isForgotten) return `${head}. ${insteadOfForgotten(end)}`;
  const again = `from this directory:\n  ${
    commandLine(end.programs.server, [...end.node.flags, ...end.args])
  }`;
  if (exitCode === EXIT_UNUSABLE) {
    return `${head}: it refuses to start as long as what its line above says is so. When that is mended, ${again}`;
  }
  return `${head}. To start it again, unless its line above says that it must not come back, ${again}`;
}

function insteadOfForgotten(end: LocalEnd): string {
  const { node: { nodeId }, running, startedCount, freeId, programs } = end;
  const directory = `./data/node-${nodeId}`;
  if (end.isRemoved) {
    return `It was removed from the cluster, and its id never comes back: that is as it should be, and nothing ` +
      `needs to be done`;
  }
  const why =
    `The others know it with another ${directory}: it lost its data, and starting it again will not ` +
    "help. If that directory was moved away, stop the cluster and put it back (itself, not an older copy)";
  const [guide] = running;
  if (guide === undefined || running.length * 2 <= startedCount) {
    return `${why}. Else too few nodes are left to take in another: what they hold cannot be written to any ` +
      "more. To begin anew, with nothing in it, stop the cluster and remove ./data";
  }
  const url = `http://${guide.address}`;
  return `${why}, or let a new node take its place, from this directory:\n` +
    `  ${commandLine(programs.server, [`--node-id=${freeId}`, `--join=${url}`])}\n` +
    `  ${commandLine(programs.cli, ["--address", url, "cluster", "remove-node", `${nodeId}`, "--watch"])}`;
}

/** As a POSIX shell must be given it. */
function commandLine(command: string, args: readonly string[]): string {
  return [command, ...args.map(shellWord)].join(" ");
}

function shellWord(arg: string): string {
  return /^[\w@:/.,=+-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", `'\\''`)}'`;
}
