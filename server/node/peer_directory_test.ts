/**
 * Who is let in, and where he is answered.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { type ClusterState, foundingState } from "../cluster/mod.ts";
import { PeerDirectory } from "./peer_directory.ts";

const test = suite("known peers");

const ADDRESS = "guest:1";
const TOLD = new Map([[1, "told:1"], [2, "told:2"], [3, "told:3"]]);

/** What node 3 knows; it was told of nodes 1 to 3 at its start. */
function peersOfNode3(
  { state = viewOf(TOLD), leader = 0, isFounder = true }: {
    readonly state?: ClusterState;
    readonly leader?: number;
    readonly isFounder?: boolean;
  },
): { readonly peers: PeerDirectory; readonly guests: () => number } {
  let guests = 0;
  const peers = new PeerDirectory({
    nodeId: 3,
    shape: { nodes: TOLD, partitionCount: 1, replicationFactor: 1 },
    isFounder,
    state: () => state,
    leaderOf: () => leader,
    onGuest: () => guests++,
  });
  return { peers, guests: () => guests };
}

function viewOf(nodes: ReadonlyMap<number, string>, retired: readonly number[] = []): ClusterState {
  const state = foundingState({ nodes, replicationFactor: 1, replicas: [[[...nodes.keys()][0]!]] });
  return { ...state, retired: new Set(retired) };
}

test("members and whom it was told of are peers, former members and the node itself are not", () => {
  const state = viewOf(new Map([[3, "now:3"], [4, "now:4"]]), [1]);
  const { peers } = peersOfNode3({ state, leader: 4 });
  assert.equal(peers.ids(), [2, 4]);
  assert.equal([1, 2, 3, 4].map((id) => peers.admits(id, ADDRESS)), [false, true, false, true]);
});

test("a founder finds founders where its flags say, and everybody else where the cluster says", () => {
  const state = viewOf(new Map([[1, "now:1"], [4, "now:4"]]));
  const founder = peersOfNode3({ state }).peers;
  assert.equal([1, 2, 4, 5].map((id) => founder.addressOf(id)), ["told:1", "told:2", "now:4", ""]);
  const joined = peersOfNode3({ state, isFounder: false }).peers;
  assert.equal([1, 2, 4].map((id) => joined.addressOf(id)), ["now:1", "told:2", "now:4"]);
});

test("while a leader of the cluster's own group is known, strangers are refused", () => {
  const { peers, guests } = peersOfNode3({ leader: 1 });
  assert.not(peers.admits(9, ADDRESS));
  assert.equal(peers.ids(), [1, 2]);
  assert.is(guests(), 0);
});

test("while none is known, a stranger becomes a peer and is answered where it says", () => {
  const { peers, guests } = peersOfNode3({});
  assert.ok(peers.admits(9, ADDRESS));
  assert.ok(peers.admits(9, "elsewhere:1"));
  assert.is(guests(), 1);
  assert.equal(peers.ids(), [1, 2, 9]);
  assert.is(peers.addressOf(9), ADDRESS);
});

test("nobody is taken in who cannot be a member", () => {
  const { peers, guests } = peersOfNode3({ state: viewOf(TOLD, [7]) });
  const wrong: readonly (readonly [number, string])[] = [
    [0, ADDRESS],
    [2 ** 32, ADDRESS],
    [3, ADDRESS],
    [7, ADDRESS],
    [9, ""],
    [9, "http://guest:1"],
    [9, "guest:70000"],
  ];
  for (const [id, address] of wrong) assert.not(peers.admits(id, address), `${id} at ${address}`);
  assert.is(guests(), 0);
});

test("a guest that the cluster removes is a peer no more", () => {
  const state = { ...viewOf(TOLD), retired: new Set<number>() };
  const { peers } = peersOfNode3({ state });
  assert.ok(peers.admits(9, ADDRESS));
  state.retired.add(9);
  assert.not(peers.admits(9, ADDRESS));
  assert.equal(peers.ids(), [1, 2]);
});

test.run();
