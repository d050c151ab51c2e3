/**
 * Memberships come back from their bytes as they were, and nothing else is taken for one.
 *
 * @module
 */

import { assert, suite } from "../tests/harness.ts";
import { InvariantViolation } from "./error.ts";
import { enterJoint, leaveJoint } from "./membership.ts";
import { decodeMembership, encodeMembership, tryDecodeMembership } from "./membership_codec.ts";
import { Random } from "./random.ts";
import type { Membership } from "./types.ts";

const test = suite("membership codec");

test("the worked example", () => {
  const joint = { voters: [1, 300], votersOutgoing: [1, 2], learners: [7], learnersNext: [2] };
  const bytes = Uint8Array.of(2, 1, 0xab, 0x02, 2, 1, 1, 1, 7, 1, 2);
  assert.equal(encodeMembership(joint), bytes);
  assert.equal(decodeMembership(bytes), joint);
  const named: Membership = { ...joint, replicaIds: [[1, 5], [300, 200]] };
  const more = Uint8Array.of(...bytes, 2, 1, 5, 0xab, 0x02, 0xc8, 0x01);
  assert.equal(encodeMembership(named), more);
  assert.equal(decodeMembership(more), named);
});

test("any membership comes back as it was", () => {
  const random = new Random(7);
  for (let round = 0; round < 2_000; round++) {
    const before = drawMembership(random, 1 + random.below(2 ** 32 - 1));
    for (const each of [before, leaveJoint(before)]) {
      assert.equal(decodeMembership(encodeMembership(each)), each);
    }
  }
});

test("bytes that are no membership are told apart", () => {
  const wrong: readonly (readonly number[])[] = [
    [],
    [0, 0, 0, 0],
    [1, 1, 0, 0],
    [1, 1, 0, 0, 0, 0],
    [2, 1, 0, 0, 0, 0],
    [1, 0, 0, 0, 0],
    [1, 0x81, 0x00, 0, 0, 0],
    [1, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0],
    [0xff, 0xff, 0xff, 0xff, 0x7f, 1],
    [1, 1, 0, 1, 1, 0],
    [1, 1, 0, 0, 1, 2],
    [1, 1, 1, 1, 0, 1, 1],
    // Named replicas: none, of nobody, of no member, with id 0, twice, cut off.
    [1, 1, 0, 0, 0, 0],
    [1, 1, 0, 0, 0, 1, 0, 1],
    [1, 1, 0, 0, 0, 1, 2, 1],
    [1, 1, 0, 0, 0, 1, 1, 0],
    [1, 1, 0, 0, 0, 2, 1, 1, 0, 1],
    [1, 1, 0, 0, 0, 1, 1],
  ];
  for (const bytes of wrong) {
    assert.is(tryDecodeMembership(Uint8Array.from(bytes)), undefined, bytes.join(" "));
  }
  assert.throws(
    () => decodeMembership(new Uint8Array(3)),
    (error: Error) => error instanceof InvariantViolation,
  );
});

test("every other form of the same membership is refused", () => {
  const random = new Random(3);
  for (let round = 0; round < 20_000; round++) {
    const bytes = Uint8Array.from(
      { length: random.below(14) },
      () => random.below(random.chance(0.8) ? 5 : 256),
    );
    const decoded = tryDecodeMembership(bytes);
    if (decoded !== undefined) assert.equal(encodeMembership(decoded), bytes);
  }
});

function drawMembership(random: Random, nodeMax: number): Membership {
  const draw = () => Array.from({ length: 1 + random.below(5) }, () => 1 + random.below(nodeMax));
  const current = { voters: ascending(draw()), votersOutgoing: [], learners: [], learnersNext: [] };
  const voters = ascending(draw());
  const learners = ascending(draw()).filter((node) => !voters.includes(node));
  const named = [...voters, ...learners].filter(() => random.chance(0.5));
  const replicaIds = new Map(named.map((node) => [node, 1 + random.below(2 ** 32 - 1)]));
  return enterJoint(current, { voters, learners, replicaIds });
}

function ascending(nodes: readonly number[]): readonly number[] {
  return [...new Set(nodes)].sort((a, b) => a - b);
}

test.run();
