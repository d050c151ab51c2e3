/**
 * The border between the commands of group 0 and bytes, in both directions. One byte with the version of the
 * format, then `ClusterLogCommand` of `proto/prkdb/v1/cluster_log.proto`. Both directions check the limits of
 * `command_check.ts`: what is encoded can be read by every node, and what comes from a peer is within the
 * limits before anything is done with it.
 *
 * @module
 */

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type ClusterLogCommand,
  type ClusterLogCommand_Change,
  type ClusterLogCommand_ChangeSchema,
  type ClusterLogCommand_Settle,
  ClusterLogCommandSchema,
} from "../../proto/mod.ts";
import { checkClusterCommand } from "./command_check.ts";
import type { ChangeRequest, ClusterCommand } from "./types.ts";
import { unreachable } from "../../raft/mod.ts";

const FORMAT_VERSION = 1;

/** The founding of the largest cluster with long addresses takes about 600 KB; more is not even parsed. */
const COMMAND_BYTES_MAX = 1_048_576;

type Settle = Extract<ClusterCommand, { readonly kind: "settle" }>;
type WireCommand = NonNullable<MessageInitShape<typeof ClusterLogCommandSchema>["command"]>;
type WireRequest = NonNullable<MessageInitShape<typeof ClusterLogCommand_ChangeSchema>["request"]>;

/**
 * The bytes of `command`, for group 0's log.
 *
 * @throws {RangeError} when a value in it is outside its limits
 */
export function encodeClusterCommand(command: ClusterCommand): Uint8Array {
  checkClusterCommand(command);
  const message = create(ClusterLogCommandSchema, { command: toWire(command) });
  const body = toBinary(ClusterLogCommandSchema, message);
  const bytes = new Uint8Array(1 + body.length);
  bytes[0] = FORMAT_VERSION;
  bytes.set(body, 1);
  if (bytes.length > COMMAND_BYTES_MAX) throw new RangeError(`Cannot encode ${sizeText(bytes)}`);
  return bytes;
}

/**
 * The command in `bytes`, which may come from any peer.
 *
 * @throws {RangeError} when the bytes are no command of this version, or a value in it is outside its limits
 */
export function decodeClusterCommand(bytes: Uint8Array): ClusterCommand {
  if (bytes.length > COMMAND_BYTES_MAX) throw new RangeError(`Cannot decode ${sizeText(bytes)}`);
  if (bytes[0] !== FORMAT_VERSION) {
    throw new RangeError(
      `Cannot decode a cluster command of version ${bytes[0]}: this node knows version ${FORMAT_VERSION}`,
    );
  }
  const command = fromWire(parse(bytes.subarray(1)).command);
  checkClusterCommand(command);
  return command;
}

function sizeText({ length }: Uint8Array): string {
  return `a cluster command of ${length} bytes (limit ${COMMAND_BYTES_MAX})`;
}

function parse(body: Uint8Array): ClusterLogCommand {
  try {
    return fromBinary(ClusterLogCommandSchema, body, { readUnknownFields: false });
  } catch (error) {
    throw new RangeError("Cannot decode a cluster command: its bytes are not a protobuf message", {
      cause: error,
    });
  }
}

function toWire(command: ClusterCommand): WireCommand {
  switch (command.kind) {
    case "found": {
      const { clusterId, replicationFactor, nodes } = command;
      const replicas = command.replicas.map((ids) => ({ nodes: [...ids] }));
      return { case: "found", value: { clusterId, replicationFactor, nodes: [...nodes], replicas } };
    }
    case "change":
      return {
        case: "change",
        value: { changeId: command.changeId, request: requestToWire(command.request) },
      };
    case "setTarget": {
      const { partitionId, changeId, remaining } = command;
      const lists = { expected: [...command.expected], target: [...command.target] };
      return { case: "setTarget", value: { partitionId, ...lists, changeId, remaining } };
    }
    case "settle":
      return settleToWire(command);
    case "announce": {
      const { nodeId, address, clientUrl } = command;
      return { case: "announce", value: { nodeId, address, clientUrl } };
    }
    case "prefer":
      return { case: "prefer", value: { partitionId: command.partitionId, nodeId: command.nodeId } };
    case "finish":
      return { case: "finish", value: { changeId: command.changeId, error: command.error } };
    default:
      return unreachable(command);
  }
}

function settleToWire({ partitionId, target, changeId = "" }: Settle): WireCommand {
  return { case: "settle", value: { partitionId, target: [...target], changeId } };
}

function settleFromWire({ partitionId, target, changeId }: ClusterLogCommand_Settle): Settle {
  return changeId === ""
    ? { kind: "settle", partitionId, target }
    : { kind: "settle", partitionId, target, changeId };
}

/** The request as it stands in a command, and in the cluster's state. */
export function requestToWire(request: ChangeRequest): WireRequest {
  switch (request.kind) {
    case "addNode":
      return { case: "addNode", value: { nodeId: request.nodeId, address: request.address } };
    case "removeNode":
      return { case: "removeNode", value: { nodeId: request.nodeId } };
    case "moveReplica": {
      const { partitionId, from, to } = request;
      return { case: "moveReplica", value: { partitionId, fromNode: from, toNode: to } };
    }
    case "transferLeadership": {
      const { partitionId, to } = request;
      return { case: "transferLeadership", value: { partitionId, toNode: to } };
    }
    case "rebalance":
      return { case: "rebalance", value: {} };
    case "setReplicationFactor":
      return { case: "setReplicationFactor", value: { factor: request.factor } };
    default:
      return unreachable(request);
  }
}

function fromWire(command: ClusterLogCommand["command"]): ClusterCommand {
  switch (command.case) {
    case "found": {
      const { clusterId, replicationFactor, nodes, replicas } = command.value;
      return {
        kind: "found",
        clusterId,
        replicationFactor,
        nodes: nodes.map(({ nodeId, address }) => ({ nodeId, address })),
        replicas: replicas.map((list) => list.nodes),
      };
    }
    case "change": {
      const { changeId, request } = command.value;
      return { kind: "change", changeId, request: requestFromWire(request) };
    }
    case "setTarget": {
      const { partitionId, expected, target, changeId, remaining } = command.value;
      return { kind: "setTarget", partitionId, expected, target, changeId, remaining };
    }
    case "settle":
      return settleFromWire(command.value);
    case "announce": {
      const { nodeId, address, clientUrl } = command.value;
      return { kind: "announce", nodeId, address, clientUrl };
    }
    case "prefer":
      return { kind: "prefer", partitionId: command.value.partitionId, nodeId: command.value.nodeId };
    case "finish":
      return { kind: "finish", changeId: command.value.changeId, error: command.value.error };
    case undefined:
      throw new RangeError("Cannot decode a cluster command: this node does not know its kind");
    default:
      return unreachable(command);
  }
}

/**
 * The other direction; limits are not checked.
 *
 * @throws {RangeError} when this node does not know such a request
 */
export function requestFromWire(request: ClusterLogCommand_Change["request"]): ChangeRequest {
  switch (request.case) {
    case "addNode":
      return { kind: "addNode", nodeId: request.value.nodeId, address: request.value.address };
    case "removeNode":
      return { kind: "removeNode", nodeId: request.value.nodeId };
    case "moveReplica": {
      const { partitionId, fromNode, toNode } = request.value;
      return { kind: "moveReplica", partitionId, from: fromNode, to: toNode };
    }
    case "transferLeadership": {
      const { partitionId, toNode } = request.value;
      return { kind: "transferLeadership", partitionId, to: toNode };
    }
    case "rebalance":
      return { kind: "rebalance" };
    case "setReplicationFactor":
      return { kind: "setReplicationFactor", factor: request.value.factor };
    case undefined:
      throw new RangeError("Cannot decode a request for a change: this node does not know its kind");
    default:
      return unreachable(request);
  }
}
