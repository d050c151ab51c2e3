/**
 * The border between the cluster's state and bytes, in both directions: for the store, and for nodes that
 * have to catch up. One byte with the version of the format, then `ClusterStateSnapshot` of
 * `proto/prkdb/v1/cluster_log.proto`. Both directions check the limits of the state, as commands within
 * theirs make it.
 *
 * What is not known in a command may be passed over. In a state it may not, as a node that has lost a piece
 * of it differs from the others for ever. So only those bytes are taken that this node would write itself
 * for the same state: nothing unknown, nothing named twice, no number in a longer form.
 *
 * @module
 */

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type ClusterStateSnapshot,
  type ClusterStateSnapshot_Partition,
  type ClusterStateSnapshot_Progress,
  type ClusterStateSnapshot_ProgressSchema,
  type ClusterStateSnapshot_State,
  type ClusterStateSnapshot_StateSchema,
  ClusterStateSnapshotSchema,
  PARTITIONS_MAX,
  REPLICAS_MAX,
} from "../../proto/mod.ts";
import { InvariantViolation, type NodeId } from "../../raft/mod.ts";
import { FINISHED_CHANGES_MAX, OPEN_CHANGES_MAX } from "./change_list.ts";
import { requestFromWire, requestToWire } from "./cluster_command.ts";
import { checkStateInvariants } from "./cluster_state.ts";
import {
  check,
  checkAddress,
  checkChangeId,
  checkClientUrl,
  checkClusterId,
  checkMemberId,
  checkNumber,
  checkReplicas,
  checkRequest,
  NODES_MAX,
  refuseAs,
} from "./command_check.ts";
import type { ClusterChange, ClusterNode, ClusterPartition, ClusterState } from "./types.ts";

const FORMAT_VERSION = 1;

/**
 * If each of 4,096 partitions names all of a thousand nodes as former ones, with the ids of their replicas,
 * that takes 60 MB; a change takes a few KB at most, and what remains is enough for millions of retired ids.
 * More is not even parsed.
 */
const STATE_BYTES_MAX = 134_217_728;

/** Nobody moves a replica so often. */
const REPLICA_ID_MAX = 2 ** 32 - 1;

/** Characters of what is said of a change: twice a request with a long address, and a reason. */
const TEXT_LENGTH_MAX = 2_000;

/** Steps are counted by one; nobody sees so many. */
const STEPS_COUNTED_MAX = 2 ** 32 - 1;

/** The first removal of a node is taken even where there are too many changes. */
const OPEN_CHANGES_EVER = OPEN_CHANGES_MAX + NODES_MAX;

type WireState = MessageInitShape<typeof ClusterStateSnapshot_StateSchema>;
type WireProgress = MessageInitShape<typeof ClusterStateSnapshot_ProgressSchema>;

/**
 * The bytes of `state`.
 *
 * @throws {RangeError} when a value in it is outside its limits
 * @throws {InvariantViolation} when it is a state that cannot be
 */
export function encodeClusterState(state: ClusterState): Uint8Array {
  checkClusterState(state);
  const message = create(ClusterStateSnapshotSchema, { state: toWire(state) });
  const body = toBinary(ClusterStateSnapshotSchema, message);
  const bytes = new Uint8Array(1 + body.length);
  bytes[0] = FORMAT_VERSION;
  bytes.set(body, 1);
  if (bytes.length > STATE_BYTES_MAX) throw new RangeError(`Cannot encode ${sizeText(bytes)}`);
  return bytes;
}

/**
 * The state in `bytes`, which may come from any peer.
 *
 * @throws {RangeError} when the bytes are not those of a state in this version, a value in it is outside its
 *   limits, or it is a state that cannot be
 */
export function decodeClusterState(bytes: Uint8Array): ClusterState {
  if (bytes.length > STATE_BYTES_MAX) throw new RangeError(`Cannot decode ${sizeText(bytes)}`);
  if (bytes[0] !== FORMAT_VERSION) {
    throw new RangeError(
      `Cannot decode a cluster's state of version ${bytes[0]}: this node knows version ${FORMAT_VERSION}`,
    );
  }
  const { state: message } = parse(bytes.subarray(1));
  if (message === undefined) throw new RangeError("Cannot decode a cluster's state: there is none");
  const state = fromWire(message);
  if (!isSame(encodeAgain(state), bytes)) {
    throw new RangeError("Cannot decode a cluster's state: it has parts that this node would not write");
  }
  return state;
}

function sizeText({ length }: Uint8Array): string {
  return `a cluster's state of ${length} bytes (limit ${STATE_BYTES_MAX})`;
}

function parse(body: Uint8Array): ClusterStateSnapshot {
  try {
    return fromBinary(ClusterStateSnapshotSchema, body, { readUnknownFields: false });
  } catch (error) {
    throw new RangeError("Cannot decode a cluster's state: its bytes are not a protobuf message", {
      cause: error,
    });
  }
}

/** What comes from elsewhere and cannot be is not this node's own fault. */
function encodeAgain(state: ClusterState): Uint8Array {
  try {
    return encodeClusterState(state);
  } catch (error) {
    if (!(error instanceof InvariantViolation)) throw error;
    throw new RangeError(`Cannot decode a cluster's state: ${error.message}`, { cause: error });
  }
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, place) => byte === right[place]);
}

function toWire(state: ClusterState): WireState {
  const { isFounded, clusterId, epoch, replicationFactor, nodes, retired, partitions, changes } = state;
  return {
    isFounded,
    clusterId,
    epoch: String(epoch),
    replicationFactor,
    nodes: [...nodes.values()],
    retired: [...retired],
    partitions: partitions.map(({ replicas, target, former, replicaIds, nextReplicaId, changeId }) => ({
      replicas: [...replicas],
      target: [...target],
      former: [...former],
      changeId,
      idNodes: [...replicaIds.keys()],
      ids: [...replicaIds.values()],
      nextId: nextReplicaId,
    })),
    changes: changes.map(changeToWire),
  };
}

function changeToWire({ changeId, request, ...progress }: ClusterChange): WireProgress {
  return { change: { changeId, request: requestToWire(request) }, ...progress };
}

function fromWire(message: ClusterStateSnapshot_State): ClusterState {
  const { isFounded, clusterId, replicationFactor } = message;
  const nodes = message.nodes.map(({ nodeId, address, clientUrl, hasMoved, isLeaving }): ClusterNode => ({
    nodeId,
    address,
    clientUrl,
    hasMoved,
    isLeaving,
  }));
  return {
    isFounded,
    clusterId,
    epoch: Number(message.epoch),
    replicationFactor,
    nodes: new Map(nodes.map((node) => [node.nodeId, node])),
    retired: new Set(message.retired),
    partitions: message.partitions.map(partitionFromWire),
    changes: message.changes.map(changeFromWire),
  };
}

function partitionFromWire(
  { replicas, target, former, changeId, idNodes, ids, nextId }: ClusterStateSnapshot_Partition,
  partitionId: number,
): ClusterPartition {
  if (ids.length !== idNodes.length) {
    throw new RangeError(
      "Cannot decode a cluster's state: it names nodes and ids of replicas of other numbers",
    );
  }
  const replicaIds = new Map(idNodes.map((nodeId, place) => [nodeId, ids[place]!]));
  return { partitionId, replicas, target, former, replicaIds, nextReplicaId: nextId, changeId };
}

function changeFromWire(message: ClusterStateSnapshot_Progress): ClusterChange {
  const { change, description, done, total, isFinished, error } = message;
  if (change === undefined) {
    throw new RangeError("Cannot decode a cluster's state: it does not say what a change is");
  }
  const { changeId, request } = change;
  return { changeId, request: requestFromWire(request), description, done, total, isFinished, error };
}

/**
 * Refuses a state with a value that is outside its limits or contradicts another one.
 *
 * @throws {RangeError} which names the value and its limits
 * @throws {InvariantViolation} when the values make a state that cannot be
 */
function checkClusterState(state: ClusterState): void {
  refuseAs("Cannot accept a cluster's state", () => checkValues(state));
  // A node that joins may have been told of its own replicas, but not of itself as a member.
  if (state.isFounded) checkStateInvariants(state);
}

function checkValues(state: ClusterState): void {
  const { clusterId, epoch, replicationFactor, nodes, retired, partitions, changes } = state;
  checkClusterId(clusterId);
  checkNumber({ name: "epoch", value: epoch, min: 0, max: Number.MAX_SAFE_INTEGER });
  checkNumber({ name: "replication factor", value: replicationFactor, min: 1, max: REPLICAS_MAX });
  checkNodes(nodes);
  for (const nodeId of retired) checkMemberId(nodeId);
  checkNumber({ name: "number of partitions", value: partitions.length, min: 1, max: PARTITIONS_MAX });
  for (const [place, partition] of partitions.entries()) checkPartition(place, partition);
  checkChanges(changes);
}

function checkNodes(nodes: ReadonlyMap<NodeId, ClusterNode>): void {
  checkNumber({ name: "number of nodes", value: nodes.size, min: 1, max: NODES_MAX });
  let last = 0;
  for (const [key, { nodeId, address, clientUrl }] of nodes) {
    checkMemberId(nodeId);
    checkAddress(address);
    checkClientUrl(clientUrl);
    check(key === nodeId, `node ${nodeId} must stand under its own id, it stands under ${key}`);
    check(nodeId > last, `nodes must ascend: ${nodeId} stands behind ${last}`);
    last = nodeId;
  }
}

function checkPartition(place: number, partition: ClusterPartition): void {
  const { partitionId, replicas, target, former, replicaIds, nextReplicaId, changeId } = partition;
  check(partitionId === place, `partition ${partitionId} must stand in its place, it stands in ${place}`);
  checkReplicas(replicas);
  checkReplicas(target);
  for (const nodeId of former) checkMemberId(nodeId);
  checkNumber({ name: "next replica id", value: nextReplicaId, min: 1, max: REPLICA_ID_MAX });
  let last = 0;
  for (const [nodeId, id] of replicaIds) {
    checkMemberId(nodeId);
    checkNumber({ name: "replica id", value: id, min: 1, max: REPLICA_ID_MAX });
    check(nodeId > last, `ids of replicas must ascend by node: ${nodeId} stands behind ${last}`);
    last = nodeId;
  }
  if (changeId !== "") checkChangeId(changeId);
}

function checkChanges(changes: readonly ClusterChange[]): void {
  const finished = changes.filter(({ isFinished }) => isFinished).length;
  checkNumber({ name: "number of finished changes", value: finished, min: 0, max: FINISHED_CHANGES_MAX });
  const open = changes.length - finished;
  checkNumber({ name: "number of changes under way", value: open, min: 0, max: OPEN_CHANGES_EVER });
  const isOrdered = changes.slice(0, finished).every(({ isFinished }) => isFinished);
  check(isOrdered, "finished changes must stand before those under way");
  const ids = new Set(changes.map(({ changeId }) => changeId));
  check(ids.size === changes.length, "every change must be named once");
  for (const change of changes) checkChange(change);
}

function checkChange({ changeId, request, description, done, total, error }: ClusterChange): void {
  checkChangeId(changeId);
  checkRequest(request);
  checkNumber({ name: "number of steps done", value: done, min: 0, max: STEPS_COUNTED_MAX });
  checkNumber({ name: "number of steps", value: total, min: 0, max: STEPS_COUNTED_MAX });
  checkText(description);
  checkText(error);
}

function checkText(text: string): void {
  const { length } = text;
  checkNumber({ name: "length of a change's text", value: length, min: 0, max: TEXT_LENGTH_MAX });
  check(text.isWellFormed(), "a change's text must be Unicode");
}
