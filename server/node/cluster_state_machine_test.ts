/**
 * The cluster's own state passes from one node to another as bytes, and who waits for a change sees it.
 *
 * @module
 */

import { MemoryStore } from "../../tests/support/memory_store.ts";
import { assert, suite } from "../../tests/harness.ts";
import { type ClusterCommand, encodeClusterCommand, foundingState } from "../cluster/mod.ts";
import { ClusterStateMachine } from "./cluster_state_machine.ts";

const test = suite("cluster state machine");

const NODES = new Map([[1, "a:1"], [2, "b:2"], [3, "c:3"]]);

const FOUND: ClusterCommand = {
  kind: "found",
  clusterId: "0123456789abcdef0123456789abcdef",
  replicationFactor: 1,
  nodes: [...NODES].map(([nodeId, address]) => ({ nodeId, address })),
  replicas: [[1], [2]],
};

const REMOVE: ClusterCommand = {
  kind: "change",
  changeId: "removal",
  request: { kind: "removeNode", nodeId: 3 },
};

function startedMachine(): ClusterStateMachine {
  return new ClusterStateMachine(
    foundingState({ nodes: NODES, replicationFactor: 1, replicas: [[1], [2]] }),
    new MemoryStore(),
  );
}

/** It has applied the commands, one entry each, from the first on. */
function machineAfter(...commands: readonly ClusterCommand[]): ClusterStateMachine {
  const machine = startedMachine();
  commands.forEach((command, place) => void machine.apply(place + 1, encodeClusterCommand(command)));
  return machine;
}

test("another node goes on from the state as if it had applied the same entries", () => {
  const first = machineAfter(FOUND, REMOVE);
  const second = startedMachine();
  second.restoreState(first.encodeState(), 2);
  assert.is(second.appliedIndex, 2);
  assert.equal(second.state, first.state);
  const end = encodeClusterCommand({ kind: "finish", changeId: "removal", error: "" });
  for (const machine of [first, second]) machine.apply(3, end);
  assert.ok(second.state.retired.has(3));
  assert.equal(second.state, first.state);
});

test("what was there before is replaced", () => {
  const machine = machineAfter(FOUND, REMOVE);
  machine.restoreState(machineAfter(FOUND).encodeState(), 9);
  assert.is(machine.appliedIndex, 9);
  assert.equal(machine.state, machineAfter(FOUND).state);
});

test("who waits for a change sees it in the state that is restored, and others wait on", async () => {
  const machine = startedMachine();
  const { begun } = machine.expect("removal");
  const seen: string[] = [];
  void machine.expect("another").begun.then(({ changeId }) => seen.push(changeId));
  machine.restoreState(machineAfter(FOUND, REMOVE).encodeState(), 2);
  assert.equal(await begun, machine.state.changes[0]);
  assert.equal(seen, []);
  const request = { kind: "rebalance" } as const;
  machine.apply(3, encodeClusterCommand({ kind: "change", changeId: "another", request }));
  await Promise.resolve();
  assert.equal(seen, ["another"]);
});

test("bytes that are no state change nothing", () => {
  const machine = machineAfter(FOUND);
  const before = machine.state;
  const bytes = machineAfter(FOUND, REMOVE).encodeState();
  assert.throws(
    () => machine.restoreState(bytes.subarray(1), 5),
    (error: unknown) => error instanceof RangeError,
  );
  assert.is(machine.state, before);
  assert.is(machine.appliedIndex, 1);
});

test.run();
