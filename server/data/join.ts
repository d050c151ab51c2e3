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
import { callForJoin, JoinError, rootReason, strangerError } from "./join_call.ts";

/** For an answer about the cluster, which a node has at hand. */
const DESCRIBE_LIMIT_MS = 3_000;
/** For being taken in, which takes a majority. */
const ADD_LIMIT_MS = 10_000;
const RETRY_MS = 500;
/** How often the operator is told that nobody has taken the node in yet. */
const REPORT_MS = 5_000;

const logger = getLogger(["prkdb", "server"]);

/** Replicas that survive the loss of a node without a pause; by default a cluster has so many. */
const SOUND_REPLICAS = 3;

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
 * What an operator should know who adds nodes to survive their loss: a cluster whose replication factor is
 * lower does not get more replicas by that. `undefined` when the factor is sound, or allows all that so many
 * nodes can have.
 */
export function replicationWarning(nodeCount: number, replicationFactor: number): string | undefined {
  if (replicationFactor >= Math.min(SOUND_REPLICAS, nodeCount)) return undefined;
  const kept = replicationFactor === 1 ? "1 replica" : `${replicationFactor} replicas`;
  const risk = replicationFactor === 1
    ? "its partitions are gone when its disk is"
    : "its partitions stand still";
  return `The cluster keeps ${kept} of each partition, which is its replication factor, though it has ` +
    `${nodeCount} nodes: when one of them is lost, ${risk}. For more: ` +
    `prkdb cluster set-replication-factor ${SOUND_REPLICAS}`;
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
  const record = await keptOrNew(fileSystem, directory, request);
  const nodeCount = new Set([request.nodeId, ...record.nodes.map(({ nodeId }) => nodeId)]).size;
  const warning = replicationWarning(nodeCount, record.replicationFactor);
  if (warning !== undefined) logger.warn("{warning}", { warning });
  return record;
}

async function keptOrNew(
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
    const { record } = await describeCluster(request);
    return record.clusterId === clusterId ? record.nodes : [];
  } catch {
    return [];
  }
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
  const { nodeId, url } = request;
  logger.info("Node {nodeId} asks {url} to be taken in", { nodeId, url });
  for (;;) {
    try {
      return await askOnce(request);
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

async function askOnce(request: JoinRequest): Promise<JoinRecord> {
  const { nodeId, address, url } = request;
  const { record, knownAddress } = await describeCluster(request);
  // The same address: it was announced, or taken in by an attempt that broke off.
  if (knownAddress !== undefined && knownAddress !== address) throw idInUse(request, knownAddress);
  await callForJoin(url, {
    method: ClusterService.method.addNode.name,
    message: { nodeId, address },
    clusterId: record.clusterId,
    limitMs: ADD_LIMIT_MS,
  });
  return record;
}

function idInUse({ nodeId, address, url }: JoinRequest, knownAddress: string): JoinError {
  return new JoinError(
    `Cannot join the cluster at ${url} as node ${nodeId}: that id is in use, by the node at ${knownAddress}, ` +
      `and this one is at ${address} with a new data directory; take another --node-id. If it is that node, ` +
      "start it with the --data-dir that it had. If it was only announced (add-node) and never started, start " +
      `this one at ${knownAddress}, or take another --node-id and end the announcement of this one: ` +
      `cluster remove-node ${nodeId}`,
  );
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

/** A cluster as one of its nodes describes it. */
interface ClusterDescription {
  readonly record: JoinRecord;
  /** Where the cluster believes that the node is which asks; `undefined` unless it is a member. */
  readonly knownAddress: string | undefined;
}

async function describeCluster(request: JoinRequest): Promise<ClusterDescription> {
  const answer = await callForJoin(request.url, {
    method: ClusterService.method.getMetadata.name,
    message: {},
    clusterId: "",
    limitMs: DESCRIBE_LIMIT_MS,
  });
  const { clusterId = "", replicationFactor, nodes = [], partitions = [] } = answer as MetadataJson;
  if (replicationFactor === undefined) throw strangerError(request.url, "it describes no cluster");
  if (clusterId === "") throw new Error(`the cluster of ${request.url} is not founded yet`);
  const record = {
    clusterId,
    replicationFactor,
    nodes: nodes.filter(({ nodeId }) => nodeId !== request.nodeId)
      .map(({ nodeId, address }) => ({ nodeId, address })),
    replicas: partitions.map(({ replicas = [] }) => replicas),
  };
  const knownAddress = nodes.find(({ nodeId }) => nodeId === request.nodeId)?.address;
  return { record: checked(record, request.url), knownAddress };
}

interface MetadataJson {
  readonly clusterId?: string;
  /** Always there in what a node says. */
  readonly replicationFactor?: number;
  readonly nodes?: readonly NodeAddress[];
  readonly partitions?: readonly PartitionJson[];
}

interface PartitionJson {
  readonly replicas?: readonly NodeId[];
}

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
