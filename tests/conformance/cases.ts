/**
 * What a node must answer to what, told once for all ways in. Limits are written as numbers here, not as the
 * product's constants: a constant that changes by mistake must be noticed.
 *
 * @module
 */

import type { DescMessage, JsonValue, MessageInitShape } from "@bufbuild/protobuf";
import { ClusterService, Consistency, ErrorInfoSchema, KvService, NotLeaderSchema } from "../../proto/mod.ts";
import { create, toBinary } from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import type { Failure } from "../../server/error.ts";
import type { Answer, Call } from "./callers.ts";

/** One thing a node must do. */
export interface Case {
  readonly name: string;
  /** Made before the call; their answers do not matter. */
  readonly before?: readonly Call[];
  readonly call: Call;
  readonly answer: Answer;
}

const { put, get, delete: remove, getMany, writeBatch, transact } = KvService.method;
const SAFE_MAX = 2n ** 53n - 1n;
const BATCH = { keyBytes: 20, values: 8, valueBytes: 1024 * 1024 } as const;

/** A call with its types checked against the method. */
export function call<I extends DescMessage>(
  desc: Call<I>["desc"],
  input: MessageInitShape<I>,
  headers = {},
): Call {
  return { desc, input, headers } as unknown as Call;
}

/** UTF-8. */
export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function ok(message: JsonValue): Answer {
  return { ok: true, message };
}

function refused(code: string, message: string, details: (Answer & { ok: false })["details"] = []): Answer {
  return { ok: false, code, message, details };
}

function invalid(message: string): Answer {
  return refused("invalid_argument", message);
}

function base64(text: string): string {
  return base64Encode(bytes(text));
}

/** `ErrorInfo` as a detail. */
export function errorInfo(reason: string, currentVersion = 0n) {
  const message = create(ErrorInfoSchema, { reason, currentVersion });
  return { type: "prkdb.v1.ErrorInfo", value: base64Encode(toBinary(ErrorInfoSchema, message), "std_raw") };
}

/** `NotLeader` as a detail. */
export function notLeader(init: MessageInitShape<typeof NotLeaderSchema>) {
  const message = create(NotLeaderSchema, init);
  return { type: "prkdb.v1.NotLeader", value: base64Encode(toBinary(NotLeaderSchema, message), "std_raw") };
}

const PUT_A = call(put, { key: bytes("a"), value: bytes("1") });

const ANSWERED: readonly Case[] = [
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
    "NOT_LEADER",
    "OUTCOME_UNKNOWN",
    "aborted",
    "unavailable",
    "resource_exhausted",
  ] as const)
    .map((code, at): Case => {
      const kind = [
        "precondition",
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
    answer: invalid("Cannot accept mutations[1]: it must be a put or a delete, it is neither"),
  },
  {
    name: "a batch names the key that is wrong",
    call: call(writeBatch, { mutations: [{ kind: { case: "delete", value: {} } }] }),
    answer: invalid("Cannot accept mutations[0].key: it must have at least 1 byte, it is empty"),
  },
  {
    name: "a batch names the value that is wrong",
    call: call(writeBatch, {
      mutations: [{ kind: { case: "put", value: { key: bytes("a"), value: new Uint8Array(1_048_577) } } }],
    }),
    answer: invalid("Cannot accept mutations[0].value: VALUE_BYTES_MAX allows 1048576 bytes, it has 1048577"),
  },
  {
    name: "a batch has a largest count",
    call: call(writeBatch, {
      mutations: Array.from(
        { length: 10_001 },
        () => ({ kind: { case: "delete", value: { key: bytes("a") } } } as const),
      ),
    }),
    answer: invalid("Cannot accept mutations: BATCH_MUTATIONS_MAX allows 10000, there are 10001"),
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
    answer: invalid("Cannot accept mutations: BATCH_BYTES_MAX allows 8388608 bytes, it has 8388768"),
  },
];

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
    call: call(get, { key: bytes("slow") }, { "connect-timeout-ms": "20" }),
    answer: refused("deadline_exceeded", "Cannot answer in time: the deadline of 20 ms passed"),
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
  {
    name: "changes are not served yet",
    call: call(ClusterService.method.addNode, { nodeId: 4, address: "a:1" }),
    answer: refused("unimplemented", "Cannot serve AddNode: this version of the node does not have it"),
  },
];

const CLUSTER: readonly Case[] = [
  {
    name: "the cluster as the node knows it",
    call: call(ClusterService.method.getMetadata, {}),
    answer: ok({
      clusterId: "test-cluster",
      epoch: "4",
      nodes: [{ nodeId: 1, address: "127.0.0.1:50051" }, { nodeId: 4294967295, address: "other:1" }],
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
      }],
      walBytes: "4096",
    }),
  },
];

/** All of them. */
export const CASES: readonly Case[] = [...ANSWERED, ...BATCHES, ...INVALID, ...FAILED, ...CLUSTER];
