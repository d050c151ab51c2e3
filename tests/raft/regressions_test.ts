/**
 * What went wrong in other systems, each as a test that fails if it goes wrong here. Many of them have a text
 * script too; these speak of whole clusters and of numbers.
 *
 * @module
 */

import { EntryKind, type Restored } from "../../raft/mod.ts";
import { assert, suite } from "../harness.ts";
import { appliedText, Cluster, emptyState, stateWithLog, textBytes } from "./model/cluster.ts";
import { votersOnly } from "../support/memberships.ts";

const test = suite("raft regressions");

test("a cluster of n survives the loss of every minority and stops with every larger loss", () => {
  for (const size of [2, 3, 4, 5]) {
    const survivable = Math.ceil(size / 2) - 1;
    for (let lost = 0; lost < size; lost++) {
      const cluster = new Cluster({ nodes: firstNodes(size), seed: 10 * size + lost });
      cluster.elect();
      for (const node of cluster.nodes.slice(0, lost)) cluster.crash(node);
      cluster.tick(60);
      const isWritten = cluster.nodes.slice(lost).some((node) =>
        node.core.propose(1, textBytes("a")).accepted
      );
      cluster.settle();
      const isCommitted = cluster.nodes.slice(lost).some((node) => appliedText(node).includes("a"));
      assert.is(isWritten && isCommitted, lost <= survivable, `${lost} of ${size} lost`);
    }
  }
});

test("two of four nodes commit nothing, and neither do the other two", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3, 4] });
  const leader = cluster.elect();
  const partner = cluster.nodes.find((node) => node !== leader)!;
  const before = leader.status(1).commit;
  cluster.isolate(leader.id, partner.id);
  leader.core.propose(1, textBytes("lost"));
  cluster.tick(80);
  for (const node of cluster.nodes) {
    assert.is(node.status(1).commit, before);
    assert.not.equal(node.status(1).role, "leader");
  }
});

test("12,000 writes to one group are on every node, also after a restart of all", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3] });
  const leader = cluster.elect();
  for (let write = 0; write < 12_000; write++) {
    assert.ok(leader.core.propose(1, textBytes(`${write}`)).accepted);
    if (write % 100 === 99) cluster.settle();
  }
  cluster.tick(4);
  for (const node of cluster.nodes) assert.is(appliedText(node).length, 12_000);
  restartAll(cluster);
  cluster.elect();
  cluster.tick(4);
  for (const node of cluster.nodes) {
    assert.equal(appliedText(node).slice(-2), ["11998", "11999"]);
    assert.is(appliedText(node).length, 12_000);
  }
});

test("a log that starts behind a snapshot counts from there, through writes, elections and restarts", () => {
  const restored = (): Restored => ({
    hardState: { term: 4, vote: 0, commit: 10_000 },
    snapshot: { index: 10_000, term: 4, membership: votersOnly([1, 2, 3]), membershipIndex: 0 },
    entries: [],
  });
  const cluster = new Cluster({ nodes: [1, 2, 3], restored });
  const result = cluster.elect().core.propose(1, textBytes("a"));
  assert.equal(result, { accepted: true, index: 10_002, term: 5 });
  cluster.tick(2);
  restartAll(cluster);
  const again = cluster.elect().core.propose(1, textBytes("b"));
  assert.ok(again.accepted && again.index === 10_004);
  cluster.tick(2);
  for (const node of cluster.nodes) assert.equal(appliedText(node), ["a", "b"]);
});

test("a node that died after its vote gives no second one in that term", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3] });
  const voter = cluster.node(1);
  for (const from of [2, 3, 2, 3]) {
    const request = {
      kind: "voteRequest",
      group: 1,
      from,
      to: 1,
      term: 8,
      lastLogIndex: 0,
      lastLogTerm: 0,
    } as const;
    voter.core.step({ ...request, transfer: false });
    cluster.turn(voter);
    cluster.crash(voter);
    cluster.start(voter);
    assert.equal([voter.status(1).term, voter.status(1).vote], [8, 2]);
  }
  const granted = cluster.inTransit.filter((message) => message.kind === "voteResponse" && message.granted);
  assert.equal(granted.map((message) => message.to), [2, 2]);
});

test("refusals are not counted as acknowledgements", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3] });
  const leader = cluster.makeLeader(1);
  cluster.isolate(1);
  leader.core.propose(1, textBytes("a"));
  cluster.turn(leader);
  const term = leader.status(1).term;
  for (const from of [2, 3]) {
    const refusal = {
      kind: "appendResponse",
      group: 1,
      from,
      to: 1,
      term,
      success: false,
      matchIndex: 2,
    } as const;
    leader.core.step({ ...refusal, conflictIndex: 1, conflictTerm: 1 });
  }
  cluster.turn(leader);
  assert.is(leader.status(1).commit, 1);
});

test("a waiter can tell its own entry from another leader's at the same index", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3] });
  const old = cluster.makeLeader(1);
  cluster.isolate(1);
  const mine = old.core.propose(1, textBytes("lost"));
  const winner = cluster.makeLeader(2);
  const other = winner.core.propose(1, textBytes("kept"));
  cluster.settle();
  cluster.heal();
  cluster.tick(6);
  assert.ok(mine.accepted && other.accepted);
  const taken = old.applied.get(1)!.find((entry) => entry.index === mine.index)!;
  assert.not.equal(taken.term, mine.term);
  assert.equal(appliedText(old), ["kept"]);
  assert.ok(old.status(1).term > mine.term, "the transition to a later term fails the waiter");
});

test("a leader that was stopped and is woken neither commits nor answers a read on its own", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3] });
  const old = cluster.makeLeader(1);
  // Under SIGSTOP its clock stands still, its connections stay open, and what is sent to it waits.
  const others = [cluster.node(2), cluster.node(3)];
  for (let tick = 0; tick < 40; tick++) {
    for (const node of others) node.core.tick();
    cluster.settleExcept([1]);
  }
  const winner = others.find((node) => node.status(1).role === "leader")!;
  assert.ok(winner.core.propose(1, textBytes("new")).accepted);
  cluster.settleExcept([1]);
  assert.equal(appliedText(winner), ["new"]);
  // Woken, it still believes that it leads, and is asked before it has heard anything.
  assert.is(old.status(1).role, "leader");
  assert.ok(old.core.readIndex(1, 5).accepted);
  assert.ok(old.core.propose(1, textBytes("old")).accepted);
  cluster.turn(old);
  assert.equal(old.reads, []);
  cluster.settle();
  cluster.tick(4);
  assert.equal(old.reads.map((read) => read.granted), [false]);
  for (const node of cluster.nodes) assert.equal(appliedText(node), ["new"]);
});

test("a read retried at the leader is not answered by the confirmation of its first attempt", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3] });
  const leader = cluster.makeLeader(1);
  leader.core.readIndex(1, 9);
  cluster.turn(leader);
  const late = cluster.inTransit.splice(0).filter((message) => message.kind === "heartbeatRequest");
  for (const message of late) cluster.deliver(message);
  for (const id of [2, 3]) cluster.turn(cluster.node(id));
  const answers = cluster.inTransit.splice(0);
  cluster.deliver(answers[0]!);
  cluster.turn(leader);
  assert.is(leader.reads.length, 1);
  // The same id again: a new question. The second answer to the first round says nothing about it.
  leader.core.readIndex(1, 9);
  cluster.turn(leader);
  for (const answer of answers) cluster.deliver(answer);
  cluster.turn(leader);
  assert.is(leader.reads.length, 1);
  cluster.settle();
  assert.is(leader.reads.length, 2);
});

test("an answer to a question from before a follower's restart is void", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3] });
  cluster.makeLeader(1);
  cluster.tick(2);
  const follower = cluster.node(2);
  follower.core.readIndex(1, 5);
  cluster.turn(follower);
  const [question] = cluster.inTransit.splice(0);
  cluster.deliver(question!);
  cluster.settleExcept([2]);
  const answer = cluster.inTransit.splice(0).find((message) => message.kind === "readIndexResponse")!;
  cluster.crash(follower);
  cluster.start(follower);
  cluster.tick(2);
  assert.ok(follower.core.readIndex(1, 5).accepted);
  cluster.turn(follower);
  follower.core.step(answer);
  cluster.turn(follower);
  assert.is(follower.reads.length, 0);
});

test("a lost append is made up, wherever in the stream it was", () => {
  for (let lost = 0; lost < 6; lost++) {
    const cluster = new Cluster({ nodes: [1, 2, 3], config: { appendBytesMax: 1 } });
    const leader = cluster.makeLeader(1);
    for (let write = 0; write < 6; write++) leader.core.propose(1, textBytes(`${write}`));
    cluster.turn(leader);
    const toThree = cluster.inTransit.filter((message) =>
      message.to === 3 && message.kind === "appendRequest"
    );
    cluster.inTransit.splice(cluster.inTransit.indexOf(toThree[lost]!), 1);
    cluster.settle();
    cluster.tick(4);
    assert.is(appliedText(cluster.node(3)).length, 6, `append ${lost} was lost`);
  }
});

test("a follower that lags many messages behind catches up while writes go on", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3], config: { appendBytesMax: 500, inflightMessagesMax: 4 } });
  const leader = cluster.makeLeader(1);
  cluster.crash(cluster.node(3));
  for (let write = 0; write < 500; write++) leader.core.propose(1, textBytes(`${write}`));
  cluster.settle();
  cluster.start(cluster.node(3));
  for (let tick = 0; tick < 10; tick++) {
    leader.core.propose(1, textBytes(`later ${tick}`));
    cluster.tick();
  }
  assert.is(appliedText(cluster.node(3)).length, 510);
});

test("one hung follower costs no write and a bounded number of messages", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3], config: { inflightMessagesMax: 8 } });
  const leader = cluster.makeLeader(1);
  cluster.cuts.add("3>1");
  cluster.cuts.add("3>2");
  let toHung = 0;
  for (let write = 0; write < 100; write++) {
    leader.core.propose(1, textBytes(`${write}`));
    const batch = cluster.turn(leader);
    toHung += batch.messages.filter((message) => message.to === 3).length;
    cluster.settle();
  }
  assert.is(appliedText(leader).length, 100);
  assert.ok(toHung <= 8, `${toHung} appends to a follower that never answers`);
});

test("a node that is down costs one heartbeat an interval and nothing else", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3] });
  const leader = cluster.makeLeader(1);
  cluster.crash(cluster.node(3));
  leader.core.reportUnreachable(3);
  leader.core.propose(1, textBytes("a"));
  cluster.settle();
  let toDead = 0;
  for (let tick = 0; tick < 40; tick++) {
    leader.core.tick();
    while (leader.core.hasReady()) {
      toDead += cluster.turn(leader).messages.filter((message) => message.to === 3).length;
    }
    cluster.settle();
  }
  assert.is(toDead, 20);
});

test("a node that cannot be heard does not depose the leader it still hears", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3] });
  const leader = cluster.makeLeader(1);
  const { term } = leader.status(1);
  cluster.cuts.add("1>3");
  cluster.tick(200);
  assert.equal([leader.status(1).role, leader.status(1).term], ["leader", term]);
});

test("a leader that is heard but hears nobody makes room", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3] });
  cluster.makeLeader(1);
  cluster.cuts.add("2>1");
  cluster.cuts.add("3>1");
  cluster.tick(60);
  assert.not.equal(cluster.node(1).status(1).role, "leader");
  assert.ok([2, 3].some((id) => cluster.node(id).status(1).role === "leader"));
});

test("a node that comes back with a higher term does not lock itself or the group out", () => {
  const restored = (node: number) =>
    node === 3
      ? stateWithLog([1, 2, 3], { terms: [1], term: 9 })
      : stateWithLog([1, 2, 3], { terms: [1, 1], term: 1 });
  const cluster = new Cluster({ nodes: [1, 2, 3], restored });
  cluster.crash(cluster.node(3));
  cluster.elect();
  cluster.start(cluster.node(3));
  cluster.tick(60);
  const leader = cluster.elect();
  assert.ok(leader.status(1).term > 9);
  leader.core.propose(1, textBytes("a"));
  cluster.tick(4);
  for (const node of cluster.nodes) assert.is(appliedText(node).at(-1), "a");
});

test("a joint configuration is remembered at restart: both majorities must agree", () => {
  const joint = { voters: [1, 2, 3], votersOutgoing: [3, 4, 5], learners: [], learnersNext: [] };
  const snapshot = { index: 0, term: 0, membership: joint, membershipIndex: 0 };
  const restored = () => ({ ...emptyState([]), snapshot });
  const cluster = new Cluster({ nodes: [1, 2, 3, 4, 5], restored });
  for (const id of [4, 5]) cluster.crash(cluster.node(id));
  cluster.tick(80);
  assert.ok(
    cluster.nodes.slice(0, 3).every((node) => node.status(1).role !== "leader"),
    "one majority elects nobody",
  );
  cluster.start(cluster.node(4));
  const leader = cluster.makeLeader(1);
  leader.core.propose(1, textBytes("a"));
  cluster.settle();
  assert.is(appliedText(leader).length, 1);
  cluster.crash(cluster.node(4));
  leader.core.propose(1, textBytes("b"));
  cluster.settle();
  assert.is(appliedText(leader).length, 1);
});

test("a learner receives everything, neither votes nor counts, and never stands", () => {
  const membership = { ...votersOnly([1, 2]), learners: [3] };
  const snapshot = { index: 0, term: 0, membership, membershipIndex: 0 };
  const restored = () => ({ ...emptyState([]), snapshot });
  const cluster = new Cluster({ nodes: [1, 2, 3], restored });
  const leader = cluster.elect();
  leader.core.propose(1, textBytes("a"));
  cluster.tick(3);
  assert.equal(appliedText(cluster.node(3)), ["a"]);
  const voter = cluster.node(leader.id === 1 ? 2 : 1);
  cluster.crash(voter);
  leader.core.propose(1, textBytes("b"));
  cluster.settle();
  assert.is(appliedText(leader).length, 1);
  cluster.tick(80);
  assert.is(cluster.node(3).status(1).role, "follower");
  assert.is(cluster.node(3).status(1).electionsWon, 0);
});

test("leadership does not flap between a leader and a preferred replica that cannot keep it", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3], priority: () => [3, 1, 2] });
  cluster.elect();
  const won = () => cluster.nodes.reduce((sum, node) => sum + node.status(1).electionsWon, 0);
  const live = (ticks: number) => {
    const before = won();
    for (let tick = 0; tick < ticks; tick++) {
      // Whenever node 3 leads, nobody hears it any more; as a follower it is perfectly well.
      const isLeading = cluster.node(3).status(1).role === "leader";
      for (const id of [1, 2]) cluster.cuts[isLeading ? "add" : "delete"](`${id}>3`);
      cluster.tick();
    }
    return won() - before;
  };
  // The pauses double, at each of the two other replicas for itself: the longer it lasts, the less it
  // disturbs.
  const [first, second, third] = [live(1_000), live(2_000), live(4_000)];
  assert.ok(first >= 4 && first <= 20, `${first} elections in the first 100 timeouts`);
  assert.ok(second <= 10, `${second} in the next 200`);
  assert.ok(third <= 10, `${third} in the next 400`);
});

test("a term is opened by an empty entry, and proposals keep their order behind it", () => {
  const cluster = new Cluster({ nodes: [1, 2, 3] });
  const leader = cluster.elect();
  for (const text of ["a", "b", "c"]) leader.core.propose(1, textBytes(text));
  cluster.tick(2);
  for (const node of cluster.nodes) {
    assert.is(node.applied.get(1)![0]!.kind, EntryKind.empty);
    assert.equal(appliedText(node), ["a", "b", "c"]);
  }
});

function firstNodes(count: number): readonly number[] {
  return Array.from({ length: count }, (_, position) => position + 1);
}

function restartAll(cluster: Cluster): void {
  for (const node of cluster.nodes) cluster.crash(node);
  for (const node of cluster.nodes) cluster.start(node);
}

test.run();
