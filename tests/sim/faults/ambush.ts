/**
 * Faults that lie in wait for the moment at which they do the most harm: for a message that is about to
 * leave, or for an election that has just been won. Chance alone meets such moments too seldom.
 *
 * ```
 * asks another to stand   it does not hear what comes of it, or the word comes when nobody counts on it
 * stands for election     its requests are held up, so that another node stands in the same term …
 * votes                   … a node that has voted for that one goes down, comes back, hears the first request
 * changes a membership    its group is torn apart
 * wins an election        it does not run for long
 * ```
 *
 * @module
 */

import { EntryKind, type Message, type NodeId } from "../../../raft/mod.ts";
import { CLUSTER_GROUP, partitionOfGroup } from "../../../server/cluster/founding.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import type { ProbeTarget } from "../clients/split_brain_probe.ts";
import type { SimMachine } from "../machines/machine.ts";
import type { Network } from "../machines/network.ts";
import type { FaultKind, Weather } from "../world/weather.ts";
import type { World } from "../world/world.ts";
import type { Faults } from "./faults.ts";

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
/** Of words that are ambushed, how many come late, where leases rest on them. */
const DELAYED_WORD_PERCENT = 70;
/** What leaves together leaves within this time. */
const SAID_WITHIN_MS = 0.5;
/** How long a voter is gone, and how long after its return the late request reaches it, at most. */
const VOTER_DOWN_MS_MAX = 5;
const LATE_REQUEST_MS_MAX = 60;

/** What an ambush is laid with. */
export interface AmbushOptions {
  readonly world: World;
  readonly network: Network;
  readonly weather: Weather;
  readonly machines: readonly SimMachine[];
  readonly faults: Faults;
  readonly electionTimeoutMs: number;
  /** Nodes rely on promises not to elect another leader. */
  readonly leaseReads: boolean;
  readonly sendProbe: (target: ProbeTarget) => void;
}

/** See the module comment. */
export class Ambush {
  readonly #options: AmbushOptions;
  readonly #random: SeededRandom;
  /** The candidate whose requests are held up. */
  #heldUp: NodeId | undefined;
  #isWordDelayed = false;

  constructor(options: AmbushOptions) {
    this.#options = options;
    this.#random = options.world.fork();
  }

  /** `message` is about to leave. */
  hear(message: Message): void {
    const { weather } = this.#options;
    if (message.kind === "timeoutNowRequest" && this.#springs(weather.deafHandOverPercent)) {
      this.#onHandOver(message);
    } else if (message.kind === "voteRequest" && this.#springs(weather.rivalryPercent)) {
      this.#holdUp(message.from);
    } else if (message.kind === "voteResponse" && message.granted && this.#heldUp !== undefined) {
      this.#onVote(message.from, this.#heldUp);
    } else if (changesMembership(message) && this.#springs(weather.membershipTroublePercent)) {
      this.#onMembership(message.from);
    }
  }

  /** A node has won an election: now is the worst moment for it to go. */
  onElection(machine: SimMachine): void {
    if (!this.#springs(this.#options.weather.electionCrashPercent)) return;
    this.#options.faults.later(this.#upTo(ELECTION_CRASH_MS_MAX), () => this.#takeDown(machine));
  }

  #onHandOver(word: Message): void {
    // What is done to one word must not help another.
    if (this.#isWordDelayed) return;
    const isDelayed = this.#options.leaseReads && this.#random.chance(DELAYED_WORD_PERCENT);
    if (isDelayed) this.#delayWord(word);
    else this.#silenceOutcome(word);
  }

  /** A leader that has just asked somebody to stand does not hear what comes of it. */
  #silenceOutcome(word: Message): void {
    const { faults, electionTimeoutMs } = this.#options;
    const forMs = 5 + this.#random.below(electionTimeoutMs);
    faults.hold(faults.linksTo(word.from), forMs);
    this.#probe(word, forMs);
  }

  /**
   * A leader that has asked somebody to stand, and has given up waiting, is cut off for a moment; just then
   * its word arrives. The others have a new leader before the promises to the old one are over.
   */
  #delayWord(word: Message): void {
    const { faults, network, world, electionTimeoutMs } = this.#options;
    const share = (least: number, most: number) =>
      electionTimeoutMs * (least + this.#random.below(1_000) / 1_000 * (most - least));
    const { from, to } = word;
    const saidMs = world.nowMs + SAID_WITHIN_MS;
    const [cutOffMs, heardMs, healedMs] = [share(0.9, 1), share(1.05, 1.15), share(1.5, 2)];
    this.#isWordDelayed = true;
    faults.endLater(() => this.#isWordDelayed = false, healedMs);
    faults.hold([{ from, to }], healedMs);
    faults.later(cutOffMs, () => {
      faults.hold([...faults.linksFrom(from), ...faults.linksTo(from)], healedMs - cutOffMs);
    });
    faults.later(heardMs, () => {
      network.unclog({ from, to }, saidMs);
      this.#probe(word, healedMs - heardMs);
    });
  }

  /** The probe writes at the node that was asked to stand and reads at the one that asked it. */
  #probe({ group, from, to }: Message, forMs: number): void {
    if (group === CLUSTER_GROUP) return;
    const [readsAt, writesAt] = [this.#machine(from), this.#machine(to)];
    this.#options.sendProbe({ partitionId: partitionOfGroup(group), readsAt, writesAt, forMs });
  }

  /**
   * No node hears that `candidate` stands, until another has stood in the same term, or for long enough.
   */
  #holdUp(candidate: NodeId): void {
    if (this.#heldUp !== undefined) return;
    const { network, faults, electionTimeoutMs } = this.#options;
    this.#heldUp = candidate;
    for (const link of faults.linksFrom(candidate)) network.clog(link);
    faults.endLater(() => this.#letGo(candidate), 3 * electionTimeoutMs);
  }

  #letGo(candidate: NodeId): void {
    const { network, faults } = this.#options;
    if (this.#heldUp !== candidate) return;
    this.#heldUp = undefined;
    for (const link of faults.linksFrom(candidate)) network.unclog(link);
  }

  /** A node that votes while a rival is held up must know of it after a crash, when it hears the rival. */
  #onVote(voter: NodeId, rival: NodeId): void {
    if (voter === rival) return;
    const { faults } = this.#options;
    const machine = this.#machine(voter);
    faults.later(0, () => {
      machine.kill();
      faults.endLater(() => machine.start(), 1 + this.#upTo(VOTER_DOWN_MS_MAX));
      faults.endLater(() => this.#letGo(rival), VOTER_DOWN_MS_MAX + this.#upTo(LATE_REQUEST_MS_MAX));
    });
  }

  /**
   * A group is about to have other members, and its nodes may know different ones: now is the worst moment
   * for anything.
   */
  #onMembership(leader: NodeId): void {
    const { faults, machines, world } = this.#options;
    const kind = this.#random.pick(MEMBERSHIP_TROUBLES);
    const present = machines.filter(({ state }) => state !== "removed");
    const machine = this.#random.chance(50) ? this.#machine(leader) : this.#random.pick(present);
    faults.later(this.#upTo(MEMBERSHIP_TROUBLE_MS_MAX), () => {
      world.trace.note(`${kind} at node ${machine.id} in a change of membership`);
      faults.do(kind, machine);
    });
  }

  #takeDown(machine: SimMachine): void {
    this.#options.faults.takeDown(machine, () => this.#random.chance(50) ? machine.crash() : machine.kill());
  }

  #springs(percent: number): boolean {
    return !this.#options.faults.isOver && this.#random.chance(percent);
  }

  #machine(id: NodeId): SimMachine {
    return this.#options.machines[id - 1]!;
  }

  /** In steps of a microsecond. */
  #upTo(ms: number): number {
    return this.#random.below(ms * 1_000) / 1_000;
  }
}

function changesMembership(message: Message): boolean {
  return message.kind === "appendRequest" &&
    message.entries.some(({ kind }) => kind === EntryKind.membership);
}
