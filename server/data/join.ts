/**
 * How a node comes into a cluster that is already there (`--join`): it asks any of its nodes what the cluster
 * is and to be taken in, and keeps the answer in its data directory before it begins, so that it finds the
 * others again after a restart. From then on the cluster's own group tells it everything.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { ClusterService, NODE_ID_MAX, PARTITIONS_MAX } from "../../proto/mod.ts";
import type { NodeId } from "../../raft/mod.ts";
import type { FileSystem } from "../../wal-wasm/mod.ts";
import type { ClusterShape } from "../cluster/mod.ts";
import { readAtomicFile, writeAtomicFile } from "./atomic_file.ts";
import { DataDirectoryError, isClaimed, JOIN_RECORD_NAME } from "./data_directory.ts";

const CALL_LIMIT_MS = 10_000;
const RETRY_MS = 500;
/** How often the operator is told that nobody has taken the node in yet. */
const REPORT_MS = 5_000;

const logger = getLogger(["prkdb", "server"]);

/** Where one node of the cluster serves, `host:port`. */
interface NodeAddress {
  readonly nodeId: NodeId;
  readonly address: string;
}

/** What the cluster was when the node was taken in. */
export interface JoinRecord {
  /** 32 hexadecimal digits. */
  readonly clusterId: string;
  readonly replicationFactor: number;
  /** Its nodes then, without the one that joins. */
  readonly nodes: readonly NodeAddress[];
  /** By partition id. */
  readonly replicas: readonly (readonly NodeId[])[];
}

/** The cluster does not take the node in, or cannot be understood; the message says why. */
export class JoinError extends Error {
  override readonly name = "JoinError";
}

/** Which node wants in, and where it asks. */
export interface JoinRequest {
  readonly nodeId: NodeId;
  /** Where the cluster will find it, `host:port`. */
  readonly address: string;
  /** Of any node of the cluster. */
  readonly url: string;
  /** How long to go on asking a cluster that does not answer, in milliseconds. */
  readonly limitMs: number;
}

/** The shape that a node with this record is opened with. */
export function shapeOf({ nodes, replicas, replicationFactor }: JoinRecord): ClusterShape {
  return {
    nodes: new Map(nodes.map(({ nodeId, address }) => [nodeId, address])),
    partitionCount: replicas.length,
    replicationFactor,
  };
}

/**
 * The record kept in `directory`, with the nodes of today if the cluster can be asked, or a new one, which is
 * kept before it is returned.
 *
 * @throws {JoinError} when the cluster refuses or does not answer in time
 * @throws {DataDirectoryError} when the directory is not for such a node
 */
export async function obtainJoinRecord(
  fileSystem: FileSystem,
  directory: string,
  request: JoinRequest,
): Promise<JoinRecord> {
  const isOwned = await isClaimed(fileSystem, directory);
  await fileSystem.createDirectory(directory);
  const kept = await readAtomicFile(fileSystem, { directory, name: JOIN_RECORD_NAME });
  if (kept !== undefined) return await refreshed(parse(kept, directory), request);
  if (isOwned) {
    throw new DataDirectoryError(
      `Cannot join with data directory "${directory}": it belongs to a founder of a cluster; start without --join`,
    );
  }
  const record = await ask(request);
  const text = `${JSON.stringify(record, null, 2)}\n`;
  await writeAtomicFile(fileSystem, { directory, name: JOIN_RECORD_NAME, text });
  return record;
}

/**
 * The nodes that are members of the cluster `clusterId` now, as the node at the URL of `request` says; none
 * when it does not answer, or is of another cluster.
 */
export async function askForMembers(
  request: JoinRequest,
  clusterId: string,
): Promise<JoinRecord["nodes"]> {
  try {
    const now = await describeCluster(request);
    return now.clusterId === clusterId ? now.nodes : [];
  } catch {
    return [];
  }
}

/** Why an error came about, as far as it knows: what `fetch` says itself names no reason. */
export function rootReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : rootReason(error.cause);
}

/** The nodes that are members now, if the cluster answers at once: those of the first day may all be gone. */
async function refreshed(kept: JoinRecord, request: JoinRequest): Promise<JoinRecord> {
  const nodes = await askForMembers(request, kept.clusterId);
  return nodes.length === 0 ? kept : { ...kept, nodes };
}

async function ask(request: JoinRequest): Promise<JoinRecord> {
  const startedMs = performance.now();
  const giveUpMs = startedMs + request.limitMs;
  let reportMs = startedMs;
  for (;;) {
    try {
      const record = await describeCluster(request);
      const { nodeId, address } = request;
      const message = { nodeId, address };
      const { clusterId } = record;
      await call(request, { method: ClusterService.method.addNode.name, message, clusterId });
      return record;
    } catch (error) {
      const nowMs = performance.now();
      if (error instanceof JoinError || nowMs > giveUpMs) throw asJoinError(request, error);
      if (nowMs >= reportMs) {
        report(request, { error, leftMs: giveUpMs - nowMs });
        reportMs = nowMs + REPORT_MS;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** Why the node has not been taken in yet, and how long it goes on asking. */
interface Delay {
  readonly error: unknown;
  readonly leftMs: number;
}

function report({ nodeId, url }: JoinRequest, { error, leftMs }: Delay): void {
  logger.warn("Node {nodeId} is asking {url} to be taken in, for {seconds} s more: {reason}", {
    nodeId,
    url,
    seconds: Math.ceil(leftMs / 1_000),
    reason: rootReason(error),
  });
}

async function describeCluster(request: JoinRequest): Promise<JoinRecord> {
  const question = { method: ClusterService.method.getMetadata.name, message: {}, clusterId: "" };
  const answer = await call(request, question);
  const { clusterId = "", replicationFactor, nodes = [], partitions = [] } = answer as MetadataJson;
  if (clusterId === "") throw new Error(`the cluster of ${request.url} is not founded yet`);
  const record = {
    clusterId,
    replicationFactor,
    nodes: nodes.filter(({ nodeId }) => nodeId !== request.nodeId)
      .map(({ nodeId, address }) => ({ nodeId, address })),
    replicas: partitions.map(({ replicas = [] }) => replicas),
  };
  return checked(record, request.url);
}

interface MetadataJson {
  readonly clusterId?: string;
  readonly replicationFactor: number;
  readonly nodes?: readonly NodeAddress[];
  readonly partitions?: readonly PartitionJson[];
}

interface PartitionJson {
  readonly replicas?: readonly NodeId[];
}

/** One call. */
interface JoinCall {
  readonly method: string;
  readonly message: unknown;
  /** Of the cluster that is meant; empty while it is not known. */
  readonly clusterId: string;
}

/** One call by Connect with JSON; a refusal that will not change is an `JoinError`. */
async function call(
  { url }: JoinRequest,
  { method, message, clusterId }: JoinCall,
): Promise<unknown> {
  const headers = { "content-type": "application/json", "connect-protocol-version": "1" };
  const response = await fetch(new URL(`/${ClusterService.typeName}/${method}`, url), {
    method: "POST",
    headers: clusterId === "" ? headers : { ...headers, "prkdb-cluster": clusterId },
    body: JSON.stringify(message),
    signal: AbortSignal.timeout(CALL_LIMIT_MS),
  });
  const answer = await response.json();
  if (response.ok) return answer;
  const { code, message: reason } = Object(answer);
  if (FINAL_CODES.has(code)) throw new JoinError(`The cluster at ${url} refuses this node: ${reason}`);
  throw new Error(`${code}: ${reason}`);
}

const FINAL_CODES: ReadonlySet<unknown> = new Set([
  "invalid_argument",
  "unimplemented",
  "permission_denied",
  "unauthenticated",
]);

function asJoinError({ limitMs, url }: JoinRequest, error: unknown): JoinError {
  if (error instanceof JoinError) return error;
  const why = rootReason(error);
  return new JoinError(
    `Cannot join the cluster at ${url}, which was asked for ${limitMs / 1_000} s: ${why}; check --join`,
  );
}

function parse(text: string, directory: string): JoinRecord {
  const place = `"${JOIN_RECORD_NAME}" in "${directory}"`;
  try {
    return checked(JSON.parse(text), place);
  } catch (error) {
    if (error instanceof JoinError) throw error;
    throw new JoinError(`Cannot read ${place}: ${error instanceof Error ? error.message : error}`);
  }
}

const isNodeId = (value: unknown) =>
  Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= NODE_ID_MAX;

function checked(record: JoinRecord, source: string): JoinRecord {
  const { clusterId, replicationFactor, nodes, replicas } = Object(record) as JoinRecord;
  const isSound = typeof clusterId === "string" && /^[0-9a-f]{32}$/.test(clusterId) &&
    isNodeId(replicationFactor) &&
    Array.isArray(nodes) &&
    nodes.every(({ nodeId, address }) => isNodeId(nodeId) && typeof address === "string") &&
    Array.isArray(replicas) && replicas.length > 0 && replicas.length <= PARTITIONS_MAX &&
    replicas.every((each) => Array.isArray(each) && each.every(isNodeId));
  if (!isSound) throw new JoinError(`${source} does not describe a cluster`);
  return { clusterId, replicationFactor, nodes, replicas };
}
