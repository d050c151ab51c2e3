/**
 * The stops of one node in the order of time, and how to find those of a call among them.
 *
 * @module
 */

import type { Stop } from "../../server/stops/mod.ts";

/** What a stop must be to be the one that is looked for; fields that are not named may be anything. */
export type StopMatch = (stop: Stop) => boolean;

/** See the module comment. */
export class Timeline {
  readonly #stops: readonly Stop[];

  /** @param stops of one node, oldest first */
  constructor(stops: readonly Stop[]) {
    this.#stops = stops;
  }

  /** The first at or after `fromMs` that matches. */
  first(fromMs: number, matches: StopMatch): Stop | undefined {
    for (let at = this.#indexOf(fromMs); at < this.#stops.length; at++) {
      if (matches(this.#stops[at]!)) return this.#stops[at];
    }
    return undefined;
  }

  /** The last at or before `untilMs` that matches. */
  last(untilMs: number, matches: StopMatch): Stop | undefined {
    let at = this.#indexOf(untilMs);
    while (at < this.#stops.length && this.#stops[at]!.atMs <= untilMs) at++;
    while (--at >= 0) if (matches(this.#stops[at]!)) return this.#stops[at];
    return undefined;
  }

  /** All of a name, oldest first. */
  all(name: Stop["name"]): readonly Stop[] {
    return this.#stops.filter((stop) => stop.name === name);
  }

  /** How many match from `fromMs` on, before `untilMs`. */
  count(fromMs: number, untilMs: number, matches: StopMatch): number {
    let count = 0;
    for (let at = this.#indexOf(fromMs); at < this.#stops.length; at++) {
      if (this.#stops[at]!.atMs >= untilMs) break;
      if (matches(this.#stops[at]!)) count++;
    }
    return count;
  }

  /** Where the first stop at or after `ms` is. */
  #indexOf(ms: number): number {
    let [low, high] = [0, this.#stops.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#stops[middle]!.atMs < ms) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
