/**
 * What a call has the nodes do in all, also what it does not wait for: turns, messages, frames and syncs.
 *
 * @module
 */

import type { Stop } from "../../server/stops/mod.ts";
import type { Timelines, TracedCall } from "./journey.ts";
import type { StopMatch } from "./timeline.ts";

/** Lines that tell how often things were done for each call, on the leader and on the other nodes. */
export function workOf(calls: readonly TracedCall[], timelines: Timelines): readonly string[] {
  const mean = (isLeader: boolean, matches: StopMatch) => {
    let count = 0;
    calls.forEach((call, at) => {
      // What is left to do for a call is done while the next one is under way.
      const untilMs = calls[at + 1]?.begunMs ?? call.endedMs;
      for (const [id, timeline] of timelines) {
        if ((id === call.leader) === isLeader) count += timeline.count(call.begunMs, untilMs, matches);
      }
    });
    return (count / calls.length).toFixed(2);
  };
  const both = (what: string, matches: StopMatch) =>
    `${what}: ${mean(true, matches)} on the leader, ${mean(false, matches)} on the other two`;
  const isNamed = (name: Stop["name"]): StopMatch => (stop) => stop.name === name;
  const kinds = kindsSent(timelines);
  return [
    both("turns for each call", isNamed("turn")),
    both("frames", isNamed("frame")),
    both("syncs", isNamed("synced")),
    ...kinds.map((what) => both(`${what} sent`, (stop) => stop.name === "sent" && labelOf(stop) === what)),
  ];
}

function kindsSent(timelines: Timelines): readonly string[] {
  const kinds = [...timelines.values()].flatMap((timeline) => timeline.all("sent").map(labelOf));
  return [...new Set(kinds)].sort();
}

/** An append without entries tells what is committed. */
function labelOf({ what = "", entries }: Stop): string {
  return entries === 0 ? `${what} without entries` : what;
}
