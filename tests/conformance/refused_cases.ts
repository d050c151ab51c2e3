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

const { put, get, delete: remove, increment, getMany, transact } = KvService.method;
const SAFE_MAX = 2n ** 53n - 1n;

const SAFE_MAX_TEXT = "the limit is 9007199254740991 (2^53-1): choose a smaller number";
const PARTITIONS_TEXT = "the cluster has 2 partitions: choose one that `GetMetadata` names";

const PUT_A = call(put, { key: bytes("a"), value: bytes("1") });

const INVALID: readonly Case[] = [
  {
    name: "no empty key in a put",
    call: call(put, { value: bytes("1") }),
    answer: invalid("Cannot accept key: it is empty: give it 1 byte or more"),
  },
  {
    name: "no empty key in a get",
    call: call(get, {}),
    answer: invalid("Cannot accept key: it is empty: give it 1 byte or more"),
  },
  {
    name: "no empty key in a delete",
    call: call(remove, {}),
    answer: invalid("Cannot accept key: it is empty: give it 1 byte or more"),
  },
  {
    name: "no empty key among many",
    call: call(getMany, { keys: [bytes("a"), new Uint8Array(0)] }),
    answer: invalid("Cannot accept keys[1]: it is empty: give it 1 byte or more"),
  },
  {
    name: "no key above the limit",
    call: call(get, { key: new Uint8Array(4097).fill(65) }),
    answer: invalid(
      "Cannot accept key: it has 4097 bytes, the limit is 4096 (KEY_BYTES_MAX): choose a shorter key",
    ),
  },
  {
    name: "no value above the limit",
    call: call(put, { key: bytes("a"), value: new Uint8Array(1_048_577) }),
    answer: invalid(
      "Cannot accept value: it has 1048577 bytes, the limit is 1048576 (VALUE_BYTES_MAX): " +
        "keep it in parts, under a key each",
    ),
  },
  {
    name: "no more keys than the limit",
    call: call(getMany, { keys: Array.from({ length: 10_001 }, () => bytes("a")) }),
    answer: invalid("Cannot accept 10001 keys: the limit is 10000 (BATCH_MUTATIONS_MAX): send several calls"),
  },
  {
    name: "no unknown consistency",
    call: call(get, { key: bytes("a"), consistency: 17 as Consistency }),
    answer: invalid("Cannot accept consistency 17: it must be 0 (LINEARIZABLE), 1 (FOLLOWER) or 2 (STALE)"),
  },
  {
    name: "no age limit but for stale reads",
    call: call(get, { key: bytes("a"), maxStalenessMs: 5n }),
    answer: invalid(
      "Cannot accept max_staleness_ms 5: it goes with consistency STALE only: leave it out, or ask for STALE",
    ),
  },
  {
    name: "no number that JavaScript cannot hold",
    call: call(get, { key: bytes("a"), consistency: Consistency.STALE, maxStalenessMs: SAFE_MAX + 1n }),
    answer: invalid("Cannot accept max_staleness_ms: it is 9007199254740992, " + SAFE_MAX_TEXT),
  },
  {
    name: "no empty precondition",
    call: call(put, { key: bytes("a"), precondition: {} }),
    answer: invalid(
      "Cannot accept precondition: it is empty: expect `absent`, `exists` or a version, or leave it out",
    ),
  },
  {
    name: "no precondition that expects not absent",
    call: call(remove, { key: bytes("a"), precondition: { expected: { case: "absent", value: false } } }),
    answer: invalid("Cannot accept precondition.absent: it is false: make it true, or expect `exists`"),
  },
  {
    name: "no precondition that expects not to exist",
    call: call(remove, { key: bytes("a"), precondition: { expected: { case: "exists", value: false } } }),
    answer: invalid("Cannot accept precondition.exists: it is false: make it true, or expect `absent`"),
  },
  {
    name: "no version that cannot be",
    call: call(put, {
      key: bytes("a"),
      precondition: { expected: { case: "version", value: 2n ** 64n - 1n } },
    }),
    answer: invalid(
      "Cannot accept precondition.version: it is 18446744073709551615, " + SAFE_MAX_TEXT,
    ),
  },
  {
    name: "no number without a key",
    call: call(increment, { by: 1n }),
    answer: invalid("Cannot accept key: it is empty: give it 1 byte or more"),
  },
  {
    name: "no request of nobody",
    call: call(put, { key: bytes("a"), requestId: { sequence: 1n } }),
    answer: invalid("Cannot accept request_id.client_id: it is 0: choose a random one"),
  },
  {
    name: "no request without a number",
    call: call(remove, { key: bytes("a"), requestId: { clientId: 1n } }),
    answer: invalid("Cannot accept request_id.sequence: it is 0: count a client's writes from 1"),
  },
  {
    name: "no request that is acknowledged already",
    call: call(put, { key: bytes("a"), requestId: { clientId: 1n, sequence: 3n, acknowledgedBelow: 4n } }),
    answer: invalid(
      "Cannot accept request_id.acknowledged_below: it is 4, the limit is the sequence 3: acknowledge earlier writes only",
    ),
  },
];

/** Code and details of every failure, by the table of the contract. */
const FAILURES: {
  readonly [K in Failure["kind"]]: readonly [string, ...(Answer & { ok: false })["details"]];
} = {
  invalidArgument: ["invalid_argument"],
  precondition: ["failed_precondition", errorInfo("PRECONDITION", 7n)],
  notANumber: ["failed_precondition", errorInfo("NOT_A_NUMBER")],
  batchAborted: ["aborted"],
  notLeader: [
    "failed_precondition",
    errorInfo("NOT_LEADER"),
    notLeader({ leaderId: 3, leaderAddress: "127.0.0.1:50053", term: 5n, epoch: 9n }),
  ],
  wrongCluster: ["failed_precondition", errorInfo("WRONG_CLUSTER")],
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
    [put, remove, increment, get].map((desc) => ({
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
    name: "what is no number is not incremented",
    before: [call(put, { key: bytes("a"), value: bytes("007") })],
    call: call(increment, { key: bytes("a"), by: 1n }),
    answer: refused("failed_precondition", "Cannot increment: that is no number", [
      errorInfo("NOT_A_NUMBER"),
    ]),
  },
  {
    name: "a key that must exist and does not",
    call: call(increment, {
      key: bytes("a"),
      by: 1n,
      precondition: { expected: { case: "exists", value: true } },
    }),
    answer: refused("failed_precondition", "Cannot write: the key must exist", [errorInfo("PRECONDITION")]),
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
    answer: refused(
      "deadline_exceeded",
      "Cannot begin the call: its deadline has passed already: allow it more time",
    ),
  },
  {
    name: "Transact is not served yet",
    call: call(transact, {}),
    answer: refused("unimplemented", "Cannot serve Transact: this version of the node does not have it yet"),
  },
];

const { addNode, removeNode, moveReplica, transferLeadership, setReplicationFactor } = ClusterService.method;

const CHANGES: readonly Case[] = [
  {
    name: "no node without an id is added",
    call: call(addNode, { address: "a:1" }),
    answer: invalid("Cannot accept node_id 0: it must be from 1 to 4294967295"),
  },
  {
    name: "no node without an id is removed",
    call: call(removeNode, {}),
    answer: invalid("Cannot accept node_id 0: it must be from 1 to 4294967295"),
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
      answer: invalid(`Cannot accept address "${address}": it must be host:port with a port from 1 to 65535`),
    })),
  {
    name: "no address above the limit",
    call: call(addNode, { nodeId: 4, address: `${"a".repeat(299)}:1` }),
    answer: invalid(
      "Cannot accept address: it has 301 characters, the limit is 300: choose a shorter host name",
    ),
  },
  {
    name: "no replica of a partition that is not there is moved",
    call: call(moveReplica, { partitionId: 2, fromNode: 1, toNode: 2 }),
    answer: invalid("Cannot accept partition_id 2: " + PARTITIONS_TEXT),
  },
  {
    name: "no replica is moved from nowhere",
    call: call(moveReplica, { toNode: 2 }),
    answer: invalid("Cannot accept from_node 0: it must be from 1 to 4294967295"),
  },
  {
    name: "no replica is moved to nowhere",
    call: call(moveReplica, { fromNode: 2 }),
    answer: invalid("Cannot accept to_node 0: it must be from 1 to 4294967295"),
  },
  {
    name: "no replica is moved to where it is",
    call: call(moveReplica, { fromNode: 2, toNode: 2 }),
    answer: invalid("Cannot accept to_node 2: from_node is 2 too: choose a node without this replica"),
  },
  {
    name: "no leadership of a partition that is not there",
    call: call(transferLeadership, { partitionId: 4_294_967_295, toNode: 1 }),
    answer: invalid("Cannot accept partition_id 4294967295: " + PARTITIONS_TEXT),
  },
  {
    name: "no leadership is transferred to nobody",
    call: call(transferLeadership, {}),
    answer: invalid("Cannot accept to_node 0: it must be from 1 to 4294967295"),
  },
  ...[0, 16, 4_294_967_295].map((factor): Case => ({
    name: `no replication factor of ${factor}`,
    call: call(setReplicationFactor, { factor }),
    answer: invalid(`Cannot accept factor ${factor}: it must be from 1 to 15, and odd`),
  })),
  {
    name: "no even replication factor",
    call: call(setReplicationFactor, { factor: 4 }),
    answer: invalid(
      "Cannot accept factor 4: it must be odd, as 4 replicas survive no more failures than 3: choose 3 or 5",
    ),
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
