/**
 * Leaders remove what has expired, in commands of bounded size, and as long as there is room for them.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import {
  GROUP,
  LOG_ROOM_BYTES,
  timedPut,
  TurningNodes,
  valuesOf,
} from "../../tests/support/cluster/turning_nodes.ts";
import { decodeCommand } from "../kv/mod.ts";

const test = suite("removal");

/** Three nodes, of which the first leads, with keys that expire after 100 ms. */
function cluster(...keys: readonly string[]): TurningNodes {
  const nodes = new TurningNodes(3, { quietAfterTicks: 5 });
  nodes.elect(1).write(...keys.map((key) => timedPut(key, 100)));
  nodes.settle();
  return nodes;
}

/** So many keys, of so many bytes each. */
function keysOf(count: number, bytes: number): readonly string[] {
  return Array.from({ length: count }, (_, at) => `${at}`.padStart(bytes, "k"));
}

/** Looks once at every node, as their ticks do, and has what is proposed applied. */
function look(nodes: TurningNodes): void {
  for (const { removal } of nodes.nodes) removal.tick();
  nodes.settle();
}

test("what has expired is removed everywhere, a tick after its time, from a quiet group too", () => {
  const nodes = cluster();
  nodes.node(1).write(timedPut("a", 1_000), timedPut("b", 1_000));
  nodes.pass(990);
  assert.ok(nodes.nodes.every(({ core }) => core.status(GROUP)!.isQuiet), "the group is quiet");
  look(nodes);
  assert.equal(nodes.nodes.map(({ replica }) => replica.machine.keyCount), [2, 2, 2]);
  nodes.clock.nowMs += 10;
  const { lastIndex } = nodes.node(1);
  look(nodes);
  assert.equal(nodes.nodes.map(({ replica }) => replica.machine.keyCount), [0, 0, 0]);
  assert.equal(nodes.nodes.map(({ replica }) => replica.machine.expired), [2, 2, 2]);
  look(nodes);
  assert.is(nodes.node(1).lastIndex, lastIndex + 1);
});

test("one command is under way at a time, takes so many keys or bytes, and is followed at once", () => {
  const nodes = cluster(...keysOf(1_500, 8));
  const leader = nodes.node(1);
  nodes.pass(100);
  const { lastIndex } = leader;
  leader.removal.tick();
  leader.removal.tick();
  assert.is(leader.lastIndex, lastIndex + 1);
  nodes.settle();
  assert.is(leader.replica.machine.keyCount, 0);
  assert.is(leader.lastIndex, lastIndex + 2);

  const large = leader.lastIndex;
  const puts = keysOf(600, 1_024).map((key) => timedPut(key, 100));
  leader.write(...puts.slice(300));
  leader.write(...puts.slice(0, 300));
  nodes.settle();
  assert.is(leader.replica.machine.keyCount, 600);
  nodes.pass(100);
  look(nodes);
  assert.is(leader.replica.machine.keyCount, 0);
  assert.is(leader.lastIndex, large + 2 + 2);
});

test("a command is never larger than the log takes in one entry", () => {
  const nodes = cluster(...keysOf(64, 512));
  const { gate, removal, replica, room } = nodes.node(1);
  nodes.pass(100);
  room.segmentRoomBytes = 10_000;
  const sizes: number[] = [];
  const { propose } = nodes.node(1).dispatcher;
  nodes.node(1).dispatcher.propose = function (...args) {
    sizes.push(args[1].length);
    assert.ok(decodeCommand(args[1]).mutations.every(({ kind }) => kind === "expire"));
    return propose.apply(this, args);
  };
  for (let ticks = 0; replica.machine.keyCount > 0; ticks++) {
    assert.ok(ticks < 64, "every look removes something");
    removal.tick();
    nodes.settle();
  }
  assert.ok(sizes.length > 1 && sizes.every((size) => size <= gate.commandBytesMax), `${sizes}`);
});

test("a leader that changes in between begins anew", () => {
  const nodes = cluster("a", "b");
  nodes.pass(100);
  nodes.node(1).removal.tick();
  // The command gets lost with the leadership.
  const isOfFirst = ({ from, to }: { from: number; to: number }) => from === 1 || to === 1;
  nodes.settle(isOfFirst);
  nodes.pass(1_000, isOfFirst);
  nodes.pass(200);
  assert.equal(nodes.nodes.map(({ replica }) => replica.machine.keyCount), [2, 2, 2]);
  look(nodes);
  assert.equal(nodes.nodes.map(({ replica }) => replica.machine.keyCount), [0, 0, 0]);
});

test("a full node removes as long as it takes deletes, and goes on when there is room", () => {
  const nodes = cluster("a", "b");
  const leader = nodes.node(1);
  nodes.pass(100);
  leader.room.spareFailure = "no space left";
  leader.room.restBytes = 0;
  const { lastIndex } = leader;
  look(nodes);
  assert.is(leader.lastIndex, lastIndex);
  // Of the reserve, a quarter of a segment, half is kept from deletes, and all of it from puts.
  leader.room.restBytes = LOG_ROOM_BYTES / 4 - 1;
  assert.is(leader.write(timedPut("c", 0)).result?.ok, false);
  look(nodes);
  assert.is(leader.replica.machine.keyCount, 0);
});

test("a key that is written anew while its removal is under way stays", () => {
  const nodes = cluster("a", "b");
  const leader = nodes.node(1);
  nodes.pass(90);
  leader.write(timedPut("a", 100));
  nodes.clock.nowMs += 10;
  leader.removal.tick();
  nodes.settle();
  const asked = leader.read(["a", "b"]);
  nodes.settle();
  assert.equal(valuesOf(asked), ["a", undefined]);
});

test.run();
