/**
 * A node's data directory: locked while in use, and marked with whose it is, so that no other node or cluster ever
 * writes into it.
 *
 * ```
 * node-1/LOCK            held by the running node
 * node-1/identity.json   written once, when the directory is first used
 * node-1/wal/            the log
 * ```
 *
 * @module
 */

import type { NodeId } from "../raft/mod.ts";
import { type FileLock, type FileSystem, joinPath } from "../wal-wasm/mod.ts";
import type { ClusterShape } from "./cluster_layout.ts";

const IDENTITY_FORMAT = 1;
const LOCK_NAME = "LOCK";
const IDENTITY_NAME = "identity.json";
const WAL_NAME = "wal";

/** Whose data a directory holds. */
export interface Identity {
  /** 32 hexadecimal digits. */
  readonly clusterId: string;
  readonly nodeId: NodeId;
  readonly partitionCount: number;
  readonly replicationFactor: number;
  /** Ascending. */
  readonly nodeIds: readonly NodeId[];
}

/** The directory cannot be used as asked; the message says why. Nothing in it was changed. */
export class DataDirectoryError extends Error {
  override readonly name = "DataDirectoryError";
}

/** An opened, locked directory. */
export interface DataDirectory {
  readonly identity: Identity;
  readonly walDirectory: string;
  readonly lock: FileLock;
}

/**
 * Locks `directory`, and marks it if it is new.
 *
 * @throws {DataDirectoryError} when another process uses it, or it belongs to another node or cluster
 */
export async function openDataDirectory(
  fileSystem: FileSystem,
  wanted: { readonly directory: string; readonly nodeId: NodeId; readonly shape: ClusterShape },
): Promise<DataDirectory> {
  const { directory } = wanted;
  await refuseForeign(fileSystem, directory);
  await fileSystem.createDirectory(directory);
  const lock = await fileSystem.lock(joinPath(directory, LOCK_NAME));
  if (lock === undefined) {
    throw new DataDirectoryError(`Data directory "${directory}" is in use by another process`);
  }
  try {
    const identity = await claim(fileSystem, wanted);
    return { identity, walDirectory: joinPath(directory, WAL_NAME), lock };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** A directory with other things in it was meant for something else. */
async function refuseForeign(fileSystem: FileSystem, directory: string): Promise<void> {
  const names = await listIfThere(fileSystem, directory);
  if (names.includes(IDENTITY_NAME)) return;
  const foreign = names.find((name) => name !== LOCK_NAME && name !== `${IDENTITY_NAME}.new`);
  if (foreign === undefined) return;
  throw new DataDirectoryError(
    `Data directory "${directory}" is not prkdb's: it holds "${foreign}" but no identity`,
  );
}

async function claim(
  fileSystem: FileSystem,
  { directory, nodeId, shape }: { directory: string; nodeId: NodeId; shape: ClusterShape },
): Promise<Identity> {
  const path = joinPath(directory, IDENTITY_NAME);
  const names = await fileSystem.list(directory);
  if (names.includes(IDENTITY_NAME)) {
    const found = await readIdentity(fileSystem, path);
    checkIdentity(found, { directory, nodeId, shape });
    return found;
  }
  const identity: Identity = {
    clusterId: await clusterIdOf(shape),
    nodeId,
    partitionCount: shape.partitionCount,
    replicationFactor: shape.replicationFactor,
    nodeIds: [...shape.nodes.keys()].sort((a, b) => a - b),
  };
  await writeIdentity(fileSystem, { directory, path, identity });
  return identity;
}

function checkIdentity(
  found: Identity,
  wanted: { readonly directory: string; readonly nodeId: NodeId; readonly shape: ClusterShape },
): void {
  const { directory, nodeId, shape } = wanted;
  const refuse = (what: string) => {
    throw new DataDirectoryError(`Data directory "${directory}" ${what}`);
  };
  if (found.nodeId !== nodeId) refuse(`belongs to node ${found.nodeId}, not to node ${nodeId}`);
  if (found.partitionCount !== shape.partitionCount) {
    refuse(`has ${found.partitionCount} partitions, not ${shape.partitionCount} (--num-partitions is fixed)`);
  }
  const nodeIds = [...shape.nodes.keys()].sort((a, b) => a - b);
  if (found.nodeIds.join() !== nodeIds.join()) {
    refuse(`belongs to a cluster of the nodes ${found.nodeIds.join(", ")}, not ${nodeIds.join(", ")}`);
  }
  if (found.replicationFactor !== shape.replicationFactor) {
    refuse(`has replication factor ${found.replicationFactor}, not ${shape.replicationFactor}`);
  }
}

/**
 * The same for all nodes that are started with the same members: 128 bits of SHA-256 over what makes the cluster.
 * Kept in the directory from then on, so that addresses may change later.
 */
async function clusterIdOf(shape: ClusterShape): Promise<string> {
  const nodes = [...shape.nodes].sort(([a], [b]) => a - b).map(([id, address]) => `${id}@${address}`);
  const text = `prkdb ${shape.partitionCount} ${shape.replicationFactor} ${nodes.join(",")}`;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return [...digest.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function readIdentity(fileSystem: FileSystem, path: string): Promise<Identity> {
  const file = await fileSystem.open(path);
  try {
    const bytes = new Uint8Array(await file.size());
    file.readSync(bytes, 0);
    return parseIdentity(new TextDecoder().decode(bytes), path);
  } finally {
    file.close();
  }
}

function parseIdentity(text: string, path: string): Identity {
  const refuse = (why: string) => new DataDirectoryError(`Cannot read "${path}": ${why}`);
  let fields: Record<string, unknown>;
  try {
    fields = Object(JSON.parse(text));
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error));
  }
  const { format, ...identity } = fields;
  if (format !== IDENTITY_FORMAT) throw refuse(`format ${format} is not ${IDENTITY_FORMAT}`);
  const damaged = Object.entries(FIELD_CHECKS).find(([name, isRight]) => !isRight(identity[name]));
  if (damaged !== undefined) throw refuse(`"${damaged[0]}" is ${JSON.stringify(identity[damaged[0]])}`);
  return identity as unknown as Identity;
}

const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) > 0;

/** What each field of an identity must be. */
const FIELD_CHECKS: { readonly [K in keyof Identity]: (value: unknown) => boolean } = {
  clusterId: (value) => typeof value === "string" && /^[0-9a-f]{32}$/.test(value),
  nodeId: isCount,
  partitionCount: isCount,
  replicationFactor: isCount,
  nodeIds: (value) => Array.isArray(value) && value.length > 0 && value.every(isCount),
};

/** Written beside, synced and renamed, so that there is never half an identity. */
async function writeIdentity(
  fileSystem: FileSystem,
  { directory, path, identity }: { directory: string; path: string; identity: Identity },
): Promise<void> {
  const text = `${JSON.stringify({ format: IDENTITY_FORMAT, ...identity }, null, 2)}\n`;
  const file = await fileSystem.create(`${path}.new`);
  try {
    file.writeSync(new TextEncoder().encode(text), 0);
    await file.syncData();
  } finally {
    file.close();
  }
  await fileSystem.rename(`${path}.new`, path);
  await fileSystem.syncDirectory(directory);
}

async function listIfThere(fileSystem: FileSystem, directory: string): Promise<readonly string[]> {
  try {
    return await fileSystem.list(directory);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
