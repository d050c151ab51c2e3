/**
 * Peers are lost after a silence, once, and come back with their first word.
 *
 * @module
 */

import { assert, suite } from "../tests/harness.ts";
import { PeerTable } from "./peer_table.ts";

const test = suite("peer table");

test("a silent peer is lost once, and back when it is heard", () => {
  const peers = new PeerTable();
  peers.setNodes([2, 3], 5);
  assert.is(peers.hear(2, 9), false);
  assert.equal(peers.takeLost({ now: 14, silenceMax: 10 }), []);
  assert.equal(peers.takeLost({ now: 15, silenceMax: 10 }), [3]);
  assert.equal(peers.takeLost({ now: 16, silenceMax: 10 }), []);
  assert.equal([peers.isLost(2), peers.isLost(3)], [false, true]);
  assert.is(peers.hear(3, 17), true);
  assert.equal([peers.isLost(3), peers.heardAt(3)], [false, 17]);
});

test("a new list keeps what is known of those who stay", () => {
  const peers = new PeerTable();
  peers.setNodes([2, 3], 0);
  peers.hear(3, 7);
  peers.setNodes([3, 4], 9);
  assert.equal(peers.nodes, [3, 4]);
  assert.equal([peers.heardAt(3), peers.heardAt(4)], [7, 9]);
});

test("nodes that are no peers are neither heard nor alive", () => {
  const peers = new PeerTable();
  peers.setNodes([2], 0);
  assert.is(peers.hear(9, 4), false);
  assert.equal([peers.isLost(9), peers.heardAt(9)], [true, 0]);
});

test.run();
