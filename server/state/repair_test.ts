/**
 * What a node asks of the core for a state that is damaged.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { Repair, type RepairOptions } from "./repair.ts";

const test = suite("repair");
const GROUP = 3;
/** More than lie between two looks. */
const TICKS = 10;

/** A node with one group, and what it asks for. */
function damagedNode(role: "leader" | "follower") {
  const state = { group: GROUP, damage: "a checksum is wrong" as string | undefined };
  const asked: string[] = [];
  const repair = new Repair(
    {
      stores: { all: new Map([[GROUP, state]]) },
      replicas: new Map([[GROUP, { isAssigned: true, role, stallReason: undefined }]]),
      multiRaft: {
        status: () => ({
          group: GROUP,
          role,
          leader: 2,
          membership: { voters: [1, 2, 3] },
          followers: [{ node: 2, active: true, matchIndex: 5 }, { node: 3, active: true, matchIndex: 7 }],
        }),
        setUnfit: (group: number, isUnfit: boolean) => asked.push(`${isUnfit ? "unfit" : "fit"} ${group}`),
        transferLeadership: (_group: number, to: number) => asked.push(`lead ${to}`),
      },
      receiver: { want: ({ leader }: { leader: number }) => asked.push(`snapshot of ${leader}`) },
    } as unknown as RepairOptions,
  );
  const tick = () => {
    for (let ticks = 0; ticks < TICKS; ticks++) repair.tick();
    return [...new Set(asked.splice(0))];
  };
  return { state, repair, tick };
}

test("a follower with a damaged state takes no leadership, until its leader's state has taken its place", () => {
  const { state, tick } = damagedNode("follower");
  assert.equal(tick(), ["unfit 3", "snapshot of 2"]);
  state.damage = undefined;
  assert.equal(tick(), ["fit 3"]);
  assert.equal(tick(), []);
});

test("a leader with a damaged state hands over, and does not take it back", () => {
  const { tick } = damagedNode("leader");
  assert.equal(tick(), ["unfit 3", "lead 3"]);
});

test.run();
