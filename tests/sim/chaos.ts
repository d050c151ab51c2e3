/**
 * Does to the cluster what the weather says, at random moments. Everything it begins it also ends, after a while.
 *
 * Disks that are damaged or gone for good are kept to a minority of every group: more than that loses data by right.
 *
 * Changes of the cluster itself are an operator's (`operator.ts`).
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";
import type { SeededRandom } from "../support/seeded_random.ts";
import type { ClientLink } from "./client_link.ts";
import type { Machine } from "./machine.ts";
import type { Network } from "./network.ts";
import type { BrokenPart } from "./sim_disk.ts";
import { FAULT_KINDS, type FaultKind, type Weather } from "./weather.ts";
import type { World } from "./world.ts";

/** How far somebody may set a wall clock off, in milliseconds. */
const CLOCK_JUMP_MS_MAX = 500;
/** Longest time that a process stands still. */
const PAUSE_MS_MAX = 5_000;
/** What a process that goes on has time for before the first message reaches it. */
const THAW_MS_MAX = 3;
/** How much later than the old answers the news of a new leader may reach it. */
const LATE_NEWS_MS_MAX = 40;
/** A process that is back at once may still be awaited by its peers. */
const BOUNCE_MS_MAX = 20;
/** Longest life of a process that is about to fail again. */
const LOOP_MS_MAX = 300;
const ELECTION_CRASH_MS_MAX = 30;
/** A change of membership takes a few messages. */
const MEMBERSHIP_TROUBLE_MS_MAX = 10;
const MEMBERSHIP_TROUBLES: readonly FaultKind[] = [
  "cutNode",
  "cutNode",
  "partition",
  "partition",
  "crash",
  "kill",
];
/** Kinds a machine may not come back from. */
const RUINS: ReadonlySet<FaultKind> = new Set(["damage", "loseDisk"]);
const BROKEN_PARTS: readonly BrokenPart[] = ["read", "write", "sync"];

/** What chaos works on. */
export interface ChaosOptions {
  readonly world: World;
  readonly network: Network;
  readonly link: ClientLink;
  readonly machines: readonly Machine[];
  readonly weather: Weather;
  readonly partitionCount: number;
  /** Who leads the cluster's own group, as far as anybody has said. */
  readonly coordinator: () => NodeId | undefined;
  readonly electionTimeoutMs: number;
  /** Machines that may be lost for good. */
  readonly lossesMax: number;
}

/** See the module comment. */
export class Chaos {
  readonly #options: ChaosOptions;
  readonly #random: SeededRandom;
  readonly #endings = new Set<() => void>();
  #isOver = false;
  #losses = 0;
  /** How often each kind happened. */
  readonly counts = new Map<FaultKind, number>();

  constructor(options: ChaosOptions) {
    this.#options = options;
    this.#random = options.world.fork();
    options.network.onHandOver = (leader) => {
      const isWanted = !this.#isOver && this.#random.chance(options.weather.deafHandOverPercent);
      if (isWanted) this.#deafen(options.machines[leader - 1]!);
    };
    options.network.onMembership = (leader) => this.#onMembership(options.machines[leader - 1]!);
  }

  start(): void {
    const { faultEveryMs } = this.#options.weather;
    if (faultEveryMs === Infinity) return;
    const delayMs = this.#random.below(2 * faultEveryMs);
    this.#options.world.plan(delayMs, "chaos", () => {
      if (this.#isOver) return;
      this.#strike();
      this.start();
    });
  }

  /** The end of everything bad: what lasts ends now, and who is down comes back. */
  stop(): void {
    this.#isOver = true;
    for (const end of [...this.#endings]) end();
    this.#options.network.healAll();
    for (const machine of this.#options.machines) machine.start();
  }

  #strike(): void {
    const kind = this.#draw();
    if (kind === undefined) return;
    const machine = this.#pickMachine(kind === "freeze" ? 100 : this.#options.weather.leaderPercent);
    if (RUINS.has(kind) && (this.#losses >= this.#options.lossesMax || machine.state === "lost")) return;
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    this.#options.world.trace.note(`${kind} at node ${machine.id}`);
    this.#do(kind, machine);
  }

  /** A node has won an election: now is the worst moment for it to go. */
  onElection(machine: Machine): void {
    if (this.#isOver || !this.#random.chance(this.#options.weather.electionCrashPercent)) return;
    this.#later(this.#random.below(ELECTION_CRASH_MS_MAX * 1_000) / 1_000, () => {
      this.#takeDown(machine, () => this.#random.chance(50) ? machine.crash() : machine.kill());
    });
  }

  /** A group is about to have other members, and its nodes may know different ones: now is the worst moment for anything. */
  #onMembership(leader: Machine): void {
    if (this.#isOver || !this.#random.chance(this.#options.weather.membershipTroublePercent)) return;
    const kind = this.#random.pick(MEMBERSHIP_TROUBLES);
    const machine = this.#random.chance(50) ? leader : this.#pickMachine(0);
    this.#later(this.#random.below(MEMBERSHIP_TROUBLE_MS_MAX * 1_000) / 1_000, () => {
      this.#options.world.trace.note(`${kind} at node ${machine.id} in a change of membership`);
      this.#do(kind, machine);
    });
  }

  #pickMachine(leaderPercent: number): Machine {
    const machines = this.#options.machines.filter(({ state }) => state !== "removed");
    const leaders = machines.filter(({ node }) => node?.partitions().some(({ role }) => role === "leader"));
    const isLeader = leaders.length > 0 && this.#random.chance(leaderPercent);
    return this.#random.pick(isLeader ? leaders : machines);
  }

  #draw(): FaultKind | undefined {
    const { faults } = this.#options.weather;
    const total = FAULT_KINDS.reduce((sum, kind) => sum + (faults.get(kind) ?? 0), 0);
    if (total === 0) return undefined;
    let dice = this.#random.below(total);
    return FAULT_KINDS.find((kind) => (dice -= faults.get(kind) ?? 0) < 0);
  }

  #do(kind: FaultKind, machine: Machine): void {
    switch (kind) {
      case "crash":
        return this.#takeDown(machine, () => machine.crash());
      case "kill":
        return this.#takeDown(machine, () => machine.kill());
      case "stop":
        return this.#takeDown(machine, () => machine.stop());
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
        return this.#endLater(() => machine.disk.isSlow = false);
      case "fullDisk":
        machine.disk.isFull = true;
        return this.#endLater(() => machine.disk.isFull = false);
      case "brokenDisk":
        machine.disk.broken = this.#random.pick(BROKEN_PARTS);
        return this.#endLater(() => machine.disk.broken = undefined);
      case "damage":
      case "loseDisk":
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

  #takeDown(machine: Machine, takeDown: () => void): void {
    takeDown();
    const { weather } = this.#options;
    const isBounce = this.#random.chance(weather.bouncePercent);
    const downMs = 1 + this.#random.below(isBounce ? BOUNCE_MS_MAX : weather.lastsMsMax);
    this.#endLater(() => machine.start(), downMs);
    // Now and then a process hardly comes up before it goes again.
    if (!isBounce || !this.#random.chance(50)) return;
    this.#later(
      downMs + this.#random.below(LOOP_MS_MAX),
      () => this.#takeDown(machine, () => machine.kill()),
    );
  }

  /** All at once, as when the building loses its power. */
  #cutPower(): void {
    const { machines } = this.#options;
    for (const machine of machines) machine.crash();
    for (const machine of machines) this.#endLater(() => machine.start());
  }

  #pause(machine: Machine): void {
    const { life } = machine;
    machine.pause();
    this.#endLater(() => life?.resume(), this.#random.below(PAUSE_MS_MAX));
  }

  /**
   * Hears nothing, stands still for so long that others elect a new leader, is asked by clients then, and when it goes
   * on finds first what was answered to it before all that.
   */
  #freeze(machine: Machine): void {
    const { life } = machine;
    const { network, link, electionTimeoutMs, world } = this.#options;
    const incoming = this.#links().filter(({ to }) => to === machine.id);
    for (const each of incoming) network.clog(each);
    const stillAtMs = this.#random.below(electionTimeoutMs / 2);
    const wakesAtMs = stillAtMs + electionTimeoutMs * (2 + this.#random.below(150) / 100);
    this.#later(stillAtMs, () => life?.pause());
    this.#later(wakesAtMs - this.#random.below(electionTimeoutMs / 2), () => link.favourite = machine);
    this.#endLater(() => {
      link.favourite = undefined;
      life?.resume();
    }, wakesAtMs);
    const sentBeforeMs = world.nowMs + stillAtMs;
    const thawsAtMs = wakesAtMs + this.#random.below(THAW_MS_MAX * 1_000) / 1_000;
    this.#later(thawsAtMs, () => {
      for (const each of incoming) network.unclog(each, sentBeforeMs);
    });
    this.#endLater(() => {
      for (const each of incoming) network.unclog(each);
    }, thawsAtMs + this.#random.below(LATE_NEWS_MS_MAX));
  }

  #disturbLinks(kind: "cutNode" | "cutLink" | "partition" | "swizzle" | "clog", machine: Machine): void {
    const { network } = this.#options;
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
          this.#later(delayMs, () => this.#cut([link]));
        }
        return;
      case "clog": {
        const link = this.#random.pick(this.#links());
        network.clog(link);
        return this.#endLater(() => network.unclog(link));
      }
    }
  }

  #cut(links: readonly { readonly from: number; readonly to: number }[]): void {
    const { network } = this.#options;
    for (const link of links) network.cut(link);
    this.#endLater(() => {
      for (const link of links) network.heal(link);
    });
  }

  #ruin(kind: "damage" | "loseDisk", machine: Machine): void {
    this.#losses++;
    if (kind === "loseDisk") return machine.lose();
    this.#takeDown(machine, () => machine.damage());
  }

  #transfer(): void {
    const { machines, partitionCount } = this.#options;
    const partitionId = this.#random.below(partitionCount);
    const to = this.#random.pick(machines).id;
    for (const { node } of machines) node?.transferLeadership(partitionId, to);
  }

  /** Whoever says what is to be done next is gone. */
  #killCoordinator(): void {
    const { coordinator, machines } = this.#options;
    const id = coordinator();
    if (id === undefined) return;
    const machine = machines[id - 1]!;
    this.#takeDown(machine, () => this.#random.chance(50) ? machine.crash() : machine.kill());
  }

  /** A leader that has just asked somebody to stand does not hear what comes of it, and is asked by clients. */
  #deafen(leader: Machine): void {
    const { network, link, electionTimeoutMs } = this.#options;
    const incoming = this.#links().filter(({ to }) => to === leader.id);
    for (const each of incoming) network.clog(each);
    this.#later(this.#random.below(electionTimeoutMs / 2), () => link.favourite = leader);
    this.#endLater(() => {
      link.favourite = undefined;
      for (const each of incoming) network.unclog(each);
    }, 5 + this.#random.below(electionTimeoutMs));
  }

  #links(): { readonly from: number; readonly to: number }[] {
    const ids = this.#options.machines.map(({ id }) => id);
    return ids.flatMap((from) => ids.filter((to) => to !== from).map((to) => ({ from, to })));
  }

  /** Unless it is all over by then. */
  #later(delayMs: number, act: () => void): void {
    this.#options.world.plan(delayMs, "chaos", () => {
      if (!this.#isOver) act();
    });
  }

  #endLater(end: () => void, delayMs = 1 + this.#random.below(this.#options.weather.lastsMsMax)): void {
    const once = () => {
      if (this.#endings.delete(once)) end();
    };
    this.#endings.add(once);
    this.#options.world.plan(delayMs, "ending", once);
  }
}

function unreachable(value: never): never {
  throw new Error(`Unhandled fault: ${value}`);
}
