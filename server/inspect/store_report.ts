/**
 * What the store of a group holds: its point, and the tables of each level.
 *
 * @module
 */

import { decodeMembership, type GroupId, type LogIndex, type NodeId, type Term } from "../../raft/mod.ts";
import { type FileSystem, joinPath } from "../../wal-wasm/mod.ts";
import { lookAtStore, type RestingStore, StorageError, verifyRestingTable } from "../storage/mod.ts";
import { lookAgain } from "./again.ts";

/** The tables of one level. */
export interface LevelReport {
  readonly level: number;
  readonly tables: number;
  /** Of the files. */
  readonly bytes: number;
  readonly entries: number;
  readonly tombstones: number;
  readonly lowestVersion: number;
  readonly highestVersion: number;
}

/** A table that is not as it was written, or cannot be read. */
export interface TableProblem {
  readonly path: string;
  readonly problem: string;
}

/** The store of one group. */
export interface StoreReport {
  readonly group: GroupId;
  readonly manifest: { readonly path: string; readonly bytes: number };
  /** Every entry of the log up to this one is in the tables. */
  readonly point: {
    readonly index: LogIndex;
    readonly term: Term;
    readonly membershipIndex: LogIndex;
    readonly voters: readonly NodeId[];
  };
  readonly tables: number;
  readonly bytes: number;
  readonly entries: number;
  /** Those that hold any, from 0 on. */
  readonly levels: readonly LevelReport[];
  /** Tables of which every byte was read and found sound; 0 unless that was asked for. */
  readonly checked: number;
  readonly damage: readonly TableProblem[];
}

/** What is told of stores. */
export interface StoreReportOptions {
  readonly fileSystem: FileSystem;
  /** The node's data directory. */
  readonly directory: string;
  /** Whether every block is read. */
  readonly check: boolean;
  /** Called before a table is read whole. */
  readonly onTable: (path: string) => void;
}

/** A store of which nothing can be told. */
export interface UnreadableStore {
  readonly group: GroupId;
  readonly problem: string;
}

/** A store, or why nothing can be told of it. */
export type LookedStore = StoreReport | UnreadableStore;

/** The stores below a data directory, by group; directories without a store are left out. */
export async function reportStores(options: StoreReportOptions): Promise<readonly LookedStore[]> {
  const { directory, fileSystem } = options;
  const root = joinPath(directory, "state");
  const names = (await fileSystem.listDirectories(directory)).includes("state")
    ? await fileSystem.listDirectories(root)
    : [];
  const reports: LookedStore[] = [];
  // One that was damaged stands beside what has taken its place, as `17` beside `17.2`.
  const stores = names.filter((each) => /^\d+(\.\d+)?$/.test(each));
  for (const name of stores.sort((a, b) => Number.parseInt(a) - Number.parseInt(b) || a.localeCompare(b))) {
    const look = () => reportStore(joinPath(root, name), options);
    const report = await lookAgain(look, (found) => found === undefined ? "" : JSON.stringify(found.damage));
    if (report.problem !== undefined) reports.push({ group: Number.parseInt(name), problem: report.problem });
    else if (report.found !== undefined) reports.push(report.found);
  }
  return reports;
}

async function reportStore(path: string, options: StoreReportOptions): Promise<StoreReport | undefined> {
  const store = await lookAtStore(options.fileSystem, path);
  if (store === undefined) return undefined;
  const levels = levelsOf(store);
  const sum = (name: "tables" | "bytes" | "entries") => levels.reduce((all, each) => all + each[name], 0);
  const damage = options.check ? await damageOf(store, options) : [];
  return {
    group: store.group,
    manifest: { path: store.manifestPath, bytes: store.manifestBytes },
    point: pointOf(store),
    tables: sum("tables"),
    bytes: sum("bytes"),
    entries: sum("entries"),
    levels,
    checked: options.check ? store.tables.size - damage.length : 0,
    damage,
  };
}

function pointOf(
  { point: { index, membership, membershipIndex, term } }: RestingStore,
): StoreReport["point"] {
  const voters = membership.length === 0 ? [] : decodeMembership(membership).voters;
  return { index, term, membershipIndex, voters };
}

function levelsOf({ tables }: RestingStore): LevelReport[] {
  const levels: LevelReport[] = [];
  for (const { level, summary } of tables.values()) {
    const { entries, fileBytes, highestVersion, lowestVersion, tombstones } = summary;
    const before = levels[level];
    levels[level] = {
      level,
      tables: (before?.tables ?? 0) + 1,
      bytes: (before?.bytes ?? 0) + fileBytes,
      entries: (before?.entries ?? 0) + entries,
      tombstones: (before?.tombstones ?? 0) + tombstones,
      lowestVersion: Math.min(before?.lowestVersion ?? Infinity, lowestVersion),
      highestVersion: Math.max(before?.highestVersion ?? 0, highestVersion),
    };
  }
  return levels.filter((level) => level !== undefined);
}

async function damageOf(store: RestingStore, { onTable }: StoreReportOptions): Promise<TableProblem[]> {
  const damage: TableProblem[] = [];
  for (const record of store.tables.values()) {
    const path = store.pathOf(record);
    onTable(path);
    try {
      await verifyRestingTable(record, { ...store, pause: () => Promise.resolve() });
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      damage.push({ path, problem: error.message });
    }
  }
  return damage;
}
