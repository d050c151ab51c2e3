/**
 * The longest absence there is: one machine is away while everybody else is replaced, and comes back to a
 * cluster in which it knows nobody. Nobody may wait for it meanwhile, and it has to find its way home.
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
export function canRenew(operator: Operator): boolean {
  return operator.members().length >= VOTERS;
}

/** Resolves when the others are gone and the machine has been started again. All members must be up. */
export async function renew(
  { fleet, operator, random }: {
    readonly fleet: Fleet;
    readonly operator: Operator;
    readonly random: SeededRandom;
  },
): Promise<void> {
  const members = operator.members().map(({ nodeId }) => nodeId);
  const away = random.pick(members);
  const others = members.filter((id) => id !== away);
  fleet.machine(away).kill();
  // Nothing is moved to whoever is away, no vote of group 0 either: so there must be enough without it.
  const needed = Math.max(VOTERS, operator.replicationFactor);
  for (let count = 0; count < needed; count++) await operator.takeIn();
  for (const id of others) await operator.remove(id);
  while (others.some((id) => fleet.machine(id).state !== "removed")) await operator.pause(LOOK_MS);
  fleet.machine(away).start();
}
