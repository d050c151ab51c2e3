/**
 * What group 0's log holds comes back as it was, and nothing else is taken for it.
 *
 * @module
 */

import { fromJson, type JsonValue, toBinary } from "@bufbuild/protobuf";
import { ClusterLogCommandSchema } from "../../proto/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { decodeClusterCommand, encodeClusterCommand } from "./cluster_command.ts";
import type { ChangeRequest, ClusterCommand } from "./types.ts";

const test = suite("cluster commands as bytes");

const NODE_MAX = 2 ** 32 - 1;

const REQUESTS: readonly ChangeRequest[] = [
  { kind: "addNode", nodeId: NODE_MAX, address: "[::1]:50054" },
  { kind: "removeNode", nodeId: 1 },
  { kind: "moveReplica", partitionId: 0, from: 1, to: NODE_MAX },
  { kind: "transferLeadership", partitionId: 4_095, to: 2 },
  { kind: "rebalance" },
  { kind: "setReplicationFactor", factor: 15 },
];

const FOUND: ClusterCommand = {
  kind: "found",
  clusterId: "0123456789abcdef0123456789abcdef",
  replicationFactor: 2,
  nodes: [{ nodeId: 1, address: "a.example:50051" }, { nodeId: 2, address: "127.0.0.1:0" }],
  replicas: [[1, 2], [2, 1], [1, 2]],
};

const COMMANDS: readonly ClusterCommand[] = [
  FOUND,
  { kind: "announce", nodeId: NODE_MAX, address: "[::1]:50054", clientUrl: "https://db.example:443" },
  { kind: "announce", nodeId: 1, address: "a:1", clientUrl: "" },
  // More replicas than the founders can have.
  { ...FOUND, replicationFactor: 3, replicas: [[1], [2]] },
  ...REQUESTS.map((request, place) => ({ kind: "change", changeId: `3-c0ffee-${place}`, request }) as const),
  {
    kind: "setTarget",
    partitionId: 7,
    expected: [3, 1, 2],
    target: [4, 1, 2],
    changeId: "!".repeat(64),
    remaining: 9,
  },
  { kind: "settle", partitionId: 7, target: [4, 1, 2] },
  { kind: "settle", partitionId: 0, target: [4], changeId: "3-c0ffee-1" },
  { kind: "prefer", partitionId: 0, nodeId: 3 },
  { kind: "finish", changeId: "3-c0ffee-1", error: "" },
  { kind: "finish", changeId: "~", error: "node 4 is gone — for ever".padEnd(500, "!") },
];

/** Each is one step outside of a limit. */
const OUT_OF_BOUNDS: readonly (readonly [string, ClusterCommand])[] = [
  ["node 0", { kind: "prefer", partitionId: 0, nodeId: 0 }],
  ["a node above 32 bits", { kind: "prefer", partitionId: 0, nodeId: NODE_MAX + 1 }],
  ["half a node", { kind: "prefer", partitionId: 0, nodeId: 1.5 }],
  ["partition -1", { kind: "prefer", partitionId: -1, nodeId: 1 }],
  ["partition 4096", { kind: "prefer", partitionId: 4_096, nodeId: 1 }],
  ["no replicas", { kind: "settle", partitionId: 0, target: [] }],
  ["16 replicas", { kind: "settle", partitionId: 0, target: Array.from({ length: 16 }, (_, id) => id + 1) }],
  ["one node twice", { kind: "settle", partitionId: 0, target: [2, 2] }],
  ["a change without a name", { kind: "finish", changeId: "", error: "" }],
  ["a long name", { kind: "finish", changeId: "x".repeat(65), error: "" }],
  ["a name with a line end", { kind: "finish", changeId: "a\nb", error: "" }],
  ["a long error", { kind: "finish", changeId: "a", error: "x".repeat(501) }],
  ["no steps", {
    kind: "setTarget",
    partitionId: 0,
    expected: [1],
    target: [2],
    changeId: "a",
    remaining: 0,
  }],
  ["half an id", { ...FOUND, clusterId: "0123456789abcdef" }],
  ["a URL that is none", { kind: "announce", nodeId: 1, address: "a:1", clientUrl: "a:1" }],
  ["a URL with a path", { kind: "announce", nodeId: 1, address: "a:1", clientUrl: "http://a:1/b" }],
  ["an announced address that is none", { kind: "announce", nodeId: 1, address: "a", clientUrl: "" }],
  ["a factor of 0", { ...FOUND, replicationFactor: 0 }],
  ["a factor of 16", { ...FOUND, replicationFactor: 16 }],
  ["two replicas of three on two nodes", { ...FOUND, replicationFactor: 3 }],
  ...[0, 2, 16, 17].map((factor) =>
    [`the factor ${factor}`, {
      kind: "change",
      changeId: "a",
      request: { kind: "setReplicationFactor", factor },
    }] as const
  ),
  ["more replicas than the factor", { ...FOUND, replicationFactor: 1 }],
  ["no partitions", { ...FOUND, replicas: [] }],
  ["4097 partitions", { ...FOUND, replicas: Array.from({ length: 4_097 }, () => [1, 2]) }],
  ["a replica on a node that is no member", { ...FOUND, replicas: [[1, 3]] }],
  ["a founder twice", { ...FOUND, nodes: [...FOUND.nodes, ...FOUND.nodes] }],
  ...[
    "",
    "a",
    ":1",
    "a:",
    "a:65536",
    "a:1x",
    "a b:1",
    "http://a:1",
    "me@a:1",
    "a\u0000:1",
    `${"a".repeat(299)}:1`,
  ]
    .map((address) =>
      [`the address ${JSON.stringify(address.slice(0, 20))}`, {
        kind: "change",
        changeId: "a",
        request: { kind: "addNode", nodeId: 4, address },
      }] as const
    ),
];

/** The message of `command` as bytes, without any check, made by protobuf's own reader of JSON. */
function unchecked(command: ClusterCommand): Uint8Array {
  const message = fromJson(ClusterLogCommandSchema, { [command.kind]: fieldsOf(command) }, {
    ignoreUnknownFields: true,
  });
  return Uint8Array.of(1, ...toBinary(ClusterLogCommandSchema, message));
}

function fieldsOf(command: ClusterCommand): JsonValue {
  const plain = JSON.parse(JSON.stringify(command));
  if (command.kind === "change") return { ...plain, [command.request.kind]: plain.request };
  if (command.kind === "found") {
    return { ...plain, replicas: plain.replicas.map((nodes: JsonValue) => ({ nodes })) };
  }
  return plain;
}

test("every command comes back as it was", () => {
  for (const command of COMMANDS) assert.equal(decodeClusterCommand(encodeClusterCommand(command)), command);
});

test("the border writes what the contract says", () => {
  const named = COMMANDS.filter(({ kind }) => kind !== "change");
  const added: ClusterCommand = { kind: "change", changeId: "a", request: REQUESTS[0]! };
  for (const command of [...named, added]) assert.equal(encodeClusterCommand(command), unchecked(command));
});

test("no beginning of a command is a command", () => {
  for (const command of COMMANDS) {
    const bytes = encodeClusterCommand(command);
    for (let length = 0; length < bytes.length; length++) {
      refuses(() => decodeClusterCommand(bytes.subarray(0, length)), `${command.kind} cut to ${length}`);
    }
  }
});

test("what is out of bounds is neither written nor read", () => {
  let readable = 0;
  for (const [what, command] of OUT_OF_BOUNDS) {
    refuses(() => encodeClusterCommand(command), `writing ${what}`);
    const bytes = tryBytes(command);
    if (bytes === undefined) continue;
    readable++;
    refuses(() => decodeClusterCommand(bytes), `reading ${what}`);
  }
  assert.ok(readable > OUT_OF_BOUNDS.length - 4, `only ${readable} could be tried on the reader`);
});

test("a founding that an older version has written is read as it was meant", () => {
  // Two nodes, a partition with a replica on each: no factor above the number of nodes was written then.
  const bytes = Uint8Array.fromHex("010a1a0802120708011203613a31120708021203623a321a040a020102");
  assert.equal(decodeClusterCommand(bytes), {
    kind: "found",
    clusterId: "",
    replicationFactor: 2,
    nodes: [{ nodeId: 1, address: "a:1" }, { nodeId: 2, address: "b:2" }],
    replicas: [[1, 2]],
  });
});

test("another version is refused by its number", () => {
  const bytes = encodeClusterCommand(COMMANDS[0]!);
  bytes[0] = 2;
  assert.throws(() => decodeClusterCommand(bytes), /version 2/);
});

test("too many bytes are not even looked at", () => {
  refuses(() => decodeClusterCommand(new Uint8Array(1_048_577).fill(1)), "a megabyte");
});

test("junk is refused or is a command that can be written again", () => {
  const random = new SeededRandom(1);
  for (let round = 0; round < 20_000; round++) {
    const bytes = round % 2 === 0 ? random.bytes(random.below(40)) : damaged(random);
    const command = tryDecode(bytes);
    if (command !== undefined) assert.equal(decodeClusterCommand(encodeClusterCommand(command)), command);
  }
});

/** A command with one or two bytes changed. */
function damaged(random: SeededRandom): Uint8Array {
  const bytes = encodeClusterCommand(random.pick(COMMANDS));
  for (let count = random.below(2) + 1; count > 0; count--) {
    bytes[random.below(bytes.length)] = random.below(256);
  }
  return bytes;
}

function tryDecode(bytes: Uint8Array): ClusterCommand | undefined {
  try {
    return decodeClusterCommand(bytes);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Protobuf itself cannot write some numbers. */
function tryBytes(command: ClusterCommand): Uint8Array | undefined {
  try {
    return unchecked(command);
  } catch {
    return undefined;
  }
}

function refuses(body: () => unknown, what: string): void {
  try {
    body();
  } catch (error) {
    assert.instance(error, RangeError, what);
    return;
  }
  assert.unreachable(`${what} was taken`);
}

test.run();
