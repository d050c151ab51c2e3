/**
 * Which nodes are let in, and where they are answered.
 *
 * @module
 */

import { MemoryStore } from "../../tests/support/memory_store.ts";
import { assert, suite } from "../../tests/harness.ts";
import { type ClusterState, foundingState, type NodePlace } from "../cluster/mod.ts";
import { Outbox, type PeerTransport } from "../ports/mod.ts";
import { ClusterStateMachine } from "./cluster_state_machine.ts";
import { PeerDirectory } from "./peer_directory.ts";

const test = suite("peer directory");

const ADDRESS = "unknown:1";
const TOLD = new Map([[1, "told:1"], [2, "told:2"], [3, "told:3"]]);
const NO_TRANSPORT: PeerTransport = {
  setPeers: () => {},
  whoIsAt: () => Promise.resolve({ kind: "nobody", reason: "" }),
  send: () => false,
  askSnapshot: () => Promise.reject(new Error("there is no network")),
  statuses: () => [],
  close: () => Promise.resolve(),
};

/** What node 3 knows. */
interface Knowledge {
  readonly state?: ClusterState;
  readonly leader?: number;
  readonly hasJoined?: boolean;
  readonly place?: NodePlace;
}

/** The directory of node 3, which was told of nodes 1 to 3 at its start; and how often peers were set. */
function directoryOfNode3({ state = stateOf(TOLD), leader = 0, hasJoined = false, place }: Knowledge) {
  let connected = 0;
  let peers: ReadonlyMap<number, readonly string[]> = new Map();
  const setPeers = (given: typeof peers) => {
    connected++;
    peers = given;
  };
  const outbox = new Outbox({ ...NO_TRANSPORT, setPeers });
  const directory = new PeerDirectory({
    nodeId: 3,
    shape: { nodes: TOLD, partitionCount: 1, replicationFactor: 1 },
    hasJoined,
    cluster: new ClusterStateMachine(state, new MemoryStore()),
    leaderFollowed: () => leader,
    outbox,
    place,
  });
  const places = () => {
    directory.connect();
    return Object.fromEntries(peers);
  };
  return { directory, connected: () => connected, places };
}

function stateOf(nodes: ReadonlyMap<number, string>, retired: readonly number[] = []): ClusterState {
  const state = foundingState({ nodes, replicationFactor: 1, replicas: [[[...nodes.keys()][0]!]] });
  return { ...state, retired: new Set(retired) };
}

test("members, and nodes it was told of, are peers; former members and the node itself are not", () => {
  const state = stateOf(new Map([[3, "now:3"], [4, "now:4"]]), [1]);
  const { directory } = directoryOfNode3({ state, leader: 4 });
  assert.equal(directory.ids(), [2, 4]);
  assert.equal([1, 2, 3, 4].map((id) => directory.admit(id, ADDRESS)), [false, true, false, true]);
});

test("a founder finds founders where its flags say, then where they have moved; others where they are", () => {
  const founded = stateOf(new Map([[1, "now:1"], [4, "now:4"]]));
  const moved = { ...founded.nodes.get(1)!, address: "moved:1", hasMoved: true };
  const state = { ...founded, nodes: new Map([...founded.nodes, [1, moved]]) };
  const before = directoryOfNode3({ state: founded });
  assert.equal(before.places(), { 1: ["told:1"], 2: ["told:2"], 4: ["now:4"] });
  const founder = directoryOfNode3({ state });
  assert.equal(founder.places(), { 1: ["told:1", "moved:1"], 2: ["told:2"], 4: ["now:4"] });
  assert.equal([1, 2, 4, 5].map((id) => founder.directory.addressOf(id)), [
    "moved:1",
    "told:2",
    "now:4",
    "",
  ]);
  const joined = directoryOfNode3({ state, hasJoined: true });
  assert.equal(joined.places(), { 1: ["moved:1", "told:1"], 2: ["told:2"], 4: ["now:4"] });
});

test("where a peer says that it is comes behind what the state says, and not before a founder's flags", () => {
  const state = stateOf(new Map([[1, "now:1"], [4, "now:4"]]));
  const joined = directoryOfNode3({ state, hasJoined: true });
  for (const id of [1, 4]) assert.ok(joined.directory.admit(id, `says:${id}`));
  assert.equal(joined.places(), { 1: ["now:1", "told:1", "says:1"], 2: ["told:2"], 4: ["now:4", "says:4"] });
  const founder = directoryOfNode3({ state });
  for (const id of [1, 4]) assert.ok(founder.directory.admit(id, `says:${id}`));
  assert.equal(founder.places(), { 1: ["told:1"], 2: ["told:2"], 4: ["now:4", "says:4"] });
});

test("while a leader of the cluster's own group is followed, unknown nodes are refused", () => {
  const { directory, connected } = directoryOfNode3({ leader: 1 });
  assert.not(directory.admit(9, ADDRESS));
  assert.equal(directory.ids(), [1, 2]);
  assert.is(connected(), 0);
});

test("while none is known, an unknown node becomes a provisional peer and is answered where it says", () => {
  const { directory, connected } = directoryOfNode3({});
  assert.ok(directory.admit(9, "elsewhere:1"));
  assert.ok(directory.admit(9, ADDRESS));
  assert.ok(directory.admit(9, ADDRESS));
  assert.is(connected(), 2);
  assert.equal(directory.ids(), [1, 2, 9]);
  assert.is(directory.addressOf(9), ADDRESS);
});

test("a node that cannot be a member is never taken in", () => {
  const { directory, connected } = directoryOfNode3({ state: stateOf(TOLD, [7]) });
  const wrong: readonly (readonly [number, string])[] = [
    [0, ADDRESS],
    [2 ** 32, ADDRESS],
    [3, ADDRESS],
    [7, ADDRESS],
    [9, ""],
    [9, "http://unknown:1"],
    [9, "unknown:70000"],
  ];
  for (const [id, address] of wrong) assert.not(directory.admit(id, address), `${id} at ${address}`);
  assert.is(connected(), 0);
});

test("a provisional peer that the cluster removes is a peer no more", () => {
  const state = { ...stateOf(TOLD), retired: new Set<number>() };
  const { directory } = directoryOfNode3({ state });
  assert.ok(directory.admit(9, ADDRESS));
  state.retired.add(9);
  assert.not(directory.admit(9, ADDRESS));
  assert.equal(directory.ids(), [1, 2]);
});

test("a peer that is not believed is told of until the cluster has removed it", () => {
  const state = { ...stateOf(TOLD), retired: new Set<number>() };
  const { directory } = directoryOfNode3({ state });
  assert.is(directory.distrustTrouble, undefined);
  for (const leader of [1, 2]) {
    const there = { index: 7, term: 2 };
    directory.distrust({ group: 4, leader, term: 5, here: { index: 7, term: 3 }, there });
  }
  assert.match(directory.distrustTrouble!, /node 1 says: Group 4 contradicts .* node 2 says: Group 4/);
  state.retired.add(1);
  assert.not(directory.distrustTrouble!.includes("that node 1 says"));
  state.retired.add(2);
  assert.is(directory.distrustTrouble, undefined);
});

test("while nobody has reached the node where it says that it is, that is known", () => {
  const { directory } = directoryOfNode3({ place: { address: "mine:3", clientUrl: "" } });
  assert.is(directory.unreachedAt, "mine:3");
  directory.noteHeard();
  assert.is(directory.unreachedAt, undefined);
  assert.is(directoryOfNode3({}).directory.unreachedAt, undefined);
});

test.run();
