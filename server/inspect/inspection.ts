/**
 * The report about a data directory.
 *
 * @module
 */

import { type FileSystem, ReadOnlyFileSystem } from "../../wal-wasm/mod.ts";
import { DataDirectoryError, type Identity, readOwner } from "../data/mod.ts";
import { type LogReport, reportLog } from "./log_report.ts";
import { type LookedStore, reportStores } from "./store_report.ts";

/** How a directory is looked at. */
export interface InspectOptions {
  /** Whether every block of every table is read; not unless given. */
  readonly check?: boolean;
  /** Called before a table is read whole. */
  readonly onTable?: (path: string) => void;
  /** This machine's, to be read only, unless given. */
  readonly fileSystem?: FileSystem;
}

/** See `mod.ts`. */
export interface DirectoryReport {
  readonly directory: string;
  readonly identity: Identity;
  /** Of the cluster, as far as it is settled; with zeros for what is not drawn yet. */
  readonly clusterId: string;
  /** What the identity says; absent before the first start has come so far. */
  readonly logId?: string;
  /** Absent when the log cannot be read; `problems` says why. */
  readonly log?: LogReport;
  readonly stores: readonly LookedStore[];
  /** Everything that is not as it should be, in words; empty for a sound directory. */
  readonly problems: readonly string[];
}

/**
 * Looks at a node's data directory and changes nothing in it.
 *
 * @throws {DataDirectoryError} when it is not there, or no node's, or its identity cannot be read
 */
export async function inspectDirectory(
  directory: string,
  { check = false, fileSystem = new ReadOnlyFileSystem(), onTable = () => {} }: InspectOptions = {},
): Promise<DirectoryReport> {
  const { clusterId, identity, logId } = await ownerOf(fileSystem, directory);
  const log = await reportLog(fileSystem, directory);
  const stores = await reportStores({ fileSystem, directory, check, onTable });
  return {
    directory,
    identity,
    clusterId,
    ...(logId === undefined ? {} : { logId }),
    ...(log.found === undefined ? {} : { log: log.found }),
    stores,
    problems: [
      ...logProblems(log.found, log.problem),
      ...stores.flatMap(storeProblems),
      ...lostStates(log.found, stores),
    ],
  };
}

async function ownerOf(fileSystem: FileSystem, directory: string) {
  const refuse = (why: string) => new DataDirectoryError(`Cannot inspect "${directory}": ${why}`);
  try {
    const owner = await readOwner(fileSystem, directory);
    if (owner !== undefined) return owner;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw refuse("there is no such directory");
    if (error instanceof Deno.errors.PermissionDenied) throw refuse("it may not be read");
    throw error;
  }
  throw refuse("it is no node's data directory, as it holds no identity.json");
}

function logProblems(log: LogReport | undefined, problem: string | undefined): string[] {
  if (log === undefined) return [`the log cannot be read: ${problem}`];
  const lost = log.damages.map(({ bytes, groups, offset, path }) => {
    const whose = groups === "any" ? "any group" : `groups ${groups.join(", ") || "none"}`;
    return `${path}: ${bytes} bytes at offset ${offset} are damaged (records of ${whose})`;
  });
  const unreadable = log.groups.filter((each) => each.unreadable > 0)
    .map(({ group, unreadable }) =>
      `the log holds ${unreadable} records of group ${group} of an unknown kind`
    );
  return [...lost, ...unreadable];
}

/** Groups of which the log was let go of for a store that does not hold it. */
function lostStates(log: LogReport | undefined, stores: readonly LookedStore[]): string[] {
  const held = new Map<number, number>();
  for (const store of stores) {
    // What cannot be read is told already.
    const index = "problem" in store ? Infinity : store.point.index;
    held.set(store.group, Math.max(index, held.get(store.group) ?? 0));
  }
  return (log?.groups ?? []).flatMap(({ group, releasedTo = 0 }) => {
    const index = held.get(group) ?? 0;
    if (index >= releasedTo) return [];
    return [
      `the state of group ${group} is lost: the log was let go of up to entry ${releasedTo}, and what is left ` +
      `of its store holds those up to ${index}; the node fetches it from another one when it is started`,
    ];
  });
}

function storeProblems(store: LookedStore): string[] {
  if ("problem" in store) return [`the store of group ${store.group} cannot be read: ${store.problem}`];
  return store.damage.map(({ problem }) => problem);
}
