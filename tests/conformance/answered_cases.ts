/**
 * Calls that a node answers: single keys, batches, the cluster and itself.
 *
 * @module
 */

import { ClusterService, KvService } from "../../proto/mod.ts";
import { base64, bytes, call, type Case, invalid, ok } from "./case.ts";

const { put, get, delete: remove, increment, getMany, writeBatch } = KvService.method;
const BATCH = { keyBytes: 20, values: 8, valueBytes: 1024 * 1024 } as const;

const PUT_A = call(put, { key: bytes("a"), value: bytes("1") });

const KEYS: readonly Case[] = [
  { name: "a put answers its version", call: PUT_A, answer: ok({ version: "1", partitionId: 3 }) },
  {
    name: "a get answers the value",
    before: [PUT_A],
    call: call(get, { key: bytes("a") }),
    answer: ok({ value: base64("1"), version: "1" }),
  },
  { name: "a get of nothing answers nothing", call: call(get, { key: bytes("none") }), answer: ok({}) },
  {
    name: "an empty value is a value",
    before: [call(put, { key: bytes("a") })],
    call: call(get, { key: bytes("a") }),
    answer: ok({ value: "", version: "1" }),
  },
  {
    name: "a delete tells whether there was something",
    before: [PUT_A],
    call: call(remove, { key: bytes("a") }),
    answer: ok({ existed: true, version: "2", partitionId: 3 }),
  },
  {
    name: "a delete of nothing has its version too",
    call: call(remove, { key: bytes("a") }),
    answer: ok({ version: "1", partitionId: 3 }),
  },
  {
    name: "many gets stand in the order of their keys",
    before: [PUT_A, call(put, { key: bytes("b"), value: bytes("2") })],
    call: call(getMany, { keys: [bytes("b"), bytes("none"), bytes("a"), bytes("b")] }),
    answer: ok({
      results: [
        { value: base64("2"), version: "2" },
        {},
        { value: base64("1"), version: "1" },
        { value: base64("2"), version: "2" },
      ],
    }),
  },
  { name: "no keys, no results", call: call(getMany, {}), answer: ok({}) },
  { name: "no mutations, no results", call: call(writeBatch, {}), answer: ok({}) },
  {
    name: "the longest key is accepted",
    call: call(put, { key: new Uint8Array(4096).fill(65) }),
    answer: ok({ version: "1", partitionId: 3 }),
  },
  {
    name: "the largest value is accepted",
    call: call(put, { key: bytes("a"), value: new Uint8Array(1_048_576) }),
    answer: ok({ version: "1", partitionId: 3 }),
  },
  {
    name: "a key holds any bytes",
    before: [call(put, { key: Uint8Array.of(0, 255, 37, 43), value: Uint8Array.of(255, 0) })],
    call: call(get, { key: Uint8Array.of(0, 255, 37, 43) }),
    answer: ok({ value: "/wA=", version: "1" }),
  },
];

const EXISTS = { expected: { case: "exists", value: true } } as const;

const NUMBERS: readonly Case[] = [
  {
    name: "a key that is not there is incremented from 0",
    call: call(increment, { key: bytes("n"), by: 5n }),
    answer: ok({ value: "5", version: "1", partitionId: 3 }),
  },
  {
    name: "an increment may go below 0",
    before: [call(put, { key: bytes("n"), value: bytes("2") })],
    call: call(increment, { key: bytes("n"), by: -5n }),
    answer: ok({ value: "-3", version: "2", partitionId: 3 }),
  },
  {
    name: "an increment that says nothing adds nothing",
    call: call(increment, { key: bytes("n") }),
    answer: ok({ version: "1", partitionId: 3 }),
  },
  {
    name: "the new number is the value, in decimal text",
    before: [call(increment, { key: bytes("n"), by: 41n }), call(increment, { key: bytes("n"), by: 1n })],
    call: call(get, { key: bytes("n") }),
    answer: ok({ value: base64("42"), version: "2" }),
  },
  ...[2n ** 63n - 1n, -(2n ** 63n)].map((by): Case => ({
    name: `${by} survives`,
    call: call(increment, { key: bytes("n"), by }),
    answer: ok({ value: String(by), version: "1", partitionId: 3 }),
  })),
  {
    name: "an increment of a key that must exist and does",
    before: [PUT_A],
    call: call(increment, {
      key: bytes("a"),
      by: 1n,
      precondition: EXISTS,
      requestId: { clientId: 1n, sequence: 1n, acknowledgedBelow: 1n },
    }),
    answer: ok({ value: "2", version: "2", partitionId: 3 }),
  },
  {
    name: "a put of a key that must exist and does",
    before: [PUT_A],
    call: call(put, { key: bytes("a"), precondition: EXISTS }),
    answer: ok({ version: "2", partitionId: 3 }),
  },
  {
    name: "a delete of a key that must exist and does",
    before: [PUT_A],
    call: call(remove, { key: bytes("a"), precondition: EXISTS }),
    answer: ok({ existed: true, version: "2", partitionId: 3 }),
  },
  {
    name: "increments of a batch tell their numbers, also 0",
    call: call(writeBatch, {
      mutations: [
        { kind: { case: "increment", value: { key: bytes("n"), by: 2n } } },
        { kind: { case: "put", value: { key: bytes("a"), value: bytes("1") } } },
        { kind: { case: "increment", value: { key: bytes("n"), by: -2n } }, precondition: EXISTS },
        { kind: { case: "increment", value: { key: bytes("n"), by: -(2n ** 63n) } } },
      ],
    }),
    answer: ok({
      results: [
        { version: "1", value: "2" },
        { version: "2" },
        { version: "3", value: "0" },
        { version: "4", value: String(-(2n ** 63n)) },
      ],
    }),
  },
];

const BATCHES: readonly Case[] = [
  {
    name: "a batch has a result a mutation",
    before: [PUT_A],
    call: call(writeBatch, {
      mutations: [
        { kind: { case: "put", value: { key: bytes("b"), value: bytes("2") } } },
        { kind: { case: "delete", value: { key: bytes("a") } } },
        { kind: { case: "delete", value: { key: bytes("none") } } },
      ],
      requestId: { clientId: 2n ** 64n - 1n, sequence: 7n, acknowledgedBelow: 7n },
    }),
    answer: ok({ results: [{ version: "2" }, { version: "3", existed: true }, { version: "4" }] }),
  },
  ...([
    "PRECONDITION",
    "NOT_A_NUMBER",
    "NOT_LEADER",
    "OUTCOME_UNKNOWN",
    "aborted",
    "unavailable",
    "resource_exhausted",
  ] as const)
    .map((code, at): Case => {
      const kind = [
        "precondition",
        "notANumber",
        "notLeader",
        "outcomeUnknown",
        "batchAborted",
        "unavailable",
        "overloaded",
      ][at]!;
      return {
        name: `a mutation that fails by ${kind} says ${code}`,
        call: call(writeBatch, {
          mutations: [
            { kind: { case: "put", value: { key: bytes("a") } } },
            { kind: { case: "put", value: { key: bytes(`fail:${kind}`) } } },
          ],
        }),
        answer: ok({ results: [{ version: "1" }, { error: { code, message: `Cannot do it: ${kind}` } }] }),
      };
    }),
  {
    name: "a batch holds its preconditions",
    before: [PUT_A],
    call: call(writeBatch, {
      mutations: [{
        kind: { case: "put", value: { key: bytes("a") } },
        precondition: { expected: { case: "absent", value: true } },
      }],
    }),
    answer: ok({
      results: [{
        error: { code: "PRECONDITION", message: "Cannot write: the key must be at version 0, it is at 1" },
      }],
    }),
  },
  {
    name: "a batch names the mutation that is wrong",
    call: call(writeBatch, { mutations: [{ kind: { case: "put", value: { key: bytes("a") } } }, {}] }),
    answer: invalid("Cannot accept mutations[1]: it is empty: make it a put, a delete or an increment"),
  },
  {
    name: "a batch names the key that is wrong",
    call: call(writeBatch, { mutations: [{ kind: { case: "delete", value: {} } }] }),
    answer: invalid("Cannot accept mutations[0].key: it is empty: give it 1 byte or more"),
  },
  {
    name: "a batch names the value that is wrong",
    call: call(writeBatch, {
      mutations: [{ kind: { case: "put", value: { key: bytes("a"), value: new Uint8Array(1_048_577) } } }],
    }),
    answer: invalid(
      "Cannot accept mutations[0].value: it has 1048577 bytes, the limit is 1048576 (VALUE_BYTES_MAX): " +
        "keep it in parts, under a key each",
    ),
  },
  {
    name: "a batch has a largest count",
    call: call(writeBatch, {
      mutations: Array.from(
        { length: 10_001 },
        () => ({ kind: { case: "delete", value: { key: bytes("a") } } } as const),
      ),
    }),
    answer: invalid(
      "Cannot accept 10001 mutations: the limit is 10000 (BATCH_MUTATIONS_MAX): send several calls",
    ),
  },
  {
    name: "a batch has a largest size",
    call: call(writeBatch, {
      mutations: Array.from({ length: BATCH.values }, () =>
        ({
          kind: {
            case: "put",
            value: { key: new Uint8Array(BATCH.keyBytes).fill(65), value: new Uint8Array(BATCH.valueBytes) },
          },
        }) as const),
    }),
    answer: invalid(
      "Cannot accept these mutations: their keys and values have 8388768 bytes, the limit is 8388608 " +
        "(BATCH_BYTES_MAX): send several batches",
    ),
  },
];

const CLUSTER: readonly Case[] = [
  {
    name: "the cluster as the node knows it",
    call: call(ClusterService.method.getMetadata, {}),
    answer: ok({
      clusterId: "test-cluster",
      epoch: "4",
      replicationFactor: 3,
      nodes: [
        { nodeId: 1, address: "127.0.0.1:50051" },
        { nodeId: 4294967295, address: "other:1", clientUrl: "https://db.example" },
      ],
      partitions: [
        { hashEnd: "2147483648", leaderId: 1, term: "2", replicas: [1, 4294967295] },
        { partitionId: 1, hashStart: 2147483648, hashEnd: "4294967296", replicas: [4294967295, 1] },
      ],
    }),
  },
  {
    name: "the node itself",
    call: call(ClusterService.method.getStatus, {}),
    answer: ok({
      nodeId: 1,
      clusterId: "test-cluster",
      version: "0.1.0",
      state: "serving",
      uptimeMs: "12",
      replicas: [{
        role: "REPLICA_ROLE_LEADER",
        term: "2",
        leaderId: 1,
        commitIndex: "10",
        appliedIndex: "9",
        lastIndex: "12",
        keyCount: "5",
        stateBytes: "100",
        logBytes: "300",
        followers: [{
          nodeId: 2,
          matchIndex: "8",
          lag: "4",
          inflightBytes: "20",
          state: "replicate",
          active: true,
        }],
      }],
      peers: [{
        nodeId: 2,
        address: "127.0.0.1:50052",
        connected: true,
        queuedBytes: "10",
        droppedMessages: "1",
        reached: true,
      }],
      walBytes: "4096",
      troubles: [{ kind: "memoryFull", reason: "no memory is left" }],
    }),
  },
];

const { addNode, removeNode, moveReplica, transferLeadership, rebalance, setReplicationFactor } =
  ClusterService.method;

const CHANGES: readonly Case[] = [
  {
    name: "a node is added",
    call: call(addNode, { nodeId: 4, address: "db-4.example_net.org:50054" }),
    answer: ok({ changeId: "change-1" }),
  },
  {
    name: "the largest id and an IPv6 address",
    call: call(addNode, { nodeId: 4_294_967_295, address: "[::1]:1" }),
    answer: ok({ changeId: "change-1" }),
  },
  {
    name: "the longest address",
    call: call(addNode, { nodeId: 4, address: `${"a".repeat(294)}:65535` }),
    answer: ok({ changeId: "change-1" }),
  },
  { name: "a node is removed", call: call(removeNode, { nodeId: 3 }), answer: ok({ changeId: "change-1" }) },
  {
    name: "a replica is moved",
    call: call(moveReplica, { partitionId: 1, fromNode: 1, toNode: 2 }),
    answer: ok({ changeId: "change-1" }),
  },
  {
    name: "a leadership is transferred",
    call: call(transferLeadership, { toNode: 1 }),
    answer: ok({ changeId: "change-1" }),
  },
  ...[1, 15].map((factor) => ({
    name: `the replication factor becomes ${factor}`,
    call: call(setReplicationFactor, { factor }),
    answer: ok({ changeId: "change-1" }),
  })),
  {
    name: "every change has an id of its own",
    before: [call(rebalance, {}), call(removeNode, { nodeId: 1 })],
    call: call(rebalance, {}),
    answer: ok({ changeId: "change-3" }),
  },
];

/** All of them. */
export const ANSWERED_CASES: readonly Case[] = [...KEYS, ...NUMBERS, ...BATCHES, ...CLUSTER, ...CHANGES];
