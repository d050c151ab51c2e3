/**
 * A node's data directory: locked while in use, and marked with the node and the cluster it belongs to, so
 * that no other node or cluster ever writes into it.
 *
 * ```
 * node-1/LOCK            held by the running node
 * node-1/identity.json   written when the directory is first used, and once more when its log is there
 * node-1/cluster_id.json the cluster's whole id, once it is known (`cluster_id.ts`)
 * node-1/cluster.json    what a node that joined was told of its cluster (`join.ts`)
 * node-1/peers.json      the data directories of its peers (`peer_identities.ts`)
 * node-1/wal/            the log (`wal-wasm/`)
 * ```
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { NodeId } from "../../raft/mod.ts";
import { type FileLock, type FileSystem, joinPath } from "../../wal-wasm/mod.ts";
import type { ClusterShape } from "../cluster/mod.ts";
import { readAtomicFile, UNFINISHED_FILE, writeAtomicFile } from "./atomic_file.ts";
import { ClusterId, ClusterIdError, undrawnId } from "./cluster_id.ts";

const IDENTITY_FORMAT = 1;
const LOCK_NAME = "LOCK";
const IDENTITY_NAME = "identity.json";
const WAL_NAME = "wal";
/** Kept by `join.ts`. */
export const JOIN_RECORD_NAME = "cluster.json";
/** Names that may stand in a directory that has no identity yet. */
const OWN_NAMES = [LOCK_NAME, IDENTITY_NAME, JOIN_RECORD_NAME];

/** The node and the cluster whose data a directory holds. */
export interface Identity {
  /** 32 hexadecimal digits; of a founder the latter half are zeros (`cluster_id.ts`). Names its log. */
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** Names this directory and no other, so that peers notice a disk that was lost or exchanged. */
  readonly incarnation: string;
  readonly partitionCount: number;
  /** That of the first day; the cluster's may have been changed since. */
  readonly replicationFactor: number;
  /** The founders, ascending; empty if the node has joined later. */
  readonly nodeIds: readonly NodeId[];
}

/** A file of `directory` that is always there once that is open. */
export function identityPath(directory: string): string {
  return joinPath(directory, IDENTITY_NAME);
}

/** Which numbers an operator has named, and does not leave to a used directory. */
interface AskedNumbers {
  readonly partitionCount: boolean;
  readonly replicationFactor: boolean;
}

/** A directory, and the node and the cluster that it is opened for. */
interface WantedDirectory {
  readonly directory: string;
  readonly nodeId: NodeId;
  readonly shape: ClusterShape;
  /** Which numbers of `shape` a used directory must have; all unless given. */
  readonly asked?: AskedNumbers | undefined;
  /** The id of the cluster that the node joins; founders work it out. */
  readonly joinedClusterId?: string | undefined;
  /** The directory's incarnation if it is new. */
  readonly incarnation: string;
}

/** What makes an incarnation unlike every other one. */
export interface IncarnationSource {
  /** Milliseconds since 1970. */
  readonly wallMs: number;
  /** Another one for each start of a process. */
  readonly seed: number;
}

/** The incarnation of a directory that is made now. */
export function newIncarnation({ wallMs, seed }: IncarnationSource): string {
  return `${wallMs.toString(16)}-${seed.toString(16)}`;
}

/** The directory cannot be used as asked; the message says why. Nothing in it was changed. */
export class DataDirectoryError extends Error {
  override readonly name = "DataDirectoryError";
}

/** An opened, locked directory. */
export interface DataDirectory {
  readonly directory: string;
  readonly identity: Identity;
  /** Of the cluster, as it is known now. */
  readonly clusterId: ClusterId;
  readonly walDirectory: string;
  /** The log it had when it was last open (`Wal.logId`); `undefined` if none was ever opened. */
  readonly logId: string | undefined;
  readonly lock: FileLock;
}

/**
 * Locks `directory`, and marks it if it is new.
 *
 * @throws {DataDirectoryError} when another process uses it, or it belongs to another node or cluster
 */
export async function openDataDirectory(
  fileSystem: FileSystem,
  wanted: WantedDirectory,
): Promise<DataDirectory> {
  const { directory } = wanted;
  await isClaimed(fileSystem, directory);
  await fileSystem.createDirectory(directory);
  const lock = await fileSystem.lock(joinPath(directory, LOCK_NAME));
  if (lock === undefined) {
    throw refusal(directory, "it is in use by another process; stop that or use another --data-dir");
  }
  try {
    const { identity, logId } = await claim(fileSystem, wanted);
    const clusterId = await ClusterId.open({ fileSystem, directory, first: identity.clusterId });
    if (!clusterId.isSettled) checkFactor(identity, wanted);
    return { directory, identity, clusterId, logId, walDirectory: joinPath(directory, WAL_NAME), lock };
  } catch (error) {
    lock.release();
    throw error instanceof ClusterIdError ? new DataDirectoryError(error.message) : error;
  }
}

/**
 * Whether `directory` belongs to a node already. One that holds anything else was meant for something else.
 *
 * @throws {DataDirectoryError} when it holds what is not prkdb's
 */
export async function isClaimed(fileSystem: FileSystem, directory: string): Promise<boolean> {
  const names = await listIfThere(fileSystem, directory);
  if (names.includes(IDENTITY_NAME)) return true;
  const foreign = names.find((name) => !OWN_NAMES.includes(name.replace(UNFINISHED_FILE, "")));
  if (foreign === undefined) return false;
  throw refusal(
    directory,
    `it is not prkdb's, as it holds "${foreign}" and no ${IDENTITY_NAME}; use an empty one (--data-dir)`,
  );
}

async function claim(fileSystem: FileSystem, wanted: WantedDirectory): Promise<IdentityFile> {
  const { directory, nodeId, shape, incarnation, joinedClusterId } = wanted;
  const name = IDENTITY_NAME;
  const text = await readAtomicFile(fileSystem, { directory, name });
  if (text !== undefined) {
    const found = parseIdentity(text, joinPath(directory, name));
    checkIdentity(found.identity, wanted);
    return found;
  }
  const identity: Identity = {
    clusterId: joinedClusterId ?? clusterIdOf(shape),
    nodeId,
    incarnation,
    partitionCount: shape.partitionCount,
    replicationFactor: shape.replicationFactor,
    nodeIds: foundersOf(wanted),
  };
  await writeIdentity(fileSystem, directory, { identity, logId: undefined });
  return { identity, logId: undefined };
}

/**
 * Remembers durably that the directory has this log, before the node promises anything: from then on the
 * directory is not opened without it. A crash before leaves a directory whose log, if it has one, holds
 * nothing that was promised.
 */
export async function rememberLog(
  fileSystem: FileSystem,
  { directory, identity }: DataDirectory,
  logId: string,
): Promise<void> {
  await writeIdentity(fileSystem, directory, { identity, logId });
}

/** The directory had a log and does not hold it any more. */
export function lostLog(
  { directory, identity: { nodeId }, walDirectory }: DataDirectory,
): DataDirectoryError {
  return refusal(
    directory,
    `the log that it had is gone, for "${walDirectory}" does not hold it. Node ${nodeId} has forgotten its ` +
      "votes and what it acknowledged, and must not come back under its id: put the files back if they were " +
      "moved away, or let a new node with an empty directory join (--join) and remove node " +
      `${nodeId} (remove-node ${nodeId}). A node that is alone: restore its data from elsewhere, ` +
      "or remove the directory to begin empty",
  );
}

/** What a directory says of itself. */
export interface IdentityFile {
  readonly identity: Identity;
  /** Its log; `undefined` if none was ever opened. */
  readonly logId: string | undefined;
}

/** Whose data a directory holds. */
export interface DirectoryOwner extends IdentityFile {
  /** Of the cluster, as far as it is settled; with zeros for what is not drawn yet. */
  readonly clusterId: string;
}

/**
 * Whose data a directory holds, without opening, locking or changing it.
 *
 * @returns `undefined` when it is no node's
 * @throws {DataDirectoryError} when its files cannot be read
 */
export async function readOwner(
  fileSystem: FileSystem,
  directory: string,
): Promise<DirectoryOwner | undefined> {
  const text = await readAtomicFile(fileSystem, { directory, name: IDENTITY_NAME });
  if (text === undefined) return undefined;
  const found = parseIdentity(text, joinPath(directory, IDENTITY_NAME));
  try {
    const { value } = await ClusterId.open({ fileSystem, directory, first: found.identity.clusterId });
    return { ...found, clusterId: value };
  } catch (error) {
    throw error instanceof ClusterIdError ? new DataDirectoryError(error.message) : error;
  }
}

async function writeIdentity(
  fileSystem: FileSystem,
  directory: string,
  { identity, logId }: IdentityFile,
): Promise<void> {
  const text = `${JSON.stringify({ format: IDENTITY_FORMAT, ...identity, logId }, null, 2)}\n`;
  await writeAtomicFile(fileSystem, { directory, name: IDENTITY_NAME, text });
}

function foundersOf({ shape, joinedClusterId }: WantedDirectory): readonly NodeId[] {
  return joinedClusterId === undefined ? [...shape.nodes.keys()].sort((a, b) => a - b) : [];
}

function checkIdentity(found: Identity, wanted: WantedDirectory): void {
  const { asked, directory, nodeId, shape, joinedClusterId } = wanted;
  const refuse = (why: string) => {
    throw refusal(directory, why);
  };
  if (found.nodeId !== nodeId) {
    refuse(`it belongs to node ${found.nodeId}, not to node ${nodeId}; check --node-id and --data-dir`);
  }
  if (joinedClusterId !== undefined && found.clusterId !== joinedClusterId) {
    refuse(
      `it belongs to cluster ${found.clusterId}, not to ${joinedClusterId}; check --join and --data-dir`,
    );
  }
  if (asked?.partitionCount !== false && found.partitionCount !== shape.partitionCount) {
    refuse(
      `it has ${found.partitionCount} partitions, not ${shape.partitionCount}; the number is fixed, ` +
        `use --num-partitions ${found.partitionCount}`,
    );
  }
  const nodeIds = foundersOf(wanted);
  if (found.nodeIds.join() !== nodeIds.join()) {
    refuse(
      `it belongs to ${describeFounders(found.nodeIds)}, ` +
        `not ${nodeIds.join(", ") || describeFounders(nodeIds)}; start the node as it was first started`,
    );
  }
}

/**
 * Founders with different factors would found different clusters. Once the cluster is founded, its factor is
 * what it says itself, and may be another one than on the first day.
 */
function checkFactor({ replicationFactor }: Identity, { asked, directory, shape }: WantedDirectory): void {
  if (asked?.replicationFactor === false || replicationFactor === shape.replicationFactor) return;
  throw refusal(
    directory,
    `it is to found a cluster with replication factor ${replicationFactor}, not ${shape.replicationFactor}; ` +
      `use --replication-factor ${replicationFactor}, or begin with an empty directory`,
  );
}

function refusal(directory: string, why: string): DataDirectoryError {
  return new DataDirectoryError(`Cannot open data directory "${directory}": ${why}`);
}

function describeFounders(founders: readonly NodeId[]): string {
  return founders.length === 0
    ? "a node that has joined its cluster (--join)"
    : `a cluster of the nodes ${founders.join(", ")}`;
}

/**
 * The same for all nodes that are first started with the same members: bits of SHA-256 over what makes the
 * cluster. Kept in the directory from then on, so that addresses may change later.
 */
function clusterIdOf(shape: ClusterShape): string {
  const nodes = [...shape.nodes].sort(([a], [b]) => a - b).map(([id, address]) => `${id}@${address}`);
  const text = `prkdb ${shape.partitionCount} ${shape.replicationFactor} ${nodes.join(",")}`;
  return undrawnId(createHash("sha256").update(text).digest("hex"));
}

function parseIdentity(text: string, path: string): IdentityFile {
  const refuse = (why: string) =>
    new DataDirectoryError(
      `Cannot read "${path}": ${why}; restore the file, or use an empty directory and a new node id`,
    );
  let fields: Record<string, unknown>;
  try {
    fields = Object(JSON.parse(text));
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error));
  }
  const { format, logId, ...identity } = fields;
  if (format !== IDENTITY_FORMAT) {
    throw refuse(`it has format ${format}, this version reads format ${IDENTITY_FORMAT}`);
  }
  const damaged = Object.entries(FIELD_CHECKS).find(([name, isRight]) => !isRight(identity[name]));
  if (damaged !== undefined) throw refuse(`"${damaged[0]}" is ${JSON.stringify(identity[damaged[0]])}`);
  if (logId !== undefined && !isLogId(logId)) throw refuse(`"logId" is ${JSON.stringify(logId)}`);
  return { identity: identity as unknown as Identity, logId };
}

function isLogId(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{16}$/.test(value);
}

const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) > 0;

/** What each field of an identity must be. */
const FIELD_CHECKS: { readonly [K in keyof Identity]: (value: unknown) => boolean } = {
  clusterId: (value) => typeof value === "string" && /^[0-9a-f]{32}$/.test(value),
  nodeId: isCount,
  incarnation: (value) => typeof value === "string" && value !== "",
  partitionCount: isCount,
  replicationFactor: isCount,
  nodeIds: (value) => Array.isArray(value) && value.every(isCount),
};

async function listIfThere(fileSystem: FileSystem, directory: string): Promise<readonly string[]> {
  try {
    return await fileSystem.list(directory);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
