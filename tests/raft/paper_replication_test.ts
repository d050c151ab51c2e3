/**
 * The rules of the paper (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm",
 * extended version) and of Ongaro's thesis on replication, commitment and reads, by section, as tables. The
 * stories to them are the text scripts of this folder.
 *
 * @module
 */

import type { Message, NodeId } from "../../raft/mod.ts";
import { assert, suite } from "../harness.ts";
import { acknowledgement, append, elected } from "./fixtures.ts";
import { appliedText, Cluster, stateWithLog, textBytes } from "./model/cluster.ts";

const test = suite("raft paper, replication");

test("§5.3: what a follower of log 1,2 makes of an append", () => {
  const table: readonly AppendCase[] = [
    { prev: [2, 2], entries: [[3, 3]], log: "1/1 2/2 3/3", match: 3 },
    { prev: [1, 1], entries: [[2, 3], [3, 4]], log: "1/1 2/3 3/4", match: 3 },
    { prev: [0, 0], entries: [[1, 3]], log: "1/3", match: 1 },
    { prev: [0, 0], entries: [[1, 1]], log: "1/1 2/2", match: 1 },
    { prev: [1, 1], entries: [], log: "1/1 2/2", match: 1 },
    { prev: [2, 2], entries: [], log: "1/1 2/2", match: 2 },
    { prev: [2, 1], entries: [[3, 3]], log: "1/1 2/2", conflict: [1, 1] },
    { prev: [2, 3], entries: [[3, 4]], log: "1/1 2/2", conflict: [2, 2] },
    { prev: [3, 3], entries: [[4, 4]], log: "1/1 2/2", conflict: [2, 2] },
    { prev: [9, 1], entries: [], log: "1/1 2/2", conflict: [1, 1] },
  ];
  for (const row of table) checkAppend(row);
});

test("§5.3: a follower commits what its leader has committed, as far as the message proves it", () => {
  const table: readonly [commit: number, entries: readonly [number, number][], expected: number][] = [
    [0, [[1, 1], [2, 1]], 0],
    [1, [[1, 1], [2, 1]], 1],
    [2, [[1, 1], [2, 1]], 2],
    [9, [[1, 1], [2, 1]], 2],
    [9, [], 0],
  ];
  for (const [commit, entries, expected] of table) {
    const cluster = new Cluster({ nodes: [1, 2, 3] });
    const node = cluster.node(1);
    node.core.step(append({ term: 1, prev: [0, 0], entries, commit }));
    assert.is(node.status(1).commit, expected);
  }
});

test("§5.3: whatever two logs look like, the leader's wins and they become equal", () => {
  const shapes = [[], [1], [1, 1], [1, 2], [1, 1, 2, 2], [1, 3], [1, 2, 3], [2, 2, 2], [1, 1, 1, 1, 1], [
    3,
    3,
    3,
    3,
  ]];
  for (const leading of shapes) {
    for (const following of shapes.filter((shape) => mayCoexist(leading, shape))) {
      const terms = (node: NodeId) => (node === 3 ? following : leading);
      const restored = (node: NodeId) => stateWithLog([1, 2, 3], { terms: terms(node), term: 5 });
      const cluster = new Cluster({ nodes: [1, 2, 3], restored });
      // Node 3 is held still until node 1 leads, so that the better log of node 3 cannot win.
      cluster.isolate(3);
      cluster.makeLeader(1);
      cluster.heal();
      cluster.tick(6);
      const logs = cluster.nodes.map((node) => node.disk.group(1).entries.map((entry) => entry.term));
      assert.equal(logs[2], [...leading, 6], `${leading} against ${following}`);
      assert.equal(logs[2], logs[0]);
    }
  }
});

test("§5.4.2: a leader counts entries of its own term only", () => {
  // The leader's log ends 2, then its own 4 at index 3; `matched` is what two of four followers have.
  for (const [matched, expected] of [[1, 0], [2, 0], [3, 3]] as const) {
    const nodes = [1, 2, 3, 4, 5];
    const cluster = new Cluster({ nodes, restored: () => stateWithLog(nodes, { terms: [1, 2], term: 3 }) });
    const leader = cluster.node(1);
    elected(cluster, leader);
    for (const from of [2, 3]) {
      leader.core.step(acknowledgement({ from, term: leader.status(1).term, matched }));
    }
    assert.is(leader.status(1).commit, expected, `two followers have ${matched}`);
  }
});

test("§5.4.3: a new leader has all that was committed before it", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const cluster = new Cluster({ nodes: [1, 2, 3, 4, 5], seed });
    for (let term = 0; term < 4; term++) {
      const leader = cluster.elect();
      leader.core.propose(1, textBytes(`${term}`));
      cluster.settle();
      cluster.crash(leader);
      cluster.tick(25);
      cluster.start(leader);
      cluster.tick(25);
    }
    for (const node of cluster.nodes) assert.equal(appliedText(node), ["0", "1", "2", "3"], `seed ${seed}`);
  }
});

test("§8: a new leader commits what its predecessor left, with an entry of its own", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3] });
  const old = cluster.makeLeader(1);
  old.core.propose(1, textBytes("left"));
  cluster.turn(old);
  for (const message of cluster.inTransit.splice(0)) cluster.deliver(message);
  for (const id of [2, 3]) cluster.turn(cluster.node(id));
  cluster.crash(old);
  cluster.inTransit.length = 0;
  cluster.makeLeader(2);
  assert.equal(appliedText(cluster.node(2)), ["left"]);
});

test("thesis §6.4: a read index covers every write that was acknowledged when it was asked", () => {
  for (const id of [1, 2, 3]) {
    const cluster = new Cluster({ nodes: [1, 2, 3] });
    const leader = cluster.makeLeader(1);
    const reader = cluster.node(id);
    for (let write = 1; write <= 20; write++) {
      leader.core.propose(1, textBytes(`${write}`));
      cluster.settle();
      const acknowledged = leader.status(1).applied;
      assert.ok(reader.core.readIndex(1, write).accepted);
      cluster.settle();
      const read = reader.reads.at(-1)!;
      assert.ok(read.granted && read.readIndex >= acknowledged);
    }
  }
});

interface AppendCase {
  readonly prev: readonly [number, number];
  readonly entries: readonly (readonly [number, number])[];
  /** The log afterwards. */
  readonly log: string;
  /** Acknowledged, or else refused with this hint. */
  readonly match?: number;
  readonly conflict?: readonly [number, number];
}

function checkAppend(row: AppendCase): void {
  const cluster = new Cluster({
    nodes: [1, 2, 3],
    restored: () => stateWithLog([1, 2, 3], { terms: [1, 2] }),
  });
  const node = cluster.node(1);
  node.core.step(append({ term: 4, prev: row.prev, entries: row.entries, commit: 0 }));
  cluster.turn(node);
  const log = node.disk.group(1).entries.map((entry) => `${entry.index}/${entry.term}`).join(" ");
  const answer = cluster.inTransit[0] as Message & { readonly kind: "appendResponse" };
  assert.is(log, row.log, `after ${JSON.stringify(row)}`);
  assert.is(answer.success, row.match !== undefined);
  if (row.match !== undefined) assert.is(answer.matchIndex, row.match);
  else assert.equal([answer.conflictIndex, answer.conflictTerm], row.conflict);
}

/** Whether both logs may exist in one group: where they agree on a term, they agree on all before (§5.3). */
function mayCoexist(one: readonly number[], other: readonly number[]): boolean {
  const last = one.findLastIndex((term, position) => term === other[position]);
  return one.slice(0, last + 1).every((term, position) => term === other[position]);
}

test.run();
