/**
 * The limits of everything that group 0's log may hold. A command outside of them is never proposed and never
 * applied, so that the state can be built without checking each number again. The same limits hold for the
 * same values where the whole state comes as bytes (`state_codec.ts`).
 *
 * @module
 */

import { NODE_ID_MAX, PARTITIONS_MAX, REPLICAS_MAX } from "../../proto/mod.ts";
import { type NodeId, unreachable } from "../../raft/mod.ts";
import { replicasFor } from "./cluster_state.ts";
import type { ChangeRequest, ClusterCommand } from "./types.ts";

/** Members of a cluster. Every node speaks with every other one, which becomes costly well below this. */
export const NODES_MAX = 1_000;

/** Characters of `host:port`: the longest host name has 253. */
export const ADDRESS_LENGTH_MAX = 300;

/** Characters of a change's id. */
const CHANGE_ID_LENGTH_MAX = 64;

/** Characters of the reason why a change was not done. */
const ERROR_LENGTH_MAX = 500;

const CLUSTER_ID = /^[0-9a-f]{32}$/;

/** With a scheme, and nothing behind host and port. */
const CLIENT_URL = /^https?:\/\/[^\s\p{C}/@?#]+$/u;

const PORT_MAX = 65_535;

/** Steps are counted for people: each partition can hardly move more often than this. */
const STEPS_MAX = PARTITIONS_MAX * REPLICAS_MAX;

/** A number, what it is, and its limits. */
interface LimitedNumber {
  readonly name: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
}

/**
 * Refuses a command with a value that is outside its limits or contradicts another one.
 *
 * @throws {RangeError} which names the value and its limits
 */
export function checkClusterCommand(command: ClusterCommand): void {
  refuseAs("Cannot accept a cluster command", () => checkCommand(command));
}

function checkCommand(command: ClusterCommand): void {
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
      return checkNumber({ name: "remaining steps", value: command.remaining, min: 1, max: STEPS_MAX });
    case "settle":
      checkPartitionId(command.partitionId);
      if (command.changeId !== undefined) checkChangeId(command.changeId);
      return checkReplicas(command.target);
    case "announce":
      checkMemberId(command.nodeId);
      checkClientUrl(command.clientUrl);
      return checkAddress(command.address);
    case "prefer":
      checkPartitionId(command.partitionId);
      return checkMemberId(command.nodeId);
    case "finish":
      checkChangeId(command.changeId);
      return checkNumber({
        name: "length of an error",
        value: command.error.length,
        min: 0,
        max: ERROR_LENGTH_MAX,
      });
    default:
      return unreachable(command);
  }
}

function checkFound(command: Extract<ClusterCommand, { readonly kind: "found" }>): void {
  const { clusterId, replicationFactor, nodes, replicas } = command;
  checkClusterId(clusterId);
  checkNumber({ name: "replication factor", value: replicationFactor, min: 1, max: REPLICAS_MAX });
  checkNumber({ name: "number of nodes", value: nodes.length, min: 1, max: NODES_MAX });
  checkNumber({ name: "number of partitions", value: replicas.length, min: 1, max: PARTITIONS_MAX });
  for (const { nodeId, address } of nodes) {
    checkMemberId(nodeId);
    checkAddress(address);
  }
  const members = new Set(nodes.map(({ nodeId }) => nodeId));
  check(members.size === nodes.length, "every node must be named once");
  const wanted = replicasFor(replicationFactor, nodes.length);
  for (const list of replicas) {
    checkReplicas(list);
    checkNumber({
      name: "number of a partition's replicas",
      value: list.length,
      min: wanted,
      max: wanted,
    });
    check(list.every((nodeId) => members.has(nodeId)), `all replicas must lie on members: ${list}`);
  }
}

/**
 * Refuses a request with a value that is outside its limits.
 *
 * @throws {RangeError} which names the value and its limits
 */
export function checkRequest(request: ChangeRequest): void {
  switch (request.kind) {
    case "addNode":
      checkMemberId(request.nodeId);
      return checkAddress(request.address);
    case "removeNode":
      return checkMemberId(request.nodeId);
    case "moveReplica":
      checkPartitionId(request.partitionId);
      checkMemberId(request.from);
      return checkMemberId(request.to);
    case "transferLeadership":
      checkPartitionId(request.partitionId);
      return checkMemberId(request.to);
    case "rebalance":
      return;
    case "setReplicationFactor":
      checkNumber({ name: "replication factor", value: request.factor, min: 1, max: REPLICAS_MAX });
      return check(request.factor % 2 === 1, `the replication factor must be odd, it is ${request.factor}`);
    default:
      return unreachable(request);
  }
}

/**
 * Runs `body`; what that refuses is refused with `what` in front.
 *
 * @throws {RangeError} when `body` does
 */
export function refuseAs(what: string, body: () => void): void {
  try {
    body();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new RangeError(`${what}: ${error.message}`, { cause: error });
  }
}

/** Empty in clusters without one. */
export function checkClusterId(clusterId: string): void {
  check(clusterId === "" || CLUSTER_ID.test(clusterId), "a cluster's id must be 32 hexadecimal digits");
}

/** Of 32 bits, from 1. */
export function checkMemberId(nodeId: NodeId): void {
  checkNumber({ name: "node id", value: nodeId, min: 1, max: NODE_ID_MAX });
}

function checkPartitionId(partitionId: number): void {
  checkNumber({ name: "partition id", value: partitionId, min: 0, max: PARTITIONS_MAX - 1 });
}

/** At least one node, none of them twice. */
export function checkReplicas(replicas: readonly NodeId[]): void {
  checkNumber({
    name: "number of a partition's replicas",
    value: replicas.length,
    min: 1,
    max: REPLICAS_MAX,
  });
  for (const nodeId of replicas) checkMemberId(nodeId);
  check(
    new Set(replicas).size === replicas.length,
    `a node must hold at most one replica of a partition: ${replicas}`,
  );
}

/** Short, and fit for a command line. */
export function checkChangeId(changeId: string): void {
  const isGood = changeId.length <= CHANGE_ID_LENGTH_MAX && /^[\x21-\x7e]+$/.test(changeId);
  check(isGood, `the id of a change must have 1 to ${CHANGE_ID_LENGTH_MAX} printable ASCII characters`);
}

/** See {@linkcode isAddress}. */
export function checkAddress(address: string): void {
  check(
    isAddress(address),
    `an address must have the form host:port, with at most ${ADDRESS_LENGTH_MAX} characters`,
  );
}

/** Empty where clients find the node at its address. */
export function checkClientUrl(url: string): void {
  const isGood = url === "" || (url.length <= ADDRESS_LENGTH_MAX && CLIENT_URL.test(url));
  check(isGood, `a client's URL must be http(s)://host:port, with at most ${ADDRESS_LENGTH_MAX} characters`);
}

/** Whether `address` has the form host:port. Port 0 is allowed: nobody connects to such a node. */
export function isAddress(address: string): boolean {
  const isShort = address.length <= ADDRESS_LENGTH_MAX;
  const port = isShort ? /^[^\s\p{C}/@]+:(\d{1,5})$/u.exec(address)?.[1] : undefined;
  return port !== undefined && Number(port) <= PORT_MAX;
}

/** Whole, and within its limits. */
export function checkNumber({ name, value, min, max }: LimitedNumber): void {
  const isWithin = Number.isSafeInteger(value) && value >= min && value <= max;
  const wanted = min === max ? `${min}` : `a whole number from ${min} to ${max}`;
  check(isWithin, `the ${name} must be ${wanted}, it is ${value}`);
}

/** Refuses what does not meet the requirement, which is told. */
export function check(condition: boolean, requirement: string): void {
  if (!condition) throw new RangeError(requirement);
}
