/**
 * How bad a run is, drawn from its seed: from a fine day on which only one thing goes wrong to a disaster, so
 * that both progress and confusion are seen.
 *
 * @module
 */

import type { SeededRandom } from "../../support/seeded_random.ts";

/** Something that is done to the cluster from time to time. */
export type FaultKind =
  | "crash"
  | "kill"
  | "stop"
  | "pause"
  | "freeze"
  | "cutNode"
  | "cutLink"
  | "partition"
  | "swizzle"
  | "clog"
  | "slowDisk"
  | "brokenDisk"
  | "fullDisk"
  | "noDescriptors"
  | "damage"
  /** A bit of the state changes on a disk; one machine of a run has such a disk. */
  | "rotState"
  | "loseDisk"
  | "removeLog"
  | "clockJump"
  | "transfer"
  | "killCoordinator"
  | "powerCut";

/** All kinds, in the order in which chance looks at them. */
export const FAULT_KINDS: readonly FaultKind[] = [
  "crash",
  "kill",
  "stop",
  "pause",
  "freeze",
  "cutNode",
  "cutLink",
  "partition",
  "swizzle",
  "clog",
  "slowDisk",
  "brokenDisk",
  "fullDisk",
  "noDescriptors",
  "damage",
  "rotState",
  "loseDisk",
  "removeLog",
  "clockJump",
  "transfer",
  "killCoordinator",
  "powerCut",
];

/** See the module comment. Chances are in percent. */
export interface Weather {
  /**
   * Batches keep their order and are lost only with their stream, as over TCP; otherwise each is for itself.
   */
  readonly hasStreams: boolean;
  readonly lossPercent: number;
  readonly duplicationPercent: number;
  readonly delayMsMax: number;
  /** Of what clients send and are answered. */
  readonly clientLossPercent: number;
  readonly syncMsMax: number;
  /** Mean time between two faults; infinite for none. */
  readonly faultEveryMs: number;
  /** Weight of each kind. */
  readonly faults: ReadonlyMap<FaultKind, number>;
  /** Of faults that strike a node which leads something. */
  readonly leaderPercent: number;
  /** Of processes that go down, how many are back at once. */
  readonly bouncePercent: number;
  /** Of elections, how many the winner does not survive for long. */
  readonly electionCrashPercent: number;
  /**
   * Of leaders that ask another node to stand, how many do not hear what comes of it, or are heard too late.
   */
  readonly deafHandOverPercent: number;
  /** Of candidates, how many are held up so that somebody else stands in their term. */
  readonly rivalryPercent: number;
  /** Of messages that change a group's membership, how many are followed by trouble. */
  readonly membershipTroublePercent: number;
  /** Mean time between two requests of an operator; infinite for none. */
  readonly changeEveryMs: number;
  /** How long a node stays down, a link cut and so on, at most. */
  readonly lastsMsMax: number;
  /** How far a machine's clock may run fast or slow, in percent. */
  readonly driftPercentMax: number;
  /** Milliseconds between the end of a worker's call and its next, at most. */
  readonly thinkMsMax: number;
}

/** A day without anything. */
export const CALM: Weather = {
  hasStreams: true,
  lossPercent: 0,
  duplicationPercent: 0,
  delayMsMax: 1,
  clientLossPercent: 0,
  syncMsMax: 1,
  faultEveryMs: Infinity,
  faults: new Map(),
  leaderPercent: 0,
  bouncePercent: 0,
  electionCrashPercent: 0,
  deafHandOverPercent: 0,
  rivalryPercent: 0,
  membershipTroublePercent: 0,
  changeEveryMs: Infinity,
  lastsMsMax: 0,
  driftPercentMax: 0,
  thinkMsMax: 20,
};

/** One of the kinds in `weights`, by their weights; `undefined` if none has any. */
export function drawKind(
  random: SeededRandom,
  weights: ReadonlyMap<FaultKind, number>,
): FaultKind | undefined {
  const total = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
  if (total === 0) return undefined;
  let dice = random.below(total);
  for (const [kind, weight] of weights) if ((dice -= weight) < 0) return kind;
}

/** The weather of a run: mostly a mixture, sometimes one kind of trouble over and over on a fine day. */
export function drawWeather(random: SeededRandom): Weather {
  return random.chance(FOCUS_PERCENT) ? drawFocus(random) : drawMixture(random);
}

const FOCUS_PERCENT = 30;
/** Of mixtures, how many are changed by an operator. */
const CHANGED_PERCENT = 50;
/** What needs many tries to do harm, and how often it is chosen. */
const FOCUSES: ReadonlyMap<FaultKind, number> = new Map([
  ["freeze", 3],
  ["crash", 1],
  ["kill", 1],
  ["transfer", 3],
  ["partition", 1],
  ["killCoordinator", 3],
  ["brokenDisk", 1],
  ["fullDisk", 1],
]);
/** What a kind does harm with: a write that a disk has refused is missed when the power goes. */
const COMPANIONS: ReadonlyMap<FaultKind, FaultKind> = new Map([["brokenDisk", "powerCut"]]);

function drawFocus(random: SeededRandom): Weather {
  const kind = drawKind(random, FOCUSES)!;
  return {
    ...CALM,
    // What was answered before must not be overtaken by what came later.
    hasStreams: kind === "freeze" || random.chance(50),
    delayMsMax: random.pick([1, 5, 20]),
    faultEveryMs: kind === "transfer" ? 750 : 1_500,
    faults: new Map([[kind, 2], [COMPANIONS.get(kind) ?? kind, 1]]),
    leaderPercent: 100,
    bouncePercent: 50,
    deafHandOverPercent: kind === "transfer" ? 90 : 0,
    rivalryPercent: kind === "crash" || kind === "kill" ? 50 : 0,
    membershipTroublePercent: kind === "killCoordinator" ? random.pick([0, 10, 25]) : 0,
    changeEveryMs: kind === "killCoordinator" ? 200 : Infinity,
    lastsMsMax: 500,
    thinkMsMax: kind === "transfer" ? 50 : random.pick([5, 5, 50]),
  };
}

function drawMixture(random: SeededRandom): Weather {
  const maybe = (percent: number, worst: number) => (random.chance(percent) ? random.below(worst + 1) : 0);
  // Few kinds at a time show what each of them does; all together hide each other.
  const kindPercent = random.pick([15, 40, 100]);
  return {
    hasStreams: random.chance(40),
    lossPercent: maybe(50, 30),
    duplicationPercent: maybe(50, 50),
    delayMsMax: random.pick([1, 2, 5, 20, 100]),
    clientLossPercent: maybe(50, 10),
    syncMsMax: random.pick([1, 5, 20, 100]),
    faultEveryMs: random.pick([200, 500, 1_000, 2_000, 4_000]),
    faults: new Map(
      FAULT_KINDS.map((kind) => [kind, random.chance(kindPercent) ? 1 + random.below(10) : 0]),
    ),
    leaderPercent: maybe(70, 80),
    bouncePercent: maybe(60, 80),
    electionCrashPercent: maybe(25, 50),
    deafHandOverPercent: maybe(30, 50),
    rivalryPercent: maybe(20, 50),
    membershipTroublePercent: maybe(50, 20),
    changeEveryMs: random.chance(CHANGED_PERCENT) ? random.pick([200, 500, 1_500]) : Infinity,
    lastsMsMax: random.pick([100, 500, 2_000]),
    driftPercentMax: random.pick([0, 0.1, 5]),
    thinkMsMax: random.pick([0, 20, 50]),
  };
}
