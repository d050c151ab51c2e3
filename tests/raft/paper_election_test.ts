/**
 * The rules of the paper (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm",
 * extended version) and of Ongaro's thesis on terms, elections and leadership, by section, as tables. The
 * stories to them are the text scripts of this folder.
 *
 * @module
 */

import type { Message } from "../../raft/mod.ts";
import { assert, suite } from "../harness.ts";
import { append, heartbeat, inRole, roleAfterBallot, ticksUntilCandidacy } from "./fixtures.ts";
import { appliedText, Cluster, stateWithLog, textBytes } from "./model/cluster.ts";

const test = suite("raft paper, elections");

test("§5.1: every role takes over a later term and follows", () => {
  for (const role of ["follower", "preCandidate", "candidate", "leader"] as const) {
    const cluster = inRole(role);
    const node = cluster.node(1);
    const { term } = node.status(1);
    node.core.step(heartbeat({ term: term + 3, from: 2 }));
    const { role: now, term: after, leader } = node.status(1);
    assert.equal([now, after, leader], ["follower", term + 3, 2], role);
  }
});

test("§5.1: no role is moved by an earlier term", () => {
  for (const role of ["follower", "preCandidate", "candidate", "leader"] as const) {
    const cluster = inRole(role);
    const node = cluster.node(1);
    node.core.step(heartbeat({ term: node.status(1).term + 2, from: 2 }));
    cluster.turn(node);
    const before = node.status(1);
    node.core.step(heartbeat({ term: before.term - 1, from: 3 }));
    node.core.step(append({ term: before.term - 1, prev: [0, 0], entries: [[1, 1]], commit: 1 }));
    assert.equal(node.status(1), before, role);
  }
});

test("§5.2: a leader speaks in every heartbeat interval, also when nothing happens", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3], config: { heartbeatTicks: 3 } });
  const leader = cluster.makeLeader(1);
  const spoken: number[] = [];
  for (let tick = 1; tick <= 9; tick++) {
    leader.core.tick();
    const batch = cluster.turn(leader);
    if (batch.messages.filter((message) => message.kind === "heartbeatRequest").length === 2) {
      spoken.push(tick);
    }
    cluster.settle();
  }
  assert.is(spoken.length, 3);
  assert.equal([spoken[1]! - spoken[0]!, spoken[2]! - spoken[1]!], [3, 3]);
});

test("§5.2: a follower that hears its leader never stands", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3] });
  const leader = cluster.makeLeader(1);
  const { term } = leader.status(1);
  cluster.tick(500);
  assert.equal([leader.status(1).role, leader.status(1).term], ["leader", term]);
});

test("§5.2: timeouts are drawn from [T, 2T), and differ from node to node and from time to time", () => {
  const drawn = new Set<number>();
  for (let seed = 1; seed <= 200; seed++) {
    const cluster = new Cluster({ nodes: [1, 2, 3], seed });
    const ticks = ticksUntilCandidacy(cluster.node(1));
    assert.ok(ticks >= 10 && ticks < 20, `${ticks}`);
    drawn.add(ticks);
  }
  assert.is(drawn.size, 10);
});

test("§5.2: with priorities each rank draws from its own part of [T, 2T)", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const cluster = new Cluster({ nodes: [1, 2, 3], seed, priority: () => [3, 1, 2] });
    for (const node of cluster.nodes) {
      node.core.step(heartbeat({ term: 1, from: node.id === 1 ? 2 : 1, to: node.id }));
    }
    const ticks = [3, 1, 2].map((id) => ticksUntilCandidacy(cluster.node(id)));
    assert.ok(ticks[0]! >= 11 && ticks[0]! < 13, `${ticks}`);
    assert.ok(ticks[1]! >= 13 && ticks[1]! < 16, `${ticks}`);
    assert.ok(ticks[2]! >= 16 && ticks[2]! < 20, `${ticks}`);
  }
});

test("§5.2: elections are decided by the answers of a majority, for groups of one to seven", () => {
  for (let size = 2; size <= 7; size++) {
    for (let granted = 0; granted < size; granted++) {
      const refused = size - 1 - granted;
      const isWon = 2 * (granted + 1) > size;
      const isLost = 2 * (refused + 1) > size || 2 * refused >= size;
      const role = roleAfterBallot({ size, granted });
      assert.is(role, isWon ? "leader" : isLost ? "follower" : "candidate", `${granted} of ${size}`);
    }
  }
});

test("§5.2: one split vote does not last: every seed elects soon", () => {
  let ticksOfAll = 0;
  for (let seed = 1; seed <= 200; seed++) {
    const cluster = new Cluster({ nodes: [1, 2, 3, 4, 5], seed });
    let ticks = 0;
    for (; cluster.leader() === undefined && ticks < 200; ticks++) cluster.tick();
    assert.ok(ticks < 60, `seed ${seed} takes ${ticks} ticks`);
    ticksOfAll += ticks;
  }
  assert.ok(ticksOfAll / 200 < 20, `${ticksOfAll / 200} ticks on average`);
});

test("§5.4.1: who gets a vote from a log that ends in 2/2", () => {
  const table: readonly [index: number, term: number, granted: boolean][] = [
    [0, 0, false],
    [9, 1, false],
    [1, 2, false],
    [2, 2, true],
    [3, 2, true],
    [1, 3, true],
  ];
  for (const [lastLogIndex, lastLogTerm, granted] of table) {
    for (const kind of ["voteRequest", "preVoteRequest"] as const) {
      const cluster = new Cluster({
        nodes: [1, 2, 3],
        restored: () => stateWithLog([1, 2, 3], { terms: [1, 2] }),
      });
      const node = cluster.node(1);
      const envelope = {
        kind,
        group: 1,
        from: 2,
        to: 1,
        term: 5,
        lastLogIndex,
        lastLogTerm,
        transfer: false,
      };
      node.core.step(envelope as Message);
      cluster.turn(node);
      const [answer] = cluster.inTransit;
      assert.is(
        (answer as { readonly granted: boolean }).granted,
        granted,
        `${kind} ${lastLogIndex}/${lastLogTerm}`,
      );
      assert.is(node.status(1).term, kind === "voteRequest" ? 5 : 2, "a pre-vote changes no term");
    }
  }
});

test("thesis §3.10: leadership moves to every voter that is asked to take it, and loses nothing", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3] });
  let leader = cluster.makeLeader(1);
  const proposed: string[] = [];
  for (const to of [2, 3, 1, 3, 2, 1]) {
    const text = `before ${to}`;
    assert.ok(leader.core.propose(1, textBytes(text)).accepted);
    proposed.push(text);
    assert.ok(leader.core.transferLeadership(1, to).accepted);
    cluster.settle();
    leader = cluster.node(to);
    assert.is(leader.status(1).role, "leader");
  }
  cluster.tick(3);
  for (const node of cluster.nodes) assert.equal(appliedText(node), proposed);
});

test("a replica that is unfit does not take over when asked, and stands when no leader is heard", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3] });
  const leader = cluster.makeLeader(1);
  const unfit = cluster.node(2);
  unfit.core.setUnfit(1, true);
  assert.ok(leader.core.transferLeadership(1, 2).accepted);
  cluster.settle();
  assert.is(leader.status(1).role, "leader");
  assert.is(unfit.status(1).role, "follower");
  cluster.tick(30);
  assert.is(leader.status(1).role, "leader");
  assert.ok(leader.core.propose(1, textBytes("after")).accepted, "the transfer has been given up");
  cluster.settle();
  assert.ok(ticksUntilCandidacy(unfit) < 30);
});

test("thesis §6.2: a leader steps down within an election timeout and a heartbeat of its last majority", () => {
  for (const size of [2, 3, 4, 5]) {
    const cluster = new Cluster({ nodes: Array.from({ length: size }, (_, i) => i + 1) });
    const leader = cluster.makeLeader(1);
    cluster.tick(7);
    cluster.isolate(1);
    let ticks = 0;
    for (; leader.status(1).role === "leader" && ticks < 50; ticks++) leader.core.tick();
    assert.ok(ticks >= 8 && ticks <= 12, `${ticks} of ten ticks in a group of ${size}`);
  }
});

test.run();
