/**
 * The cluster's state comes back as it was, and nothing else is taken for it.
 *
 * @module
 */

import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { ClusterStateSnapshotSchema } from "../../proto/mod.ts";
import { InvariantViolation } from "../../raft/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import { addressOf } from "../../tests/support/cluster/node_address.ts";
import { evenReplicas, PlannedCluster } from "../../tests/support/cluster/planned_cluster.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { foundingState } from "./cluster_state.ts";
import { decodeClusterState, encodeClusterState } from "./state_codec.ts";
import type { ChangeRequest, ClusterChange, ClusterNode, ClusterPartition, ClusterState } from "./types.ts";

const test = suite("cluster state as bytes");

const NODE_MAX = 2 ** 32 - 1;

const REQUESTS: readonly ChangeRequest[] = [
  { kind: "addNode", nodeId: NODE_MAX, address: "[::1]:50054" },
  { kind: "removeNode", nodeId: 1 },
  { kind: "moveReplica", partitionId: 0, from: 1, to: NODE_MAX },
  { kind: "transferLeadership", partitionId: 4_095, to: 2 },
  { kind: "rebalance" },
  { kind: "setReplicationFactor", factor: 15 },
];

/** Of the first partition below. */
const FIRST_IDS = {
  replicaIds: new Map([[1, 7], [2, 1], [NODE_MAX, NODE_MAX - 1]]),
  nextReplicaId: NODE_MAX,
};

/** Every field has a value that is not what a missing one would be. */
const STATE: ClusterState = {
  isFounded: true,
  clusterId: "0123456789abcdef0123456789abcdef",
  epoch: Number.MAX_SAFE_INTEGER,
  replicationFactor: 3,
  nodes: new Map([
    [1, node({ nodeId: 1, isLeaving: true })],
    [2, node({ nodeId: 2, hasMoved: true, clientUrl: "https://db.example:443" })],
    [NODE_MAX, node({ nodeId: NODE_MAX })],
  ]),
  retired: new Set([9, 4]),
  partitions: [
    {
      partitionId: 0,
      replicas: [2, 1],
      target: [NODE_MAX, 2],
      former: [1],
      changeId: "repair",
      ...FIRST_IDS,
    },
    { partitionId: 1, replicas: [2], target: [2], former: [], changeId: "", ...idsOf([2]) },
  ],
  changes: [
    change({ changeId: "b", isFinished: true, error: "\uFEFFnode 4 is gone — for ever" }),
    ...REQUESTS.map((request, place) =>
      change({ changeId: `a-${place}`, request, done: 1, total: 7 + place })
    ),
  ],
};

function node(rest: Pick<ClusterNode, "nodeId"> & Partial<ClusterNode>): ClusterNode {
  return { address: addressOf(rest.nodeId), clientUrl: "", hasMoved: false, isLeaving: false, ...rest };
}

function change(rest: Pick<ClusterChange, "changeId"> & Partial<ClusterChange>): ClusterChange {
  const request = { kind: "rebalance" } as const;
  return { request, description: "even out", done: 0, total: 0, isFinished: false, error: "", ...rest };
}

function withFirst(partition: Partial<ClusterPartition>): ClusterState {
  return { ...STATE, partitions: STATE.partitions.with(0, { ...STATE.partitions[0]!, ...partition }) };
}

function withNodes(...nodes: readonly ClusterNode[]): ClusterState {
  return { ...STATE, nodes: new Map([...STATE.nodes, ...nodes.map((each) => [each.nodeId, each] as const)]) };
}

function withChanges(...changes: readonly ClusterChange[]): ClusterState {
  return { ...STATE, changes };
}

const many = (count: number) => Array.from({ length: count }, (_, id) => id + 1);

/** Each is one step outside of a limit. */
const OUT_OF_BOUNDS: readonly (readonly [string, ClusterState])[] = [
  ["half an id", { ...STATE, clusterId: "0123456789abcdef" }],
  ["epoch -1", { ...STATE, epoch: -1 }],
  ["an epoch that is not exact", { ...STATE, epoch: 2 ** 53 }],
  ["a factor of 0", { ...STATE, replicationFactor: 0 }],
  ["a factor of 16", { ...STATE, replicationFactor: 16 }],
  ["no nodes", { ...STATE, isFounded: false, nodes: new Map() }],
  ["1001 nodes", withNodes(...many(1_000).map((nodeId) => node({ nodeId: nodeId + 10 })))],
  ["node 0", { ...STATE, nodes: new Map([[0, node({ nodeId: 0 })], ...STATE.nodes]) }],
  ["nodes that do not ascend", withNodes(node({ nodeId: 3 }))],
  ["a node under another id", { ...STATE, nodes: new Map([...STATE.nodes, [1, node({ nodeId: 3 })]]) }],
  ["an address that is none", withNodes(node({ nodeId: 2, address: "a" }))],
  ["a URL that is none", withNodes(node({ nodeId: 2, clientUrl: "a:1" }))],
  ["node 0 retired", { ...STATE, retired: new Set([0]) }],
  ["no partitions", { ...STATE, partitions: [] }],
  ["4097 partitions", {
    ...STATE,
    partitions: many(4_097).map((id) => ({ ...STATE.partitions[1]!, partitionId: id - 1 })),
  }],
  ["a partition in another's place", { ...STATE, partitions: STATE.partitions.toReversed() }],
  ["no replicas", withFirst({ replicas: [] })],
  ["no target", withFirst({ target: [] })],
  ["16 replicas", { ...withFirst({ replicas: many(16) }), isFounded: false }],
  ["a replica twice", withFirst({ replicas: [2, 2] })],
  ["a former node 0", withFirst({ former: [0] })],
  ["a replica id of 0", withFirst({ replicaIds: new Map([...FIRST_IDS.replicaIds, [1, 0]]) })],
  ["ids that do not ascend by node", withFirst({ replicaIds: new Map([[2, 1], [1, 7], [NODE_MAX, 2]]) })],
  ["no next id", { ...withFirst({ nextReplicaId: 0 }), isFounded: false }],
  ["too many ids", withFirst({ nextReplicaId: 2 ** 32 })],
  ["a long name", withFirst({ changeId: "x".repeat(65) })],
  ["a change without a name", withChanges(change({ changeId: "" }))],
  ["a change twice", withChanges(change({ changeId: "a" }), change({ changeId: "a" }))],
  ["an ended one last", withChanges(change({ changeId: "a" }), change({ changeId: "b", isFinished: true }))],
  ["65 ended", withChanges(...many(65).map((id) => change({ changeId: `${id}`, isFinished: true })))],
  ["1065 under way", withChanges(...many(1_065).map((id) => change({ changeId: `${id}` })))],
  [
    "a request out of bounds",
    withChanges(change({
      changeId: "a",
      request: { kind: "setReplicationFactor", factor: 2 },
    })),
  ],
  ["a step back", withChanges(change({ changeId: "a", done: -1 }))],
  ["too many steps", withChanges(change({ changeId: "a", total: 2 ** 32 }))],
  ["a long description", withChanges(change({ changeId: "a", description: "x".repeat(2_001) }))],
  ["half a character", withChanges(change({ changeId: "a", error: "\ud800" }))],
];

/** Within all limits. */
const IMPOSSIBLE: readonly (readonly [string, ClusterState])[] = [
  ["a member that is retired", { ...STATE, retired: new Set([1]) }],
  ["a replica on no member", withFirst({ replicas: [3] })],
  ["a replica without an id", withFirst({ replicaIds: new Map([[1, 7], [2, 1]]) })],
  ["an id of no replica", withFirst({ replicaIds: new Map([[1, 7], [2, 1], [3, 3], [NODE_MAX, 2]]) })],
  ["an id twice", withFirst({ replicaIds: new Map([[1, 7], [2, 7], [NODE_MAX, 2]]) })],
  ["an id that was not given yet", withFirst({ nextReplicaId: 7 })],
  ["a former replica on no member", withFirst({ former: [3] })],
  ["a former node twice", withFirst({ former: [1, 1] })],
  ["a move for no change", withFirst({ former: [], changeId: "" })],
  ["former nodes without a move", withFirst({ target: [2, 1], changeId: "" })],
];

test("every state comes back as it was", () => {
  comesBack(STATE);
  const random = new SeededRandom(1);
  for (let round = 0; round < 500; round++) comesBack(randomState(random));
});

test("every state that commands make comes back as it was", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed);
    const shape = {
      nodeCount: 1 + random.below(5),
      replicationFactor: 3,
      partitionCount: 1 + random.below(9),
    };
    const cluster = new PlannedCluster({ ...shape, replicas: evenReplicas(shape) });
    for (let round = 0; round < 100; round++) {
      step(cluster, random);
      comesBack(cluster.state);
    }
  }
});

test("what a node starts with comes back, even where it was told of itself but not where it is", () => {
  const nodes = new Map([[2, "a:1"]]);
  comesBack(foundingState({ nodes, replicationFactor: 1, replicas: [[2], [2]] }));
  comesBack(foundingState({ nodes, replicationFactor: 3, replicas: [[2, 3, 1]] }));
});

test("the bytes are what the contract says", () => {
  const bytes = Uint8Array.fromHex(
    "010a440801180220012a0908071203613a3120013201033a0e0a01071201072a01073201023805421e0a070a01621a02080312" +
      "0d72656d6f7665206e6f64652033180120012801",
  );
  const state: ClusterState = {
    isFounded: true,
    clusterId: "",
    epoch: 2,
    replicationFactor: 1,
    nodes: new Map([[7, node({ nodeId: 7, address: "a:1", hasMoved: true })]]),
    retired: new Set([3]),
    partitions: [{ partitionId: 0, replicas: [7], target: [7], former: [], changeId: "", ...idsOf([7]) }],
    changes: [change({
      changeId: "b",
      request: { kind: "removeNode", nodeId: 3 },
      description: "remove node 3",
      done: 1,
      total: 1,
      isFinished: true,
    })],
  };
  assert.equal(encodeClusterState(state), bytes);
  assert.equal(decodeClusterState(bytes), state);
});

test("what is out of bounds is neither written nor read", () => {
  for (const [what, state] of OUT_OF_BOUNDS) refuses(() => encodeClusterState(state), `writing ${what}`);
  // A factor of 16, and an epoch that is not exact.
  refuses(() => decodeClusterState(edited((state) => state.replicationFactor = 16)), "reading a factor");
  refuses(() => decodeClusterState(edited((state) => state.epoch = "9007199254740992")), "reading an epoch");
});

test("a state that cannot be is a fault of the node that has it, and refused where it comes from elsewhere", () => {
  for (const [what, state] of IMPOSSIBLE) {
    assert.throws(
      () => encodeClusterState(state),
      (error: unknown) => error instanceof InvariantViolation,
      what,
    );
    const { partitions, retired } = state;
    const bytes = edited((message) => {
      message.retired = [...retired];
      message.partitions.forEach((each, place) => {
        const { replicas, target, former, changeId, replicaIds, nextReplicaId: nextId } = partitions[place]!;
        const ids = { idNodes: [...replicaIds.keys()], ids: [...replicaIds.values()], nextId };
        const lists = { replicas: [...replicas], target: [...target], former: [...former] };
        Object.assign(each, { ...lists, ...ids, changeId });
      });
    });
    refuses(() => decodeClusterState(bytes), `reading ${what}`);
  }
});

test("no beginning of a state is a state, and nothing may stand behind it", () => {
  const bytes = encodeClusterState(STATE);
  for (let length = 0; length < bytes.length; length++) {
    refuses(() => decodeClusterState(bytes.subarray(0, length)), `cut to ${length}`);
  }
  refuses(() => decodeClusterState(Uint8Array.of(...bytes, ...bytes.subarray(1))), "a state twice");
  refuses(() => decodeClusterState(Uint8Array.of(...bytes, 0x10, 1)), "a field that is not known");
});

test("a node, or a former member, that stands there twice is not passed over", () => {
  refuses(() => decodeClusterState(edited((state) => state.nodes.push(state.nodes[2]!))), "a node");
  refuses(() => decodeClusterState(edited((state) => state.retired.push(9))), "a former member");
});

test("ids without nodes, or nodes without ids, are refused", () => {
  refuses(() => decodeClusterState(edited((state) => state.partitions[0]!.ids.pop())), "an id too few");
  refuses(() => decodeClusterState(edited((state) => state.partitions[0]!.idNodes.pop())), "one too many");
});

test("what says nothing of a change, or something unknown, is refused", () => {
  refuses(() => decodeClusterState(edited((state) => delete state.changes[0]!.change)), "no change");
  refuses(
    () => decodeClusterState(edited((state) => state.changes[0]!.change!.request = { case: undefined })),
    "no request",
  );
});

test("another version is refused by its number", () => {
  const bytes = encodeClusterState(STATE);
  bytes[0] = 2;
  assert.throws(() => decodeClusterState(bytes), /version 2/);
});

test("too many bytes are not even looked at", () => {
  assert.throws(() => decodeClusterState(new Uint8Array(134_217_729).fill(1)), /134217729 bytes/);
});

test("junk is refused or is a state that is written with the same bytes", () => {
  const random = new SeededRandom(2);
  let taken = 0;
  for (let round = 0; round < 10_000; round++) {
    const bytes = round % 4 === 0 ? random.bytes(random.below(40)) : damaged(random);
    const state = tryDecode(bytes);
    if (state === undefined) continue;
    taken++;
    assert.equal(encodeClusterState(state), bytes);
  }
  assert.ok(taken > 100, `only ${taken} were taken`);
});

function comesBack(state: ClusterState): void {
  const decoded = decodeClusterState(encodeClusterState(state));
  assert.equal(decoded, state);
  // Sets and maps in another order are equal, too, for the line above.
  assert.equal([[...decoded.nodes.keys()], [...decoded.retired]], [[...state.nodes.keys()], [
    ...state.retired,
  ]]);
}

/** Whatever the limits allow, whether commands could make it or not. */
function randomState(random: SeededRandom): ClusterState {
  const ids = randomIds(random, 1 + random.below(20));
  const members = ids.slice(0, 1 + random.below(ids.length)).sort((left, right) => left - right);
  const some = (least: number) => shuffled(random, members).slice(0, Math.max(least, random.below(16)));
  const nodes = members.map((nodeId): ClusterNode => ({
    nodeId,
    address: `${randomText(random).replace(/[\s/@]/g, "-")}x:${random.below(65_536)}`,
    clientUrl: random.chance(50) ? "" : `http://node-${nodeId}:1`,
    hasMoved: random.chance(50),
    isLeaving: random.chance(50),
  }));
  return {
    isFounded: random.chance(90),
    clusterId: random.chance(50) ? "" : random.bytes(16).toHex(),
    epoch: random.word() * random.below(2 ** 21),
    replicationFactor: 1 + random.below(15),
    nodes: new Map(nodes.map((each) => [each.nodeId, each])),
    retired: new Set(ids.filter((nodeId) => !members.includes(nodeId))),
    partitions: many(1 + random.below(20)).map((_, partitionId): ClusterPartition => {
      const replicas = some(1).slice(0, 15);
      if (random.chance(50)) {
        const ids = idsOf(replicas);
        return { partitionId, replicas, target: [...replicas], former: [], changeId: "", ...ids };
      }
      const [target, former] = [some(1), some(0)];
      const ids = idsOf([...replicas, ...target, ...former]);
      return { partitionId, replicas, target, former, changeId: `c-${random.below(9)}`, ...ids };
    }),
    changes: randomChanges(random),
  };
}

/** As if the nodes had come in this order, and others before them. */
function idsOf(nodes: readonly number[]): Pick<ClusterPartition, "replicaIds" | "nextReplicaId"> {
  const ids = [...new Set(nodes)].map((nodeId, place) => [nodeId, 3 * place + 2] as const);
  const ascending = ids.toSorted(([left], [right]) => left - right);
  return { replicaIds: new Map(ascending), nextReplicaId: 3 * ids.length + 2 };
}

function randomChanges(random: SeededRandom): readonly ClusterChange[] {
  const finished = random.below(65);
  return many(finished + random.below(65)).map((id) => ({
    changeId: `${id}-${random.word()}`,
    request: random.pick(REQUESTS),
    description: randomText(random),
    done: random.chance(50) ? random.below(100) : random.word(),
    total: random.word(),
    isFinished: id <= finished,
    error: random.chance(50) ? "" : randomText(random),
  }));
}

function randomIds(random: SeededRandom, count: number): readonly number[] {
  const id = () => random.chance(50) ? 1 + random.below(30) : 1 + random.below(NODE_MAX);
  return [...new Set(many(count).map(id))];
}

function shuffled(random: SeededRandom, items: readonly number[]): readonly number[] {
  return items.map((item) => [random.word(), item] as const).sort(([left], [right]) => left - right)
    .map(([, item]) => item);
}

function randomText(random: SeededRandom): string {
  return many(random.below(20)).map(() => random.pick(["a", "Z", "7", " ", "é", "—", "😀", "."])).join("");
}

/** Something happens that operators, planners or groups might do. */
function step(cluster: PlannedCluster, random: SeededRandom): void {
  const nodeId = 1 + random.below(8);
  const moving = cluster.moving.find((each) => cluster.canReach(each));
  const command = random.chance(50) ? cluster.plan() : undefined;
  if (command !== undefined) cluster.apply(command);
  else if (moving !== undefined && random.chance(60)) cluster.apply(cluster.reach(moving));
  else if (random.chance(30)) {
    cluster.apply({ kind: "announce", nodeId, address: `b-${random.below(99)}:1`, clientUrl: "" });
  } else cluster.ask(randomRequest(random, nodeId));
}

function randomRequest(random: SeededRandom, nodeId: number): ChangeRequest {
  const partitionId = random.below(9);
  return random.pick<ChangeRequest>([
    { kind: "addNode", nodeId, address: addressOf(nodeId) },
    { kind: "removeNode", nodeId },
    { kind: "moveReplica", partitionId, from: 1 + random.below(8), to: nodeId },
    { kind: "transferLeadership", partitionId, to: nodeId },
    { kind: "rebalance" },
    { kind: "setReplicationFactor", factor: 1 + 2 * random.below(3) },
  ]);
}

type Message = NonNullable<ReturnType<typeof messageOf>["state"]>;

function messageOf(bytes: Uint8Array) {
  return fromBinary(ClusterStateSnapshotSchema, bytes.subarray(1));
}

/** The bytes of `STATE` after `edit`, without any check. */
function edited(edit: (message: Message) => void): Uint8Array {
  const message = messageOf(encodeClusterState(STATE));
  edit(message.state!);
  return Uint8Array.of(1, ...toBinary(ClusterStateSnapshotSchema, message));
}

/** A state with one or two bytes changed. */
function damaged(random: SeededRandom): Uint8Array {
  const bytes = encodeClusterState(STATE);
  for (let count = random.below(2) + 1; count > 0; count--) {
    bytes[random.below(bytes.length)] = random.below(256);
  }
  return bytes;
}

function tryDecode(bytes: Uint8Array): ClusterState | undefined {
  try {
    return decodeClusterState(bytes);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
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
