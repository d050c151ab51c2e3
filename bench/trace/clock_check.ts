/**
 * How far the clocks of two nodes are apart. What is sent cannot arrive before, so the fastest message each
 * way bounds it; and as both nodes do the same at both ends, both ways take the same if the clocks agree.
 *
 * @module
 */

import type { Stop } from "../../server/stops/mod.ts";
import type { Timelines } from "./journey.ts";

/** Between two nodes. */
export interface ClockCheck {
  readonly from: number;
  readonly to: number;
  /** Of all messages from the one to the other, and back. */
  readonly fastestMs: number;
  readonly fastestBackMs: number;
}

/** Each pair of nodes between which messages went both ways. */
export function checkClocks(timelines: Timelines): readonly ClockCheck[] {
  const ids = [...timelines.keys()];
  const pairs = ids.flatMap((from) => ids.filter((to) => to > from).map((to) => ({ from, to })));
  return pairs.map(({ from, to }) => ({
    from,
    to,
    fastestMs: fastest(timelines, from, to),
    fastestBackMs: fastest(timelines, to, from),
  })).filter(({ fastestMs, fastestBackMs }) => fastestMs + fastestBackMs < Infinity);
}

/** How far the two clocks are apart, if both ways are equally fast. */
export function apartMs({ fastestMs, fastestBackMs }: ClockCheck): number {
  return (fastestMs - fastestBackMs) / 2;
}

/** Only messages are looked at that are like no other. */
function fastest(timelines: Timelines, from: number, to: number): number {
  const sent = new Map<string, number>();
  let ms = Infinity;
  for (const stop of timelines.get(from)!.all("sent")) {
    if (isOfOneEntry(stop, to)) sent.set(nameOf(stop), stop.atMs);
  }
  for (const stop of timelines.get(to)!.all("arrived")) {
    const sentMs = isOfOneEntry(stop, from) ? sent.get(nameOf(stop)) : undefined;
    if (sentMs !== undefined) ms = Math.min(ms, stop.atMs - sentMs);
  }
  return ms;
}

function isOfOneEntry({ what, entries = 0, peer }: Stop, other: number): boolean {
  return peer === other && (what === "call" || what === "reply" || (what === "appendRequest" && entries > 0));
}

function nameOf({ what, group, index }: Stop): string {
  return `${what} ${group} ${index}`;
}
