/**
 * Calls that a node refuses: wrong arguments, and every failure there is. Limits are written as numbers here,
 * not as the product's constants: a constant that changes by mistake must be noticed.
 *
 * @module
 */

import { ClusterService, Consistency, KvService } from "../../proto/mod.ts";
import type { Failure } from "../../server/api/error.ts";
import type { Answer } from "./callers.ts";
import { bytes, call, type Case, errorInfo, invalid, notLeader, refused } from "./case.ts";

const { put, get, delete: remove, getMany, transact } = KvService.method;
const SAFE_MAX = 2n ** 53n - 1n;

const PUT_A = call(put, { key: bytes("a"), value: bytes("1") });

const INVALID: readonly Case[] = [
  {
    name: "no empty key in a put",
    call: call(put, { value: bytes("1") }),
    answer: invalid("Cannot accept key: it must have at least 1 byte, it is empty"),
  },
  {
    name: "no empty key in a get",
    call: call(get, {}),
    answer: invalid("Cannot accept key: it must have at least 1 byte, it is empty"),
  },
  {
    name: "no empty key in a delete",
    call: call(remove, {}),
    answer: invalid("Cannot accept key: it must have at least 1 byte, it is empty"),
  },
  {
    name: "no empty key among many",
    call: call(getMany, { keys: [bytes("a"), new Uint8Array(0)] }),
    answer: invalid("Cannot accept keys[1]: it must have at least 1 byte, it is empty"),
  },
  {
    name: "no key above the limit",
    call: call(get, { key: new Uint8Array(4097).fill(65) }),
    answer: invalid("Cannot accept key: KEY_BYTES_MAX allows 4096 bytes, it has 4097"),
  },
  {
    name: "no value above the limit",
    call: call(put, { key: bytes("a"), value: new Uint8Array(1_048_577) }),
    answer: invalid("Cannot accept value: VALUE_BYTES_MAX allows 1048576 bytes, it has 1048577"),
  },
  {
    name: "no more keys than the limit",
    call: call(getMany, { keys: Array.from({ length: 10_001 }, () => bytes("a")) }),
    answer: invalid("Cannot accept keys: BATCH_MUTATIONS_MAX allows 10000, there are 10001"),
  },
  {
    name: "no unknown consistency",
    call: call(get, { key: bytes("a"), consistency: 17 as Consistency }),
    answer: invalid("Cannot accept consistency: it must be 0, 1 or 2, it is 17"),
  },
  {
    name: "no age limit but for stale reads",
    call: call(get, { key: bytes("a"), maxStalenessMs: 5n }),
    answer: invalid("Cannot accept max_staleness_ms = 5: it goes with consistency STALE only"),
  },
  {
    name: "no number that JavaScript cannot hold",
    call: call(get, { key: bytes("a"), consistency: Consistency.STALE, maxStalenessMs: SAFE_MAX + 1n }),
    answer: invalid("Cannot accept max_staleness_ms: it must be at most 2^53-1, it is 9007199254740992"),
  },
  {
    name: "no empty precondition",
    call: call(put, { key: bytes("a"), precondition: {} }),
    answer: invalid("Cannot accept precondition: it must expect `absent` or a version, it is empty"),
  },
  {
    name: "no precondition that expects not absent",
    call: call(remove, { key: bytes("a"), precondition: { expected: { case: "absent", value: false } } }),
    answer: invalid("Cannot accept precondition.absent: it must be true, it is false"),
  },
  {
    name: "no version that cannot be",
    call: call(put, {
      key: bytes("a"),
      precondition: { expected: { case: "version", value: 2n ** 64n - 1n } },
    }),
    answer: invalid(
      "Cannot accept precondition.version: it must be at most 2^53-1, it is 18446744073709551615",
    ),
  },
  {
    name: "no time to live yet",
    call: call(put, { key: bytes("a"), ttlMs: 5n }),
    answer: refused("unimplemented", "Cannot accept ttl_ms = 5: keys do not expire yet"),
  },
  {
    name: "no time to live beyond numbers",
    call: call(put, { key: bytes("a"), ttlMs: 2n ** 60n }),
    answer: invalid("Cannot accept ttl_ms: it must be at most 2^53-1, it is 1152921504606846976"),
  },
  {
    name: "no request of nobody",
    call: call(put, { key: bytes("a"), requestId: { sequence: 1n } }),
    answer: invalid("Cannot accept request_id.client_id: it must not be 0"),
  },
  {
    name: "no request without a number",
    call: call(remove, { key: bytes("a"), requestId: { clientId: 1n } }),
    answer: invalid("Cannot accept request_id.sequence: it must be at least 1, it is 0"),
  },
  {
    name: "no request that is acknowledged already",
    call: call(put, { key: bytes("a"), requestId: { clientId: 1n, sequence: 3n, acknowledgedBelow: 4n } }),
    answer: invalid("Cannot accept request_id.acknowledged_below: it must be at most sequence = 3, it is 4"),
  },
];

/** Code and details of every failure, by the table of the contract. */
const FAILURES: {
  readonly [K in Failure["kind"]]: readonly [string, ...(Answer & { ok: false })["details"]];
} = {
  invalidArgument: ["invalid_argument"],
  precondition: ["failed_precondition", errorInfo("PRECONDITION", 7n)],
  batchAborted: ["aborted"],
  notLeader: [
    "failed_precondition",
    errorInfo("NOT_LEADER"),
    notLeader({ leaderId: 3, leaderAddress: "127.0.0.1:50053", term: 5n, epoch: 9n }),
  ],
  unavailable: ["unavailable"],
  overloaded: ["resource_exhausted"],
  outcomeUnknown: ["aborted", errorInfo("OUTCOME_UNKNOWN")],
  deadline: ["deadline_exceeded"],
  cancelled: ["canceled"],
  outOfRange: ["out_of_range"],
  dataLoss: ["data_loss"],
  unauthenticated: ["unauthenticated"],
  permissionDenied: ["permission_denied"],
  unimplemented: ["unimplemented"],
  internal: ["internal"],
};

const FAILED: readonly Case[] = [
  ...Object.entries(FAILURES).flatMap(([kind, [code, ...details]]): Case[] =>
    [put, remove, get].map((desc) => ({
      name: `${kind} in ${desc.name}`,
      call: call(desc as typeof get, { key: bytes(`fail:${kind}`) }),
      answer: refused(code, `Cannot do it: ${kind}`, details),
    }))
  ),
  {
    name: "one key that fails fails all",
    call: call(getMany, { keys: [bytes("a"), bytes("fail:unavailable")] }),
    answer: refused("unavailable", "Cannot do it: unavailable"),
  },
  {
    name: "a precondition that does not hold tells the version",
    before: [PUT_A],
    call: call(put, { key: bytes("a"), precondition: { expected: { case: "version", value: 5n } } }),
    answer: refused("failed_precondition", "Cannot write: the key must be at version 5, it is at 1", [
      errorInfo("PRECONDITION", 1n),
    ]),
  },
  {
    name: "a defect tells nothing of the inside",
    call: call(get, { key: bytes("bug") }),
    answer: refused("internal", "internal error"),
  },
  {
    name: "a defect in a write tells nothing either",
    call: call(put, { key: bytes("bug") }),
    answer: refused("internal", "internal error"),
  },
  {
    name: "a deadline passes",
    call: call(get, { key: bytes("slow") }, { "connect-timeout-ms": "150" }),
    answer: refused("deadline_exceeded", "Cannot answer in time: the deadline passed"),
  },
  {
    name: "a deadline of nothing has passed already",
    call: call(put, { key: bytes("a") }, { "connect-timeout-ms": "0" }),
    answer: refused("deadline_exceeded", "Cannot begin: the deadline has passed already"),
  },
  {
    name: "Transact is not served yet",
    call: call(transact, {}),
    answer: refused("unimplemented", "Cannot serve Transact: this version of the node does not have it"),
  },
];

const { addNode, removeNode, moveReplica, transferLeadership } = ClusterService.method;

const CHANGES: readonly Case[] = [
  {
    name: "no node without an id is added",
    call: call(addNode, { address: "a:1" }),
    answer: invalid("Cannot accept node_id: it must be from 1 to 4294967295, it is 0"),
  },
  {
    name: "no node without an id is removed",
    call: call(removeNode, {}),
    answer: invalid("Cannot accept node_id: it must be from 1 to 4294967295, it is 0"),
  },
  ...[
    "",
    "a",
    "a:",
    ":1",
    "a:0",
    "a:65536",
    "a:1:2",
    "http://a:1",
    "::1:80",
    "a b:1",
    "[::1]",
    "-a:1",
    "a:1\n",
  ]
    .map((address): Case => ({
      name: `no node at ${JSON.stringify(address)}`,
      call: call(addNode, { nodeId: 4, address }),
      answer: invalid(`Cannot accept address: it must be host:port, it is "${address}"`),
    })),
  {
    name: "no address above the limit",
    call: call(addNode, { nodeId: 4, address: `${"a".repeat(299)}:1` }),
    answer: invalid("Cannot accept address: it must have at most 300 characters, it has 301"),
  },
  {
    name: "no replica of a partition that is not there is moved",
    call: call(moveReplica, { partitionId: 2, fromNode: 1, toNode: 2 }),
    answer: invalid("Cannot accept partition_id: it must be one of the cluster's 2, it is 2"),
  },
  {
    name: "no replica is moved from nowhere",
    call: call(moveReplica, { toNode: 2 }),
    answer: invalid("Cannot accept from_node: it must be from 1 to 4294967295, it is 0"),
  },
  {
    name: "no replica is moved to nowhere",
    call: call(moveReplica, { fromNode: 2 }),
    answer: invalid("Cannot accept to_node: it must be from 1 to 4294967295, it is 0"),
  },
  {
    name: "no replica is moved to where it is",
    call: call(moveReplica, { fromNode: 2, toNode: 2 }),
    answer: invalid("Cannot accept to_node: it must differ from from_node, both are 2"),
  },
  {
    name: "no leadership of a partition that is not there",
    call: call(transferLeadership, { partitionId: 4_294_967_295, toNode: 1 }),
    answer: invalid("Cannot accept partition_id: it must be one of the cluster's 2, it is 4294967295"),
  },
  {
    name: "no leadership is transferred to nobody",
    call: call(transferLeadership, {}),
    answer: invalid("Cannot accept to_node: it must be from 1 to 4294967295, it is 0"),
  },
  {
    name: "what the cluster refuses is told as it was said",
    call: call(removeNode, { nodeId: 13 }),
    answer: invalid("Cannot do it: node 13 stands in the way"),
  },
  {
    name: "a defect in a change tells nothing of the inside",
    call: call(addNode, { nodeId: 666, address: "a:1" }),
    answer: refused("internal", "internal error"),
  },
];

/** All of them. */
export const REFUSED_CASES: readonly Case[] = [...INVALID, ...FAILED, ...CHANGES];
