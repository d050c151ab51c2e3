/**
 * Strikes the cluster at random moments, as often and with what the weather says. What aims at a certain
 * moment is the business of `ambush.ts`, changes of the cluster itself are an operator's (`operator.ts`).
 *
 * @module
 */

import type { SeededRandom } from "../../support/seeded_random.ts";
import type { SimMachine } from "../machines/machine.ts";
import { drawKind, type FaultKind, type Weather } from "../world/weather.ts";
import type { World } from "../world/world.ts";
import type { Faults } from "./faults.ts";

/** What random faults are drawn for. */
export interface RandomFaultsOptions {
  readonly world: World;
  readonly weather: Weather;
  readonly machines: readonly SimMachine[];
  readonly faults: Faults;
}

/** See the module comment. */
export class RandomFaults {
  readonly #options: RandomFaultsOptions;
  readonly #random: SeededRandom;
  /** How often each kind happened. */
  readonly counts = new Map<FaultKind, number>();

  constructor(options: RandomFaultsOptions) {
    this.#options = options;
    this.#random = options.world.fork();
  }

  /** Goes on until faults are over. */
  start(): void {
    const { faultEveryMs } = this.#options.weather;
    if (faultEveryMs === Infinity) return;
    const delayMs = this.#random.below(2 * faultEveryMs);
    this.#options.faults.later(delayMs, () => {
      this.#strike();
      this.start();
    });
  }

  #strike(): void {
    const { faults, weather, world } = this.#options;
    const kind = drawKind(this.#random, weather.faults);
    if (kind === undefined) return;
    const machine = this.#pickMachine(kind === "freeze" ? 100 : weather.leaderPercent);
    if (!faults.isBearable(kind, machine)) return;
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    world.trace.note(`${kind} at node ${machine.id}`);
    faults.do(kind, machine);
  }

  #pickMachine(leaderPercent: number): SimMachine {
    const machines = this.#options.machines.filter(({ state }) => state !== "removed");
    const leaders = machines.filter(({ node }) =>
      node?.replicas.assigned().some(({ role }) => role === "leader")
    );
    const isLeader = leaders.length > 0 && this.#random.chance(leaderPercent);
    return this.#random.pick(isLeader ? leaders : machines);
  }
}
