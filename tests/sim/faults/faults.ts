/**
 * What can be done to the cluster, and how each of it ends: whatever is begun here ends by itself after a
 * while, and at once when the storm is over. What is done when, `random_faults.ts` decides at random and
 * `ambush.ts` on purpose.
 *
 * Disks that are damaged or gone for good are kept to a minority of every group: more than that loses data by
 * right.
 *
 * @module
 */

import type { NodeId } from "../../../raft/mod.ts";
import { groupOfPartition } from "../../../server/cluster/founding.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import type { ClientLink } from "../clients/client_link.ts";
import type { ProbeTarget } from "../clients/split_brain_probe.ts";
import type { SimMachine } from "../machines/machine.ts";
import type { Network, Route } from "../machines/network.ts";
import type { BrokenPart } from "../machines/sim_disk.ts";
import type { FaultKind, Weather } from "../world/weather.ts";
import type { World } from "../world/world.ts";

/** How far a wall clock may be set wrong, in milliseconds: by more than anything is remembered for. */
const CLOCK_JUMP_MS_MAX = 20 * 60_000;
/** Longest time that a process stands still. */
const PAUSE_MS_MAX = 5_000;
/** What a process that goes on has time for before the first message reaches it. */
const THAW_MS_MAX = 3;
/** How much later than the old answers the news of a new leader may reach it. */
const LATE_NEWS_MS_MAX = 40;
/** A process that is back at once may still be awaited by its peers. */
const BOUNCE_MS_MAX = 20;
/** Longest time that a process runs which is about to fail again. */
const LOOP_MS_MAX = 300;
/** Kinds a machine may not come back from. */
const RUINS: ReadonlySet<FaultKind> = new Set(["damage", "loseDisk", "removeLog"]);
const BROKEN_PARTS: readonly BrokenPart[] = ["read", "write", "sync"];

/** What faults are done to. */
export interface FaultsOptions {
  readonly world: World;
  readonly network: Network;
  readonly link: ClientLink;
  readonly machines: readonly SimMachine[];
  readonly weather: Weather;
  readonly partitionCount: number;
  /** The leader of the cluster's own group, as far as any node has said. */
  readonly coordinator: () => NodeId | undefined;
  readonly electionTimeoutMs: number;
  /** Machines that may be lost for good. */
  readonly lossesMax: number;
  readonly sendProbe: (target: ProbeTarget) => void;
}

/** See the module comment. */
export class Faults {
  readonly #options: FaultsOptions;
  readonly #random: SeededRandom;
  readonly #endings = new Set<() => void>();
  #isOver = false;
  #losses = 0;
  /** The machine with a bad disk: what two of them have lost, nobody may have. */
  #rotting: SimMachine | undefined;

  constructor(options: FaultsOptions) {
    this.#options = options;
    this.#random = options.world.fork();
  }

  /** Nothing bad happens any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The end of everything bad: what lasts ends now, and machines that are down come back. */
  stop(): void {
    this.#isOver = true;
    for (const end of [...this.#endings]) end();
    this.#options.network.healAll();
    for (const machine of this.#options.machines) machine.start();
  }

  /** Whether `kind` may be done to `machine`: no more is ruined than the cluster promises to survive. */
  isBearable(kind: FaultKind, machine: SimMachine): boolean {
    // Where everything is there once, nobody could make it whole.
    if (kind === "rotState") return this.#options.lossesMax > 0;
    return !RUINS.has(kind) || (this.#losses < this.#options.lossesMax && machine.state !== "lost");
  }

  /** Does `kind`, to `machine` if it is a thing to do to one. */
  do(kind: FaultKind, machine: SimMachine): void {
    switch (kind) {
      case "crash":
        return this.takeDown(machine, () => machine.crash());
      case "kill":
        return this.takeDown(machine, () => machine.kill());
      case "stop":
        return this.takeDown(machine, () => machine.stop());
      case "powerCut":
        return this.#cutPower();
      case "pause":
        return this.#pause(machine);
      case "freeze":
        return this.#freeze(machine);
      case "cutNode":
      case "cutLink":
      case "partition":
      case "swizzle":
      case "clog":
        return this.#disturbLinks(kind, machine);
      case "slowDisk":
        machine.disk.isSlow = true;
        return this.endLater(() => machine.disk.isSlow = false);
      case "fullDisk":
        machine.disk.isFull = true;
        return this.endLater(() => machine.disk.isFull = false);
      case "noDescriptors":
        machine.disk.isOutOfDescriptors = true;
        return this.endLater(() => machine.disk.isOutOfDescriptors = false);
      case "brokenDisk":
        machine.disk.broken = this.#random.pick(BROKEN_PARTS);
        return this.endLater(() => machine.disk.broken = undefined);
      case "rotState":
        this.#rotting ??= machine;
        return this.#rotting.rotState();
      case "damage":
      case "loseDisk":
      case "removeLog":
        return this.#ruin(kind, machine);
      case "clockJump":
        machine.clock.wallOffsetMs += this.#random.below(2 * CLOCK_JUMP_MS_MAX + 1) - CLOCK_JUMP_MS_MAX;
        return;
      case "transfer":
        return this.#transfer();
      case "killCoordinator":
        return this.#killCoordinator();
      default:
        return unreachable(kind);
    }
  }

  /** Ends the process of `machine` in the way of `takeDown`, and starts another after a while. */
  takeDown(machine: SimMachine, takeDown: () => void): void {
    takeDown();
    const { weather } = this.#options;
    const isBounce = this.#random.chance(weather.bouncePercent);
    const downMs = 1 + this.#random.below(isBounce ? BOUNCE_MS_MAX : weather.lastsMsMax);
    this.endLater(() => machine.start(), downMs);
    // Now and then a process hardly comes up before it goes again.
    if (!isBounce || !this.#random.chance(50)) return;
    this.later(
      downMs + this.#random.below(LOOP_MS_MAX),
      () => this.takeDown(machine, () => machine.kill()),
    );
  }

  /** All at once, as when the building loses its power. */
  #cutPower(): void {
    const { machines } = this.#options;
    for (const machine of machines) machine.crash();
    for (const machine of machines) this.endLater(() => machine.start());
  }

  #pause(machine: SimMachine): void {
    const { process } = machine;
    machine.pause();
    this.endLater(() => process?.resume(), this.#random.below(PAUSE_MS_MAX));
  }

  /**
   * Hears nothing, stands still for so long that others elect a new leader, is asked by clients then, and
   * when it goes on finds first what was answered to it before all that.
   */
  #freeze(machine: SimMachine): void {
    const { process } = machine;
    const { network, link, electionTimeoutMs, world } = this.#options;
    const incoming = this.linksTo(machine.id);
    const stillAtMs = this.#random.below(electionTimeoutMs / 2);
    const wakesAtMs = stillAtMs + electionTimeoutMs * (2 + this.#random.below(150) / 100);
    this.later(stillAtMs, () => process?.pause());
    const askedAtMs = wakesAtMs - this.#random.below(electionTimeoutMs / 2);
    this.later(askedAtMs, () => {
      link.favourite = machine;
      this.#probeBehind(machine, wakesAtMs - askedAtMs + LATE_NEWS_MS_MAX);
    });
    this.endLater(() => {
      link.favourite = undefined;
      process?.resume();
    }, wakesAtMs);
    const sentBeforeMs = world.nowMs + stillAtMs;
    const thawsAtMs = wakesAtMs + this.#random.below(THAW_MS_MAX * 1_000) / 1_000;
    this.later(thawsAtMs, () => {
      for (const each of incoming) network.unclog(each, sentBeforeMs);
    });
    this.hold(incoming, thawsAtMs + this.#random.below(LATE_NEWS_MS_MAX));
  }

  /** The probe writes where a partition is led now, and reads at `old`, which led it and knows of nothing. */
  #probeBehind(old: SimMachine, forMs: number): void {
    for (const machine of this.#options.machines) {
      if (machine === old) continue;
      const led = leaderships(machine).find((partitionId) => leaderships(old).includes(partitionId));
      if (led === undefined) continue;
      return this.#options.sendProbe({ partitionId: led, writesAt: machine, readsAt: old, forMs });
    }
  }

  #disturbLinks(kind: "cutNode" | "cutLink" | "partition" | "swizzle" | "clog", machine: SimMachine): void {
    switch (kind) {
      case "cutNode":
        return this.#cut(this.#links().filter(({ from, to }) => from === machine.id || to === machine.id));
      case "cutLink":
        return this.#cut([this.#random.pick(this.#links())]);
      case "partition": {
        const side = new Set(
          this.#options.machines.filter(() => this.#random.chance(50)).map(({ id }) => id),
        );
        return this.#cut(this.#links().filter(({ from, to }) => side.has(from) !== side.has(to)));
      }
      case "swizzle":
        // Every link is cut and healed for itself, in whatever order.
        for (const link of this.#links()) {
          const delayMs = this.#random.below(this.#options.weather.lastsMsMax);
          this.later(delayMs, () => this.#cut([link]));
        }
        return;
      case "clog":
        return this.hold([this.#random.pick(this.#links())], this.#duration());
    }
  }

  #cut(links: readonly Route[]): void {
    const { network } = this.#options;
    for (const link of links) network.cut(link);
    this.endLater(() => {
      for (const link of links) network.heal(link);
    });
  }

  #ruin(kind: "damage" | "loseDisk" | "removeLog", machine: SimMachine): void {
    this.#losses++;
    if (kind === "loseDisk") return machine.lose();
    this.takeDown(machine, () => kind === "damage" ? machine.damage() : machine.removeLog());
  }

  #transfer(): void {
    const { machines, partitionCount } = this.#options;
    const partitionId = this.#random.below(partitionCount);
    const isFollower = ({ node }: SimMachine) =>
      node?.replicas.assigned().some((each) =>
        each.partitionId === partitionId && each.role === "follower"
      ) ??
        false;
    const followers = machines.filter(isFollower);
    if (followers.length === 0) return;
    const { id } = this.#random.pick(followers);
    for (const machine of machines) machine.transferLeadership(groupOfPartition(partitionId), id);
  }

  /** The node that says what is to be done next is gone. */
  #killCoordinator(): void {
    const { coordinator, machines } = this.#options;
    const id = coordinator();
    if (id === undefined) return;
    const machine = machines[id - 1]!;
    this.takeDown(machine, () => this.#random.chance(50) ? machine.crash() : machine.kill());
  }

  /** Holds back for `forMs` what is sent over `links`. */
  hold(links: readonly Route[], forMs: number): void {
    const { network } = this.#options;
    for (const each of links) network.clog(each);
    this.endLater(() => {
      for (const each of links) network.unclog(each);
    }, forMs);
  }

  /** The links over which `id` hears others. */
  linksTo(id: NodeId): readonly Route[] {
    return this.#links().filter(({ to }) => to === id);
  }

  /** The links over which others hear `id`. */
  linksFrom(id: NodeId): readonly Route[] {
    return this.#links().filter(({ from }) => from === id);
  }

  #links(): Route[] {
    const ids = this.#options.machines.map(({ id }) => id);
    return ids.flatMap((from) => ids.filter((to) => to !== from).map((to) => ({ from, to })));
  }

  /** Does `act` after `delayMs`, unless all is over by then. */
  later(delayMs: number, act: () => void): void {
    this.#options.world.plan(delayMs, "fault", () => {
      if (!this.#isOver) act();
    });
  }

  /** Ends something after `delayMs`, a time as the weather has them unless given, or when all is over. */
  endLater(end: () => void, delayMs = this.#duration()): void {
    const once = () => {
      if (this.#endings.delete(once)) end();
    };
    this.#endings.add(once);
    this.#options.world.plan(delayMs, "ending", once);
  }

  /** How long something lasts in this weather. */
  #duration(): number {
    return 1 + this.#random.below(this.#options.weather.lastsMsMax);
  }
}

/** The partitions that `machine` believes to lead. */
function leaderships({ node }: SimMachine): readonly number[] {
  const led = (node?.replicas.assigned() ?? []).filter(({ role }) => role === "leader");
  return led.map(({ partitionId }) => partitionId);
}

function unreachable(value: never): never {
  throw new Error(`Unhandled fault: ${value}`);
}
