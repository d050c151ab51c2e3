/**
 * A node's data directory: locked while in use, and marked with whose it is, so that no other node or cluster ever
 * writes into it.
 *
 * ```
 * node-1/LOCK            held by the running node
 * node-1/identity.json   written once, when the directory is first used
 * node-1/peers.json      whom this node has met (`peer_register.ts`)
 * node-1/wal/            the log
 * ```
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { NodeId } from "../raft/mod.ts";
import { type FileLock, type FileSystem, joinPath } from "../wal-wasm/mod.ts";
import type { ClusterShape } from "./cluster_layout.ts";
import { readSmallFile, UNFINISHED, writeSmallFile } from "./small_file.ts";

const IDENTITY_FORMAT = 1;
const LOCK_NAME = "LOCK";
const IDENTITY_NAME = "identity.json";
const WAL_NAME = "wal";
const CLUSTER_ID_DIGITS = 32;

/** Whose data a directory holds. */
export interface Identity {
  /** 32 hexadecimal digits. */
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** Of this directory and no other, so that peers notice a disk that was lost or exchanged. */
  readonly incarnation: string;
  readonly partitionCount: number;
  readonly replicationFactor: number;
  /** Ascending. */
  readonly nodeIds: readonly NodeId[];
}

/** Who wants to use a directory. */
export interface WantedDirectory {
  readonly directory: string;
  readonly nodeId: NodeId;
  readonly shape: ClusterShape;
  /** What the directory's incarnation will be if it is new. */
  readonly incarnation: string;
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
  wanted: WantedDirectory,
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
  const foreign = names.find((name) => name !== LOCK_NAME && name !== `${IDENTITY_NAME}${UNFINISHED}`);
  if (foreign === undefined) return;
  throw new DataDirectoryError(
    `Data directory "${directory}" is not prkdb's: it holds "${foreign}" but no identity`,
  );
}

async function claim(fileSystem: FileSystem, wanted: WantedDirectory): Promise<Identity> {
  const { directory, nodeId, shape, incarnation } = wanted;
  const name = IDENTITY_NAME;
  const text = await readSmallFile(fileSystem, { directory, name });
  if (text !== undefined) {
    const found = parseIdentity(text, joinPath(directory, name));
    checkIdentity(found, wanted);
    return found;
  }
  const identity: Identity = {
    clusterId: clusterIdOf(shape),
    ...{ nodeId, incarnation },
    partitionCount: shape.partitionCount,
    replicationFactor: shape.replicationFactor,
    nodeIds: [...shape.nodes.keys()].sort((a, b) => a - b),
  };
  const fields = { format: IDENTITY_FORMAT, ...identity };
  await writeSmallFile(fileSystem, { directory, name, text: `${JSON.stringify(fields, null, 2)}\n` });
  return identity;
}

function checkIdentity(found: Identity, wanted: WantedDirectory): void {
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
function clusterIdOf(shape: ClusterShape): string {
  const nodes = [...shape.nodes].sort(([a], [b]) => a - b).map(([id, address]) => `${id}@${address}`);
  const text = `prkdb ${shape.partitionCount} ${shape.replicationFactor} ${nodes.join(",")}`;
  return createHash("sha256").update(text).digest("hex").slice(0, CLUSTER_ID_DIGITS);
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
  incarnation: (value) => typeof value === "string" && value !== "",
  partitionCount: isCount,
  replicationFactor: isCount,
  nodeIds: (value) => Array.isArray(value) && value.length > 0 && value.every(isCount),
};

async function listIfThere(fileSystem: FileSystem, directory: string): Promise<readonly string[]> {
  try {
    return await fileSystem.list(directory);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
