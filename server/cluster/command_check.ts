/**
 * The bounds of everything that group 0's log may hold. What lies outside is never proposed and never
 * applied, so that the state can be built without looking at each number again.
 *
 * @module
 */

import { NODE_ID_MAX, PARTITIONS_MAX } from "../../proto/mod.ts";
import { type NodeId, unreachable } from "../../raft/mod.ts";
import type { ChangeRequest, ClusterCommand } from "./types.ts";

/** Most members. Every node speaks with every other one, which ends well below this. */
export const NODES_MAX = 1_000;

/** Most replicas of one partition; nobody needs as many. */
export const REPLICAS_MAX = 15;

/** Of `host:port`: the longest host name has 253 characters. */
export const ADDRESS_LENGTH_MAX = 300;

/** Of a change's id. */
export const CHANGE_ID_LENGTH_MAX = 64;

/** Of the reason why a change was not done. */
export const ERROR_LENGTH_MAX = 500;

const PORT_MAX = 65_535;

/** Steps are counted for people: each partition can hardly move more often than this. */
const STEPS_MAX = PARTITIONS_MAX * REPLICAS_MAX;

/**
 * Refuses a command with a value that is out of bounds or contradicts itself.
 *
 * @throws {RangeError} which names the value
 */
export function checkClusterCommand(command: ClusterCommand): void {
  switch (command.kind) {
    case "found":
      return checkFound(command);
    case "change":
      checkChangeId(command.changeId);
      return checkRequest(command.request);
    case "setTarget":
      checkPartitionId(command.partitionId);
      checkReplicas(command.expected);
      checkReplicas(command.target);
      checkChangeId(command.changeId);
      return check(
        isWithin(command.remaining, { min: 1, max: STEPS_MAX }),
        `${command.remaining} steps remain`,
      );
    case "settle":
      checkPartitionId(command.partitionId);
      if (command.changeId !== undefined) checkChangeId(command.changeId);
      return checkReplicas(command.target);
    case "prefer":
      checkPartitionId(command.partitionId);
      return checkNodeId(command.nodeId);
    case "finish":
      checkChangeId(command.changeId);
      return check(
        command.error.length <= ERROR_LENGTH_MAX,
        `an error has ${command.error.length} characters`,
      );
    default:
      return unreachable(command);
  }
}

function checkFound(command: Extract<ClusterCommand, { readonly kind: "found" }>): void {
  const { replicationFactor, nodes, replicas } = command;
  check(
    isWithin(replicationFactor, { min: 1, max: REPLICAS_MAX }),
    `the replication factor is ${replicationFactor}`,
  );
  check(
    isWithin(nodes.length, { min: replicationFactor, max: NODES_MAX }),
    `${nodes.length} nodes found a cluster`,
  );
  check(
    isWithin(replicas.length, { min: 1, max: PARTITIONS_MAX }),
    `a cluster has ${replicas.length} partitions`,
  );
  for (const { nodeId, address } of nodes) {
    checkNodeId(nodeId);
    checkAddress(address);
  }
  const members = new Set(nodes.map(({ nodeId }) => nodeId));
  check(members.size === nodes.length, "a node is named twice");
  for (const list of replicas) {
    checkReplicas(list);
    check(
      list.length === replicationFactor,
      `a partition has ${list.length} of ${replicationFactor} replicas`,
    );
    check(list.every((nodeId) => members.has(nodeId)), "a replica lies on no member");
  }
}

function checkRequest(request: ChangeRequest): void {
  switch (request.kind) {
    case "addNode":
      checkNodeId(request.nodeId);
      return checkAddress(request.address);
    case "removeNode":
      return checkNodeId(request.nodeId);
    case "moveReplica":
      checkPartitionId(request.partitionId);
      checkNodeId(request.from);
      return checkNodeId(request.to);
    case "transferLeadership":
      checkPartitionId(request.partitionId);
      return checkNodeId(request.to);
    case "rebalance":
      return;
    default:
      return unreachable(request);
  }
}

function checkNodeId(nodeId: NodeId): void {
  check(isWithin(nodeId, { min: 1, max: NODE_ID_MAX }), `a node has the id ${nodeId}`);
}

function checkPartitionId(partitionId: number): void {
  check(isWithin(partitionId, { min: 0, max: PARTITIONS_MAX - 1 }), `a partition has the id ${partitionId}`);
}

function checkReplicas(replicas: readonly NodeId[]): void {
  check(
    isWithin(replicas.length, { min: 1, max: REPLICAS_MAX }),
    `a partition has ${replicas.length} replicas`,
  );
  for (const nodeId of replicas) checkNodeId(nodeId);
  check(new Set(replicas).size === replicas.length, "a node holds two replicas of one partition");
}

function checkChangeId(changeId: string): void {
  const isGood = changeId.length <= CHANGE_ID_LENGTH_MAX && /^[\x21-\x7e]+$/.test(changeId);
  check(isGood, `a change's id is not 1 to ${CHANGE_ID_LENGTH_MAX} printable characters`);
}

function checkAddress(address: string): void {
  check(isAddress(address), "an address is not of the form host:port");
}

/** Whether it has the form host:port. Port 0 is allowed: it stands for a node that nobody connects to. */
export function isAddress(address: string): boolean {
  const isShort = address.length <= ADDRESS_LENGTH_MAX;
  const port = isShort ? /^[^\s\p{C}/@]+:(\d{1,5})$/u.exec(address)?.[1] : undefined;
  return port !== undefined && Number(port) <= PORT_MAX;
}

function isWithin(value: number, range: { readonly min: number; readonly max: number }): boolean {
  return Number.isSafeInteger(value) && value >= range.min && value <= range.max;
}

function check(condition: boolean, complaint: string): asserts condition {
  if (!condition) throw new RangeError(`Cannot take a cluster command in which ${complaint}`);
}
