/**
 * The longest absence there is: one machine is away while all others are replaced, and comes back to a
 * cluster in which it knows no other node. Nothing may wait for it meanwhile, and it has to find the others.
 *
 * @module
 */

import type { SeededRandom } from "../../support/seeded_random.ts";
import type { Fleet } from "../machines/fleet.ts";
import type { Operator } from "../machines/operator.ts";

const LOOK_MS = 200;
/** Of group 0, at least. */
const VOTERS = 3;

/** Whether the cluster can do without any one of its members. */
export function canReplaceAllButOne(operator: Operator): boolean {
  return operator.members().length >= VOTERS;
}

/** What a replacement works with. */
export interface FullReplacementOptions {
  readonly fleet: Fleet;
  readonly operator: Operator;
  /** Picks the machine that stays. */
  readonly random: SeededRandom;
}

/** Resolves when the others are gone and the machine has been started again. All members must be up. */
export async function replaceAllButOne(
  { fleet, operator, random }: FullReplacementOptions,
): Promise<void> {
  const members = operator.members().map(({ nodeId }) => nodeId);
  const away = random.pick(members);
  const others = members.filter((id) => id !== away);
  fleet.machine(away).kill();
  // Nothing is moved to a machine that is away, no vote of group 0 either: there must be enough without it.
  const needed = Math.max(VOTERS, operator.replicationFactor);
  for (let count = 0; count < needed; count++) await operator.takeIn();
  for (const id of others) await operator.remove(id);
  while (others.some((id) => fleet.machine(id).state !== "removed")) await operator.pause(LOOK_MS);
  fleet.machine(away).start();
}
