/**
 * No read returns a key whose time is reached by the leader's clock, and no read waits for a clock entry that
 * it does not need.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import {
  GROUP,
  timedPut,
  type TurningNode,
  TurningNodes,
  valuesOf,
} from "../../tests/support/cluster/turning_nodes.ts";

const test = suite("clock entries");

const LATE = new TextEncoder().encode("late");

/** Three nodes, of which the first leads, with two keys that expire after 100 ms and one that does not. */
function cluster(options: { readonly leaseReads?: boolean } = {}): [TurningNodes, TurningNode] {
  const nodes = new TurningNodes(3, options);
  const leader = nodes.elect(1);
  leader.write(timedPut("a", 100), timedPut("b", 100), timedPut("for ever", 0));
  nodes.settle();
  return [nodes, leader];
}

for (const leaseReads of [false, true]) {
  const how = leaseReads ? "by lease" : "by rounds";
  test(`${how}: a key is there until its time, and then gone for everybody who asks`, () => {
    const [nodes] = cluster({ leaseReads });
    nodes.pass(90);
    const before = nodes.nodes.map((node) => node.read(["a"], "follower"));
    nodes.settle();
    assert.equal(before.map(valuesOf), [["a"], ["a"], ["a"]]);
    nodes.clock.nowMs += 10;
    // A follower is the first to ask: its leader must look at its own clock for it.
    for (const id of [2, 1, 3, 2]) {
      const asked = nodes.node(id).read(["a", "for ever"], "follower");
      nodes.settle();
      assert.equal(valuesOf(asked), [undefined, "for ever"]);
    }
  });

  test(`${how}: what a leader is asked in one turn waits for one entry`, () => {
    const [nodes, leader] = cluster({ leaseReads });
    nodes.pass(100);
    const { lastIndex } = leader;
    const asked = [leader.read(["a"]), leader.read(["b", "for ever"]), leader.read(["a"])];
    leader.turn();
    assert.is(leader.lastIndex, lastIndex + 1);
    // While it is under way it does for those who come later, too.
    asked.push(leader.read(["b"]));
    leader.turn();
    assert.is(leader.lastIndex, lastIndex + 1);
    assert.equal(asked.map(valuesOf), Array(4).fill("waiting"));
    nodes.settle();
    assert.equal(asked.map(valuesOf), [[undefined], [undefined, "for ever"], [undefined], [undefined]]);
    const later = leader.read(["a", "b"]);
    nodes.settle();
    assert.equal(valuesOf(later), [undefined, undefined]);
    assert.is(leader.lastIndex, lastIndex + 1);
  });
}

test("a round that is confirmed before the entry is committed waits for it, here and at followers", () => {
  const [nodes, leader] = cluster();
  nodes.pass(100);
  const asked = [leader.read(["a"]), nodes.node(2).read(["b"], "follower")];
  nodes.settle(({ kind }) => kind === "appendRequest");
  assert.equal([leader, nodes.node(2)].map(({ replica }) => replica.hasConfirmedReads), [true, true]);
  assert.equal(asked.map(valuesOf), ["waiting", "waiting"]);
  nodes.pass(50);
  assert.equal(asked.map(valuesOf), [[undefined], [undefined]]);
});

test("reads of other keys cost no entry", () => {
  const [nodes, leader] = cluster();
  nodes.pass(100);
  const { lastIndex } = leader;
  const asked = leader.read(["for ever", "never written"]);
  nodes.settle();
  assert.equal(valuesOf(asked), ["for ever", undefined]);
  assert.is(leader.lastIndex, lastIndex);
});

test("a key that the state knows to have expired costs no further entry before it is removed", () => {
  const [nodes, leader] = cluster();
  leader.write(timedPut("later", 150));
  nodes.settle();
  nodes.pass(100);
  const { lastIndex } = leader;
  const ask = () => {
    const asked = nodes.node(2).read(["a", "later"], "follower");
    nodes.settle();
    return [valuesOf(asked), leader.lastIndex - lastIndex];
  };
  assert.equal(ask(), [[undefined, "later"], 1]);
  nodes.pass(40);
  assert.equal(ask(), [[undefined, "later"], 1]);
  nodes.pass(10);
  assert.equal(ask(), [[undefined, undefined], 2]);
});

test("a write of the same turn carries the time as well", () => {
  const [nodes, leader] = cluster();
  nodes.pass(100);
  const { lastIndex } = leader;
  leader.write(timedPut("c", 0));
  const asked = leader.read(["a"]);
  nodes.settle();
  assert.equal(valuesOf(asked), [undefined]);
  assert.is(leader.lastIndex, lastIndex + 1);
});

test("a round that is open when the time comes is not held up by it", () => {
  const [nodes, leader] = cluster();
  nodes.pass(90);
  const asked = leader.read(["a"]);
  leader.turn();
  nodes.clock.nowMs += 10;
  nodes.settle();
  assert.equal(valuesOf(asked), ["a"]);
});

test("a read that was asked before the leader may answer sees the time at which it may", () => {
  const [nodes] = cluster();
  nodes.pass(50);
  // Node 2 leads, and its own entry reaches nobody yet.
  const leader = nodes.node(2);
  nodes.node(1).core.transferLeadership(GROUP, 2);
  nodes.settle(({ kind }) => kind === "appendRequest");
  assert.is(leader.replica.role, "leader");
  const asked = leader.read(["a"]);
  leader.turn();
  // Its clock goes on from what was applied, which is when the keys were put.
  nodes.clock.nowMs += 100;
  nodes.pass(20);
  assert.equal(valuesOf(asked), [undefined]);
});

test("a stale read goes by what was applied", () => {
  const [nodes, leader] = cluster();
  nodes.pass(100);
  assert.equal(valuesOf(leader.read(["a"], "stale")), ["a"]);
  assert.equal(valuesOf(nodes.node(2).read(["a"], "stale")), ["a"]);
  leader.read(["a"]);
  nodes.settle();
  assert.equal(valuesOf(leader.read(["a"], "stale")), [undefined]);
});

test("where there is no room for the entry, reads that need it are refused, and only those", () => {
  const [nodes, leader] = cluster();
  nodes.pass(100);
  leader.room.spareFailure = "no space left";
  leader.room.restBytes = 0;
  const refused = leader.read(["for ever", "a"]);
  const answered = leader.read(["for ever"]);
  const passedOn = nodes.node(2).read(["b"], "follower");
  const others = nodes.node(3).read(["for ever"], "follower");
  nodes.settle();
  assert.is(valuesOf(refused), "overloaded");
  assert.equal(valuesOf(answered), ["for ever"]);
  // Their nodes pass on the calls themselves, once they are told that nothing is granted.
  nodes.settle();
  assert.is(valuesOf(passedOn), "overloaded");
  assert.equal(valuesOf(others), ["for ever"]);
  leader.room.spareFailure = undefined;
  const later = leader.read(["a"]);
  nodes.settle();
  assert.equal(valuesOf(later), [undefined]);
});

test("with hundreds of keys due, followers' reads share entries, and the leader's own see the time", () => {
  const [nodes, leader] = cluster({});
  leader.write(...Array.from({ length: 300 }, (_, at) => timedPut(`${at}`, 50)));
  leader.write(timedPut("late", 200));
  nodes.settle();
  nodes.pass(60);
  nodes.node(2).read(["for ever"], "follower");
  nodes.settle();
  const { lastIndex } = leader;
  for (let at = 0; at < 20; at++) {
    nodes.clock.nowMs++;
    nodes.node(2).read(["for ever"], "follower");
    nodes.settle();
  }
  assert.is(leader.lastIndex, lastIndex);
  while (leader.replica.stampMs(nodes.clock.nowMs) < leader.replica.machine.expiresAtMs(LATE)!) {
    nodes.clock.nowMs++;
    nodes.node(2).read(["for ever"], "follower");
    nodes.settle();
  }
  nodes.node(2).read(["for ever"], "follower");
  nodes.node(2).turn();
  const own = leader.read(["late"]);
  nodes.settle();
  assert.equal(valuesOf(own), [undefined]);
});

test("the log's time follows the clock, so that little is lost when all nodes stop", () => {
  const [nodes, leader] = cluster({});
  leader.write(timedPut("short", 3_000), timedPut("long", 3_600_000));
  nodes.settle();
  const startMs = leader.replica.machine.timeMs;
  const raised: number[] = [];
  for (let passed = 0; passed < 2_500; passed += 100) {
    nodes.pass(100);
    const { lastIndex } = leader;
    leader.clockEntries.tick();
    nodes.settle();
    if (leader.lastIndex > lastIndex) raised.push(leader.replica.machine.timeMs - startMs);
  }
  // A second later at the next look.
  assert.equal(raised, [1_100, 2_200]);
  nodes.pass(1_000);
  leader.removal.tick();
  nodes.settle();
  const { lastIndex } = leader;
  nodes.pass(50_000);
  leader.clockEntries.tick();
  assert.is(leader.lastIndex, lastIndex);
  nodes.pass(11_000);
  leader.clockEntries.tick();
  leader.clockEntries.tick();
  assert.is(leader.lastIndex, lastIndex + 1);
});

test("a key ends in time however often its leader is another one", () => {
  const [nodes] = cluster({});
  nodes.node(1).write(timedPut("b", 1_000));
  nodes.settle();
  for (let moves = 0; moves < 6; moves++) {
    nodes.pass(190);
    const from = nodes.nodes.find(({ replica }) => replica.role === "leader")!;
    from.core.transferLeadership(GROUP, from.id % 3 + 1);
    nodes.pass(10);
  }
  const found = nodes.nodes.find(({ replica }) => replica.role === "leader")!.read(["b"]);
  nodes.settle();
  assert.equal(valuesOf(found), [undefined]);
});

test("reads that wait for an entry which is lost with the leadership are asked again", () => {
  const [nodes, leader] = cluster({ leaseReads: true });
  nodes.pass(90);
  // What the next leader begins with must not be enough for anybody.
  for (let at = 0; at < 3; at++) leader.write(timedPut("lost", 0));
  nodes.clock.nowMs += 10;
  const { lastIndex } = leader;
  const follower = nodes.node(2).read(["a"], "follower");
  nodes.node(2).turn();
  const own = leader.read(["a"]);
  // Both are granted an index that only the first node has, and it says nothing but that.
  const isOfFirst = ({ from, to }: { from: number; to: number }) => from === 1 || to === 1;
  nodes.settle((sent) => isOfFirst(sent) && !sent.kind.startsWith("readIndex"));
  assert.is(leader.lastIndex, lastIndex + 1);
  assert.equal([own, follower].map(valuesOf), ["waiting", "waiting"]);
  assert.is(nodes.node(2).replica.hasConfirmedReads, true);
  nodes.pass(1_000, isOfFirst);
  assert.ok(nodes.nodes.slice(1).some(({ replica }) => replica.role === "leader"), "another node leads");
  assert.is(valuesOf(own), "waiting");
  nodes.pass(1_000);
  // The new leader's clock goes on from what was applied: by that the key may be there for a while yet.
  assert.ok(Array.isArray(valuesOf(own)), `${valuesOf(own)}`);
  assert.ok(Array.isArray(valuesOf(follower)), `${valuesOf(follower)}`);
});

test.run();
